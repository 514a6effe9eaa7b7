"""What a run came to, in numbers."""

import json
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from anyprefer.runs.folder import RunFolder
from anyprefer.runs.index import Tally
from anyprefer.runs.runner import Stop
from anyprefer.runs.stores import RunJournal
from anyprefer.types import RoleUsage


class Summary(BaseModel):
    """The content of `summary.json`."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    digest: str
    tasks: int
    """Finished tasks: accepted + exhausted + rejected + failed."""
    accepted: int
    exhausted: int
    failed: int
    rejected: int = 0
    """Turned down by a reviewer."""
    waiting: int = 0
    """Tasks of the last session that wait for a reviewer; they are not finished."""
    stopped: Stop
    """Why the last session ended."""
    wanted: int | None = None
    """Accepted records asked for."""
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
    cost_usd: float | None = None
    """None where a model has no price."""
    seconds: float
    """Wall time over all sessions of this run."""
    usage: dict[str, RoleUsage]

    @property
    def failed_share(self) -> float:
        """Failed tasks over finished ones."""
        return self.failed / self.tasks if self.tasks else 0.0


async def summarize(
    folder: RunFolder, journal: RunJournal, name: str, tally: Tally, *, seconds: float, stopped: Stop, wanted: int | None = None
) -> Summary:
    """Add up a run and write `summary.json`."""
    usage = await journal.totals()
    whole = sum(usage.values(), RoleUsage())
    summary = Summary(
        recipe=name, digest=folder.digest, tasks=tally.total, accepted=tally.statuses["accepted"],
        exhausted=tally.statuses["exhausted"], failed=tally.statuses["failed"], stopped=stopped, wanted=wanted,
        rejected=tally.statuses["rejected"], waiting=tally.waiting,
        flip_rate=tally.flips[True] / tally.flips.total() if tally.flips else None,
        rounds=dict(sorted(tally.rounds.items())), errors=dict(tally.errors), calls=whole.calls,
        repeated_calls=await journal.repeated(), prompt_tokens=whole.prompt_tokens, completion_tokens=whole.completion_tokens,
        cost_usd=whole.cost_usd, seconds=round(seconds, 3), usage=usage,
    )  # fmt: skip
    folder.write(folder.files.summary, summary.model_dump_json(indent=2) + "\n")
    return summary


def earlier_seconds(*paths: Path) -> float:
    """Wall time of earlier sessions: the most that one of these files knows of, 0 where there is none."""
    found = [0.0]
    for path in paths:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(float(json.loads(path.read_text(encoding="utf-8"))["seconds"]))
    return max(found)
