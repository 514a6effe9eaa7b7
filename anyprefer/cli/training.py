"""The verbs that train: `anyprefer train | rounds`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from anyprefer.cli.options import ChangedTasks, JsonFlag, Overrides, RecipeArg

SHOWN = ("loss", "eval_loss", "rewards/accuracies", "eval_rewards/accuracies", "rewards/margins", "eval_rewards/margins")
"""Metrics that a person sees on the way; `metrics.jsonl` has all."""


def train(
    recipe: RecipeArg,
    data: Annotated[Path, typer.Option(help="Preference data: an export, or any in TRL's format.")],
    out: Annotated[Path, typer.Option(help="Training folder; an unfinished training goes on.")],
    model: Annotated[str | None, typer.Option(help="What to train; default: training.model, else the target.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Also write the merged model, in single precision.")] = False,
    gguf: Annotated[
        list[str] | None, typer.Option(metavar="f32|f16|bf16|q8_0", help="Also write it as GGUF for the embedded server.")
    ] = None,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Train the target on preference pairs with DPO and LoRA; run again to resume."""
    import json

    from anyprefer import api
    from anyprefer.recipes import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    with _shown_metrics() as show:
        made = api.train(loaded, data, out, model=model, merge=merge, gguf=gguf or (), say=show)
    typer.echo(json.dumps(made.result.metrics, indent=2) if as_json else f"adapter -> {made.result.adapter}")
    if made.models is not None:
        typer.echo("\n".join(made.models.lines()), err=as_json)


@contextmanager
def _shown_metrics() -> Iterator[Callable[[dict[str, float]], None]]:
    """A progress bar on a terminal, a line for each step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = "training", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("")

        def show(line: dict[str, float]) -> None:
            values = ", ".join(f"{name} {line[name]:.4f}" for name in SHOWN if name in line)
            if console.is_terminal:
                bar.update(task, completed=line["step"], total=line["max_steps"], description=values)
            elif values:
                typer.echo(f"step {line['step']:g} of {line['max_steps']:g}: {values}", err=True)

        yield show


def rounds(
    recipe: RecipeArg,
    tasks: Annotated[Path | None, typer.Option(help="Task file; default: the recipe's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Rounds folder; default: runs/RECIPE-NAME-rounds.")] = None,
    changed_tasks: ChangedTasks = None,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Run, export, train and evaluate, again and again; run again to go on."""
    from rich.console import Console

    from anyprefer import api
    from anyprefer.recipes import load_recipe
    from anyprefer.runs.progress import Progress

    loaded = load_recipe(recipe, overrides or ())
    progress = Progress(Console(stderr=True))
    state = api.rounds(
        loaded, tasks, out, progress=progress, say=lambda line: typer.echo(line, err=True), changed_tasks=changed_tasks
    )
    typer.echo(state.model_dump_json(indent=2) if as_json else "\n".join(state.lines()))
