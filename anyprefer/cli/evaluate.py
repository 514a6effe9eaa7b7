"""The verbs that measure: `anyprefer evaluate judge | critic | model | harness | win-rate | compare`."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from anyprefer.cli.options import JsonFlag, Overrides, RecipeArg

evaluate_app = typer.Typer(
    no_args_is_help=True, help="Measure judges, critics and models: judge, critic, model, harness, win-rate, compare."
)


@evaluate_app.command("judge")
def evaluate_judge(
    recipe: RecipeArg,
    data: Annotated[
        Path,
        typer.Option(
            help="Rows with prompt, chosen and rejected; output_1, output_2 and label; question and answer, perhaps with "
            "responses to it; or question, choices and answerKey."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the journal and the results; default: runs/RECIPE-NAME-judge.")
    ] = None,
    arms: Annotated[str, typer.Option(help="Which of none, tools, feedback, both, with commas.")] = "none,tools,feedback,both",
    limit: Annotated[int | None, typer.Option(min=1, help="Judge at most this many pairs.")] = None,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure how often a recipe's judge prefers the right response; run again to resume."""
    from anyprefer.evaluation.judge_report import run_evaluation
    from anyprefer.recipes import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    folder = out or Path("runs") / f"{loaded.name}-judge"
    report = asyncio.run(run_evaluation(loaded, data, folder, arms.split(","), limit, lambda line: typer.echo(line, err=True)))
    typer.echo(report.model_dump_json(indent=2) if as_json else report.table())


@evaluate_app.command("critic")
def evaluate_critic(
    recipe: RecipeArg,
    data: Annotated[
        Path,
        typer.Option(
            help="Rows with question, answer and responses; prompt, chosen and rejected; output_1, output_2 and label; or "
            "question, choices and answerKey."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the journal and the results; default: runs/RECIPE-NAME-critic.")
    ] = None,
    arms: Annotated[str, typer.Option(help="Which of none, tools, with a comma.")] = "none,tools",
    limit: Annotated[int | None, typer.Option(min=1, help="Use at most this many problems.")] = None,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure how well a critic's reward tells good pairs from others; run again to resume."""
    from anyprefer.evaluation.critic_report import run_critic_evaluation
    from anyprefer.recipes import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    folder = out or Path("runs") / f"{loaded.name}-critic"
    say = partial(typer.echo, err=True)
    report = asyncio.run(run_critic_evaluation(loaded, data, folder, arms.split(","), limit, say))
    typer.echo(report.model_dump_json(indent=2) if as_json else report.table())


@evaluate_app.command("model")
def evaluate_model_verb(
    recipe: RecipeArg,
    data: Annotated[Path, typer.Option(help="Benchmark file.")],
    benchmark: Annotated[str, typer.Option(help="gsm8k, arc_easy, arc_challenge, exact, or module:function of a scorer.")],
    model: Annotated[str | None, typer.Option(help="Model to measure; default: the recipe's target.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the journal and the report.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most this many items.")] = None,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a served model on a benchmark; run again to resume."""
    from anyprefer.evaluation.model_eval import evaluate_model
    from anyprefer.recipes import load_recipe

    loaded = load_recipe(recipe, [*(overrides or ()), *([f'target.model="{model}"'] if model else [])])
    folder = out or Path("runs") / f"{loaded.name}-{benchmark.replace(':', '-')}"
    report = asyncio.run(evaluate_model(loaded, benchmark, data, folder, limit, lambda line: typer.echo(line, err=True)))
    typer.echo(report.model_dump_json(indent=2) if as_json else report.line())


@evaluate_app.command("harness")
def evaluate_harness_verb(
    recipe: RecipeArg,
    benchmark: Annotated[str, typer.Option(help="gsm8k, arc_easy or arc_challenge.")],
    data: Annotated[Path | None, typer.Option(help="Local JSON Lines file; default: the hub's data set.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, folder or adapter; default: the recipe's target.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report and lm-eval's task file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most this many items.")] = None,
    few_shot: Annotated[Path | None, typer.Option(help="Local file of worked examples, for GSM8K.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences of one forward pass.")] = 8,
    chat: Annotated[bool, typer.Option("--chat", help="Put prompts into the model's chat template.")] = False,
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model's weights on a benchmark through lm-eval."""
    from anyprefer.evaluation.lm_harness import HarnessOptions, evaluate_harness
    from anyprefer.recipes import load_recipe
    from anyprefer.training.targets import resolve_target

    loaded = load_recipe(recipe, overrides or ())
    target = resolve_target(loaded, model)
    options = HarnessOptions(limit, few_shot, batch_size, chat)
    folder = out or Path("runs") / f"{loaded.name}-{benchmark}-harness"
    report = evaluate_harness(target.folder, target.adapter, benchmark, data, folder, options)
    typer.echo(report.model_dump_json(indent=2) if as_json else report.line())


@evaluate_app.command("win-rate")
def evaluate_win_rate(
    recipe: RecipeArg,
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Answers: a folder of `evaluate model`, or AlpacaEval's JSON.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Answers to compare with.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the journal and the report.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge at most this many prompts.")] = None,
    arm: Annotated[Literal["none", "tools", "feedback", "both"], typer.Option(help="What the judge may use.")] = "none",
    overrides: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Have the recipe's judge compare two models' answers; run again to resume."""
    from anyprefer.data.run_dir import RunDir
    from anyprefer.evaluation.win_rate import load_outputs, measure_win_rate
    from anyprefer.recipes import load_recipe
    from anyprefer.runs.journal import Journal

    loaded = load_recipe(recipe, overrides or ())
    answers = load_outputs(first), load_outputs(second)
    folder = out or Path("runs") / f"{loaded.name}-win-rate"
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(RunDir(folder).journal)
    try:
        report = asyncio.run(measure_win_rate(loaded, *answers, journal, limit=limit, arm=arm))
    finally:
        journal.close()
    (folder / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    typer.echo(report.model_dump_json(indent=2) if as_json else report.line())


@evaluate_app.command("compare")
def evaluate_compare(
    first: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of `evaluate model`.")],
    second: Annotated[Path, typer.Argument(metavar="DIR", help="Another, on the same file.")],
) -> None:
    """Compare two models on the items that both answered, with a paired test."""
    from anyprefer.evaluation.comparison import compare
    from anyprefer.evaluation.model_eval import read_report

    found = compare(read_report(first).scores(), read_report(second).scores())
    typer.echo("\n".join(found.lines()))
