"""What a run came to, in numbers."""

import json
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from anyprefer.agents.references import ReferenceCount, count_truths
from anyprefer.backends.troubles import Trouble
from anyprefer.data.run_dir import RunDir
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.live import Camera, Stop, count_by_message
from anyprefer.runs.rewards import CommonReward, find_common
from anyprefer.types import RoleUsage


class Yields(BaseModel):
    """What the work brought in."""

    model_config = ConfigDict(frozen=True)

    accepted_per_100_tasks: float
    """Accepted pairs."""
    accepted_per_1000_tokens: float | None
    """None where no token was counted, or some were paid in another run folder."""
    right_per_100_tasks: float | None
    """Pairs that a reference finds right against wrong; None where it decides no pair."""
    right_per_1000_tokens: float | None
    """Likewise."""


def measure_yields(tasks: int, accepted: int, tokens: int, references: ReferenceCount | None) -> Yields | None:
    """Accepted pairs, and those that are right against wrong, over finished tasks and tokens; None before any task."""
    if not tasks:
        return None
    right = references.right_against_wrong if references and references.decided else None
    return Yields(
        accepted_per_100_tasks=100 * accepted / tasks,
        accepted_per_1000_tokens=1000 * accepted / tokens if tokens else None,
        right_per_100_tasks=None if right is None else 100 * right / tasks,
        right_per_1000_tokens=None if right is None or not tokens else 1000 * right / tokens,
    )


class Summary(BaseModel):
    """The content of `summary.json`."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    digest: str
    tasks: int
    """Finished tasks: accepted + exhausted + rejected + failed."""
    accepted: int
    exhausted: int
    exhausted_after_error: int = 0
    """Exhausted tasks that an error ended before they were out of rounds; they have a pair."""
    failed: int
    rejected: int = 0
    """Turned down by a reviewer."""
    waiting: int = 0
    """Tasks of the last session that wait for a reviewer; they are not finished."""
    stopped: Stop
    """Why the last session ended."""
    stop_cause: str = ""
    """What an endpoint said that stopped it, if one did."""
    wanted: int | None = None
    """Accepted records asked for."""
    rounds: dict[int, int]
    """Attempts made -> number of tasks."""
    errors: dict[str, int]
    """Error class -> number of tasks that ended early."""
    causes: dict[str, int] = {}
    """Why tasks ended early, in the words of who failed -> number of tasks."""
    troubles: dict[str, list[Trouble]] = {}
    """Endpoint -> what went wrong with its calls in the last session, passing troubles included."""
    flip_rate: float | None = None
    """Share of attempts whose best and worst response single judgements rank in opposite ways: position bias, or a panel that
    disagrees. None where every attempt had one judgement."""
    references: ReferenceCount | None = None
    """What the tasks' references say of the accepted pairs; None where none of them has one."""
    yields: Yields | None = None
    """Accepted pairs for the work done; None before any task."""
    common_reward: CommonReward | None = None
    """The critic's most frequent reward, of all rounds; None where no reward is its opinion."""
    shortened: int = 0
    """Tasks whose judge or critic saw a shortened text in some round."""
    shortened_parts: dict[str, int] = {}
    """Who saw what shortened, such as "judge: task" -> number of tasks."""
    calls: int
    """Completed model calls."""
    repeated_calls: int
    """Completed calls that were paid again; 0 unless something is wrong."""
    reused_calls: int = 0
    """Completed calls that were paid in another run folder (`--reuse`) and cost nothing here."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None = None
    """None where a model has no price."""
    seconds: float
    """Wall time over all sessions of this run."""
    usage: dict[str, RoleUsage]

    def name_waiting(self, folder: Path | str) -> str:
        """What is to be done for the tasks that wait for a reviewer; empty where none does."""
        one = self.waiting == 1
        count = f"{self.waiting} task{'' if one else 's'} wait{'s' if one else ''}"
        return f"{count} for a review: anyprefer review {folder}" if self.waiting else ""

    @property
    def failed_share(self) -> float:
        """Tasks that an error ended, with a pair or without, over finished ones."""
        return (self.failed + self.exhausted_after_error) / self.tasks if self.tasks else 0.0


async def summarize(camera: Camera, folder: RunFolder, stopped: Stop) -> Summary:
    """Add up a run and write `summary.json`."""
    journal, tally = camera.runner.store.journal, camera.runner.tally
    usage = await journal.totals()
    whole = sum(usage.values(), RoleUsage())
    references, reused = count_truths(tally.truths), await journal.reused()
    tokens = 0 if reused else whole.prompt_tokens + whole.completion_tokens
    summary = Summary(
        recipe=camera.recipe, digest=folder.digest, tasks=tally.total, accepted=tally.statuses["accepted"],
        exhausted=tally.statuses["exhausted"], failed=tally.statuses["failed"], stopped=stopped,
        exhausted_after_error=tally.exhausted_after_error,
        stop_cause=camera.stop_cause, wanted=camera.runner.accept,
        causes=count_by_message(tally.causes), troubles={view.name: view.troubles for view in camera.views() if view.troubles},
        rejected=tally.statuses["rejected"], waiting=tally.waiting,
        flip_rate=tally.flips[True] / tally.flips.total() if tally.flips else None,
        references=references, yields=measure_yields(tally.total, tally.statuses["accepted"], tokens, references),
        common_reward=find_common(tally.rewards),
        shortened=tally.shortened, shortened_parts=dict(sorted(tally.shortened_parts.items())),
        rounds=dict(sorted(tally.rounds.items())), errors=dict(tally.errors), calls=whole.calls,
        repeated_calls=await journal.repeated(), reused_calls=reused,
        prompt_tokens=whole.prompt_tokens, completion_tokens=whole.completion_tokens,
        cost_usd=whole.cost_usd, seconds=round(camera.seconds, 3), usage=usage,
    )  # fmt: skip
    folder.write(folder.files.summary, summary.model_dump_json(indent=2) + "\n")
    return summary


def read_summary(run_dir: Path) -> Summary | None:
    """What the last session of a run folder came to; None where there is none that can be read."""
    with suppress(OSError, ValueError):
        return Summary.model_validate_json(RunDir(run_dir).summary.read_bytes())
    return None


def earlier_seconds(*paths: Path) -> float:
    """Wall time of earlier sessions: the most that one of these files knows of, 0 where there is none."""
    found = [0.0]
    for path in paths:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(float(json.loads(path.read_text(encoding="utf-8"))["seconds"]))
    return max(found)
