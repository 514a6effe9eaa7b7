"""The command line: `anyprefer run | show | export | analyze | report | train | ...`.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 too many failed tasks, 2 bad usage, recipe or data,
130 interrupted. Imports stand inside the verbs, so that help is quick.
"""

import asyncio
import gc
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from anyprefer import __version__
from anyprefer.cli.evaluate import evaluate_app
from anyprefer.cli.init import init
from anyprefer.cli.options import ChangedTasks, JsonFlag, JudgeExisting, MapOption, Overrides, RecipeArg, Reuse, StoreUrl
from anyprefer.cli.report import analyze, report
from anyprefer.cli.review import review
from anyprefer.cli.show import show
from anyprefer.cli.training import rounds, train
from anyprefer.errors import AnypreferError, ConfigError, ModelError, StopRunError
from anyprefer.redaction import clean

if TYPE_CHECKING:
    from anyprefer.api import RunOptions
    from anyprefer.config import Recipe

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Synthesise preference pairs with tools, a judge and a critic.",
)
models_app = typer.Typer(no_args_is_help=True, help="The embedded models: list, fetch.")
tools_app = typer.Typer(no_args_is_help=True, help="The judge's tools: list, try.")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(models_app, name="models")
app.add_typer(tools_app, name="tools")
app.command()(init)
app.command()(show)
app.command()(train)
app.command()(rounds)
app.command()(review)
app.command()(analyze)
app.command()(report)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    sys.excepthook = _print_crash  # here, since Typer sets its own before it calls a verb
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    recipe: RecipeArg,
    tasks: Annotated[Path | None, typer.Option(help="Task file; default: the recipe's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/RECIPE-NAME. An existing run resumes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most this many tasks.")] = None,
    map_: MapOption = None,
    judge_existing: JudgeExisting = False,
    accept: Annotated[int | None, typer.Option(min=1, help="Stop at exactly this many accepted records.")] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0, help="Spend at most this much; needs prices in the recipe.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="Use at most this many tokens.")] = None,
    store: StoreUrl = None,
    retry_failed: Annotated[bool, typer.Option(help="Try tasks again that an error ended.")] = False,
    changed_tasks: ChangedTasks = None,
    reuse: Reuse = None,
    on: Annotated[str | None, typer.Option(metavar="ray", help="Run on a Ray cluster; needs --store.")] = None,
    ray_address: Annotated[str, typer.Option(help="Of the cluster; 'local' starts one here.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="With --on ray: most workers; 0 is one per CPU.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the run will take.")] = False,
    pilot: Annotated[int, typer.Option(min=0, help="With --dry-run: run this many tasks first; their records are kept.")] = 0,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Synthesise preference pairs for a recipe's tasks; run again to resume."""
    from anyprefer.api import RunOptions, default_out
    from anyprefer.data.column_map import parse_map
    from anyprefer.recipes import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    options = RunOptions(
        limit=limit, accept=accept, budget_usd=budget_usd, budget_tokens=budget_tokens, store=store, retry_failed=retry_failed,
        changed_tasks=changed_tasks, reuse=reuse, cluster=_cluster(on, ray_address, workers), columns=parse_map(map_ or ()),
        judge_existing=judge_existing,
    )  # fmt: skip
    out = out or default_out(loaded)
    _collect_less()
    if dry_run:
        _estimate(loaded, tasks, out, pilot, options, as_json=as_json)
    else:
        _run(loaded, tasks, out, options, as_json=as_json)


def _estimate(recipe: "Recipe", tasks: Path | None, out: Path, pilot: int, options: "RunOptions", *, as_json: bool) -> None:
    from rich.console import Console

    from anyprefer.api import estimate
    from anyprefer.runs.progress import Progress

    found = estimate(recipe, tasks, out, pilot=pilot, progress=Progress(Console(stderr=True)), **options)
    typer.echo(found.model_dump_json(indent=2) if as_json else "\n".join(found.lines()))


def _run(recipe: "Recipe", tasks: Path | None, out: Path, options: "RunOptions", *, as_json: bool) -> None:
    from rich.console import Console

    from anyprefer import api
    from anyprefer.data.run_dir import RunDir
    from anyprefer.runs.progress import Progress
    from anyprefer.runs.show import show_pairs, show_summary

    records, wanted = RunDir(out).records, options.get("accept")
    try:
        summary = api.run(recipe, tasks, out, progress=Progress(Console(stderr=True)), **options)
    except (ModelError, StopRunError) as error:
        _show_stopped(out, error, as_json=as_json)
        raise
    if as_json:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        show_pairs(records, Console())
        show_summary(summary, out, Console())
    if summary.stopped == "interrupted":
        raise typer.Exit(130)
    if wanted is not None and summary.accepted < wanted:
        missing = f"{summary.accepted} of {wanted} accepted: give {_more(summary.stopped)}"
        typer.echo(f"{missing}, then run the same command again", err=True)
        raise typer.Exit(1)
    if summary.failed_share > recipe.run.max_failed_share:
        number = summary.failed + summary.exhausted_after_error
        typer.echo(f"{number} of {summary.tasks} tasks ended in an error; see {records}", err=True)
        raise typer.Exit(1)


def _show_stopped(out: Path, error: ModelError | StopRunError, *, as_json: bool) -> None:
    """What a run has come to that an endpoint stopped; nothing where it ended before it had begun."""
    from rich.console import Console

    from anyprefer.backends.troubles import cause_of
    from anyprefer.runs.show import show_summary
    from anyprefer.runs.summary import read_summary

    summary = read_summary(out)
    if summary is None or summary.stopped != "endpoint" or summary.stop_cause != cause_of(error):
        return
    if as_json:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        show_summary(summary, out, Console())


def _collect_less() -> None:
    """Looking for cycles among thousands of live objects is a sixth of the CPU time, and hardly any is garbage."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _cluster(on: str | None, address: str, workers: int) -> Any:
    from anyprefer.config import ClusterOptions

    if on not in (None, "ray"):
        raise ConfigError(f"--on {on!r}: the one choice is 'ray'; leave it out to run here")
    return ClusterOptions(address, workers) if on else None


def _more(stopped: str) -> str:
    return "a larger budget" if stopped == "budget" else "more tasks"


@app.command()
def status(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    as_json: JsonFlag = False,
) -> None:
    """Show what a run is doing, or where it stopped, from any terminal."""
    from anyprefer.runs.live import read_picture
    from anyprefer.runs.progress import describe

    picture, running = read_picture(run_dir)
    if as_json:
        typer.echo(picture.model_dump_json(indent=2))
        return
    state = f"running (process {picture.pid})" if running else "not running"
    for line in (f"{picture.recipe}: {state}", *describe(picture)):
        typer.echo(clean(line))


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    to: Annotated[Path | None, typer.Option(help="Dataset folder; default: DIR/dataset.")] = None,
    format_: Annotated[str, typer.Option("--format", metavar="jsonl|parquet|hf", help="File format.")] = "jsonl",
    reasoning: Annotated[
        Literal["none", "inline", "field"], typer.Option(help="Thoughts: left out, in the text, or in a field of their own.")
    ] = "none",
    include_exhausted: Annotated[bool, typer.Option(help="Also pairs below the reward threshold.")] = False,
    min_certainty: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Leave out pairs with fewer votes behind them, and those without votes.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a run's pairs as a TRL preference dataset with lineage columns and a dataset card."""
    from anyprefer import api

    summary = api.export(
        run_dir, to, format_, include_exhausted=include_exhausted, min_certainty=min_certainty, reasoning=reasoning
    )
    typer.echo(summary.model_dump_json(indent=2) if as_json else "\n".join(summary.lines()))


@models_app.command("list")
def models_list(as_json: JsonFlag = False) -> None:
    """List the catalogue: size, licence and whether the weights are here."""
    import json

    from anyprefer.backends.weights import list_models

    found = list_models()
    if as_json:
        rows = [{"name": status.entry.name, "installed": status.installed, "path": str(status.path or "")} for status in found]
        typer.echo(json.dumps(rows))
        return
    for status in found:
        entry, place = status.entry, str(status.path) if status.installed else "not fetched"
        typer.echo(f"{entry.name:22} {entry.size_bytes / 2**20:7.0f} MiB  {entry.licence:12} {place}")


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(help="Catalogue name.")]) -> None:
    """Fetch weights, check their SHA-256 and keep them in the cache; an interrupted fetch resumes."""
    from anyprefer.backends.weights import fetch_with_progress

    typer.echo(fetch_with_progress(name))


