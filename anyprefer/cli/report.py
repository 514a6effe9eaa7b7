"""The verbs that show what was made: `anyprefer report` and `anyprefer analyze`."""

from pathlib import Path
from typing import Annotated

import typer

from anyprefer.cli.options import JsonFlag


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="The page; default: DIR/report.html.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write one HTML page about a run, with every record; it needs nothing but a browser."""
    from anyprefer import api

    written = api.write_report(run_dir, out)
    if as_json:
        typer.echo(written.model_dump_json(indent=2))
    else:
        typer.echo(f"{written.records:,} records, {written.bytes / 2**20:.1f} MiB -> {written.path}")


def analyze(
    source: Annotated[Path, typer.Argument(metavar="DIR|DATASET", help="Run folder, export, or a file of preference pairs.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for analysis.json, card.md and the map; default: in the run folder, or the export."),
    ] = None,
    benchmark: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Items that must not have leaked into the pairs; may be repeated.")
    ] = None,
    compare: Annotated[
        list[Path] | None, typer.Option("--with", metavar="DATASET", help="Compare diversity with this data; may be repeated.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="Of texts: minilm, clip, a folder, or none for no diversity.")] = "minilm",
    size: Annotated[int, typer.Option(min=10, help="Most pairs of each dataset for diversity.")] = 500,
    sample: Annotated[int, typer.Option(min=0, help="Have a critic score this many pairs, drawn at random.")] = 0,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose critic scores the sample; default: that of the run folder.")
    ] = None,
    include_exhausted: Annotated[bool, typer.Option(help="Also pairs below the reward threshold.")] = False,
    seed: Annotated[int, typer.Option(help="Of samples, folds and the map.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Look for defects in a preference dataset, and say how hard, how telling and how diverse it is."""
    from anyprefer import api

    found = api.analyze(
        source, lambda line: typer.echo(line, err=True), out=out, benchmarks=tuple(benchmark or ()),
        compare=tuple(compare or ()), encoder=encoder, size=size, sample=sample, recipe=recipe,
        include_exhausted=include_exhausted, seed=seed,
    )  # fmt: skip
    typer.echo(found.model_dump_json(indent=2) if as_json else "\n".join(found.lines()))
