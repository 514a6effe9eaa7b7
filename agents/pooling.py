"""What is known of a task's candidates over its rounds: later rounds judge, and pair, the candidates of earlier ones as well."""

from collections.abc import Sequence

from anyprefer.types import Attempt, Evidence, Side, Verdict


def pool_evidence(attempts: Sequence[Attempt], evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """What tools found in earlier rounds and in a later one; of what a tool looked at again, what it found last.

    Args:
        attempts: Of the earlier rounds, in their order.
        evidence: Of the later round. A call that failed has found nothing, so that what was found before still holds.
    """
    found: dict[tuple[str, int | None], list[Evidence]] = {}
    for items in (*(attempt.evidence for attempt in attempts), evidence):
        last: dict[tuple[str, int | None], list[Evidence]] = {}
        for item in items:
            last.setdefault((item.tool, item.candidate), []).append(item)
        found |= {key: some for key, some in last.items() if key not in found or any(item.ok for item in some)}
    return tuple(item for items in found.values() for item in items)


def evidence_behind(attempts: Sequence[Attempt], attempt: Attempt) -> tuple[Evidence, ...]:
    """What tools had found when an attempt made its pair.

    Args:
        attempts: All of the task.
        attempt: One of them. In records of before, where each round counted its candidates from 0, its own findings count alone.
    """
    if any(candidate.round is None for candidate in attempt.candidates):
        return attempt.evidence
    return pool_evidence([one for one in attempts if one.round < attempt.round], attempt.evidence)


def evidence_about(attempts: Sequence[Attempt], attempt: Attempt, side: Side) -> tuple[Evidence, ...]:
    """What tools had found about a side when an attempt made its pair; see `evidence_behind`."""
    if not attempt.knows(side):
        return ()
    return tuple(item for item in evidence_behind(attempts, attempt) if item.candidate == side.origin.candidate)


def verdict_about(attempts: Sequence[Attempt], attempt: Attempt, side: Side) -> Verdict | None:
    """The last verdict on a side up to an attempt; None where no judge saw it."""
    known = (one.verdict_of(side) for one in reversed(attempts) if one.round <= attempt.round)
    return next((verdict for verdict in known if verdict is not None), None)
