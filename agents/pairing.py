"""Which two responses become the pair: findings decide, opinions order.

What verifying tools, or the reference, found about the candidates comes first, the judge's scores second. No model is asked here,
and nothing depends on luck: candidates that are equal in both keep their sampling order.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anyprefer.agents.standing import UNKNOWN, Standing, certainty_of
from anyprefer.config import PairConfig
from anyprefer.types import (
    REASONS,
    REFERENCE,
    Candidate,
    Origin,
    Output,
    PreferencePair,
    Reason,
    Shortfall,
    Side,
    Task,
    Verdict,
    disagree,
    find_differences,
    same_output,
)

REFERENCE_SCORE = 10.0
"""A task's reference counts as perfect where a margin is asked for; no judge sees it, so the pair keeps no score of it."""

Same = Callable[[Output, Output], bool]
FindUnseen = Callable[[PreferencePair], str]
Formed = tuple[PreferencePair | None, Shortfall | None]


def whole_ones(candidates: Sequence[Candidate], config: PairConfig) -> tuple[Candidate, ...]:
    """The candidates that may stand in a pair, on either side; no other is judged."""
    return tuple(one for one in candidates if one.is_whole(or_cut=config.allow_truncated))


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The candidates of a task, and what is known about them."""

    task: Task
    candidates: Sequence[Candidate]
    """Of all rounds so far, those that are not whole included."""
    verdicts: Sequence[Verdict] = ()
    """Of those that were judged; none where no judge was asked."""
    standings: Mapping[int, Standing]
    round: int = 0
    """The current one, for candidates that do not say theirs."""
    same: Same = same_output
    """When two outputs are equal."""

    @property
    def scores(self) -> dict[int, float]:
        """Index -> score."""
        return {verdict.candidate: verdict.score for verdict in self.verdicts}

    def standing(self, side: Side) -> Standing:
        """What was found about a side; a reference is right by what it is."""
        if side.origin == REFERENCE:
            return Standing(supports=True, votes_for=1, votes=1)
        return self.standings.get(-1 if side.origin.candidate is None else side.origin.candidate, UNKNOWN)

    def verdict(self, side: Side) -> Verdict | None:
        """The judge's verdict on a side."""
        return next((one for one in self.verdicts if one.candidate == side.origin.candidate), None)

    def sides(self, config: PairConfig) -> list[Side]:
        """Every candidate that may stand in a pair, the best first."""
        scores, whole = self.scores, whole_ones(self.candidates, config)
        usable = [one for one in whole if one.index in scores] if scores else list(whole)

        def order(one: Candidate) -> tuple[tuple[int, float, int], float]:
            rank = UNKNOWN.rank if config.require == "none" else self.standings.get(one.index, UNKNOWN).rank
            return rank, scores.get(one.index, 0.0)

        return [self._side(one) for one in sorted(usable, key=order, reverse=True)]

    def _side(self, candidate: Candidate) -> Side:
        round_ = self.round if candidate.round is None else candidate.round
        origin = Origin(kind="given" if self.task.given else "candidate", candidate=candidate.index, round=round_)
        return Side(origin=origin, output=candidate.output, score=self.scores.get(candidate.index))


def form_pair(pool: Pool, config: PairConfig, find_unseen: FindUnseen = lambda pair: "", *, must_agree: bool = False) -> Formed:
    """Pick the chosen and the rejected response by rank, out of the whole ones.

    Args:
        pool: The candidates and what is known about them.
        config: The recipe's `[pair]`, with `require` set.
        find_unseen: Says why nobody who judged a pair saw its difference.
        must_agree: Whether single judgements that order the sides in opposite ways, or one that finds them equal, make the pair
            void.

    Returns:
        The pair, or why there is no contrast to learn from.
    """
    pair, shortfall = _pick(pool, config)
    if pair is not None and not is_verified(pool, pair):
        shortfall = _doubt(pool, pair, config, find_unseen, must_agree=must_agree)
    if shortfall is None:
        return pair, None
    return None, shortfall.model_copy(update={"reasons": _with_signs(shortfall.reasons, pool, config)})


def is_verified(pool: Pool, pair: PreferencePair) -> bool:
    """Whether findings show the chosen side to be right and the rejected one to be wrong."""
    return pool.standing(pair.chosen).supports is True and pool.standing(pair.rejected).supports is False


def findings_decide(pool: Pool, config: PairConfig) -> bool:
    """Whether no judge's opinion could turn the pair's order round, or make a pair where there is none.

    Args:
        pool: Without verdicts.
        config: The recipe's `[pair]`, with `require` set.
    """
    if config.require == "none":
        return False
    pair, shortfall = form_pair(pool, config)
    if pair is not None:
        return is_verified(pool, pair)
    return config.require == "verified" or (shortfall is not None and shortfall.reasons[0] in ("all_right", "all_wrong"))


def _pick(pool: Pool, config: PairConfig) -> Formed:
    ranked = pool.sides(config)
    if config.chosen == "reference":
        reference = pool.task.reference
        if reference is None or not pool.task.answer.strip():
            return _none("no_reference", "The recipe takes the reference answer as the chosen response, but the task has none.")
        ranked = [side for side in ranked if not pool.same(side.output, reference)]
    lowest = config.rejected_rank or len(ranked)
    first = 0 if config.chosen == "reference" else config.chosen_rank
    if not ranked or lowest > len(ranked) or first >= lowest:
        return _none("too_few", _too_few(len(ranked), pool.candidates, config))
    if contrast := _missing_contrast(pool, ranked, config):
        return None, contrast
    chosen = ranked[first - 1] if first else Side(origin=REFERENCE, output=pool.task.reference)  # type: ignore[arg-type]
    rejected = ranked[lowest - 1]
    if pool.same(chosen.output, rejected.output):
        return _none("alike", "The two responses are the same text; the responses must differ more.")
    if against := _against(pool.standing(chosen), pool.standing(rejected), config):
        return None, against
    return _paired(pool, chosen, rejected), None


