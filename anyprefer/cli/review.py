"""The verb that puts pairs before a person: `anyprefer review`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyprefer.cli.options import JsonFlag
from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    from anyprefer.review.desk import Desk


def review(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = 0,
    host: Annotated[
        str, typer.Option(help="A name or address of this machine, for a page that a phone on the same network can open.")
    ] = "127.0.0.1",
    apply: Annotated[bool, typer.Option("--apply", help="Only apply the decisions that are there.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Only say how reviewers and judge agree.")] = False,
    store: Annotated[
        str | None, typer.Option(envvar="ANYPREFER_STORE", help="postgres://... where the run's checkpoints are there.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Work through the pairs that wait for a decision, on a page in the browser."""
    from anyprefer.data.records import RecordFile
    from anyprefer.data.run_dir import RunDir
    from anyprefer.review.agreement import measure_agreement

    if not report:
        left = asyncio.run(_work(run_dir, (host, port), store, only_apply=apply))
        typer.echo(f"{left} pairs still wait", err=True)
    found = measure_agreement(RecordFile(RunDir(run_dir).records))
    typer.echo(found.model_dump_json(indent=2) if as_json else "\n".join(found.lines()))


async def _work(run_dir: Path, place: tuple[str, int], store: str | None, *, only_apply: bool) -> int:
    """Serve and apply; gives how many tasks wait on."""
    from anyprefer.review.desk import open_desk

    async with open_desk(run_dir, store) as desk:
        if only_apply or await _serve(desk, *place):
            typer.echo(f"{await desk.apply()} decisions applied", err=True)
        elif desk.decisions:
            typer.echo(f"{len(desk.decisions)} decisions kept; they are there the next time, or give --apply", err=True)
        return len(desk.items)


async def _serve(desk: "Desk", host: str, port: int) -> bool:
    try:
        from anyprefer.review.web import serve
    except ImportError as error:
        raise ConfigError(f"the review page needs {error.name}: pip install 'anyprefer[review]'") from None
    return await serve(desk, port, lambda line: typer.echo(line, err=True), host)
