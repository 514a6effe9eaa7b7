"""The verb that prints records: `anyprefer show`."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from anyprefer.cli.options import JsonFlag
from anyprefer.errors import ConfigError


def show(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    task_id: Annotated[
        str | None, typer.Argument(metavar="[TASK_ID]", help="Task id, or the start of one that no other task has.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the records: id, status, reward, certainty, prompt.")] = False,
    status: Annotated[
        Literal["accepted", "exhausted", "rejected", "failed"] | None,
        typer.Option(help="List only the records of this status."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print everything that happened to one task, round by round, or list the tasks."""
    if task_id is not None and (list_ or status):
        raise ConfigError(f"show one task, {task_id!r}, or list them with --list: not both")
    if list_ or status:
        _list(run_dir, status, as_json=as_json)
        return
    if task_id is None:
        raise ConfigError(f"give a task id, or see them all: anyprefer show {shlex.quote(str(run_dir))} --list")
    from rich.console import Console

    from anyprefer.runs.record_view import find_record, find_thread, show_record

    record = find_record(run_dir, task_id)
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
    else:
        show_record(record, Console(), find_thread(run_dir, record))


def _list(run_dir: Path, status: str | None, *, as_json: bool) -> None:
    import json

    from anyprefer.runs.listing import list_records

    rows = list_records(run_dir, status)
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    for row in rows:
        typer.echo(row.line())
