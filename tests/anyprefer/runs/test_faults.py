"""A server full of faults: every task ends in exactly one record, and no pair is degenerate."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from loopback import Body, LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.recipes import parse_recipe
from anyprefer.runs.library import synthesize
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.types import Task, normalize

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
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert Counter(record["task"]["id"] for record in records) == Counter(f"t{i}" for i in range(NUM_TASKS))
    pairs = [attempt["pair"] for record in records for attempt in record["attempts"] if attempt["pair"]]
    assert pairs
    assert all(normalize(pair["chosen"]) != normalize(pair["rejected"]) for pair in pairs)
    assert all(pair["chosen_score"] - pair["rejected_score"] >= 1 for pair in pairs)


def test_library_call_yields_one_record_per_task() -> None:
    async def main(url: str) -> list[str]:
        recipe = parse_recipe(recipe_data(url, run={"concurrency": 3}))
        tasks = (Task(prompt=f"question {i}") for i in range(10))
        return [record.task.text async for record in synthesize(tasks, recipe)]

    with LoopbackModel() as model:
        texts = asyncio.run(main(model.url))
    assert sorted(texts) == sorted(f"question {i}" for i in range(10))


def test_library_call_may_be_left_early() -> None:
    async def main(url: str) -> None:
        async for _ in synthesize((Task(prompt=f"question {i}") for i in range(50)), parse_recipe(recipe_data(url))):
            break

    with LoopbackModel() as model:
        asyncio.run(asyncio.wait_for(main(model.url), 20))
        assert len(model.requests) < 150
