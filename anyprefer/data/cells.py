"""What a cell of a row holds: values as JSON can store them, JSON written as text, and numbers as text."""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from anyprefer.data.quoting import brief
from anyprefer.data.records import escape_surrogates
from anyprefer.errors import DataError

MAX_DEPTH = 64
"""Deepest nesting of a row; JSON readers give up at 200, and a record adds a few levels of its own."""


TOO_DEEP = "it is nested too deep"


def parse_json(text: str) -> Any:
    """A JSON value, strictly: no NaN, and no key twice.

    Raises:
        ValueError: It is none, or nested beyond measure.
    """
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value, write null")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {brief(next(name for name in names if names.count(name) > 1))} stands there twice")
    return found


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)


def read_cell(where: str, name: str, value: Any) -> Any:
    """A list or an object, also where it is written as JSON text.

    Raises:
        DataError: A text is no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        raise DataError(f"{where}: column {name!r} must hold JSON ({error}): {brief(value)}") from None


def read_metadata(where: str, value: Any) -> dict[str, Any]:
    """The column `metadata` as an object; empty where there is none.

    Raises:
        DataError: It is no object.
    """
    found = {} if value is None else read_cell(where, "metadata", value)
    if not isinstance(found, dict):
        raise DataError(f'{where}: metadata = {brief(value)} is no object: write {{"name": value}}')
    return found


def as_metadata(where: str, row: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The row with some of its columns in `metadata`.

    Raises:
        DataError: There is a column `metadata` that is no object.
    """
    moved = {name: value for name, value in row.items() if name in names and value is not None}
    if not moved:
        return dict(row)
    rest = {name: value for name, value in row.items() if name not in names}
    return {**rest, "metadata": {**read_metadata(where, row.get("metadata")), **moved}}


def plain_cells(where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that say something, as JSON can store them, so that a task equals its stored copy.

    Raises:
        DataError: One is nested too deep, or holds bytes.
    """
    try:
        return {escape_surrogates(str(name)): _plain(value) for name, value in row.items() if value is not None}
    except ValueError as error:
        raise DataError(f"{where}: {error}; remove or flatten that field") from None


def _plain(value: Any, depth: int = 1) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else escape_surrogates(value)
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


def as_text(value: Any) -> str:
    """A cell as people would write it: 42 and 42.0 are "42", true is "true", a list of texts has a paragraph for each."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n\n".join(value)
    return json.dumps(value, ensure_ascii=False)
