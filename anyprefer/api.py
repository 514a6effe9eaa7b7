"""What the command line does, as functions.

Each has a blocking form for scripts and an async one, with an "a" in front, for notebooks and servers, where an event loop is
running. Imports stand inside, so that nobody pays for what is not used.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from typing_extensions import TypedDict, Unpack

from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.types import Task

if TYPE_CHECKING:
    from anyprefer.analysis.results import Analysis
    from anyprefer.config import ClusterOptions
    from anyprefer.report.page import ReportSummary
    from anyprefer.runs.estimate import Estimate
    from anyprefer.runs.progress import Progress
    from anyprefer.runs.session import Session
    from anyprefer.runs.summary import Summary
    from anyprefer.training.dpo import TrainingResult
    from anyprefer.training.export import ExportSummary
    from anyprefer.training.outputs import TunedModels
    from anyprefer.training.rounds import RoundsState, Serve

P = ParamSpec("P")
T = TypeVar("T")

Say = Callable[[str], None]
RecipeSource = Recipe | str | Path
"""A recipe, or the path of its file."""
TaskSource = str | Path | Iterable[Task]
"""The path of a task file, `hf:OWNER/NAME` for a data set of the hub, or tasks; None takes the recipe's file."""


class SessionOptions(TypedDict, total=False):
    """What a session of a run may be told that is no part of the recipe."""

    limit: int | None
    """Most tasks to take."""
    accept: int | None
    """Stop at exactly this many accepted records in the folder."""
    budget_tokens: int | None
    """Most tokens, prompt and completion, over all sessions of the run."""
    budget_usd: float | None
    """Most US dollars, likewise; every model needs a price."""
    store: str | None
    """`postgres://...` for journal and checkpoints."""
    retry_failed: bool
    """Try tasks again that an error ended."""
    changed_tasks: Literal["keep", "redo"] | None
    """What becomes of records whose tasks have changed, or are there no more: `keep` leaves them as they are, `redo` does changed
    tasks again and puts their records aside. Without it such a run is refused."""
    reuse: str | Path | None
    """Another run folder: a new one takes over its completed calls, which cost nothing then."""
    cluster: "ClusterOptions | None"
    """Run on a Ray cluster; needs a store."""


class RunOptions(SessionOptions, total=False):
    """What a run may be told; how its tasks are read lies over what the recipe says."""

    columns: Mapping[str, str | Sequence[str]] | None
    """What columns of the task file mean, as `{"prompt": "text"}`; see `[columns]`."""
    judge_existing: bool
    """Judge the responses that tasks come with instead of sampling any; see `sampling.existing`."""


class AnalysisOptions(TypedDict, total=False):
    """See `anyprefer.analysis.analysis.Request`."""

    out: Path | None
    benchmarks: tuple[Path, ...]
    compare: tuple[Path, ...]
    encoder: str
    size: int
    sample: int
    recipe: Path | None
    include_exhausted: bool
    seed: int


@dataclass(frozen=True)
class Trained:
    """What `train` made.

    Attributes:
        result: The adapter and its metrics.
        models: The merged model and its GGUF files, where they were asked for.
    """

    result: "TrainingResult"
    models: "TunedModels | None" = None


async def arun(
    recipe: RecipeSource, tasks: TaskSource | None = None, out: str | Path | None = None, *,
    progress: "Progress | None" = None, **options: Unpack[RunOptions],
) -> "Summary":  # fmt: skip
    """Run, or resume, a recipe's tasks in a run folder.

    Cancelled, it stops at once; the same call goes on from there and pays nothing twice.

    Args:
        recipe: A recipe, or the path of one.
        tasks: A task file or tasks; None is the recipe's file.
        out: The run folder; None is `runs/RECIPE-NAME`.
        progress: Shows the run; None shows nothing.
        options: See `RunOptions`.

    Raises:
        AnypreferError: Says what is wrong and what to do; finished records stay.
    """
    from anyprefer.runs.session import run_session

    return await run_session(_session(recipe, tasks, out, options), progress or _silence())


