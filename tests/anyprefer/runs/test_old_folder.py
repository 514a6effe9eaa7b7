"""A run folder that earlier code has left: it can be read, shown and exported, and another one takes over what was paid."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from loopback import LoopbackModel, title_of
from old_folders import FIXTURES, copy_folder, play, tag_of

from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir

DONE = {
    "plain": "accepted", "again": "accepted", "exhausted": "exhausted", "failed": "failed", "dialogue": "accepted",
    "confirmed": "accepted", "exchanged": "accepted", "edited": "accepted", "rejected": "rejected",
}  # fmt: skip
"""The folder's finished tasks."""

LEFT = {"stopped": "accepted", "fresh": "accepted", "later": "accepted"}
"""What a resume finishes: one task that was interrupted, and two that had not begun. Two more wait for a reviewer."""


@dataclass(frozen=True)
class Old:
    """A copy of the folder, with the server that it was made with."""

    folder: Path
    model: LoopbackModel

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OPENAI_BASE_URL": self.model.url, "OPENAI_API_KEY": "none", "COLUMNS": "200"}
        command = [sys.executable, "-m", "anyprefer.cli", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def resume(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.command(
            "run", self.folder / "recipe.toml", "--tasks", self.folder / "tasks.jsonl", "--out", self.out, *arguments
        )

    def statuses(self) -> dict[str, str]:
        return {record.task.id: record.status for record in RecordFile(self.out / "records.jsonl")}

    def asked(self) -> Counter[tuple[str, str | None]]:
        return Counter((tag_of(body), title_of(body)) for body in self.model.requests)


@pytest.fixture(params=["run_before"])
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Old]:
    with LoopbackModel() as model:
        play(model)
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield Old(copy_folder(request.param, tmp_path), model)


def test_going_on_under_other_prompts_is_refused_and_changes_nothing(old: Old) -> None:
    """Records under the prompts of before and of now would stand side by side as one data set."""
    before = {path.name: path.read_bytes() for path in (old.out / "records.jsonl", old.out / "recipe.lock.toml")}
    done = old.resume()
    assert done.returncode == 2
    assert "prompt critique: another text" in done.stderr
    assert f"--out NEW --reuse {old.out}" in done.stderr
    assert not old.model.requests
    assert {name: (old.out / name).read_bytes() for name in before} == before


def test_another_folder_takes_over_what_the_target_said(old: Old) -> None:
    new = old.folder / "new"
    done = old.command("run", old.folder / "recipe.toml", "--tasks", old.folder / "tasks.jsonl", "--out", new, "--reuse", old.out)
    assert "reused" in done.stdout, done.stderr
    records = {record.task.id for record in RecordFile(new / "records.jsonl")}
    assert records >= {*DONE, *LEFT} - {"confirmed", "exchanged", "edited", "rejected"}, "those wait for a reviewer again"
    sampled = {tag for tag, title in old.asked() if title is None}
    assert sampled.isdisjoint({"plain", "dialogue", "confirmed"}), "their samples were there"


def test_another_recipe_is_refused_by_its_field_and_another_prompt_by_its_name(old: Old) -> None:
    done = old.resume("--set", "judge.analysis_chars=100")
    assert done.returncode == 2
    assert "judge.analysis_chars: 400 -> 100" in done.stderr
    lock, found = old.out / "recipe.lock.toml", RunDir(old.out).read_lock()
    lock.write_text(lock.read_text().replace(found.prompts["score"], "0" * 64).replace(found.digest, "1" * 64))
    assert "prompt score: another text" in old.resume().stderr
    assert not old.model.requests


def test_folder_of_a_newer_format_is_refused(old: Old) -> None:
    lock = old.out / "recipe.lock.toml"
    lock.write_text(lock.read_text().replace("[lock]\n", "[lock]\nformat = 3\n"))
    assert "was made by a newer anyprefer" in old.resume().stderr


@pytest.mark.parametrize("name", ["run_before", "reference_before"])
def test_status_show_export_and_report_read_the_folder(tmp_path: Path, name: str) -> None:
    folder = copy_folder(name, tmp_path)
    with LoopbackModel() as model:
        old = Old(folder, model)
        said = {"status": old.command("status", old.out), "export": old.command("export", old.out, "--reasoning", "field")}
        task = next(iter(RecordFile(old.out / "records.jsonl"))).task.id
        said |= {"show": old.command("show", old.out, task), "review": old.command("review", old.out, "--report")}
        assert {verb: done.stderr for verb, done in said.items() if done.returncode} == {}
    assert "not running" in said["status"].stdout
    rows = [json.loads(line) for line in (old.out / "dataset" / "train.jsonl").read_text().splitlines()]
    accepted = [record for record in RecordFile(old.out / "records.jsonl") if record.status == "accepted"]
    assert len(rows) == len(accepted)


def test_report_reads_the_folder(old: Old) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra report")
    done = old.command("report", old.out)
    assert done.returncode == 0, done.stderr
    assert "9 records" in done.stdout


def test_fixtures_hold_no_place_of_a_machine() -> None:
    for path in (one for one in FIXTURES.rglob("*") if one.is_file()):
        assert not re.search(rb'"/\w|127\.0\.0\.1', path.read_bytes()), path
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file()) < 250_000
