"""Rounds: run, export, train, evaluate, again; a plain loop over files that goes on wherever it was killed.

Every stage of a round has a folder or a file of its own and is finished when its last file is there; all of them resume by
themselves. `rounds.json` is the record: what each round used, made and scored, and which model samples next.
"""

import asyncio
import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel

from anyprefer.backends.registry import load_provider
from anyprefer.config import ModelName, Recipe, split_model
from anyprefer.data.records import RecordFile
from anyprefer.data.rows import read_rows
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError, TrainingError
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.task_changes import Resolution
from anyprefer.training.export import export_pairs
from anyprefer.training.preference_data import check_preferences

logger = logging.getLogger(__name__)

Say = Callable[[str], None]
Evaluate = Callable[[Recipe, Path], "Metric"]
"""(recipe whose target is the model to measure, folder) -> its held-out metric."""
Serve = Callable[[Recipe, Path, Path], str]
"""(recipe, adapter, the round's folder) -> the model that the next round samples from, and every role that is the target asks."""


class Metric(BaseModel):
    """A held-out metric."""

    score: float
    low: float
    high: float
    items: int


class Correlation(BaseModel):
    """Of two sequences, with a 95 % interval."""

    value: float
    low: float
    high: float


class Round(BaseModel):
    """One round, as `rounds.json` keeps it."""

    number: int
    target: str
    """The model that sampled this round's responses, as records name it."""
    adapter: str | None = None
    """The adapter in that model, relative to the rounds folder; None is the first model."""
    adapter_sha256: str | None = None
    pairs: int = 0
    mean_reward: float | None = None
    """Of the critic, over accepted pairs: the surrogate (paper: figure 5)."""
    acceptance: float | None = None
    trained: str | None = None
    """The adapter that this round made, relative to the rounds folder."""
    model: str | None = None
    """The model with that adapter, as a recipe names it."""
    metric: Metric | None = None
    """Of the model that this round made."""
    kept: bool | None = None
    """Whether that model became the next target; None until it is known."""


class RoundsState(BaseModel):
    """The content of `rounds.json`."""

    first_metric: Metric | None = None
    """Of the model that all began with."""
    rounds: list[Round] = []
    surrogate: Correlation | None = None
    """Between the critic's mean reward and the metric, over rounds; see `surrogate_correlation`."""

    @property
    def current(self) -> Round | None:
        """The round whose model is the target now; None is the first model."""
        return next((one for one in reversed(self.rounds) if one.kept), None)

    def lines(self) -> list[str]:
        """For a person."""
        begin = "no metric" if self.first_metric is None else f"{self.first_metric.score:.3f}"
        found = [f"first model: {begin}"]
        for one in self.rounds:
            reward = "-" if one.mean_reward is None else f"{one.mean_reward:.2f}"
            found.append(f"round {one.number}: {one.pairs} pairs, mean reward {reward}, {_describe(one)}")
        if self.surrogate is not None:
            span = f"{self.surrogate.value:.2f} [{self.surrogate.low:.2f}, {self.surrogate.high:.2f}]"
            found.append(f"correlation of mean reward and metric over rounds: {span}")
        return found

    def best_metric(self) -> Metric | None:
        """Of the model that is the target now."""
        return self.current.metric if self.current else self.first_metric


