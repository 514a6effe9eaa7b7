"""What columns mean: one table of roles and of the names under which people keep them.

A column that no role and no list claims, and that holds text, is refused: it may be what the question is about. Numbers pass as
metadata, and so do the few names of `METADATA`.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from anyprefer.data.quoting import brief, map_flag
from anyprefer.errors import DataError

ROLES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "query", "problem", "messages", "conversations", "conversation"),
    "input": ("input",),
    "system": ("system", "system_prompt", "system_message"),
    "context": (
        "context", "contexts", "passage", "passages", "document", "documents", "background", "paragraph", "article",
    ),
    "history": ("history", "chat_history"),
    "reference": (
        "reference", "answer", "answers", "output", "response", "completion", "solution", "target", "label", "ground_truth",
        "reference_answer", "reference_output",
    ),
    "id": ("id",),
    "images": ("images", "image"),
    "tools": ("tools",),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "metadata": ("metadata",),
}  # fmt: skip
"""Role -> the names of its columns; capitals count as small letters, spaces and hyphens as underscores."""

CONVERSATIONS = ("messages", "conversations", "conversation")
"""Those of the prompt's names that stand for messages."""

METADATA = frozenset(
    "uid uuid guid idx index hash source sources dataset split subset category categories subject topic topics domain type "
    "difficulty level grade tags language lang license licence date timestamp created_at updated_at url link version model tests "
    "responses rubric".split()
)
"""Names of columns that say something about a row, which no target needs; so do names that end in one of `SUFFIXES`."""

ASKED = ("choices", "options")
"""Names of columns that are part of the question, also where they hold numbers alone."""

SUFFIXES = ("_id", "_ids", "_hash", "_url", "_date", "_type", "_license")

EVERY = "*"
"""As a column of `metadata`: all that have no other meaning."""

SEVERAL = ("context", "metadata")
"""Roles that more than one column may have."""

_BY_NAME = {name: role for role, names in ROLES.items() for name in names}
_ROW_ROLES = ("prompt", "input", "history", "tools", "images", "chosen", "rejected")
_WORDLESS = re.compile(
    r"[\W\d_]*|\d{4}-\d\d-\d\dT[\d:.+Z-]+|[-+\d.]+e[-+]?\d+|true|false|yes|no|nan|[-+]?inf|null|none|n/?a", re.IGNORECASE
)


@lru_cache(maxsize=1024)  # every row has the same names
def role_of(name: str) -> str | None:
    """What a column of that name means; None where the name does not say."""
    return _BY_NAME.get(fold(name))


def is_single(name: str) -> bool:
    """Whether a column of that name holds one thing, as `image` does beside `images`."""
    return not fold(name).endswith("s")


def is_conversation(name: str) -> bool:
    """Whether a column of that name holds messages."""
    return fold(name) in CONVERSATIONS


@lru_cache(maxsize=1024)
def fold(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


def is_row(names: Iterable[str]) -> bool:
    """Whether some of the keys are what only a row has."""
    return any(role_of(name) in _ROW_ROLES for name in names)


def is_empty(value: Any) -> bool:
    """Whether a cell says nothing."""
    return value is None or (isinstance(value, str | list | dict) and not (value.strip() if isinstance(value, str) else value))


def holds_text(value: Any) -> bool:
    """Whether there are words in a value, or anywhere within it; numbers, dates and yes or no are none."""
    if isinstance(value, str):
        return not _WORDLESS.fullmatch(value.strip())
    if isinstance(value, Mapping):
        return any(map(holds_text, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_text, value))


def is_metadata(name: str, value: Any) -> bool:
    """Whether a value of no known meaning can be kept from the models without a loss."""
    folded = fold(name)
    if folded in ASKED:
        return is_empty(value)
    return folded in METADATA or folded.endswith(SUFFIXES) or not holds_text(value)


class Sorted(NamedTuple):
    """The columns of a row by what they mean."""

    roles: dict[str, dict[str, Any]]
    """Role -> its columns; empty ones only where none says anything."""
    metadata: dict[str, Any]
    unknown: dict[str, Any]
    """Those that hold text and whose names say nothing."""

    def refuse_unknown(self, where: str) -> None:
        """See that nothing is unknown.

        Raises:
            DataError: Something is; names the column and the ways on.
        """
        for name, value in self.unknown.items():
            raise DataError(
                f"{where}: the column {name!r} holds text, {brief(value)}, and nothing says what it is for: "
                f"{map_flag(('context', name))} puts it into the prompt, {map_flag(('metadata', name))} keeps it as metadata, "
                "which no model sees (in a recipe: [columns]); or leave it out"
            )


def sort_columns(where: str, row: Mapping[str, Any]) -> Sorted:
    """Sort the columns of a row.

    Args:
        where: The row's place, for messages.
        row: Its columns, without those that are None.

    Raises:
        DataError: Two columns mean the same.
    """
    found = Sorted({}, {}, {})
    for name, value in row.items():
        if role := role_of(name):
            found.roles.setdefault(role, {})[name] = value
        else:
            (found.metadata if is_metadata(name, value) else found.unknown)[name] = value
    for role, columns in found.roles.items():
        if len(columns) == 1:
            continue
        said = {name: value for name, value in columns.items() if not is_empty(value)}
        if len(said) > 1 and role not in SEVERAL:
            first, second = sorted(said, key=lambda name: ROLES[role].index(fold(name)))[:2]
            raise DataError(
                f"{where} has both {first!r} and {second!r}, which mean the same: keep one, or say which it is, as in "
                f"{map_flag((role, first), ('metadata', second))}"
            )
        found.roles[role] = said or dict([next(iter(columns.items()))])
    return found
