"""Task sources: files of any usual format or a Hugging Face dataset in, checked tasks out, one in memory at a time.

`anyprefer.data.rows` reads the formats, and `anyprefer.data.columns` says what columns mean. A row needs a prompt; what a model
should see beside it, a system message, a context, earlier turns, becomes part of the prompt. Paths of images are relative to the
task file; a task knows its pictures by their bytes. A mistake is a `DataError` that names file, line, value and fix.
"""

import itertools
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pydantic import ValidationError

from anyprefer.config import ColumnsConfig
from anyprefer.data.blobs import BlobStore
from anyprefer.data.cells import as_text, plain_cells, read_cell, read_metadata
from anyprefer.data.column_map import ColumnMap, read_columns
from anyprefer.data.columns import ROLES, is_conversation, is_empty, role_of, sort_columns
from anyprefer.data.conversations import (
    Prompt,
    explain,
    read_history,
    read_messages,
    read_output,
    read_reply,
    split_reply,
    with_material,
    with_turns,
)  # fmt: skip
from anyprefer.data.pictures import read_pictures, with_pictures
from anyprefer.data.quoting import brief, map_flag, name_columns
from anyprefer.data.rows import read_rows
from anyprefer.errors import DataError
from anyprefer.types import Image, Output, Reply, Task, same_output

MAX_PROMPT_CHARS = 200_000
"""Longest prompt in characters, about 50,000 tokens: beyond most contexts, so rather a file pasted by mistake."""

Roles = dict[str, dict[str, Any]]
"""Role -> the columns that have it, by name."""


