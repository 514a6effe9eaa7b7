"""How a run reads its tasks: what columns mean, and pairs that are judged instead of sampled."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in, review, title_of

import anyprefer
from anyprefer.applications.base import Column
from anyprefer.applications.registry import APPLICATIONS, register_application
from anyprefer.applications.text import TextApplication
from anyprefer.data.records import RecordFile
from anyprefer.errors import ConfigError, DataError
from anyprefer.recipes import load_recipe, parse_recipe
from anyprefer.runs.estimate import calls_per_task
from anyprefer.runs.in_memory import synthesize
from anyprefer.types import PreferenceRecord, Reply, Task

PAIRS = [{"id": f"t{i}", "prompt": f"question {i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(6)]
SUMS = "text;gold;remark\n" + "".join(f"What is {i} + {i}?;{2 * i};by hand\n" for i in range(10))


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def write_pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return path


def write_recipe(tmp_path: Path, url: str, **sections: Any) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(tomli_w.dumps(recipe_data(url, **sections)))
    return path


def run(tmp_path: Path, recipe: Path, tasks: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anyprefer.cli", "run", str(recipe), "--tasks", str(tasks), "--out", str(tmp_path / "out")]
    return subprocess.run([*command, *flags], capture_output=True, text=True, timeout=120, check=False)


def records(tmp_path: Path) -> list[PreferenceRecord]:
    return list(RecordFile(tmp_path / "out" / "records.jsonl"))


def prefer_good(body: Any, choice: int) -> Any:
    scores = [9 if text.startswith("good") else 2 for text in responses_in(body)]
    return {"analyses": ["words"] * len(scores), "scores": scores}


def asked_of_target(model: LoopbackModel) -> list[str]:
    """What the target saw, of tasks."""
    return [prompt_of(body) for body in model.requests if title_of(body) is None and "What is" in prompt_of(body)]


def test_columns_are_mapped_by_a_flag(model: LoopbackModel, tmp_path: Path) -> None:
    tasks = tmp_path / "sums.csv"
    tasks.write_text(SUMS)
    recipe = write_recipe(tmp_path, model.url)
    refused = run(tmp_path, recipe, tasks)
    assert refused.returncode == 2
    assert "has no prompt" in refused.stderr
    assert "--map prompt=COLUMN" in refused.stderr
    assert not model.requests
    done = run(tmp_path, recipe, tasks, "--map", "prompt=text,reference=gold", "--map", "metadata=remark")
    assert done.returncode == 0, done.stderr
    found = {record.task.text: record.task for record in records(tmp_path)}
    assert {text: task.answer for text, task in found.items()} == {f"What is {i} + {i}?": f"{2 * i}" for i in range(10)}
    assert all(task.metadata == {"remark": "by hand"} for task in found.values())
    assert set(asked_of_target(model)) == set(found)
    exported = anyprefer.export(tmp_path / "out", include_exhausted=True)
    rows = [json.loads(line) for line in (exported.path / "train.jsonl").read_text().splitlines()]
    assert rows
    assert {row["prompt"][0]["content"]: row["reference"] for row in rows}.items() <= {
        text: task.answer for text, task in found.items()
    }.items()
    assert {row["metadata"] for row in rows} == {'{"remark": "by hand"}'}


def test_application_may_not_replace_a_column_of_every_export(model: LoopbackModel, tmp_path: Path) -> None:
    class Clashing(TextApplication):
        """Says of its own what every export says already."""

        def columns(self, record: PreferenceRecord) -> dict[str, Column]:
            return {"reference": Column(kind="string", meaning="Another.", value="x")}

    register_application("clashing", Clashing)
    try:
        recipe = write_recipe(tmp_path, model.url, application="clashing")
        anyprefer.run(recipe, [Task(prompt="What is 1 + 1?")], tmp_path / "out")
        with pytest.raises(ConfigError, match="'clashing' adds a column 'reference'"):
            anyprefer.export(tmp_path / "out", include_exhausted=True)
    finally:
        del APPLICATIONS.registered["clashing"]


def test_columns_may_stand_in_the_recipe_and_a_flag_lies_over_them(model: LoopbackModel, tmp_path: Path) -> None:
    tasks = tmp_path / "sums.csv"
    tasks.write_text(SUMS)
    recipe = write_recipe(tmp_path, model.url, columns={"prompt": "text", "context": ["remark"], "metadata": "gold"})
    assert run(tmp_path, recipe, tasks, "--limit", "2").returncode == 0
    assert sorted(asked_of_target(model)) == [f"<context>\nby hand\n</context>\n\nWhat is {i} + {i}?" for i in range(2)]
    summary = anyprefer.run(recipe, tasks, tmp_path / "api", limit=1, columns={"context": [], "metadata": ["gold", "remark"]})
    assert summary.accepted + summary.exhausted == 1
    assert asked_of_target(model)[-1] == "What is 0 + 0?"


@pytest.mark.parametrize("flag", ["promt=text", "text", "prompt=text+gold"])
def test_map_that_says_nothing_is_one_message(model: LoopbackModel, tmp_path: Path, flag: str) -> None:
    done = run(tmp_path, write_recipe(tmp_path, model.url), write_pairs(tmp_path), "--map", flag)
    assert done.returncode == 2
    assert "prompt" in done.stderr
    assert "Traceback" not in done.stderr


def test_existing_pairs_are_judged_and_the_target_is_not_asked(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = prefer_good
    recipe, tasks = write_recipe(tmp_path, model.url), write_pairs(tmp_path)
    refused = run(tmp_path, recipe, tasks)
    assert refused.returncode == 2
    assert "--judge-existing" in refused.stderr
    done = run(tmp_path, recipe, tasks, "--judge-existing")
    assert done.returncode == 0, done.stderr
    assert not [body for body in model.requests if title_of(body) is None and "question" in prompt_of(body)]
    for record in records(tmp_path):
        assert record.status == "accepted"
        assert len(record.attempts) == 1
        assert record.pair is not None
        assert (record.pair.chosen.text[:4], record.pair.rejected.text[:3]) == ("good", "bad")
        for side in (record.pair.chosen, record.pair.rejected):
            assert (side.origin.kind, record.model_of(side)) == ("given", None)
        assert {candidate.model for candidate in record.attempts[0].candidates} == {None}
        assert "target" not in record.models
        assert "target" not in record.usage
    again = run(tmp_path, recipe, tasks, "--judge-existing")
    assert again.returncode == 0
    assert len(records(tmp_path)) == len(PAIRS)
    other = run(tmp_path, recipe, tasks, "--map", "metadata=chosen+rejected")
    assert other.returncode == 2
    assert "sampling.existing" in other.stderr


def test_existing_pair_below_the_threshold_is_not_tried_again(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = prefer_good
    model.replies["PairReview"] = review(2)
    done = run(tmp_path, write_recipe(tmp_path, model.url), write_pairs(tmp_path), "--judge-existing")
    assert done.returncode == 0, done.stderr
    assert {(record.status, len(record.attempts)) for record in records(tmp_path)} == {("exhausted", 1)}
    assert not {"JointRewrite", "TargetRewrite", "JudgeRewrite"} & set(model.titles())


def test_judged_pairs_are_exported_for_what_they_are(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = prefer_good
    assert run(tmp_path, write_recipe(tmp_path, model.url), write_pairs(tmp_path), "--judge-existing").returncode == 0
    summary = anyprefer.export(tmp_path / "out", tmp_path / "data")
    rows = [json.loads(line) for line in (summary.path / "train.jsonl").read_text().splitlines()]
    assert {row["chosen"][0]["content"] for row in rows} == {row["chosen"] for row in PAIRS}
    assert {(row["chosen_origin"], row["chosen_model"], row["target_model"]) for row in rows} == {("given", "", "")}
    for row in rows:
        assert json.loads(row["metadata"])["given_chosen"] in (0, 1)
    card = (summary.path / "README.md").read_text()
    assert "A target model answered" not in card
    assert "The task file had two answers to each prompt" in card
    assert "given with the task (6)" in card


def test_estimate_counts_no_call_of_the_target(model: LoopbackModel, tmp_path: Path) -> None:
    plain = recipe_data(model.url, loop={"max_rounds": 3}, sampling={"num_candidates": 5})
    existing = recipe_data(model.url, loop={"max_rounds": 3}, sampling={"num_candidates": 5, "existing": True})
    assert calls_per_task(parse_recipe(existing)) == (2, 2)
    assert calls_per_task(parse_recipe(plain))[0] == 3
    found = anyprefer.estimate(write_recipe(tmp_path, model.url), write_pairs(tmp_path), tmp_path / "out", judge_existing=True)
    assert found.calls == (2 * len(PAIRS), 2 * len(PAIRS))


def test_target_that_is_down_is_not_missed(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = prefer_good
    recipe = write_recipe(tmp_path, model.url, target={"base_url": "http://127.0.0.1:9/v1"})
    done = run(tmp_path, recipe, write_pairs(tmp_path), "--judge-existing")
    assert done.returncode == 0, done.stderr
    assert {record.status for record in records(tmp_path)} == {"accepted"}


def test_tasks_of_a_program_bring_outputs_where_they_are_judged_and_nowhere_else(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = prefer_good
    recipe = load_recipe(write_recipe(tmp_path, model.url))
    task = Task(prompt="q", given=(Reply.of("good"), Reply.of("bad")))
    with pytest.raises(DataError, match="has outputs of its own"):
        anyprefer.run(recipe, [task], tmp_path / "out")
    with pytest.raises(DataError, match="has no outputs to judge"):
        anyprefer.run(recipe, [Task(prompt="q")], tmp_path / "out", judge_existing=True)
    assert anyprefer.run(recipe, [task], tmp_path / "out", judge_existing=True).accepted == 1

    async def in_memory() -> list[PreferenceRecord]:
        return [record async for record in synthesize([task], recipe)]

    (record,) = asyncio.run(in_memory())
    assert record.status == "failed"
    assert record.error is not None
    assert "has outputs of its own" in record.error.message


def test_equal_sides_are_no_pair(model: LoopbackModel, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, model.url))
    task = Task(prompt="q", given=(Reply.of("same"), Reply.of(" same ")))
    summary = anyprefer.run(recipe, [task], tmp_path / "out", judge_existing=True)
    assert (summary.exhausted, summary.failed) == (1, 0)
    assert "ScoreSheet" not in model.titles()


def test_options_that_are_wrong_are_refused_before_anything(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the roles are prompt"):
        anyprefer.run(
            write_recipe(tmp_path, "http://127.0.0.1:9/v1"), write_pairs(tmp_path), tmp_path / "out", columns={"promt": "x"}
        )
    assert not (tmp_path / "out").exists()