@tools_app.command("list")
def tools_list() -> None:
    """List the registered tools and where each comes from."""
    from anyprefer.tools.registry import ADAPTERS, available_tools

    for name, origin in sorted(available_tools().items()):
        typer.echo(f"{name:20} {origin}")
    for prefix, origin in ADAPTERS.items():
        typer.echo(f"{prefix + ':...':20} {origin}")


@tools_app.command("try")
def tools_try(
    name: Annotated[str, typer.Argument(help="Tool name.")],
    text: Annotated[str, typer.Argument(help="The task's prompt, or the response to check.")],
    option: Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Tool option.")] = None,
) -> None:
    """Run one tool on a text and print its evidence."""
    from anyprefer.config import ToolsConfig
    from anyprefer.runs.naming import name_finding
    from anyprefer.tools.base import Case
    from anyprefer.tools.registry import build_tools
    from anyprefer.types import Candidate, Finding, Reply, Task

    options: dict[str, Any] = dict(item.partition("=")[::2] for item in option or ())
    tool = build_tools(ToolsConfig(names=(name,), options={name: options} if options else {}))[name]
    task = Task(prompt=text)
    response = Candidate(index=0, output=Reply.of(text))
    case = Case(task, (response,), response if tool.scope == "candidate" else None)

    async def once() -> Finding | str:
        try:
            return await tool.run(tool.default_args(task), case)
        finally:
            await tool.aclose()

    said = asyncio.run(once())
    found = said if isinstance(said, Finding) else Finding(content=said)
    typer.echo(clean("\n".join(part for part in (found.text, name_finding(found)) if part)))