class ReadTask(Protocol):
    """Makes a task of a row; see `anyprefer.applications.base.Application.read_task`."""

    def __call__(self, where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        """Read the row."""


def read_task(where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
    """Make a task of a row whose prompt is text or a conversation.

    A conversation that ends with the assistant is asked without that end, which is the reference.

    Args:
        where: The row's place, for messages.
        row: Its columns, under names of `anyprefer.data.columns.ROLES`.
        folder: What the paths of its images are relative to.
        blobs: Keeps the images; None only hashes them.

    Raises:
        DataError: The row cannot be used.
    """
    images = _pictures(where, row, folder, blobs)
    found = sort_columns(where, plain_cells(where, {name: cell for name, cell in row.items() if role_of(name) != "images"}))
    roles = found.roles
    _refuse_pair(where, roles)
    name, asked = _prompt_cell(where, roles, row)
    found.refuse_unknown(where)
    prompt, reply = _prompt(where, name, asked)
    prompt = with_material(where, prompt, _contexts(roles), _text_of(where, roles, "input"))
    prompt = with_turns(where, with_pictures(prompt, images), _text_of(where, roles, "system"), _history(where, roles))
    reference, whole = _reference(where, roles, reply)
    try:
        return Task(
            id=_id(where, roles), prompt=prompt, tools=_tools(where, roles), reference=reference,
            metadata=_metadata(where, roles, found.metadata | whole),
        )  # fmt: skip
    except ValidationError as error:
        raise DataError(f"{where}: {explain(error)}; {name} is {brief(asked)}") from None


def load_tasks(
    path: str | Path, *, limit: int | None = None, read: ReadTask = read_task, max_prompt_chars: int = MAX_PROMPT_CHARS,
    checked: bool = False, blobs: BlobStore | None = None, columns: ColumnsConfig | Mapping[str, Any] | None = None,
) -> Iterator[Task]:  # fmt: skip
    """Read tasks in file order.

    Args:
        path: See `anyprefer.data.rows.read_rows`.
        limit: Most tasks to read; the rest of the file is not looked at.
        read: Makes a task of a row; the application's.
        max_prompt_chars: Longest prompt allowed, in characters.
        checked: Whether `check_tasks` has been through the source, so that ids need not be compared again.
        blobs: Keeps the tasks' pictures; None only hashes them.
        columns: What columns mean whose names do not say it, such as `{"prompt": "text", "metadata": ["notes"]}`.

    Raises:
        DataError: The file or a row cannot be used; raised when the iteration gets there, see `check_tasks`.
        ConfigError: Parquet, Arrow or zstd without the extra, or a role that there is not.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    names = ColumnMap(read_columns(columns or {}))
    seen = None if checked else _Seen()
    number = 0
    for where, given in itertools.islice(read_rows(path), limit):
        number += 1
        row = names.rename(where, given)
        task = read(where, row, folder, blobs)
        if len(task.text) > max_prompt_chars:
            raise DataError(
                f"{where}: the prompt has {len(task.text):,} characters, more than the limit of {max_prompt_chars:,}: "
                "shorten it or remove the row"
            )
        if seen and (earlier := seen.add(task.id, where.removeprefix(f"{path} "))):
            _refuse_duplicate(where, earlier, task.id, named=has_id(row))
        yield task
    if not number and limit != 0:
        raise DataError(f"{str(path)!r} has no tasks: it needs a row with a prompt for each task")
    if number:
        names.check_all_seen(path)


def check_tasks(
    path: str | Path, limit: int | None = None, read: ReadTask = read_task, columns: ColumnsConfig | None = None
) -> int:
    """Count the tasks that `load_tasks` would give, so that a mistake in the last line shows before any work starts.

    Args:
        path: See `load_tasks`.
        limit: Likewise.
        read: Likewise.
        columns: Likewise.

    Raises:
        DataError: The file or a row cannot be used; one with pictures cannot, as long as no role can be shown any.
    """
    number = 0
    for task in load_tasks(path, limit=limit, read=read, columns=columns):
        number += 1
        if task.images:
            raise DataError(
                f"{path}: task {task.id!r} has {len(task.images)} picture(s), and no role of this recipe can see: leave out "
                "'images', or the pair would be written blind"
            )
    return number


def has_id(row: Mapping[str, Any]) -> bool:
    """Whether a row names its task."""
    return any(role_of(name) == "id" and value not in (None, "") for name, value in row.items())


class _Seen:
    """Ids and where they stood, in a temporary database that moves from memory to disk as it grows."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, task_id: str, place: str) -> str | None:
        """Note an id; gives the place of an equal one before it."""
        try:
            self._db.execute("INSERT INTO seen VALUES (?, ?)", (task_id, place))
        except sqlite3.IntegrityError:
            return str(self._db.execute("SELECT place FROM seen WHERE id = ?", (task_id,)).fetchone()[0])
        return None


def _pictures(where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None) -> list[Image]:
    cells = {name: cell for name, cell in row.items() if role_of(name) == "images"}
    found = sort_columns(where, cells).roles if cells else {}
    return [image for column in found.get("images", {}).items() for image in read_pictures(where, *column, folder, blobs)]


def _refuse_pair(where: str, roles: Roles) -> None:
    if roles.get("chosen") or roles.get("rejected"):
        raise DataError(
            f"{where} is a preference pair, with chosen and rejected: --judge-existing has the judge score the two (in a recipe: "
            "sampling.existing = true); to sample new ones, add --map metadata=chosen+rejected"
        )


def _prompt_cell(where: str, roles: Roles, row: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and value of what is asked; an `input` without an instruction is asked itself."""
    found = roles.get("prompt", {})
    if all(map(is_empty, found.values())) and roles.get("input"):
        found = roles.pop("input")
    if not found:
        raise DataError(
            f"{where} has no prompt: it needs one of the fields {', '.join((*ROLES['prompt'], *ROLES['input']))}, but has "
            f"{name_columns(row)}; --map prompt=COLUMN says which it is"
        )
    return next(iter(found.items()))


def _prompt(where: str, name: str, value: Any) -> tuple[Prompt, Reply | None]:
    """What is asked, and what the assistant says behind it."""
    if isinstance(value, str) and is_conversation(name) and value.lstrip().startswith("["):
        value = read_cell(where, name, value)
    if not isinstance(value, list):
        return _text(where, name, value, or_else=", or a list of messages"), None
    return split_reply(read_messages(where, name, value))


def _text(where: str, name: str, value: Any, or_else: str = "") -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {name} = {brief(value)} is no text: write a string{or_else}")
    return value


def _text_of(where: str, roles: Roles, role: str) -> str:
    """The text of a role; numbers count as text, and nothing as an empty one."""
    for name, value in roles.get(role, {}).items():
        if not is_empty(value):
            return as_text(value) if not isinstance(value, list | dict) else _text(where, name, value)
    return ""


def _contexts(roles: Roles) -> list[str]:
    """What a question is about, each between tags of its column's name."""
    tags = ((re.sub(r"\W+", "_", name.strip().lower()), value) for name, value in roles.get("context", {}).items())
    return [f"<{tag}>\n{as_text(value).strip()}\n</{tag}>" for tag, value in tags if not is_empty(value)]


def _history(where: str, roles: Roles) -> Any:
    return next((read_history(where, name, value) for name, value in roles.get("history", {}).items() if not is_empty(value)), ())


def _id(where: str, roles: Roles) -> str:
    value = next(iter(roles.get("id", {}).values()), "")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: id = {brief(value)} is neither text nor a whole number")
    return str(value)


def _reference(where: str, roles: Roles, reply: Reply | None) -> tuple[Output | None, dict[str, Any]]:
    """The trusted answer, and what the metadata keep of it: of several acceptable answers the first counts."""
    for name, value in roles.get("reference", {}).items():
        answer = _answer(where, name, value)
        if answer is None or (reply is not None and not answer.text.strip()):
            break
        if reply is not None and not same_output(reply, answer):
            raise DataError(
                f"{where} ends in an answer of the assistant, {brief(reply.answer)}, and {name} = {brief(value)} says something "
                f"else: leave one out, or keep the other with {map_flag(('metadata', name))}"
            )
        return answer, {name: value} if _holds_several(value) else {}
    return reply, {}


def _holds_several(value: Any) -> bool:
    if isinstance(value, list):
        return not isinstance(value[0], dict)
    return isinstance(value, dict) and "kind" not in value


def _answer(where: str, name: str, value: Any) -> Output | None:
    """A text, an output as records hold it, a reply as messages, or the first of several answers; None where there is none."""
    if isinstance(value, dict) and "kind" in value:
        return read_output(where, name, value)
    if isinstance(value, dict):
        value = next((value[key] for key in ("text", "value") if key in value), value)  # as question-answering sets have it
    if isinstance(value, list) and value:
        if all(isinstance(item, dict) for item in value):
            return read_reply(where, name, value)
        value = value[0]
    if isinstance(value, list | dict):
        return _refuse_answer(where, name, value) if value else None
    return Reply.of(as_text(value))


def _refuse_answer(where: str, name: str, value: Any) -> NoReturn:
    raise DataError(
        f"{where}: {name} = {brief(value)} is neither a text, a number nor a list of them: write the answer, or keep it with "
        f"{map_flag(('metadata', name))}"
    )


def _tools(where: str, roles: Roles) -> tuple[dict[str, Any], ...]:
    name, value = next(iter(roles.get("tools", {}).items()), ("tools", []))
    found = read_cell(where, name, value) if not is_empty(value) else []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DataError(f"{where}: tools = {brief(value)} is no list of JSON schemas: write one object for each function")
    return tuple(found)


def _metadata(where: str, roles: Roles, others: dict[str, Any]) -> dict[str, Any]:
    value = read_metadata(where, next(iter(roles.get("metadata", {}).values()), None))
    if twice := sorted(others.keys() & value.keys()):
        raise DataError(f"{where} has {twice[0]!r} both as a field and in 'metadata': keep one, or rename the other")
    return {**others, **value}


def _refuse_duplicate(where: str, earlier: str, task_id: str, *, named: bool) -> NoReturn:
    if named:
        raise DataError(f"{where} has the id {brief(task_id)} of {earlier}: ids must be unique, give it another one")
    raise DataError(
        f"{where} has the same prompt as {earlier}: remove one, or, if you want both, give each an 'id' of its own "
        "(without one, the id is a hash of the prompt)"
    )
