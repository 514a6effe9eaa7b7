"""What an attempt comes to: the pair, whether it is good enough, which attempt counts, and whether a person should look at it.

No model is asked here, and nothing depends on luck.
"""

import hashlib
from collections import Counter
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
FindUnseen = Callable[[PreferencePair], str]


def whole_ones(candidates: Sequence[Candidate], config: PairConfig) -> tuple[Candidate, ...]:
    """The candidates that may stand in a pair, on either side; no other is judged."""
    return tuple(one for one in candidates if one.is_whole(or_cut=config.allow_truncated))


def form_pair(
    task: Task, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], config: PairConfig, round_: int,
    same: Same = same_output, find_unseen: FindUnseen = lambda pair: "",
) -> tuple[PreferencePair | None, str]:  # fmt: skip
    """Pick the chosen and the rejected response by rank, out of the whole ones.

    Candidates with equal scores keep their sampling order, so the ranking does not depend on luck.

    Args:
        task: What they answer.
        candidates: All of the round.
        verdicts: On those that were judged.
        config: The recipe's `[pair]`.
        round_: The round.
        same: When two outputs are equal.
        find_unseen: Says why nobody who judged a pair saw its difference.

    Returns:
        The pair and an empty text, or None and the reason why there is no contrast to learn from.
    """
    pair, why_not = _pick(task, candidates, verdicts, config, round_, same)
    why_not = why_not if pair is None else find_unseen(pair)
    return (None if why_not else pair), why_not


def _pick(
    task: Task, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], config: PairConfig, round_: int, same: Same
) -> tuple[PreferencePair | None, str]:
    scores = {verdict.candidate: verdict.score for verdict in verdicts}
    usable = [one for one in whole_ones(candidates, config) if one.index in scores]
    ranked = sorted(usable, key=lambda one: -scores[one.index])
    sides = [_side(task, one, scores[one.index], round_) for one in ranked]
    if config.chosen == "reference":
        return _against_reference(task, candidates, sides, config, same)
    lowest = config.rejected_rank or len(ranked)
    if not ranked or lowest > len(ranked) or config.chosen_rank >= lowest:
        return None, _too_few(len(whole_ones(candidates, config)), candidates, config)
    return _checked(sides[config.chosen_rank - 1], sides[lowest - 1], config, same)


def _too_few(num_different: int, candidates: Sequence[Candidate], config: PairConfig) -> str:
    others = [one for one in candidates if not one.is_whole(or_cut=config.allow_truncated)]
    why = f"Only {num_different} different {'whole ' if others else ''}responses came back, too few to rank and pair."
    return f"{why} Not whole: {describe_endings(others)}." if others else why


def describe_endings(candidates: Sequence[Candidate]) -> str:
    """How responses that are not whole ended, with the key that may help."""
    kinds = Counter("used up" if one.ending == "cut" and not one.text.strip() else one.ending for one in candidates)
    says = {
        "cut": "stopped by target.max_tokens (raise it, or ask for shorter responses)",
        "used up": "that thought up to target.max_tokens and had no token left to answer (raise it)",
        "filtered": "held back by the provider's filter",
        "failed": "ended in an error",
    }
    return ", ".join(f"{kinds[kind]} {what}" for kind, what in says.items() if kinds[kind])


def _side(task: Task, candidate: Candidate, score: float, round_: int) -> Side:
    origin = Origin(kind="given" if task.given else "candidate", candidate=candidate.index, round=round_)
    return Side(origin=origin, output=candidate.output, score=score)


def _against_reference(
    task: Task, candidates: Sequence[Candidate], sides: Sequence[Side], config: PairConfig, same: Same
) -> tuple[PreferencePair | None, str]:
    reference = task.reference
    if reference is None or not task.answer.strip():
        return None, "The recipe takes the reference answer as the chosen response, but the task has none."
    others = [side for side in sides if not same(side.output, reference)]
    lowest = config.rejected_rank or len(others)
    if not others or lowest > len(others):
        return None, _too_few(len(others), candidates, config)
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
    near = attempt.critique.score is not None and abs(attempt.reward - recipe.loop.threshold) <= review.reward_band
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


def best_pair_of(attempts: Sequence[Attempt]) -> int | None:
    """The attempt that counts, None where no attempt made a pair."""
    best = best_of(attempts) if attempts else None
    return best if best is not None and attempts[best].pair is not None else None
