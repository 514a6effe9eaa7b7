"""What a run came to, in numbers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from anyprefer.runs.folder import RunFolder
from anyprefer.types import PreferenceRecord, RoleUsage, disagree


class Tally:
    """Running counts of finished records; memory does not grow with their number."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.rounds: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.flips: Counter[bool] = Counter()
        """Whether single judgements disagreed on an attempt's best and worst response."""

    def add(self, record: PreferenceRecord) -> None:
        """Count one record."""
        self.statuses[record.status] += 1
        self.rounds[len(record.attempts)] += 1
        if record.error:
            self.errors[record.error.kind] += 1
        for attempt in record.attempts:
            ranked = sorted(attempt.verdicts, key=lambda verdict: verdict.score)
            flipped = disagree(ranked[0], ranked[-1]) if ranked else None
            if flipped is not None:
                self.flips[flipped] += 1

    @property
    def total(self) -> int:
        """Records counted so far."""
        return self.statuses.total()


class Summary(BaseModel):
    """The content of `summary.json`."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    digest: str
    tasks: int
    """Finished tasks: accepted + exhausted + failed."""
    accepted: int
    exhausted: int
    failed: int
    interrupted: bool
    """Whether tasks are left because the run was stopped."""
    rounds: dict[int, int]
    """Attempts made -> number of tasks."""
    errors: dict[str, int]
    """Error class -> number of failed tasks."""
    flip_rate: float | None = None
    """Share of attempts whose best and worst response single judgements rank in opposite ways: position bias, or a panel that
    disagrees. None where every attempt had one judgement."""
    calls: int
    """Completed model calls."""
    repeated_calls: int
    """Completed calls that were paid again; 0 unless something is wrong."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Wall time over all sessions of this run."""
    usage: dict[str, RoleUsage]

    @property
    def failed_share(self) -> float:
        """Failed tasks over finished ones."""
        return self.failed / self.tasks if self.tasks else 0.0


def summarize(folder: RunFolder, name: str, tally: Tally, *, seconds: float, interrupted: bool) -> Summary:
    """Add up a run and write `summary.json`."""
    usage = folder.journal.usage()
    whole = sum(usage.values(), RoleUsage())
    summary = Summary(
        recipe=name, digest=folder.digest, tasks=tally.total, accepted=tally.statuses["accepted"],
        exhausted=tally.statuses["exhausted"], failed=tally.statuses["failed"], interrupted=interrupted,
        flip_rate=tally.flips[True] / tally.flips.total() if tally.flips else None,
        rounds=dict(sorted(tally.rounds.items())), errors=dict(tally.errors), calls=whole.calls,
        repeated_calls=folder.journal.repeated(), prompt_tokens=whole.prompt_tokens, completion_tokens=whole.completion_tokens,
        seconds=round(seconds, 3), usage=usage,
    )  # fmt: skip
    folder.write(folder.summary, summary.model_dump_json(indent=2) + "\n")
    return summary


def earlier_seconds(path: Path) -> float:
    """Wall time of earlier sessions, 0 where there was none."""
    try:
        saved: Any = json.loads(path.read_text(encoding="utf-8"))
        return float(saved["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
