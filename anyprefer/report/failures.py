"""What went wrong, grouped by cause: tasks that an error ended, failed tools and rounds without a pair."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from anyprefer.backends.troubles import essence_of
from anyprefer.runs.naming import name_reason
from anyprefer.types import PreferenceRecord

EXAMPLES = 5
"""Task ids named for each cause."""

_VARYING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\b0x[0-9a-f]+\b|[-+]?\d[\d,.]*\d|\d", re.IGNORECASE)


@dataclass
class Cause:
    """One cause."""

    kind: str
    """Class of the error, the tool, or what stood in the way of a pair."""
    where: str
    """The node, or what it was about."""
    message: str
    """The first one's message."""
    count: int = 0
    examples: list[str] = field(default_factory=list)
    """Task ids."""

    def add(self, task_id: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < EXAMPLES and task_id not in self.examples:
            self.examples.append(task_id)


@dataclass
class FailureGroups:
    """All causes, by what their messages have in common: numbers and quoted texts do not tell causes apart."""

    tasks: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    tools: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    rounds: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    """Rounds that made no pair."""

    def add(self, record: PreferenceRecord) -> None:
        """Look at a record."""
        task_id = record.task.id
        if record.error:
            kind, node, cause = record.error.kind, record.error.node, record.error.cause
            if cause:
                self.tasks.setdefault((kind, node, essence_of(cause)), Cause(kind, node, cause)).add(task_id)
            else:
                _count(self.tasks, kind, node, record.error.message, task_id)
        for attempt in record.attempts:
            for found in attempt.evidence:
                if not found.ok:
                    _count(self.tools, found.tool, "the task" if found.candidate is None else "a response", found.text, task_id)
            if attempt.pair is None:
                why = attempt.shortfall
                kind = "no pair" if why is None else name_reason(why.reasons[0])
                _count(self.rounds, kind, f"round {attempt.round + 1}", why.text if why else attempt.critique.analysis, task_id)


def by_count(causes: dict[tuple[str, str, str], Cause]) -> list[Cause]:
    """The most frequent first."""
    return sorted(causes.values(), key=lambda cause: (-cause.count, cause.kind, cause.where, cause.message))


def _count(causes: dict[tuple[str, str, str], Cause], kind: str, where: str, message: str, task_id: str) -> None:
    key = (kind, where, _VARYING.sub("#", message)[:200])
    causes.setdefault(key, Cause(kind, where, message)).add(task_id)


def total(causes: Iterable[Cause]) -> int:
    """How often they occurred."""
    return sum(cause.count for cause in causes)
