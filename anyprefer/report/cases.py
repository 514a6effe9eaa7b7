"""Case studies: records that are worth reading, and why (paper: section 3.8 shows such cases)."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from anyprefer.agents.pooling import evidence_behind
from anyprefer.report.shortlist import Shortlist
from anyprefer.report.tool_effects import side_of
from anyprefer.types import PreferenceRecord, disagree

PER_KIND = 2
"""Cases of each kind."""

Interest = tuple[float, str]
"""How interesting, and why in words."""


@dataclass(frozen=True)
class Case:
    """One record with the reason to read it."""

    kind: str
    why: str
    record: PreferenceRecord


def _rewriting(record: PreferenceRecord) -> Interest | None:
    best = record.best
    if best is None or not record.best_attempt or record.status != "accepted":
        return None
    first = record.attempts[0].reward
    had = f"a pair of reward {first:g}" if record.attempts[0].pair else "no pair"
    return best.reward - first, f"The first round gave {had}; after rewriting the prompts the reward is {best.reward:g}."


def _judge_against_tool(record: PreferenceRecord) -> Interest | None:
    best = record.best
    margin = best.pair.margin if best and best.pair else None
    if best is None or not margin or record.pair is None:
        return None
    against = "rejected" if margin > 0 else "chosen"
    tools = [
        tool
        for tool in dict.fromkeys(found.tool for found in evidence_behind(record.attempts, best))
        if side_of(tool, best, record.attempts) == against
    ]
    if not tools:
        return None
    swapped = " A reviewer then turned the pair round." if record.review and record.review.decision == "swap" else ""
    preferred = f"What {' and '.join(tools)} found speaks better of the {against} response"
    return abs(margin), f"{preferred}; the judge scored the other {abs(margin):.1f} higher.{swapped}"


def _closest(record: PreferenceRecord) -> Interest | None:
    pair = record.pair
    if pair is None or record.status != "accepted":
        return None
    likeness = overlap(pair.chosen.text, pair.rejected.text)
    apart = "no judge scored both" if pair.margin is None else f"the judge set them {abs(pair.margin):.1f} apart"
    return likeness, f"The responses share {100 * likeness:.0f} % of their words, and {apart}."


def _divided(record: PreferenceRecord) -> Interest | None:
    best, pair = record.best, record.pair
    if best is None or pair is None:
        return None
    chosen, rejected = best.verdict_of(pair.chosen), best.verdict_of(pair.rejected)
    if chosen is None or rejected is None or not disagree(chosen, rejected):
        return None
    gap = max(abs(a - b) for a, b in zip(chosen.scores, rejected.scores, strict=True))
    return gap, f"Single judgements rank the two responses in opposite ways, by up to {gap:.1f} points."


KINDS: dict[str, Callable[[PreferenceRecord], Interest | None]] = {
    "Largest gain by rewriting": _rewriting,
    "Judge against tool": _judge_against_tool,
    "Closest pair": _closest,
    "Judgements divided": _divided,
}


@dataclass
class CaseBook:
    """The most interesting records of each kind."""

    _lists: dict[str, Shortlist[Case]] = field(default_factory=lambda: {kind: Shortlist(PER_KIND) for kind in KINDS})

    def add(self, record: PreferenceRecord) -> None:
        """Consider a record."""
        for kind, look in KINDS.items():
            if found := look(record):
                self._lists[kind].add(found[0], Case(kind, found[1], record))

    def cases(self) -> Iterator[Case]:
        """Kind by kind; no record twice."""
        seen: set[str] = set()
        for shortlist in self._lists.values():
            for case in shortlist.items():
                if case.record.task.id not in seen:
                    seen.add(case.record.task.id)
                    yield case


def overlap(first: str, second: str) -> float:
    """Share of words that two texts have in common, 0 to 1 (Dice, words counted as often as they occur)."""
    a, b = Counter(first.lower().split()), Counter(second.lower().split())
    size = a.total() + b.total()
    return 2 * (a & b).total() / size if size else 0.0
