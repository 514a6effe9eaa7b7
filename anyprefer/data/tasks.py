"""Task sources: JSON Lines, CSV, Parquet or a Hugging Face dataset in, checked tasks out, one in memory at a time.

A row needs a prompt under one of the names in `PROMPT_FIELDS`; a reference, an id, images and metadata are optional, and every
other field is kept as metadata. A mistake is a `DataError` that names the file, the line, the value and the fix.
"""

import csv
import itertools
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from anyprefer.data.hub import is_dataset, read_dataset
from anyprefer.data.records import escape_surrogates
from anyprefer.errors import ConfigError, DataError
from anyprefer.prompts import clip
from anyprefer.types import Message, Task

PROMPT_FIELDS = ("prompt", "question", "instruction", "messages")
"""Names of the prompt: text, or a list of `{role, content}` messages. One of them per row."""

REFERENCE_FIELDS = ("reference", "answer", "output")
"""Names of the trusted answer. At most one of them per row."""

MAX_PROMPT_CHARS = 200_000
"""Longest prompt in characters, about 50,000 tokens: beyond most contexts, so rather a file pasted by mistake."""

MAX_DEPTH = 64
"""Deepest nesting of a row; JSON readers give up at 200, and a record adds a few levels of its own."""

Row = tuple[str, dict[str, Any]]
"""Where a row stands ("tasks.jsonl line 3") and its fields."""


def load_tasks(
    path: str | Path, *, limit: int | None = None, application: str = "text", max_prompt_chars: int = MAX_PROMPT_CHARS,
    checked: bool = False,
) -> Iterator[Task]:  # fmt: skip
    """Read tasks in file order.

    Args:
        path: A `.jsonl`, `.csv` or `.parquet` file in UTF-8 (Parquet needs the `parquet` extra), a folder that holds a Hugging
            Face dataset, or `hf:OWNER/NAME` for one of the hub, with `:SPLIT` behind it (these need the `parquet` extra too).
        limit: Most tasks to read; the rest of the file is not looked at.
        application: Given to every task.
        max_prompt_chars: Longest prompt allowed, in characters.
        checked: Whether `check_tasks` has been through the source, so that ids need not be compared again.

    Raises:
        DataError: The file or a row cannot be used; raised when the iteration gets there, see `check_tasks`.
        ConfigError: Parquet without the extra.
    """
    path = Path(path)
    seen = None if checked else _Seen()
    number = 0
    for where, row in itertools.islice(_reader(path)(path), limit):
        number += 1
        task = _task(where, row, application)
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


def check_tasks(path: str | Path, limit: int | None = None) -> int:
    """Count the tasks that `load_tasks` would give, so that a mistake in the last line shows before any work starts.

    Raises:
        DataError: The file or a row cannot be used.
    """
    return sum(1 for _ in load_tasks(path, limit=limit))


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
                f"{where} is not JSON ({reason}): {_clip(line.strip())}; each line must hold one whole JSON object"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f'{where} is not a JSON object: {_clip(row)}; write {{"prompt": ...}}')
        yield where, row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value, write null")


def _read_csv(path: Path) -> Iterator[Row]:
    reader = csv.DictReader((line for _, line in _read_lines(path)), strict=True)
    try:
        for cells in reader:
            where = f"{path} line {reader.line_num}"
            if None in cells:
                raise DataError(f"{where} has more cells than the header: {_clip(cells[None])}; quote cells that hold commas")
            yield where, {name: _cell(where, name, cell) for name, cell in cells.items() if cell}
    except csv.Error as error:
        line = reader.reader.line_num
        raise DataError(f"{path} line {line} is not CSV ({error}): mend its quotes, or use JSON Lines") from None


def _cell(where: str, name: str, cell: str) -> Any:
    if name not in ("messages", "images", "metadata"):
        return cell
    try:
        return json.loads(cell, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: column {name!r} must hold JSON ({error}): {_clip(cell)}") from None


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
        raise DataError(f"{path} is not a readable Parquet file (after row {number}): {_clip(str(error))}") from error


def _task(where: str, row: dict[str, Any], application: str) -> Task:
    row = _fields(where, row)
    prompt_name, reference_name = (_only_name(where, row, names) for names in (PROMPT_FIELDS, REFERENCE_FIELDS))
    if prompt_name is None:
        raise DataError(
            f"{where} has no prompt: it needs one of the fields {', '.join(PROMPT_FIELDS)}, but has {', '.join(row) or 'none'}"
        )
    if prompt_name == "instruction" and row.get("input"):
        raise DataError(f"{where} has an 'input' beside its 'instruction': join both into one 'prompt', or rename 'input'")
    known = {prompt_name, reference_name, "id", "images", "metadata"}
    prompt, images = _prompt(where, prompt_name, row[prompt_name]), _images(where, row)
    try:
        return Task(
            id=_id(where, row),
            prompt=prompt,
            images=images,
            reference=None if reference_name is None else _text(where, reference_name, row[reference_name]),
            application=application,
            metadata=_metadata(where, row, {name: value for name, value in row.items() if name not in known}),
        )
    except ValidationError as error:
        raise DataError(f"{where}: {_problem(error)}; {prompt_name} is {_clip(row[prompt_name])}") from None


def _fields(where: str, row: dict[str, Any]) -> dict[str, Any]:
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
            f"{where}: {name} = {_clip(value)} is no list of messages ({_problem(error)}): write "
            '[{"role": "system", "user" or "assistant", "content": text}, ...]'
        ) from None


def _text(where: str, name: str, value: Any, or_else: str = "") -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {name} = {_clip(value)} is no text: write a string{or_else}")
    return value


def _id(where: str, row: dict[str, Any]) -> str:
    value = row.get("id", "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: id = {_clip(value)} is neither text nor a whole number")
    return str(value)


def _images(where: str, row: dict[str, Any]) -> tuple[str, ...]:
    value = row.get("images", [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(f'{where}: images = {_clip(value)} is no list of paths: write ["picture.png"]')
    return tuple(value)


def _metadata(where: str, row: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    value = row.get("metadata", {})
    if not isinstance(value, dict):
        raise DataError(f'{where}: metadata = {_clip(value)} is no object: write {{"name": value}}')
    if twice := sorted(others.keys() & value.keys()):
        raise DataError(f"{where} has {twice[0]!r} both as a field and in 'metadata': keep one, or rename the other")
    return {**others, **value}


def _refuse_duplicate(where: str, earlier: str, task_id: str, *, named: bool) -> NoReturn:
    if named:
        raise DataError(f"{where} has the id {_clip(task_id)} of {earlier}: ids must be unique, give it another one")
    raise DataError(
        f"{where} has the same prompt as {earlier}: remove one, or, if you want both, give each an 'id' of its own "
        "(without one, the id is a hash of the prompt)"
    )


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"]).removeprefix("Value error, ")


def _clip(value: Any) -> str:
    return clip(repr(value[:200] if isinstance(value, str | list) else value), 80).replace("\n", " ")