@app.command()
def doctor(
    recipe: Annotated[Path | None, typer.Option(metavar="RECIPE", help="Try the models of this recipe instead.")] = None,
    overrides: Overrides = None,
) -> None:
    """Check the installation: Python, extras, weights, tools; or what the models of a recipe can do."""
    from anyprefer.runs.doctor import check_installation

    if recipe is not None:
        asyncio.run(_try_models(recipe, overrides or []))
        return
    for line in check_installation():
        typer.echo(line)


async def _try_models(recipe: Path, overrides: list[str]) -> None:
    from anyprefer.recipes import load_recipe
    from anyprefer.runs.doctor import check_models

    lines, is_well = await check_models(load_recipe(recipe, overrides))
    typer.echo(clean("\n".join(lines)))
    if not is_well:
        raise typer.Exit(2)


def main() -> None:
    """Run the command line; errors of ours become one message and an exit code."""
    _guarded(app)


def _guarded(command: Callable[[], None]) -> None:
    try:
        command()
    except AnypreferError as error:
        _fail("" if isinstance(error, StopRunError) and error.told else f"error: {error}", 2)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _fail("stopped; run the same command again to resume", 130)


def _print_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback like Python itself, but with nothing in it that the terminal would act on: its words may be foreign."""
    typer.echo(clean("".join(traceback.format_exception(kind, error, trace))), err=True)


def _fail(message: str, code: int) -> NoReturn:
    if message:
        typer.echo(clean(message), err=True)
    sys.exit(code)
