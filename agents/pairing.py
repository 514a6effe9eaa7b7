"""Form the pair from the ranking, or say why there is none; no model, no luck."""

from collections.abc import Sequence

from anyprefer.config import PairConfig
from anyprefer.types import Candidate, PreferencePair, Task, Verdict, normalize

REFERENCE_SCORE = 10.0
"""A task's reference answer counts as perfect."""


def form_pair(
    task: Task, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], config: PairConfig
) -> tuple[PreferencePair | None, str]:
    """Pick the chosen and the rejected response by rank.

    Candidates with equal scores keep their sampling order, so the ranking does not depend on luck.

    Returns:
        The pair and an empty text, or None and the reason why there is no contrast to learn from.
    """
    scores = {verdict.candidate: verdict.score for verdict in verdicts}
    ranked = sorted((item for item in candidates if item.index in scores), key=lambda item: -scores[item.index])
    if config.chosen == "reference":
        if not (task.reference or "").strip():
            return None, "The recipe takes the reference answer as the chosen response, but the task has none."
        ranked = [item for item in ranked if normalize(item.text) != normalize(task.reference or "")]
    lowest = config.rejected_rank or len(ranked)
    if lowest > len(ranked) or not ranked or (config.chosen == "best" and config.chosen_rank >= lowest):
        return None, f"Only {len(ranked)} different responses came back, too few to rank and pair."
    rejected = ranked[lowest - 1]
    if config.chosen == "reference":
        return _checked(task.reference or "", REFERENCE_SCORE, rejected.text, scores[rejected.index], config)
    chosen = ranked[config.chosen_rank - 1]
    if chosen.finish_reason == "length" and not config.allow_truncated:
        return None, "The preferred response was cut off by its length limit; shorter responses are needed."
    return _checked(chosen.text, scores[chosen.index], rejected.text, scores[rejected.index], config)


def _checked(
    chosen: str, chosen_score: float, rejected: str, rejected_score: float, config: PairConfig
) -> tuple[PreferencePair | None, str]:
    margin = chosen_score - rejected_score
    if normalize(chosen) == normalize(rejected):
        return None, "The two responses are the same text; the responses must differ more."
    if margin < config.min_margin:
        return None, (
            f"No contrast: the preferred response scored {chosen_score:.3g} and the dispreferred one {rejected_score:.3g}, "
            f"a margin of {margin:.3g} where {config.min_margin:g} is needed. The responses must differ more in quality, or the "
            "judge must look closer."
        )
    return PreferencePair(chosen=chosen, rejected=rejected, chosen_score=chosen_score, rejected_score=rejected_score), ""
