"""What went wrong, counted by cause: each cause once, in the words of who said it, however many calls or tasks it cost."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from anyprefer.errors import AnypreferError, ModelError, ModelUnavailableError, StopRunError
from anyprefer.redaction import quote
from anyprefer.types import Failure

MOST_CAUSES = 20
"""Causes that are told apart; further ones are counted together, so that no endpoint can fill the memory."""

FIRST_REFUSALS, LATER_REFUSALS = 5, 20
"""Refusals in a row that are too many: where no call of their kind has gone well yet, and afterwards."""

OTHERS = "other causes"

CAUSE_CHARS, MESSAGE_CHARS = 500, 2000

_ROLE = re.compile(r"^\S+(?= model )")

_VARYING = re.compile(r"^(model '[^']*'|model \"[^\"]*\")|\b(answered|status|code|error|HTTP)(\W{1,3}\d{3})\b|\S*\d\S*")
"""Which model it was and the status are kept; any other word with a digit is a number, a time or somebody's id."""

_NUMBERS = re.compile(r"[\d.]+")

Effect = Literal["passing", "task", "run"]
"""The call was tried again; it cost its task; it stopped the run."""


@dataclass
class Trouble:
    """One cause, and how often it has come up."""

    message: str
    """The first one's words, on one printable line."""
    kind: str
    """Class of the error, or, of one that passes, what `ModelUnavailableError` calls it."""
    count: int = 0
    """Calls of an endpoint, or tasks of a run."""
    effect: Effect = "task"


def cause_of(error: BaseException) -> str:
    """Why something failed, on one printable line."""
    known = error.cause if isinstance(error, ModelError | StopRunError) else ""
    words = str(error) if isinstance(error, AnypreferError) else f"{type(error).__name__}: {error}"
    return quote(known or words, CAUSE_CHARS)


def effect_of(error: BaseException) -> Effect:
    """What an error of a single call means for the others."""
    if isinstance(error, ModelUnavailableError):
        return "passing"
    return "run" if isinstance(error, StopRunError) else "task"


def failure_of(error: Exception, node: str = "", note: str = "") -> Failure:
    """An error as a record keeps it.

    Args:
        error: What was raised.
        node: The graph node that failed.
        note: What to add to the message.
    """
    message = quote(str(error), MESSAGE_CHARS)
    return Failure(kind=type(error).__name__, message=f"{message}{note}", node=node, cause=cause_of(error))


def essence_of(cause: str) -> str:
    """What the messages of one cause have in common: it does not matter in which role a model was asked."""
    return _VARYING.sub(lambda found: found[0] if found[1] or found[2] else "#", _ROLE.sub("", cause).lstrip())


def count_cause(troubles: dict[str, Trouble], trouble: Trouble) -> Trouble | None:
    """Add a trouble to those known, which are keyed by what their words have in common.

    Returns:
        The trouble, where nothing like it was known before; None of a known one, or of one too many.
    """
    key = essence_of(trouble.message)
    if key not in troubles and len(troubles) >= MOST_CAUSES:
        trouble, key = replace(trouble, message=OTHERS, kind=""), OTHERS
    if key in troubles:
        troubles[key].count += trouble.count
        return None
    troubles[key] = replace(trouble)
    return troubles[key] if key != OTHERS else None


def by_count(troubles: Mapping[str, Trouble]) -> list[Trouble]:
    """Copies of them, the most frequent first."""
    return [replace(one) for one in sorted(troubles.values(), key=lambda one: -one.count)]


@dataclass
class Refusals:
    """Calls that were refused in a row, by kind: one kind may be refused while others go well. Numbers in a kind do not count."""

    in_a_row: Counter[str] = field(default_factory=Counter)
    proven: set[str] = field(default_factory=set)
    """Kinds of which a call has gone well."""

    def add(self, kind: str) -> int:
        """Count one more; gives how many there are in a row once they are too many, 0 before."""
        kind = _NUMBERS.sub("", kind)
        self.in_a_row[kind] += 1
        most = LATER_REFUSALS if kind in self.proven else FIRST_REFUSALS
        return self.in_a_row[kind] if self.in_a_row[kind] >= most else 0

    def forget(self, kind: str) -> None:
        """Start anew, for a call of this kind went well."""
        kind = _NUMBERS.sub("", kind)
        self.proven.add(kind)
        self.in_a_row.pop(kind, None)
