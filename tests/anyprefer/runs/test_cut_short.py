"""Tasks that an error ends after a pair was made: exhausted with that pair, said so everywhere, and done again on request."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from click.testing import Result
from loopback import LoopbackModel, recipe_data, review, title_of
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.recipes import parse_recipe
from anyprefer.runs.in_memory import synthesize
from anyprefer.runs.index import RunIndex
from anyprefer.types import PreferenceRecord, Task

NUM_TASKS = 3


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies["PairReview"] = review(6)
        # The target cannot take the guidance that a rewrite adds, as a system message, to its prompt.
        server.before = lambda body: 400 if len(body["messages"]) > 1 and title_of(body) is None else None
        yield server


def command(tmp_path: Path, model: LoopbackModel, *extra: str) -> Result:
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
    rows = [{"id": f"t{i}", "prompt": f"question {i}"} for i in range(NUM_TASKS)]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = [str(tmp_path / "recipe.toml"), "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "out")]
    return CliRunner().invoke(app, ["run", *arguments, *extra])


def test_every_view_says_how_many_an_error_ended(model: LoopbackModel, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the report needs an extra")
    done = command(tmp_path, model)
    assert done.exit_code == 1
    assert f"{NUM_TASKS} of {NUM_TASKS} tasks ended in an error" in done.stderr
    counts = f"0 accepted, {NUM_TASKS} exhausted ({NUM_TASKS} after an error), 0 failed"
    assert counts in done.stdout
    out = str(tmp_path / "out")
    assert f"{NUM_TASKS} exhausted ({NUM_TASKS} after an error)" in CliRunner().invoke(app, ["status", out]).stdout
    shown = CliRunner().invoke(app, ["show", out, "t0"]).stdout
    assert "exhausted" in shown
    assert "the pair of round 1" in shown
    assert "ModelRefusedError in sample_candidates" in shown
    assert CliRunner().invoke(app, ["report", out]).exit_code == 0
    page = RunDir(out).report.read_text()
    assert re.search(rf"<dt>Exhausted after an error</dt><dd>{NUM_TASKS}</dd>", page)
    assert "Tasks that an error ended" in page
    summary = json.loads(RunDir(out).summary.read_text())
    assert (summary["exhausted"], summary["exhausted_after_error"], summary["errors"]) == (3, 3, {"ModelRefusedError": 3})
    with RecordFile(RunDir(out).records) as records:
        assert RunIndex(tmp_path / "again.sqlite", records).tally().exhausted_after_error == NUM_TASKS


def test_they_can_be_done_again_and_exported(model: LoopbackModel, tmp_path: Path) -> None:
    assert command(tmp_path, model).exit_code == 1
    export = CliRunner().invoke(app, ["export", str(tmp_path / "out"), "--include-exhausted"])
    assert f"{NUM_TASKS} pairs" in export.stdout
    model.before = lambda body: None
    model.requests.clear()
    assert command(tmp_path, model).exit_code == 1
    assert model.requests == [], "without the flag they are finished"
    assert command(tmp_path, model, "--retry-failed").exit_code == 0
    assert model.titles().count("PairReview") == 2 * NUM_TASKS, "the first round is in the journal"
    assert {record.error for record in RecordFile(RunDir(tmp_path / "out").records)} == {None}


async def test_an_error_of_foreign_code_in_a_later_round_keeps_the_pair(
    model: LoopbackModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fragile_scorer.py").write_text(
        "def score(answer, task):\n    if 'Answer in one line.' in answer:\n        raise ZeroDivisionError('boom')\n"
        "    return len(answer) % 7 / 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model.before = lambda body: None
    model.replies[None] = lambda body, choice: f"{'x' * choice} {body['messages'][0]['content']}"
    recipe = parse_recipe(recipe_data(model.url, judge={"method": "reference", "reference": "fragile_scorer:score"}))
    (record,) = [one async for one in synthesize([Task(prompt="What?", reference="4")], recipe)]
    assert record.error is not None
    assert (record.status, record.error.kind, record.error.node) == ("exhausted", "ZeroDivisionError", "score_candidates")
    assert record.pair is not None
    assert (record.best_attempt, len(record.attempts)) == (0, 1)


def test_an_attempt_that_nothing_can_store_costs_no_other_its_pair(model: LoopbackModel, tmp_path: Path) -> None:
    deep = {
        "tool_calls": [{"type": "function", "id": "c", "function": {"name": "f", "arguments": '{"a":' * 200 + "1" + "}" * 200}}]
    }
    free = model.replies[None]
    model.before = lambda body: None
    model.replies[None] = lambda body, choice: deep if len(body["messages"]) > 1 and not choice else free(body, choice)
    command(tmp_path, model)
    records: list[PreferenceRecord] = list(RecordFile(RunDir(tmp_path / "out").records))
    assert [(one.status, one.error.kind if one.error else None, one.best_attempt) for one in records] == [
        ("exhausted", "DataError", 0)
    ] * NUM_TASKS