@dataclass
class Rounds:
    """Runs a recipe's rounds in a folder.

    Args:
        recipe: With `[rounds]` and `[training]`.
        tasks: The task file.
        out: The rounds folder.
        progress: Shows runs.
        evaluate: Measures a model; None has no gate.
        say: Takes lines about what goes on.
        serve: Makes a trained adapter a model to sample from; None is `serve_trained`.
        changed_tasks: What becomes of records whose tasks have changed since; see `Session`.
    """

    recipe: Recipe
    tasks: Path
    out: Path
    progress: Progress
    evaluate: Evaluate | None = None
    say: Say = lambda line: None
    serve: Serve | None = None
    changed_tasks: Resolution | None = None

    def run(self) -> RoundsState:
        """Do every round that is not done; target, tasks and pairs are checked before any weights are touched.

        Raises:
            AnypreferError: A stage failed; what is finished stays, and the same call goes on.
        """
        from anyprefer.training.targets import find_target

        find_target(self.recipe)
        self.out.mkdir(parents=True, exist_ok=True)
        state = self._load()
        if self.evaluate is not None and state.first_metric is None:
            Session(self.recipe, self.tasks, self.out).count_tasks()
            state.first_metric = self.evaluate(self.recipe, self.out / "first")
            self._save(state)
        for number in range(1, self.recipe.rounds.count + 1):
            if number <= len(state.rounds) and state.rounds[number - 1].kept is not None:
                continue
            self._round(state, number)
        state.surrogate = surrogate_correlation(state)
        self._save(state)
        return state

    def _round(self, state: RoundsState, number: int) -> None:
        folder = self.out / f"round-{number}"
        if number > len(state.rounds):
            state.rounds.append(self._begin(state, number))
            self._save(state)
        record = state.rounds[number - 1]
        self.say(f"round {number}: sampling from {record.target}")
        self._sample(record, folder)
        self._save(state)
        self.say(f"round {number}: training on {record.pairs} pairs, mean reward {record.mean_reward}")
        adapter = self._train(state, record, folder)
        record.trained = str(adapter.relative_to(self.out))
        record.model = (self.serve or serve_trained)(self.recipe, adapter, folder)
        if self.evaluate is not None:
            record.metric = self.evaluate(self._with_target(record.model), folder / "evaluation")
        record.kept = self._passes(state, record)
        self.say(f"round {number}: {_describe(record)}")
        self._save(state)

    def _begin(self, state: RoundsState, number: int) -> Round:
        current = state.current
        if current is None:
            return Round(number=number, target=self.recipe.target.model)
        adapter = self.out / str(current.trained)
        return Round(
            number=number, target=str(current.model), adapter=current.trained,
            adapter_sha256=hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest(),
        )  # fmt: skip

    def _with_target(self, model: str) -> Recipe:
        """The recipe with another target; roles that are the target follow it. It costs what the first model costs."""
        target, prices = self.recipe.target, self.recipe.prices
        changes: dict[str, Any] = {"model": model}
        if _provider_of(model) != _provider_of(target.model):
            changes["base_url"] = None  # the first model's endpoint has nothing to do with it
        elif (price := prices.get(target.model)) is not None:
            prices = {model: price, **prices}
        return self.recipe.model_copy(update={"target": target.model_copy(update=changes), "prices": prices})

    def _sample(self, record: Round, folder: Path) -> None:
        """Make and export this round's pairs."""
        folder.mkdir(exist_ok=True)
        tasks = self._tasks(record.number, folder)
        session = Session(
            self._with_target(record.target), tasks, folder / "run", accept=self.recipe.rounds.accept_per_round,
            changed_tasks=self.changed_tasks,
        )  # fmt: skip
        summary = asyncio.run(run_session(session, self.progress, signals=True))
        if summary.stopped == "interrupted":
            raise KeyboardInterrupt
        records = RecordFile(RunDir(folder / "run").records)
        rewards = [one.best.reward for one in records if one.status == "accepted" and one.best]
        record.pairs, record.mean_reward = len(rewards), fmean(rewards) if rewards else None
        record.acceptance = summary.accepted / summary.tasks if summary.tasks else None
        export_pairs(folder / "run", folder / "dataset", "parquet")

    def _tasks(self, number: int, folder: Path) -> Path:
        """The round's share of the task file, row for row: how a row is read is the application's business."""
        size = self.recipe.rounds.tasks_per_round
        if size is None:
            return self.tasks
        path = folder / "tasks.jsonl"
        if not path.exists():
            rows = [row for _, row in itertools.islice(read_rows(self.tasks), (number - 1) * size, number * size)]
            if not rows:
                raise DataError(
                    f"{str(self.tasks)!r} has no tasks left for round {number}: give {number * size} or more, or lower "
                    "rounds.tasks_per_round"
                )
            known = ({name: value for name, value in row.items() if value == value} for row in rows)  # noqa: PLR0124 - not NaN
            path.write_text("".join(json.dumps(row, default=str) + "\n" for row in known), encoding="utf-8")
        return path

    def _train(self, state: RoundsState, record: Round, folder: Path) -> Path:
        data = folder / "dataset"
        if self.recipe.rounds.pool == "all" and record.number > 1:
            data = self._pool(folder, record.number)
        check_preferences(data, self.recipe.training)
        from anyprefer.training.dpo import Start, train_dpo
        from anyprefer.training.memory import free_gpu
        from anyprefer.training.targets import resolve_target

        target = resolve_target(self.recipe)
        warm = self.out / record.adapter if record.adapter and self.recipe.rounds.start == "warm" else None
        start = Start(warm, self.recipe.rounds.reference)
        result = train_dpo(target, data, folder / "training", self.recipe.training, start=start)
        free_gpu()
        return result.adapter

    def _pool(self, folder: Path, number: int) -> Path:
        """The pairs of all rounds so far as one data set."""
        import datasets

        path = folder / "pool.parquet"
        if not path.exists():
            parts = [datasets.load_dataset(str(self.out / f"round-{i}" / "dataset"), split="train") for i in range(1, number + 1)]
            datasets.concatenate_datasets(parts).to_parquet(path)
        return path

    def _passes(self, state: RoundsState, record: Round) -> bool:
        best = state.best_metric()
        return best is None or record.metric is None or record.metric.score >= best.score - self.recipe.rounds.tolerance

    def _load(self) -> RoundsState:
        path = self.out / "rounds.json"
        if not path.exists():
            return RoundsState()
        try:
            return RoundsState.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise TrainingError(f"{str(path)!r} is no record of rounds ({error}): restore it, or give another --out") from error

    def _save(self, state: RoundsState) -> None:
        path = self.out / "rounds.json"
        scratch = path.with_suffix(".tmp")
        scratch.write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)


