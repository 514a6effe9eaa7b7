"""Which pairs a person should look at, and what is shown for it."""

import hashlib
from collections.abc import Sequence

from anyprefer.config import Recipe
from anyprefer.types import Attempt, disagree


def best_of(attempts: Sequence[Attempt]) -> int:
    """The attempt that counts: one with a pair, with the highest reward, the first of equals."""
    return max(range(len(attempts)), key=lambda i: (attempts[i].pair is not None, attempts[i].reward))


def reasons_for_review(recipe: Recipe, task_id: str, attempt: Attempt, *, accepted: bool) -> tuple[str, ...]:
    """Why a person should look at an attempt's pair; empty where nobody has to.

    A pair that is not good enough is looked at only where its reward is close to the threshold.
    """
    review, pair = recipe.review, attempt.pair
    if review.mode == "none" or pair is None:
        return ()
    near = recipe.critic.enabled and abs(attempt.reward - recipe.loop.threshold) <= review.reward_band
    if not accepted and not (review.mode == "uncertain" and near):
        return ()
    if review.mode == "all":
        return ("every pair is reviewed",)
    if review.mode == "sampled":
        return ("drawn at random",) if _is_drawn(task_id, recipe.run.seed, review.share) else ()
    found = []
    if pair.margin < review.margin:
        found.append(f"the margin is {pair.margin:.2g}")
    if near:
        found.append(f"the reward, {attempt.reward:g}, is close to the threshold of {recipe.loop.threshold:g}")
    if review.disagreement and _is_disputed(attempt):
        found.append("single judgements rank the two in opposite ways")
    return tuple(found)


def _is_drawn(task_id: str, seed: int | None, share: float) -> bool:
    digest = hashlib.sha256(f"{seed}\0{task_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _is_disputed(attempt: Attempt) -> bool:
    """Whether the judgements of the pair's two responses disagree."""
    texts = {candidate.text: candidate.index for candidate in attempt.candidates}
    verdicts = {verdict.candidate: verdict for verdict in attempt.verdicts}
    pair = attempt.pair
    sides = [texts.get(text) for text in (pair.chosen, pair.rejected)] if pair else []
    known = [verdicts[index] for index in sides if index in verdicts]
    return len(known) == 2 and bool(disagree(*known))
