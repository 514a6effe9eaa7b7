"""A served model on a benchmark: every answer through the journal, so that an interrupted evaluation goes on where it stopped."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel

from anyprefer.agents.judges.scorers import Score, scorer_of
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import DataError, ModelError
from anyprefer.evaluation.benchmarks import Item, load_benchmark
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.runs.journal import Journal
from anyprefer.types import RoleUsage

Say = Callable[[str], None]


class Answer(BaseModel):
    """One item's outcome."""

    id: str
    score: float
    answer: str
    prompt: str = ""
    """The question as the data has it, without the instruction on the form of the answer."""
    error: str = ""


class ModelReport(BaseModel):
    """The result of `anyprefer evaluate model`."""

    model: str
    benchmark: str
    data: str
    items: int
    score: float
    low: float
    high: float
    """Ends of the 95 % bootstrap interval of the mean score."""
    failed: int
    """Items without an answer, which count 0."""
    calls: int
    tokens: int
    seconds: float
    """Sum of the calls' durations."""
    answers: list[Answer]
    metrics: dict[str, float] = {}
    """Whatever else was measured."""

    def scores(self) -> dict[str, float]:
        """Item id -> score."""
        return {answer.id: answer.score for answer in self.answers}

    def line(self) -> str:
        """One row for a person."""
        span = f"{100 * self.score:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        where = f"{self.model} on {self.benchmark} ({self.data}, {self.items} items)"
        return f"{where}: {span}, {self.failed} failed, {self.tokens} tokens"


def read_report(folder: Path) -> ModelReport:
    """The report of an evaluation.

    Raises:
        DataError: There is none.
    """
    path = folder / "report.json"
    try:
        return ModelReport.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"no report at {str(path)!r} ({error}): run `anyprefer evaluate model --out {folder}` first") from error


async def evaluate_model(
    recipe: Recipe, benchmark: str, data: Path, out: Path, limit: int | None = None, say: Say = lambda line: None
) -> ModelReport:
    """Ask a recipe's target every item of a benchmark, at temperature 0, and write `report.json` into `out`.

    Raises:
        ConfigError: No such benchmark, or the recipe cannot work here.
        DataError: The file has an item without an answer.
        ModelUnavailableError: The endpoint is down.
    """
    items, score = load_benchmark(benchmark, data, limit, recipe.columns), scorer_of(benchmark)
    greedy = recipe.model_copy(update={"target": recipe.target.model_copy(update={"temperature": 0.0})})
    journal = _open_journal(out)
    try:
        async with Backends(greedy) as backends:
            answers = await _ask_all(backends.client("target", journal), items, score, recipe.run.concurrency, say)
        usage = sum((await journal.totals()).values(), RoleUsage())
    finally:
        journal.close()
    interval = bootstrap([answer.score for answer in answers])
    report = ModelReport(
        model=recipe.target.model, benchmark=benchmark, data=data.name, items=len(items), score=interval.mean, low=interval.low,
        high=interval.high, failed=sum(bool(answer.error) for answer in answers), calls=usage.calls,
        tokens=usage.prompt_tokens + usage.completion_tokens, seconds=usage.seconds, answers=answers,
    )  # fmt: skip
    (out / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    return report


def _open_journal(out: Path) -> Journal:
    out.mkdir(parents=True, exist_ok=True)
    return Journal(out / "journal.sqlite")


async def _ask_all(client: ModelClient, items: Sequence[Item], score: Score, concurrency: int, say: Say) -> list[Answer]:
    gate, done = asyncio.Semaphore(concurrency), 0

    async def ask(item: Item) -> Answer:
        nonlocal done
        async with gate:
            answer = await _ask(client, item, score)
        done += 1
        if done % max(1, len(items) // 10) == 0:
            say(f"{done} of {len(items)} items")
        return answer

    return list(await asyncio.gather(*(ask(item) for item in items)))


async def _ask(client: ModelClient, item: Item, score: Score) -> Answer:
    try:
        reply = await client.complete(item.messages, CallSite(item.task.id, "target", 0, "benchmark"))
    except ModelError as error:
        return Answer(id=item.task.id, score=0.0, answer="", prompt=item.task.text, error=str(error))
    text = reply.texts[0]
    return Answer(id=item.task.id, score=score(text, item.task), answer=text, prompt=item.task.text)