def run(
    recipe: RecipeSource, tasks: TaskSource | None = None, out: str | Path | None = None, *,
    progress: "Progress | None" = None, **options: Unpack[RunOptions],
) -> "Summary":  # fmt: skip
    """Likewise, and wait for the end; Ctrl-C lets running calls be finished and kept.

    Example:
        summary = anyprefer.run("my.toml", [Task(prompt="What is 12 * 12?")], "runs/mine", accept=1)

    Raises:
        ConfigError: An event loop is running here, as in a notebook.
        AnypreferError: Says what is wrong and what to do; finished records stay.
    """
    from anyprefer.runs.session import run_session

    _refuse_running_loop("run")
    return asyncio.run(run_session(_session(recipe, tasks, out, options), progress or _silence(), signals=True))


async def aestimate(
    recipe: RecipeSource, tasks: TaskSource | None = None, out: str | Path | None = None, *, pilot: int = 0,
    progress: "Progress | None" = None, **options: Unpack[RunOptions],
) -> "Estimate":  # fmt: skip
    """Say what a run will take, after running `pilot` of its tasks, whose records stay; see `arun`."""
    from anyprefer.runs.estimate import estimate_session

    return await estimate_session(_session(recipe, tasks, out, options), pilot, progress or _silence())


def estimate(
    recipe: RecipeSource, tasks: TaskSource | None = None, out: str | Path | None = None, *, pilot: int = 0,
    progress: "Progress | None" = None, **options: Unpack[RunOptions],
) -> "Estimate":  # fmt: skip
    """Likewise, and wait for the end.

    Raises:
        ConfigError: An event loop is running here, as in a notebook.
    """
    from anyprefer.runs.estimate import estimate_session

    _refuse_running_loop("estimate")
    session = _session(recipe, tasks, out, options)
    return asyncio.run(estimate_session(session, pilot, progress or _silence(), signals=True))


def export(
    run_dir: str | Path, to: str | Path | None = None, format: str = "jsonl", *,  # noqa: A002 - the name of the flag
    reasoning: Literal["none", "inline", "field"] = "none", include_exhausted: bool = False, min_reward: float = 0,
    min_certainty: float | None = None,
) -> "ExportSummary":  # fmt: skip
    """Write a run's pairs as a dataset folder with a card; see `anyprefer.training.export.export_pairs`.

    Args:
        run_dir: A run folder, finished or not.
        to: The dataset folder; None is `dataset` in the run folder.
        format: `jsonl`, `parquet` or `hf`.
        reasoning: What becomes of a model's thoughts.
        include_exhausted: Also pairs below the threshold.
        min_reward: Least reward, 1 to 10, of any pair.
        min_certainty: Least share of the votes behind any pair, above 0 and up to 1; leaves out pairs that nobody voted on.
    """
    from anyprefer.data.run_dir import RunDir
    from anyprefer.training.export import export_pairs

    return export_pairs(
        run_dir, to or RunDir(run_dir).dataset, format, include_exhausted=include_exhausted, min_reward=min_reward,
        min_certainty=min_certainty, reasoning=reasoning,
    )  # fmt: skip


def analyze(source: str | Path, say: Say = lambda line: None, **options: Unpack[AnalysisOptions]) -> "Analysis":
    """Look for defects in preference data, and measure how hard, how telling and how diverse it is.

    Args:
        source: A run folder, an export, or data with TRL's columns.
        say: Gets a line for each thing that takes long or is written.
        options: See `anyprefer.analysis.analysis.Request`.

    Raises:
        ConfigError: A critic is to be asked, and an event loop is running here; or an extra is missing.
        DataError: The data cannot be read.
    """
    from anyprefer.analysis.analysis import Request, analyze_pairs

    if options.get("sample"):
        _refuse_running_loop("analyze")
    return analyze_pairs(Request(source=Path(source), **options), say)


def write_report(run_dir: str | Path, to: str | Path | None = None) -> "ReportSummary":
    """Write one HTML page about a run, with every record; see `anyprefer.report.page.write_report`."""
    from anyprefer.report.page import write_report as write

    return write(Path(run_dir), None if to is None else Path(to))


