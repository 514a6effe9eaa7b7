"""What an attempt comes to: whether its pair is good enough, which attempt counts, and whether a person should look at it.

No model is asked here, and nothing depends on luck.
"""

import hashlib
from collections.abc import Sequence

from anyprefer.config import Recipe
from anyprefer.types import Attempt, PreferencePair, Shortfall, disagree


def is_accepted(recipe: Recipe, attempt: Attempt) -> bool:
    """Whether an attempt made a pair and its reward reaches the threshold; without a critic every pair does."""
    return attempt.pair is not None and (not recipe.critic.enabled or attempt.reward >= recipe.loop.threshold)


def is_beyond_mending(attempt: Attempt) -> bool:
    """Whether no further round could end otherwise: the recipe takes a reference, and the task has none."""
    return attempt.shortfall is not None and "no_reference" in attempt.shortfall.reasons


def fall_short(recipe: Recipe, attempt: Attempt, why: Shortfall | None) -> Shortfall | None:
    """Why an attempt is not good enough; None where it is.

    Args:
        recipe: Says when a reward is high enough.
        attempt: With its critique.
        why: What stood in the way of a pair; None where there is one.
    """
    if why is not None or is_accepted(recipe, attempt):
        return why
    text = f"The reward, {attempt.reward:.3g}, is below the threshold of {recipe.loop.threshold:g}."
    return Shortfall(reasons=("low_reward",), text=text)


def best_of(attempts: Sequence[Attempt]) -> int:
    """The attempt that counts: one with a pair, with the highest reward, then the highest certainty, the first of equals."""

    def worth(attempt: Attempt) -> tuple[bool, float, float]:
        return attempt.pair is not None, attempt.reward, (attempt.pair and attempt.pair.certainty) or 0.0

    return max(range(len(attempts)), key=lambda i: worth(attempts[i]))


def reasons_for_review(
    recipe: Recipe, task_id: str, attempt: Attempt, verifiers: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Why a person should look at an attempt's pair; empty where nobody has to.

    A pair that is not good enough is looked at only where its reward is close to the threshold.

    Args:
        recipe: With its `[review]`.
        task_id: Of the attempt's task.
        attempt: The one that counts.
        verifiers: Tools of the recipe that can verify; a pair that none of them voted on is uncertain only where there are any.
    """
    review, pair = recipe.review, attempt.pair
    if review.mode == "none" or pair is None:
        return ()
    near = attempt.critique.score is not None and abs(attempt.reward - recipe.loop.threshold) <= review.reward_band
    if not is_accepted(recipe, attempt) and not (review.mode == "uncertain" and near):
        return ()
    if review.mode == "all":
        return ("every pair is reviewed",)
    if review.mode == "sampled":
        return ("drawn at random",) if _is_drawn(task_id, recipe.run.seed, review.share) else ()
    doubts = {
        f"the reward, {attempt.reward:.3g}, is close to the threshold of {recipe.loop.threshold:g}": near,
        "single judgements rank the two in opposite ways": review.disagreement and _is_disputed(attempt, pair),
    }
    return (*_numbers_in_doubt(recipe, pair, verifiers), *(text for text, holds in doubts.items() if holds))


def _numbers_in_doubt(recipe: Recipe, pair: PreferencePair, verifiers: frozenset[str]) -> list[str]:
    found = []
    if pair.margin is not None and pair.margin < recipe.review.margin:
        found.append(f"the margin is {pair.margin:.2g}")
    if pair.certainty is not None and pair.certainty < recipe.review.certainty:
        found.append(f"{pair.certainty:.0%} of the votes stand behind the order")
    if pair.certainty is None and verifiers:
        found.append("no tool verified it")
    return found


def _is_drawn(task_id: str, seed: int, share: float) -> bool:
    digest = hashlib.sha256(f"{seed}\0{task_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _is_disputed(attempt: Attempt, pair: PreferencePair) -> bool:
    """Whether the judgements of the pair's two responses disagree."""
    chosen, rejected = attempt.verdict_of(pair.chosen), attempt.verdict_of(pair.rejected)
    return chosen is not None and rejected is not None and bool(disagree(chosen, rejected))


def best_pair_of(attempts: Sequence[Attempt]) -> int | None:
    """The attempt that counts, None where no attempt made a pair."""
    best = best_of(attempts) if attempts else None
    return best if best is not None and attempts[best].pair is not None else None
