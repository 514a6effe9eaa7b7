"""Task sources: JSON Lines, CSV, Parquet or a Hugging Face dataset in, checked tasks out, one in memory at a time.

A row needs a prompt under one of the names in `PROMPT_FIELDS`; a reference, an id, images, tools and metadata are optional, and
every other field is kept as metadata. Paths of images are relative to the task file; a task knows its pictures by their bytes.
A mistake is a `DataError` that names the file, the line, the value and the fix.
"""

import csv
import itertools
import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pydantic import ValidationError

from anyprefer.data.blobs import BlobStore
from anyprefer.data.hub import is_dataset, read_dataset
from anyprefer.data.pictures import brief, read_pictures, with_pictures
from anyprefer.data.records import escape_surrogates
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Message, Task

PROMPT_FIELDS = ("prompt", "question", "instruction", "messages")
"""Names of the prompt: text, or a list of `{role, content}` messages. One of them per row."""

REFERENCE_FIELDS = ("reference", "answer", "output")
"""Names of the trusted answer. At most one of them per row."""

PICTURE_FIELDS = ("images", "image")
"""Names of the pictures: a list, or a single one. One of them per row."""

MAX_PROMPT_CHARS = 200_000
"""Longest prompt in characters, about 50,000 tokens: beyond most contexts, so rather a file pasted by mistake."""

MAX_DEPTH = 64
"""Deepest nesting of a row; JSON readers give up at 200, and a record adds a few levels of its own."""

Row = tuple[str, dict[str, Any]]
"""Where a row stands ("tasks.jsonl line 3") and its fields."""