def _paired(pool: Pool, chosen: Side, rejected: Side) -> PreferencePair:
    verdicts = pool.verdict(chosen), pool.verdict(rejected)
    rulings = [verdict.rulings if verdict else () for verdict in verdicts]
    return PreferencePair(
        chosen=chosen,
        rejected=rejected,
        certainty=certainty_of(pool.standing(chosen), pool.standing(rejected)),
        differences=find_differences(*rulings),
    )


def _none(reason: Reason, text: str) -> Formed:
    return None, Shortfall(reasons=(reason,), text=text)


def _missing_contrast(pool: Pool, sides: Sequence[Side], config: PairConfig) -> Shortfall | None:
    """Why no order of the candidates would be borne out by findings; None where one may."""
    if config.require == "none":
        return None
    found = [pool.standing(side) for side in sides]
    right, wrong = (sum(one.supports is value for one in found) for value in (True, False))
    count, silent = len(found), sum(one.silent and one.supports is None for one in found)
    rest = f"; {silent} {'states' if silent == 1 else 'state'} no answer that could be checked" if silent else ""
    if right and not wrong and right + silent == count:
        return Shortfall(reasons=("all_right",), text=f"No contrast: {right} of {count} responses are verified right{rest}.")
    if wrong and not right and wrong + silent == count and config.chosen == "best":
        return Shortfall(reasons=("all_wrong",), text=f"No contrast: {wrong} of {count} responses are verified wrong{rest}.")
    needed = config.min_verified if config.chosen == "best" else 0
    if config.require != "verified" or (wrong and right >= needed):
        return None
    told = f"{right} of {count} responses are verified right and {wrong} wrong"
    if any(one.votes for one in found):
        wanted = f", {needed} right ones are needed" if 0 < right < needed else ""
        return Shortfall(reasons=("undecided",), text=f"Not verified: the checks leave too much open; {told}{wanted}{rest}.")
    return Shortfall(
        reasons=("unverified",),
        text="Not verified: no tool could check any of the responses. With pair.require = 'consistent' a judge decides then.",
    )


def _against(chosen: Standing, rejected: Standing, config: PairConfig) -> Shortfall | None:
    """Why findings forbid an order; None where they do not."""
    if config.require == "none":
        return None
    if config.require == "verified" and not (chosen.supports and rejected.supports is False):
        return Shortfall(reasons=("undecided",), text="Not verified: the responses of these ranks are not right against wrong.")
    if chosen.supports is False or rejected.supports:
        return Shortfall(reasons=("contradicted",), text="The findings speak against the order of the two responses.")
    if chosen.silent:
        return Shortfall(
            reasons=("no_answer",), text="The best response states no answer that could be checked, where others state one."
        )
    behind = [share for share in (chosen.share, None if rejected.share is None else 1 - rejected.share) if share is not None]
    if behind and min(behind) < config.min_certainty:
        return Shortfall(
            reasons=("undecided",),
            text=f"Too uncertain: {min(behind):.0%} of the votes stand behind the order, {config.min_certainty:.0%} are needed.",
        )
    return None


def _doubt(
    pool: Pool, pair: PreferencePair, config: PairConfig, find_unseen: FindUnseen, *, must_agree: bool
) -> Shortfall | None:
    """Why a pair that rests on opinions is none; None where it stands."""
    chosen = REFERENCE_SCORE if pair.chosen.origin == REFERENCE else pair.chosen.score
    rejected = pair.rejected.score
    if chosen is None or rejected is None:
        return Shortfall(reasons=("unverified",), text="The findings do not decide, and no judge was asked.")
    if chosen - rejected < config.min_margin:
        better = "reference counts as" if pair.chosen.origin == REFERENCE else "preferred response scored"
        return Shortfall(
            reasons=("low_margin",),
            text=f"No contrast: the {better} {chosen:.3g} and the dispreferred one {rejected:.3g}, a margin of "
            f"{chosen - rejected:.3g} where {config.min_margin:g} is needed. The responses must differ more in quality, or the "
            "judge must look closer.",
        )
    verdicts = pool.verdict(pair.chosen), pool.verdict(pair.rejected)
    if must_agree and verdicts[0] and verdicts[1] and not _agree(verdicts[0], verdicts[1]):
        return Shortfall(reasons=("judges_disagree",), text="Two forms of judging do not rank the two responses alike.")
    unseen = find_unseen(pair)
    return Shortfall(reasons=("unseen",), text=unseen) if unseen else None


def _agree(chosen: Verdict, rejected: Verdict) -> bool:
    """Whether every single judgement puts the chosen response above the rejected one."""
    return disagree(chosen, rejected) is not True and all(a > b for a, b in zip(chosen.scores, rejected.scores, strict=True))


def _with_signs(reasons: tuple[Reason, ...], pool: Pool, config: PairConfig) -> tuple[Reason, ...]:
    """The deciding reason, then what else stood in the way."""
    others = {one.ending for one in pool.candidates if not one.is_whole(or_cut=config.allow_truncated)}
    silent = any(one.silent and one.supports is None for one in pool.standings.values())
    signs = {"cut_off": "cut" in others, "filtered": "filtered" in others, "no_answer": silent and config.require != "none"}
    return tuple(dict.fromkeys((*reasons, *(reason for reason in REASONS if signs.get(reason)))))


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
