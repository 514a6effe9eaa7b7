"""Thoughts within a text: set apart from the answer here and nowhere else."""

import re
from collections.abc import Iterable

_MARKS = tuple(
    (re.compile(rf"\s*{re.escape(begin)}", re.IGNORECASE), re.compile(re.escape(end), re.IGNORECASE))
    for begin, end in (
        ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("[THINK]", "[/THINK]"),
        ("<seed:think>", "</seed:think>"), ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    )
)  # fmt: skip
"""How chat templates begin and end a thought."""

_OPENING_QUOTE = re.compile(r"(?:^|[\s(\[{=:,+])[`'\"\u201c\u2018]\Z")
"""After it, the end of a thought is only spoken of; after a closing quotation mark, as in `It is "4"</think>`, it is the end."""
_CLOSING_QUOTE = re.compile(r"[`'\"\u201d\u2019]")


def split_thoughts(text: str) -> tuple[str, str, bool]:
    """Set inline thoughts apart from the answer.

    Chat templates differ: some models write `<think>` themselves, for some it stands in the prompt already, so that the reply
    begins within the thought; a reply that hits its limit may never close it. Only what begins a reply is a thought: tags
    further down are text like any other.

    Returns:
        The thought, the answer, and whether the thought was closed; a text without thoughts comes back as it is.
    """
    if not _may_hold_thoughts(text):
        return "", text, True
    thoughts: list[str] = []
    rest = text
    if (unopened := _end_of_unopened(text)) is not None:
        thoughts.append(text[: unopened.start()])
        rest = text[unopened.end() :]
    while (mark := _begin(rest)) is not None:
        begin, end = mark
        closed = _end_of_opened(rest, begin.end(), end)
        if closed is None:
            return _join([*thoughts, rest[begin.end() :]]), "", False
        thoughts.append(rest[begin.end() : closed.start()])
        rest = rest[closed.end() :]
    return (_join(thoughts), rest.lstrip(), True) if thoughts else ("", text, True)


def _may_hold_thoughts(text: str) -> bool:
    """A quick look: nearly all replies hold none, and every mark is searched for in all of the text."""
    return text.lstrip()[:1] in ("<", "[", "\u25c1") or any(start in text for start in ("</", "[/", "\u25c1/"))


def _begin(text: str) -> "tuple[re.Match[str], re.Pattern[str]] | None":
    return next(((found, end) for begin, end in _MARKS if (found := begin.match(text))), None)


def _end_of_opened(text: str, start: int, end: "re.Pattern[str]") -> "re.Match[str] | None":
    """The end of a thought that begins at `start`: the first that does not stand in quotation marks, as in code."""
    found = end.finditer(text, start)
    return next((one for one in found if not (_is_quoted(text, one) and _CLOSING_QUOTE.match(text, one.end()))), None)


def _end_of_unopened(text: str) -> "re.Match[str] | None":
    """The first end of a thought, where nothing before it begins one and no quotation mark says that it is only spoken of."""
    for begin, end in _MARKS:
        if (found := end.search(text)) is not None and not _is_quoted(text, found):
            return None if begin.search(text, 0, found.start()) else found
    return None


def _is_quoted(text: str, found: "re.Match[str]") -> bool:
    return _OPENING_QUOTE.search(text, max(found.start() - 2, 0), found.start()) is not None


def _join(thoughts: Iterable[str]) -> str:
    return "\n\n".join(thought.strip() for thought in thoughts if thought.strip())