class ReadTask(Protocol):
    """Makes a task of a row; see `anyprefer.applications.base.Application.read_task`."""

    def __call__(self, where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        """Read the row."""


def read_task(where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
    """Make a task of a row whose prompt is text or a conversation.

    Args:
        where: The row's place, for messages.
        row: Its columns.
        folder: What the paths of its images are relative to.
        blobs: Keeps the images; None only hashes them.

    Raises:
        DataError: The row cannot be used.
    """
    images = read_pictures(where, _pictures(where, row), folder, blobs)
    fields = _fields(where, {name: value for name, value in row.items() if name not in PICTURE_FIELDS})
    prompt_name, reference_name = (_only_name(where, fields, names) for names in (PROMPT_FIELDS, REFERENCE_FIELDS))
    if prompt_name is None:
        raise DataError(
            f"{where} has no prompt: it needs one of the fields {', '.join(PROMPT_FIELDS)}, but has {', '.join(row) or 'none'}"
        )
    if prompt_name == "instruction" and fields.get("input"):
        raise DataError(f"{where} has an 'input' beside its 'instruction': join both into one 'prompt', or rename 'input'")
    known = {prompt_name, reference_name, "id", "tools", "metadata"}
    prompt = with_pictures(_prompt(where, prompt_name, fields[prompt_name]), images)
    try:
        return Task(
            id=_id(where, fields),
            prompt=prompt,
            tools=_tools(where, fields),
            reference=None if reference_name is None else _reference(where, reference_name, fields[reference_name]),
            metadata=_metadata(where, fields, {name: value for name, value in fields.items() if name not in known}),
        )
    except ValidationError as error:
        raise DataError(f"{where}: {_problem(error)}; {prompt_name} is {brief(fields[prompt_name])}") from None


def load_tasks(
    path: str | Path, *, limit: int | None = None, read: ReadTask = read_task, max_prompt_chars: int = MAX_PROMPT_CHARS,
    checked: bool = False, blobs: BlobStore | None = None,
) -> Iterator[Task]:  # fmt: skip
    """Read tasks in file order.

    Args:
        path: A `.jsonl`, `.csv` or `.parquet` file in UTF-8 (Parquet needs the `parquet` extra), a folder that holds a Hugging
            Face dataset, or `hf:OWNER/NAME` for one of the hub, with `:SPLIT` behind it (these need the `parquet` extra too).
        limit: Most tasks to read; the rest of the file is not looked at.
        read: Makes a task of a row; the application's.
        max_prompt_chars: Longest prompt allowed, in characters.
        checked: Whether `check_tasks` has been through the source, so that ids need not be compared again.
        blobs: Keeps the tasks' pictures; None only hashes them.

    Raises:
        DataError: The file or a row cannot be used; raised when the iteration gets there, see `check_tasks`.
        ConfigError: Parquet without the extra.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    seen = None if checked else _Seen()
    number = 0
    for where, row in itertools.islice(_reader(path)(path), limit):
        number += 1
        task = read(where, row, folder, blobs)
        if len(task.text) > max_prompt_chars:
            raise DataError(
                f"{where}: the prompt has {len(task.text):,} characters, more than the limit of {max_prompt_chars:,}: "
                "shorten it or remove the row"
            )
        if seen and (earlier := seen.add(task.id, where.removeprefix(f"{path} "))):
            _refuse_duplicate(where, earlier, task.id, named=row.get("id") not in (None, ""))
        yield task
    if not number and limit != 0:
        raise DataError(f"{str(path)!r} has no tasks: it needs a row with a prompt for each task")


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


def read_rows(path: str | Path) -> Iterator[Row]:
    """Where each row of a source that `load_tasks` takes stands, and its columns as they are.

    Raises:
        DataError: The file or a row cannot be read.
        ConfigError: Reading it needs an extra.
    """
    path = Path(path)
    return _reader(path)(path)


def check_tasks(path: str | Path, limit: int | None = None, read: ReadTask = read_task) -> int:
    """Count the tasks that `load_tasks` would give, so that a mistake in the last line shows before any work starts.

    Args:
        path: See `load_tasks`.
        limit: Likewise.
        read: Likewise.

    Raises:
        DataError: The file or a row cannot be used; one with pictures cannot, as long as no role can be shown any.
    """
    number = 0
    for task in load_tasks(path, limit=limit, read=read):
        number += 1
        if task.images:
            raise DataError(
                f"{path}: task {task.id!r} has {len(task.images)} picture(s), and no role of this recipe can see: leave out "
                "'images', or the pair would be written blind"
            )
    return number


def _reader(path: Path) -> Callable[[Path], Iterator[Row]]:
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if is_dataset(path):
        return read_dataset
    if not path.exists():
        raise DataError(f"task file {str(path)!r} does not exist: give the path of a .jsonl, .csv or .parquet file")
    if path.suffix.lower() not in readers:
        raise DataError(
            f"cannot read tasks from {str(path)!r}: {path.suffix!r} is none of {', '.join(readers)}; convert the file"
        )
    return readers[path.suffix.lower()]


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    offset = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path} line {number} is not UTF-8: byte {line[error.start : error.start + 1]!r} at offset "
                        f"{offset + error.start} of the file; save it as UTF-8, for example with iconv"
                    ) from None
                offset += len(line)
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in _read_lines(path):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            row = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise DataError(
                f"{where} is not JSON ({reason}): {brief(line.strip())}; each line must hold one whole JSON object"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f'{where} is not a JSON object: {brief(row)}; write {{"prompt": ...}}')
        yield where, row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value, write null")


def _read_csv(path: Path) -> Iterator[Row]:
    reader = csv.DictReader((line for _, line in _read_lines(path)), strict=True)
    try:
        for cells in reader:
            where = f"{path} line {reader.line_num}"
            if None in cells:
                raise DataError(f"{where} has more cells than the header: {brief(cells[None])}; quote cells that hold commas")
            yield where, {name: _cell(where, name, cell) for name, cell in cells.items() if cell}
    except csv.Error as error:
        line = reader.reader.line_num
        raise DataError(f"{path} line {line} is not CSV ({error}): mend its quotes, or use JSON Lines") from None


def _cell(where: str, name: str, cell: str) -> Any:
    if name not in ("messages", "images", "tools", "metadata"):
        return cell
    try:
        return json.loads(cell, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: column {name!r} must hold JSON ({error}): {brief(cell)}") from None


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(f"reading {str(path)!r} needs pyarrow: pip install 'anyprefer[parquet]'") from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path} row {number}", row
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is not a readable Parquet file (after row {number}): {brief(str(error))}") from error


def _fields(where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {escape_surrogates(str(name)): _plain(value) for name, value in row.items() if value is not None}
    except ValueError as error:
        raise DataError(f"{where}: {error}; remove or flatten that field") from None


def _plain(value: Any, depth: int = 1) -> Any:
    """The value as JSON can store it, so that a task equals its stored copy."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a field is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return {escape_surrogates(str(name)): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        raise ValueError(f"a field holds {len(value)} bytes, which is no text")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | None) else escape_surrogates(str(value))


def _only_name(where: str, row: dict[str, Any], names: tuple[str, ...]) -> str | None:
    found = [name for name in names if name in row]
    if len(found) > 1:
        raise DataError(f"{where} has both {found[0]!r} and {found[1]!r}, which mean the same: keep one, or rename the other")
    return found[0] if found else None


def _prompt(where: str, name: str, value: Any) -> str | tuple[Message, ...]:
    if not isinstance(value, list):
        return _text(where, name, value, or_else=", or a list of messages")
    try:
        return tuple(Message.model_validate(message) for message in value)
    except ValidationError as error:
        raise DataError(
            f"{where}: {name} = {brief(value)} is no list of messages ({_problem(error)}): write "
            '[{"role": "system", "user" or "assistant", "content": text}, ...]'
        ) from None


def _text(where: str, name: str, value: Any, or_else: str = "") -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {name} = {brief(value)} is no text: write a string{or_else}")
    return value


def _id(where: str, row: dict[str, Any]) -> str:
    value = row.get("id", "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: id = {brief(value)} is neither text nor a whole number")
    return str(value)


def _reference(where: str, name: str, value: Any) -> Any:
    """A text, or a whole output as records hold it."""
    return value if isinstance(value, dict) and "kind" in value else _text(where, name, value)


def _tools(where: str, row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    value = row.get("tools", [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{where}: tools = {brief(value)} is no list of JSON schemas: write one object for each function")
    return tuple(value)


def _pictures(where: str, row: Mapping[str, Any]) -> Any:
    """The pictures as a list; None where the row has none."""
    name = _only_name(where, {name: row[name] for name in PICTURE_FIELDS if row.get(name) is not None}, PICTURE_FIELDS)
    return None if name is None else [row[name]] if name == "image" else row[name]


def _metadata(where: str, row: Mapping[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    value = row.get("metadata", {})
    if not isinstance(value, dict):
        raise DataError(f'{where}: metadata = {brief(value)} is no object: write {{"name": value}}')
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


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"]).removeprefix("Value error, ")
