"""A run folder that earlier code has left: everything that one does with a folder works, and no call is paid again."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from loopback import LoopbackModel, title_of
from old_folders import FIXTURES, copy_folder, play, tag_of

import anyprefer
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError
from anyprefer.recipes import load_recipe
from anyprefer.review.desk import open_desk

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


def calls_in(out: Path) -> Counter[str]:
    with closing(sqlite3.connect(out / "journal.sqlite")) as database:
        return Counter(row[0] for row in database.execute("SELECT key FROM calls WHERE kind = 'model'"))


def test_resume_finishes_what_is_left_and_asks_no_completed_call_again(old: Old) -> None:
    before, lines = calls_in(old.out), (old.out / "records.jsonl").read_bytes()
    digest = RunDir(old.out).read_lock().digest
    done = old.resume()
    assert done.returncode == 0, done.stderr
    assert old.statuses() == {**DONE, **LEFT}
    # The interrupted task lacked its critique alone; the waiting ones and the finished ones have everything in the journal.
    assert {tag for tag, _ in old.asked()} == {"stopped", "fresh", "later"}
    assert {title: number for (tag, title), number in old.asked().items() if tag == "stopped"} == {"PairReview": 1}
    after = calls_in(old.out)
    assert (set(after.values()), after.total() - before.total()) == ({1}, len(old.model.requests) + len(old.model.probes))
    summary = json.loads((old.out / "summary.json").read_text())
    assert (summary["repeated_calls"], summary["waiting"], summary["digest"]) == (0, 2, digest)
    assert "error" not in (old.out / "run.log").read_text(), "no checkpoint of before was tried"
    assert (old.out / "records.jsonl").read_bytes().startswith(lines), "finished records stay as they are"
    assert {record.recipe_digest for record in RecordFile(old.out / "records.jsonl")} == {digest}


def test_lock_keeps_its_digest_and_says_that_the_folder_is_of_the_present_format(old: Old) -> None:
    before = RunDir(old.out).read_lock()
    assert before.format == 1
    assert old.resume().returncode == 0
    after = RunDir(old.out).read_lock()
    assert (after.digest, after.tables, after.prompts, after.format) == (before.digest, before.tables, before.prompts, 2)
    asked = len(old.model.requests)
    again = old.resume()
    assert again.returncode == 0, again.stderr
    assert len(old.model.requests) == asked, "the second session goes on from checkpoints of its own"


def test_another_recipe_is_refused_by_its_field_and_another_prompt_by_its_name(old: Old) -> None:
    done = old.resume("--set", "judge.analysis_chars=100")
    assert done.returncode == 2
    assert "judge.analysis_chars: 400 -> 100" in done.stderr
    lock, found = old.out / "recipe.lock.toml", RunDir(old.out).read_lock()
    lock.write_text(lock.read_text().replace(found.prompts["score"], "0" * 64).replace(found.digest, "1" * 64))
    assert "prompt score: another text" in old.resume().stderr
    assert not old.model.requests


def test_setting_that_the_folder_does_not_know_has_its_default(old: Old) -> None:
    """As after an update that adds a setting: the digest of the saved recipe is no longer the one that is computed."""
    lock = old.out / "recipe.lock.toml"
    digest = RunDir(old.out).read_lock().digest
    lock.write_text(lock.read_text().replace(digest, "e" * 64).replace('combine = "mean"\n', ""))
    done = old.resume()
    assert done.returncode == 0, done.stderr
    assert RunDir(old.out).read_lock().digest == "e" * 64
    assert {record.recipe_digest for record in RecordFile(old.out / "records.jsonl") if record.task.id in LEFT} == {"e" * 64}


def test_folder_of_a_newer_format_is_refused(old: Old) -> None:
    lock = old.out / "recipe.lock.toml"
    lock.write_text(lock.read_text().replace("[lock]\n", "[lock]\nformat = 3\n"))
    assert "was made by a newer anyprefer" in old.resume().stderr


async def test_review_asks_for_one_run_and_then_keeps_decisions_of_before(old: Old) -> None:
    with pytest.raises(RunFolderError, match="run its `anyprefer run` command once more") as refusal:
        async with open_desk(old.out):
            pass
    assert "\n" not in str(refusal.value)
    await anyprefer.arun(load_recipe(old.folder / "recipe.toml"), old.folder / "tasks.jsonl", old.out)
    asked = len(old.model.requests)
    async with open_desk(old.out) as desk:
        assert [item.task.id for item in desk.items] == ["undecided", "waiting"]
        assert list(desk.decisions) == ["undecided"]
        assert await desk.apply() == 1
    (record,) = (one for one in RecordFile(old.out / "records.jsonl") if one.task.id == "undecided")
    assert record.pair is not None
    assert (record.pair.rejected.origin.kind, record.pair.rejected.text[-7:]) == ("person", " Or so.")
    assert len(old.model.requests) == asked


def test_killed_while_the_format_changes_it_goes_on_the_same_way(old: Old) -> None:
    with closing(sqlite3.connect(old.out / "checkpoints.sqlite")) as database:
        thread = database.execute("SELECT thread_id FROM checkpoints").fetchone()
        database.execute("DELETE FROM checkpoints WHERE thread_id = ?", thread)
        database.execute("DELETE FROM writes WHERE thread_id = ?", thread)
        database.commit()
    assert old.resume().returncode == 0
    assert old.statuses() == {**DONE, **LEFT}
    assert {tag for tag, _ in old.asked()} == {"stopped", "fresh", "later"}


def test_failed_tasks_can_be_tried_again(old: Old) -> None:
    old.model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": [9, 5, 1]}
    done = old.resume("--retry-failed")
    assert done.returncode == 0, done.stderr
    assert old.statuses().keys() == {*DONE, *LEFT} - {"failed"}
    assert json.loads((old.out / "summary.json").read_text())["waiting"] == 3, "it is drawn for a reviewer now"
    assert {title for tag, title in old.asked() if tag == "failed"} == {"ScoreSheet", "PairReview"}


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


def test_folder_whose_chosen_sides_are_references_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_folder("reference_before", tmp_path)
    with LoopbackModel() as model:
        play(model)
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        old = Old(folder, model)
        assert old.resume().returncode == 0
        assert {tag for tag, _ in old.asked()} == {"three"}
    records = list(RecordFile(folder / "out" / "records.jsonl"))
    assert [record.pair.chosen.origin.kind for record in records if record.pair] == ["reference"] * 3
    assert [record.pair.chosen.text for record in records if record.pair][-1] == "42"


def test_fixtures_hold_no_place_of_a_machine() -> None:
    for path in (one for one in FIXTURES.rglob("*") if one.is_file()):
        assert not re.search(rb'"/\w|127\.0\.0\.1', path.read_bytes()), path
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file()) < 250_000