def train(
    recipe: RecipeSource, data: str | Path, out: str | Path, *, model: str | None = None, merge: bool = False,
    gguf: Sequence[str] = (), say: Callable[[dict[str, float]], None] = lambda line: None,
) -> Trained:  # fmt: skip
    """Train a recipe's target on preference pairs with DPO and LoRA; the same call goes on after a crash.

    Args:
        recipe: A recipe, or the path of one; its `[training]` counts.
        data: An export, or any data in TRL's format.
        out: The training folder.
        model: What to train; None is `training.model`, else the target.
        merge: Also write the merged model.
        gguf: Also write it in these precisions for the embedded server.
        say: Gets each line of metrics.

    Raises:
        AnypreferError: Says what is wrong and what to do; checkpoints stay.
    """
    from anyprefer.training.packages import import_training
    from anyprefer.training.preference_data import check_preferences

    loaded = _recipe(recipe)
    check_preferences(Path(data), loaded.training)
    for package in ("torch", "transformers", "peft", "trl", "datasets"):
        import_training(package)
    from anyprefer.training.dpo import train_dpo
    from anyprefer.training.outputs import write_models
    from anyprefer.training.targets import resolve_target

    target = resolve_target(loaded, model)
    result = train_dpo(target, Path(data), Path(out), loaded.training, say)
    models = write_models(target, result.adapter, Path(out), gguf) if merge or gguf else None
    return Trained(result, models)


def rounds(
    recipe: RecipeSource, tasks: str | Path | None = None, out: str | Path | None = None, *,
    progress: "Progress | None" = None, say: Say = lambda line: None, serve: "Serve | None" = None,
    changed_tasks: Literal["keep", "redo"] | None = None,
) -> "RoundsState":  # fmt: skip
    """Run, export, train and evaluate, again and again; the same call goes on.

    Args:
        recipe: A recipe, or the path of one, with `[rounds]`.
        tasks: A task file; None is the recipe's.
        out: The rounds folder; None is `runs/RECIPE-NAME-rounds`.
        progress: Shows the runs; None shows nothing.
        say: Takes lines about what goes on.
        serve: Makes a trained adapter a model to sample from; None serves it with vLLM where the target is a `vllm:`
            model, and else merges it for the embedded server.
        changed_tasks: See `RunOptions`.

    Raises:
        ConfigError: An event loop is running here, as in a notebook.
        AnypreferError: A stage failed; what is finished stays.
    """
    from anyprefer.evaluation.gate import held_out_metric
    from anyprefer.runs.session import default_tasks
    from anyprefer.training.rounds import Rounds

    _refuse_running_loop("rounds")
    loaded = _recipe(recipe)
    folder = Path(out) if out is not None else Path("runs") / f"{loaded.name}-rounds"
    gate = held_out_metric if loaded.rounds.benchmark else None
    source = default_tasks(loaded, None if tasks is None else Path(tasks))
    return Rounds(loaded, source, folder.resolve(), progress or _silence(), gate, say, serve, changed_tasks).run()


def _in_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The async form of a function that computes, or has event loops of its own: it works in a thread."""

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = f"a{function.__name__}"
    return call


aexport = _in_thread(export)
aanalyze = _in_thread(analyze)
awrite_report = _in_thread(write_report)
atrain = _in_thread(train)
arounds = _in_thread(rounds)


def default_out(recipe: Recipe) -> Path:
    """The run folder of a recipe that is given none."""
    return Path("runs") / recipe.name


def _session(recipe: RecipeSource, tasks: TaskSource | None, out: str | Path | None, options: RunOptions) -> "Session":
    from anyprefer.runs.session import Session, default_tasks

    loaded = _read_as(_recipe(recipe), options)
    if tasks is None or isinstance(tasks, str | Path):
        source: Path | tuple[Task, ...] = default_tasks(loaded, None if tasks is None else Path(tasks))
    else:
        source = tuple(tasks)
    rest = cast("SessionOptions", {name: value for name, value in options.items() if name in SessionOptions.__annotations__})
    return Session(loaded, source, Path(out) if out is not None else default_out(loaded), **rest)


def _read_as(recipe: Recipe, options: RunOptions) -> Recipe:
    """The recipe with what the options say about reading tasks."""
    from anyprefer.data.column_map import read_columns

    changes: dict[str, Any] = {}
    if given := options.get("columns"):
        changes["columns"] = read_columns({**recipe.columns.model_dump(), **given})
    if options.get("judge_existing"):
        changes["sampling"] = recipe.sampling.model_copy(update={"existing": True})
    return recipe.model_copy(update=changes)


def _recipe(recipe: RecipeSource) -> Recipe:
    from anyprefer.recipes import load_recipe

    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _silence() -> "Progress":
    from rich.console import Console

    from anyprefer.runs.progress import Progress

    return Progress(Console(quiet=True))


def _refuse_running_loop(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(
        f"anyprefer.{name}() waits for its end, and an event loop is running here, as in a notebook: await anyprefer.a{name}(...)"
    )
