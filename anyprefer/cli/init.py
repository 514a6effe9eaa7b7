"""The verb of the first hour: `anyprefer init` asks three questions, or takes flags, and writes a recipe that runs as it is."""

import importlib.util
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anyprefer.cli.asking import Asker
from anyprefer.cli.interview import Interview
from anyprefer.cli.options import MapOption
from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    from anyprefer.runs.starter import Draft, Source

_WHAT = """\
What answers the prompts?
   1  an endpoint that wants a key: OpenAI, or another that speaks its protocol
   2  a server of yours: vLLM, Ollama, llama.cpp, LM Studio, SGLang
   3  embedded models: no key, no server, no GPU; small, to try things out"""


def init(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|FILE", help="The recipe, or a folder for it.")] = Path("my.toml"),
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="An endpoint that speaks the OpenAI protocol.")] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="NAME|URL", help="A server of yours: vllm, ollama, llama.cpp, lm-studio, sglang, or its address."),
    ] = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="The embedded models.")] = False,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model to be aligned.")] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model that judges: one beside it, or provider:NAME.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The environment variable that holds the endpoint's key.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(metavar="FILE", help="Task file, or hf:OWNER/NAME, or 'sample'.")] = None,
    map_: MapOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing and take what would be proposed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a recipe that is there.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not look at the endpoint.")] = False,
) -> None:
    """Write a recipe for an endpoint, a server or the embedded models; asks for what no flag says."""
    from anyprefer.data.column_map import parse_map

    source, address = _read_source(endpoint, server, embedded=embedded)
    recipe = _find_place(place, force=force)
    asker = Asker(on_terminal=sys.stdin.isatty() and sys.stderr.isatty() and not yes, takes_proposals=yes)
    interview = Interview(asker, recipe, model, judge, key_env, tasks, parse_map(map_ or ()), offline=offline)
    try:
        source = source or _ask_source(asker)
        draft = interview.embedded() if source == "embedded" else interview.served(source, address)
        draft = interview.with_tasks(draft)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("\nstopped: nothing is written", err=True)
        raise typer.Exit(130) from None
    _write(draft, recipe, force=force)


def _read_source(endpoint: str | None, server: str | None, *, embedded: bool) -> "tuple[Source | None, str | None]":
    """What answers, and its address, as far as flags say it.

    Raises:
        ConfigError: They say two things.
    """
    given: dict[Source, str | None] = {"endpoint": endpoint, "server": server, "embedded": "" if embedded else None}
    named = [source for source, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"--{named[0]} and --{named[1]}: give one of them; --server takes an address as well")
    return (named[0], given[named[0]]) if named else (None, None)


def _find_place(place: Path, *, force: bool) -> Path:
    """The recipe's path.

    Raises:
        ConfigError: It cannot be one, or is there already.
    """
    if str(place).startswith(("http:", "https:")):
        raise ConfigError(f"{str(place)!r} is an address and no place for a recipe: give it as --endpoint, or as --server")
    if place.suffix and place.suffix != ".toml" and not place.is_dir():
        raise ConfigError(f"{str(place)!r}: a recipe's name ends in .toml; or give a folder")
    path = place if place.suffix == ".toml" else place / "recipe.toml"
    if path.is_dir():
        raise ConfigError(f"{str(path)!r} is a folder: give another name")
    if path.exists() and not force:
        raise ConfigError(f"{str(path)!r} is there already: give another name, or --force to replace it")
    return path


def _ask_source(asker: Asker) -> "Source":
    if not asker.on_terminal:
        raise ConfigError("there is no terminal to ask at: give --endpoint URL, --server NAME or --embedded")
    asker.say(_WHAT)
    sources: dict[str, Source] = {"1": "endpoint", "2": "server", "3": "embedded"}
    while (answer := asker.ask("Number", "1", "")) not in sources:
        asker.say(f"{answer!r} is none of {', '.join(sources)}")
    return sources[answer]


def _write(draft: "Draft", recipe: Path, *, force: bool) -> None:
    """Write the files and say what to do next."""
    from anyprefer.runs.starter import sample_text, write_file

    draft.recipe()
    if draft.with_sample:
        write_file(recipe.parent / draft.tasks, sample_text(), force=False)
    write_file(recipe, draft.text(), force=force)
    out, number = Path("runs") / draft.name, 1
    while out.exists():
        number += 1
        out = Path("runs") / f"{draft.name}-{number}"
    to = f" --out {shlex.quote(str(out))}" if number > 1 else ""
    tasks = f"{draft.num_tasks:,} task{'' if draft.num_tasks == 1 else 's'} of {draft.tasks}"
    typer.echo(f"{recipe} is written: {draft.target} answers, {draft.judge} judges, {tasks}")
    if draft.columns:
        typer.echo(draft.columns)
    typer.echo("next:")
    if draft.key_env and not os.environ.get(draft.key_env):
        typer.echo(f"  export {draft.key_env}=...")
    if draft.source == "embedded" and importlib.util.find_spec("xllamacpp") is None:
        typer.echo("  pip install 'anyprefer[local]'")
    typer.echo(f"  anyprefer run {shlex.quote(str(recipe))}{to}\n  anyprefer show {shlex.quote(str(out))} --list")
