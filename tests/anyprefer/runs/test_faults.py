"""A server full of faults: every task ends in exactly one record, and no pair is degenerate."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from loopback import Body, LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.api import arun
from anyprefer.data.records import RecordFile
from anyprefer.errors import EndpointDownError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.in_memory import synthesize
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.types import PreferenceRecord, Task, normalize

NUM_TASKS = 60


def make_faulty(model: LoopbackModel) -> None:
    """30 % 429, 5 % 500, 5 % malformed, 5 % empty, 10 % ties; a retried request draws again."""
    seen: Counter[str] = Counter()

    def draw(body: Body, kind: str) -> float:
        return random.Random(f"{kind} {seen[json.dumps(body)]} {json.dumps(body)}").random()

    def before(body: Body) -> int | None:
        seen[json.dumps(body)] += 1
        share = draw(body, "status")
        return 429 if share < 0.3 else 500 if share < 0.35 else None

    def wrapped(reply: Any) -> Any:
        def answer(body: Body, choice: int) -> Any:
            share = draw(body, "reply")
            text = reply(body, choice)
            if share < 0.1 and isinstance(text, dict) and "scores" in text:
                return {**text, "scores": [5] * len(text["scores"])}
            whole = text if isinstance(text, str) else json.dumps(text)
            return "" if share > 0.95 else whole[: len(whole) // 2] if share > 0.9 else text

        return answer

    model.before = before
    model.replies = {title: wrapped(reply) for title, reply in model.replies.items()}


def test_every_task_ends_in_one_record_without_degenerate_pairs(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS)))
    with LoopbackModel() as model:
        make_faulty(model)
        recipe = parse_recipe(recipe_data(model.url, run={"concurrency": 16}, tools={"names": ["calculator"]}))
        session = Session(recipe, tasks, tmp_path / "out")
        summary = asyncio.run(run_session(session, Progress(Console(stderr=True, quiet=True))))
    assert summary.tasks == summary.accepted + summary.exhausted + summary.failed == NUM_TASKS
    assert summary.repeated_calls == 0
    records = list(RecordFile(tmp_path / "out" / "records.jsonl"))
    assert Counter(record.task.id for record in records) == Counter(f"t{i}" for i in range(NUM_TASKS))
    pairs = [attempt.pair for record in records for attempt in record.attempts if attempt.pair]
    assert pairs
    assert all(normalize(pair.chosen.text) != normalize(pair.rejected.text) for pair in pairs)
    assert all(pair.margin is not None and pair.margin >= 1 for pair in pairs)


def test_library_call_yields_one_record_per_task() -> None:
    async def main(url: str) -> list[str]:
        recipe = parse_recipe(recipe_data(url, run={"concurrency": 3}))
        tasks = (Task(prompt=f"question {i}") for i in range(10))
        return [record.task.text async for record in synthesize(tasks, recipe)]

    with LoopbackModel() as model:
        texts = asyncio.run(main(model.url))
    assert sorted(texts) == sorted(f"question {i}" for i in range(10))


def test_an_unexpected_error_in_a_library_call_fails_one_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer of one's own is code that nobody has seen."""
    (tmp_path / "faulty_scorer.py").write_text(
        "def score(answer, task):\n    if task.id == 't1':\n        raise RuntimeError('boom')\n    return len(answer) % 7 / 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def main(url: str) -> dict[str, PreferenceRecord]:
        judge = {"method": "reference", "reference": "faulty_scorer:score"}
        recipe = parse_recipe(recipe_data(url, run={"concurrency": 1}, judge=judge, loop={"feedback": "none"}))
        tasks = [Task(id=f"t{i}", prompt=f"question {i}", reference="4") for i in range(4)]
        return {record.task.id: record async for record in synthesize(tasks, recipe)}

    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: "x" * (1 + choice)
        records = asyncio.run(main(model.url))
    assert {name: record.status for name, record in records.items()} == {
        "t0": "accepted", "t1": "failed", "t2": "accepted", "t3": "accepted"
    }  # fmt: skip
    assert records["t1"].error is not None
    assert (records["t1"].error.kind, records["t1"].error.message) == ("RuntimeError", "boom")


def test_library_call_whose_key_is_rejected_ends_with_that_error() -> None:
    async def main(url: str) -> None:
        async for _ in synthesize([Task(prompt=f"question {i}") for i in range(5)], parse_recipe(recipe_data(url))):
            pass

    with LoopbackModel() as model:
        model.before = lambda body: 401
        with pytest.raises(EndpointDownError):
            asyncio.run(main(model.url))


def test_recipe_has_the_same_digest_through_every_door(tmp_path: Path) -> None:
    async def main(url: str) -> tuple[str, str]:
        recipe = parse_recipe(recipe_data(url))
        (made,) = [record.recipe_digest async for record in synthesize([Task(prompt="question")], recipe)]
        return made, (await arun(recipe, [Task(prompt="question")], tmp_path / "out")).digest

    with LoopbackModel() as model:
        first, second = asyncio.run(main(model.url))
    assert len(first) == 64
    assert first == second


def test_library_call_may_be_left_early() -> None:
    async def main(url: str) -> None:
        async for _ in synthesize((Task(prompt=f"question {i}") for i in range(50)), parse_recipe(recipe_data(url))):
            break

    with LoopbackModel() as model:
        asyncio.run(asyncio.wait_for(main(model.url), 20))
        assert len(model.requests) < 150