def serve_trained(recipe: Recipe, adapter: Path, folder: Path) -> str:
    """Serve a trained adapter where its target was served, if adapters can be served there, and else from here.

    Args:
        recipe: Names the first target.
        adapter: What was trained.
        folder: Takes what is made of it.
    """
    prefix = _provider_of(recipe.target.model)
    provider = load_provider(prefix)
    if provider is not None and provider.serves_adapters:
        return str(ModelName(prefix, str(adapter.resolve())))
    return serve_embedded(recipe, adapter, folder)


def _provider_of(model: str) -> str:
    name = split_model(model)
    return name.provider if name else ""


def serve_embedded(recipe: Recipe, adapter: Path, folder: Path) -> str:
    """Merge an adapter into its base and convert the sum, so that the embedded server can sample from the trained model."""
    from anyprefer.training.outputs import write_models
    from anyprefer.training.targets import resolve_target

    precision = recipe.rounds.gguf
    models = write_models(resolve_target(recipe), adapter, folder, (precision,))
    for line in models.lines():
        logger.info("%s", line)
    return str(ModelName("llamacpp", str(models.gguf[precision])))


def _describe(record: Round) -> str:
    metric = "no metric" if record.metric is None else f"metric {record.metric.score:.3f}"
    return f"{metric}, {'becomes the target' if record.kept else 'kept as data only'}"


def surrogate_correlation(state: RoundsState) -> Correlation | None:
    """Between the critic's mean reward and the held-out metric of the same model, over rounds (paper: section 3.6, figure 5).

    The pairs of a round are sampled from the model that the round before made. None where fewer than four rounds have both: three
    points, the paper's, leave an interval without bounds.
    """
    metrics = [state.first_metric, *(one.metric for one in state.rounds)]
    pairs = [
        (one.mean_reward, metric.score)
        for one, metric in zip(state.rounds, metrics, strict=False)
        if one.mean_reward is not None and metric is not None
    ]
    return correlate(pairs) if len(pairs) >= 4 else None


def correlate(pairs: Iterable[tuple[float, float]]) -> Correlation | None:
    """Pearson's r with Fisher's interval; None where a side does not vary or there are fewer than four pairs."""
    values = list(pairs)
    if len(values) < 4:
        return None
    first, second = zip(*values, strict=True)
    a, b = fmean(first), fmean(second)
    covariance = sum((x - a) * (y - b) for x, y in values)
    spread = math.sqrt(sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second))
    if spread == 0:
        return None
    r = max(-1.0, min(1.0, covariance / spread))
    if abs(r) == 1.0:
        return Correlation(value=r, low=r, high=r)
    centre, half = math.atanh(r), 1.96 / math.sqrt(len(values) - 3)
    return Correlation(value=r, low=math.tanh(centre - half), high=math.tanh(centre + half))
