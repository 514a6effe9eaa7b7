"""Texts made short enough for a prompt: both ends stay, the text says how much is left out, and whoever watches is told.

A question often stands at the end of a task, and so does the answer in a response, so what goes is the middle.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from anyprefer.types import Cut, normalize

_MARK = " [... {:,} characters left out ...] "
_MARK_CHARS = 50
"""Room for the mark."""

_IDEOGRAPH = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_LARGE_TOKEN = re.compile(rf"[0-9]{{1,3}}|[A-Za-z]+|{_IDEOGRAPH}{{1,2}}|[^\x00-\x7f]{{1,4}}|[^\w\s]+")
_SMALL_TOKEN = re.compile(rf"[0-9]|[A-Za-z]{{1,5}}|{_IDEOGRAPH}|[^\x00-\x7f]{{1,2}}|[^\w\s]|\s\s|\s(?=[0-9])")


@dataclass(frozen=True)
class _Reader:
    role: str
    most: int | None
    cuts: list[Cut] = field(default_factory=list)


_reader: ContextVar[_Reader | None] = ContextVar("reader", default=None)


def shorten(text: str, limit: int, what: str = "") -> str:
    """A text that fits, as it is; of any other its beginning and its end, with a mark between them that counts what is left out.

    Args:
        text: For a model to read.
        limit: Most characters, the mark included (a limit below 100 may be exceeded by the mark).
        what: What the text is, as `Cut.what` says it; empty where a prompt quotes excerpts by design, which are no cuts.
    """
    reader = _reader.get()
    if reader is not None and reader.most is not None:
        limit = min(limit, reader.most)
    if len(text) <= limit:
        return text
    head, tail = ends(text, max(limit - _MARK_CHARS, limit // 2))
    left_out = len(text) - len(head) - len(tail)
    if what:
        note_left_out(what, left_out)
    return f"{head}{_MARK.format(left_out)}{tail}"


def ends(text: str, chars: int) -> tuple[str, str]:
    """The beginning and the end of a text, of so many characters together."""
    tail = chars // 2
    return text[: chars - tail], text[len(text) - tail :]


@contextmanager
def watch_cuts(role: str = "", most: int | None = None) -> Iterator[list[Cut]]:
    """Gather what is shortened inside, also by tasks that are started there; each cut once.

    Args:
        role: Whose model reads the texts.
        most: Longest text in characters, whatever its own limit.
    """
    reader = _Reader(role, most)
    token = _reader.set(reader)
    try:
        yield reader.cuts
    finally:
        _reader.reset(token)


def note_left_out(what: str, chars: int) -> None:
    """Tell whoever watches that a text lacks so many characters for the role that reads it."""
    reader = _reader.get()
    note_cuts([Cut(role=reader.role if reader else "", what=what, chars=chars)])


def note_cuts(cuts: Iterable[Cut]) -> None:
    """Tell whoever watches of texts that were shortened elsewhere."""
    reader = _reader.get()
    if reader is not None:
        reader.cuts.extend(cut for cut in dict.fromkeys(cuts) if cut not in reader.cuts)


def look_alike(first: str, second: str, left_out: tuple[int, int]) -> bool:
    """Whether two shortened texts differ, white space apart, only where they were left out.

    Args:
        first: The whole text.
        second: Likewise.
        left_out: How many characters each lacked; one that was shown whole differs from any other.
    """
    seen = min(len(first) - left_out[0], len(second) - left_out[1])
    return all(left_out) and [*map(normalize, ends(first, seen))] == [*map(normalize, ends(second, seen))]


def fewest_tokens(text: str) -> int:
    """Tokens that a text has at least, as if they were as large as they get.

    Of the tokens of Qwen 2.5 and SmolLM2 it counts 70 to 98 % in English prose, source code and sums; in no text more than all.
    """
    return sum(1 for _ in _LARGE_TOKEN.finditer(text))


def most_tokens(text: str) -> int:
    """Tokens that a text will hardly exceed; of the same texts it counts 109 to 152 %."""
    return sum(1 for _ in _SMALL_TOKEN.finditer(text))
