"""What an attempt comes to: the pair, whether it is good enough, which attempt counts, and whether a person should look at it.

No model is asked here, and nothing depends on luck.
"""

import hashlib
from collections.abc import Callable, Sequence

from anyprefer.config import PairConfig, Recipe
from anyprefer.types import (
    REFERENCE,
    Attempt,
    Candidate,
    Origin,
    Output,
    PreferencePair,
    Side,
    Task,
    Verdict,
    disagree,
    same_output,
)

REFERENCE_SCORE = 10.0
"""A task's reference counts as perfect where a margin is asked for; no judge sees it, so the pair keeps no score of it."""

Same = Callable[[Output, Output], bool]


def form_pair(
    task: Task, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], config: PairConfig, round_: int,
    same: Same = same_output,
) -> tuple[PreferencePair | None, str]:  # fmt: skip
    """Pick the chosen and the rejected response by rank.

    Candidates with equal scores keep their sampling order, so the ranking does not depend on luck. What a provider held back or
    broke off is no output of the target and stands on neither side.

    Returns:
        The pair and an empty text, or None and the reason why there is no contrast to learn from.
    """
    scores = {verdict.candidate: verdict.score for verdict in verdicts}
    usable = [one for one in candidates if one.index in scores and one.ending in ("complete", "cut")]
    ranked = sorted(usable, key=lambda one: -scores[one.index])
    sides = [_side(one, scores[one.index], round_) for one in ranked]
    if config.chosen == "reference":
        return _against_reference(task, sides, config, same)
    lowest = config.rejected_rank or len(ranked)
    if not ranked or lowest > len(ranked) or config.chosen_rank >= lowest:
        return None, f"Only {len(ranked)} different responses came back, too few to rank and pair."
    if not (ranked[config.chosen_rank - 1].is_complete or config.allow_truncated):
        return None, "The preferred response was cut off by its length limit; shorter responses are needed."
    return _checked(sides[config.chosen_rank - 1], sides[lowest - 1], config, same)


def _side(candidate: Candidate, score: float, round_: int) -> Side:
    origin = Origin(kind="candidate", candidate=candidate.index, round=round_)
    return Side(origin=origin, output=candidate.output, score=score)


def _against_reference(task: Task, sides: Sequence[Side], config: PairConfig, same: Same) -> tuple[PreferencePair | None, str]:
    reference = task.reference
    if reference is None or not task.answer.strip():
        return None, "The recipe takes the reference answer as the chosen response, but the task has none."
    others = [side for side in sides if not same(side.output, reference)]
    lowest = config.rejected_rank or len(others)
    if not others or lowest > len(others):
        return None, f"Only {len(others)} different responses came back, too few to rank and pair."
    return _checked(Side(origin=REFERENCE, output=reference), others[lowest - 1], config, same)


def _checked(chosen: Side, rejected: Side, config: PairConfig, same: Same) -> tuple[PreferencePair | None, str]:
    if same(chosen.output, rejected.output):
        return None, "The two responses are the same text; the responses must differ more."
    chosen_score = REFERENCE_SCORE if chosen.score is None else chosen.score
    margin = chosen_score - (rejected.score or 0.0)
    if margin < config.min_margin:
        return None, (
            f"No contrast: the preferred response scored {chosen_score:.3g} and the dispreferred one {rejected.score:.3g}, "
            f"a margin of {margin:.3g} where {config.min_margin:g} is needed. The responses must differ more in quality, or the "
            "judge must look closer."
        )
    return PreferencePair(chosen=chosen, rejected=rejected), ""


def is_accepted(recipe: Recipe, attempt: Attempt) -> bool:
    """Whether an attempt made a pair and its reward reaches the threshold; without a critic every pair does."""
    return attempt.pair is not None and (not recipe.critic.enabled or attempt.reward >= recipe.loop.threshold)


def best_of(attempts: Sequence[Attempt]) -> int:
    """The attempt that counts: one with a pair, with the highest reward, the first of equals."""
    return max(range(len(attempts)), key=lambda i: (attempts[i].pair is not None, attempts[i].reward))


def reasons_for_review(recipe: Recipe, task_id: str, attempt: Attempt) -> tuple[str, ...]:
    """Why a person should look at an attempt's pair; empty where nobody has to.

    A pair that is not good enough is looked at only where its reward is close to the threshold.
    """
    review, pair = recipe.review, attempt.pair
    if review.mode == "none" or pair is None:
        return ()
    near = recipe.critic.enabled and abs(attempt.reward - recipe.loop.threshold) <= review.reward_band
    if not is_accepted(recipe, attempt) and not (review.mode == "uncertain" and near):
        return ()
    if review.mode == "all":
        return ("every pair is reviewed",)
    if review.mode == "sampled":
        return ("drawn at random",) if _is_drawn(task_id, recipe.run.seed, review.share) else ()
    found = []
    if pair.margin is not None and pair.margin < review.margin:
        found.append(f"the margin is {pair.margin:.2g}")
    if near:
        found.append(f"the reward, {attempt.reward:g}, is close to the threshold of {recipe.loop.threshold:g}")
    if review.disagreement and _is_disputed(attempt, pair):
        found.append("single judgements rank the two in opposite ways")
    return tuple(found)


def _is_drawn(task_id: str, seed: int, share: float) -> bool:
    digest = hashlib.sha256(f"{seed}\0{task_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _is_disputed(attempt: Attempt, pair: PreferencePair) -> bool:
    """Whether the judgements of the pair's two responses disagree."""
    chosen, rejected = attempt.verdict_of(pair.chosen), attempt.verdict_of(pair.rejected)
    return chosen is not None and rejected is not None and bool(disagree(chosen, rejected))
