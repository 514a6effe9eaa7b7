"""Rows of JSON: one object a line, a list of objects, or an object with such a list under one key.

A list is read element by element, so that a file may be larger than memory whichever layout it has.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from anyprefer.data.cells import DECODER, TOO_DEEP, parse_json
from anyprefer.data.columns import is_row
from anyprefer.data.quoting import brief
from anyprefer.data.unpack import MAX_ROW, read_lines, read_text
from anyprefer.errors import DataError

Row = tuple[str, dict[str, Any]]
"""Where a row stands ("tasks.jsonl line 3") and its fields."""

_MESSAGE = re.compile(r'\{\s*"(role|from)"')
_SPACE = " \t\r\n"
_LONGEST_TOKEN = len(r"\ud83d\ude00")
"""An error that far from the end of what was read, or a string without an end, may be one of the reading."""


def read_json_lines(path: Path) -> Iterator[Row]:
    """One object a line.

    Raises:
        DataError: A line is none; names it.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise DataError(
                f"{where} is not JSON ({reason}): {brief(line.strip())}; each line must hold one whole JSON object"
            ) from None
        yield where, _check_row(where, row)


def read_json_document(path: Path) -> Iterator[Row]:
    """A list of objects, an object with such a list, or objects one after the other over as many lines as they like.

    Raises:
        DataError: It is none of them; names the line, or the row.
    """
    text = _Text(path)
    if text.peek() == "[":
        yield from _read_list(text)
    while text.peek() == "{":
        yield from _read_object(text)
    if text.peek():
        text.fail("there is something behind the last row")


def _read_list(text: "_Text") -> Iterator[Row]:
    for number, row in enumerate(text.items("[", "]"), start=1):
        where = f"{text.path} row {number}"
        yield where, _check_row(where, row)


def _read_object(text: "_Text") -> Iterator[Row]:
    """A row, or the rows under the one key of a wrapper that has a list of objects."""
    where = f"{text.path} line {text.line}"
    found: dict[str, Any] = {}
    lists: list[str] = []
    for name in text.items("{", "}", keys=True):
        if text.peek() == "[" and not is_row([*found, name]) and text.begins_list_of_rows():
            lists.append(name)
            if len(lists) > 1:
                raise DataError(f"{text.path} has two lists of rows, {lists[0]!r} and {name!r}: give each a file of its own")
            yield from _read_list(text)
            continue
        if name in found:
            text.fail(f"the key {brief(name)} stands there twice")
        found[name] = text.value()
    if not lists:
        yield where, found


def is_wrapper(value: object) -> bool:
    """Whether an object is no row but holds rows, as a list under one of its keys."""
    if not isinstance(value, dict) or is_row(value):
        return False
    firsts = (item[0] for item in value.values() if isinstance(item, list) and item)
    return any(isinstance(first, dict) and not {"role", "from"} & first.keys() for first in firsts)


def _check_row(where: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f'{where} is not a JSON object: {brief(row)}; write {{"prompt": ...}}')
    return row


class _Text:
    """A JSON text that is read value by value; what was read is forgotten."""

    def __init__(self, path: Path) -> None:
        self.path, self.line = path, 1
        self._pieces, self._held, self._at = read_text(path), "", 0

    def peek(self) -> str:
        """The next character that is no space, which stays unread; empty at the end."""
        while True:
            while self._at < len(self._held):
                if self._held[self._at] not in _SPACE:
                    return self._held[self._at]
                self.line += self._held[self._at] == "\n"
                self._at += 1
            if not self._more():
                return ""

    def items(self, first: str, last: str, *, keys: bool = False) -> Iterator[Any]:
        """The values between two brackets; with `keys` the names in front of a colon, whose values the caller reads."""
        self._take(first)
        while self.peek() != last:
            value = self.value()
            if keys and not isinstance(value, str):
                self.fail("a key is no text")
            if keys:
                self._take(":")
                self.peek()
            yield value
            if self.peek() != last:
                self._take(",")
                if self.peek() == last:
                    self.fail(f"there is a comma before {last!r}")
        self._take(last)

    def value(self) -> Any:
        """The next value, whole.

        Raises:
            DataError: There is none, or it is longer than a row may be.
        """
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                cut_off = error.pos >= len(self._held) - _LONGEST_TOKEN or error.msg.startswith("Unterminated")
                if not (cut_off and self._more()):
                    self.line += self._held.count("\n", self._at, error.pos)
                    self.fail(error.msg)
            except ValueError as error:
                self.fail(str(error))
            except RecursionError:
                self.fail(TOO_DEEP)
            else:
                if end < len(self._held) or not self._more():
                    self.line += self._held.count("\n", self._at, end)
                    self._at = end
                    return value

    def begins_list_of_rows(self) -> bool:
        """Whether a list with an object in front comes next that is no message; nothing is read."""
        while True:
            rest = self._held[self._at + 1 : self._at + 4096].lstrip(_SPACE)
            if rest or not self._more():
                return rest.startswith("{") and not _MESSAGE.match(rest)

    def fail(self, problem: str) -> NoReturn:
        """Say what is wrong with the text, and where."""
        begin = brief(self._held[self._at : self._at + 200])
        raise DataError(
            f"{self.path} line {self.line} is not JSON ({problem}): {begin}; write a list of objects, or one object a line"
        ) from None

    def _take(self, wanted: str) -> None:
        if self.peek() != wanted:
            self.fail(f"expecting {wanted!r}")
        self._at += 1

    def _more(self) -> bool:
        """Read on, by as much as is held, so that a long value costs no more than twice its length."""
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > MAX_ROW:
            self.fail(f"a row is longer than {MAX_ROW:,} characters")
        wanted, pieces = max(1, len(self._held)), [self._held]
        while wanted > 0 and (piece := next(self._pieces, None)) is not None:
            pieces.append(piece)
            wanted -= len(piece)
        grown = len(pieces) > 1
        self._held = "".join(pieces)
        return grown
