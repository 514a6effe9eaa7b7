"""Whether the labels agree with trusted answers: the chosen response right, the rejected one wrong.

A reference with a final answer that can be compared ("18", "B", "Paris") decides; one of free text only says which response is
closer to it.
"""

from statistics import fmean

from anyprefer.agents.references import Truth, compare_texts
from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import Finding, Listed
from anyprefer.shares import Share, share_or_none
from anyprefer.wording import overlap_f1, words

MEASURE = "token F1"
"""Of free-text references: bags of words, as SQuAD scores answers; it needs no model, and a paraphrase scores low."""
CLEAR = 0.2
"""Difference in token F1 from which a response counts as clearly closer; below it lies the noise of wording."""
MAX_REVERSED = 0.02
"""Share of reversed pairs from which a warning is worth it; a judge of average strength errs more often than that."""


class Overlap(Finding):
    """Agreement with references of free text."""

    measure: str
    """How closeness was measured."""
    pairs: int
    """Pairs with such a reference."""
    chosen: float
    """Mean F1 of the chosen responses with the reference, 0 to 1."""
    rejected: float
    """Likewise of the rejected ones."""
    closer: Share
    """Share of pairs whose chosen response is closer to the reference, equal ones counting half."""
    reversed: Listed
    """Pairs whose rejected response is closer by at least `CLEAR`: look at these."""


class ReferenceAgreement(Finding):
    """What `check_references` found."""

    pairs: int
    """Pairs with a reference."""
    decided: int
    """Pairs of which both responses could be compared with it."""
    chosen_right: Share | None
    """Of the chosen responses that could be compared; None where none could."""
    rejected_wrong: Share | None
    """Likewise of the rejected ones."""
    agreeing: Share | None
    """Of the decided pairs, those with a right chosen and a wrong rejected response."""
    reversed: Listed
    """Rejected right and chosen wrong: the label is the wrong way round."""
    both_right: Listed
    """Nothing of the answer tells the sides apart."""
    both_wrong: Listed
    """A wrong answer is preferred to a wrong answer."""
    undecided: Listed
    """A response states no final answer that could be read, or one that holds the reference among other words."""
    overlap: Overlap | None
    """Of the pairs whose reference is free text; None where there are none."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Labels against the reference."""
        found = []
        if self.reversed.total > MAX_REVERSED * self.decided:
            found.append(
                f"{self.reversed.total} of {self.decided} pairs are reversed ({self.reversed.name()}): the rejected response "
                "has the reference's answer and the chosen one has not; swap or drop them"
            )
        if self.agreeing and self.both_wrong.total > 0.25 * self.decided:
            found.append(
                f"{self.both_wrong.total} of {self.decided} pairs prefer one wrong answer to another "
                f"({self.both_wrong.name()}): training raises the chance of a wrong answer; drop them, or let the reference be "
                "the chosen response (pair.chosen = 'reference')"
            )
        if self.overlap and self.overlap.closer.high < 0.5:
            found.append(
                f"the chosen response is the one closer to the reference in only {self.overlap.closer} of {self.overlap.pairs} "
                f"pairs ({MEASURE}): look at a few of them ({self.overlap.reversed.name()}); the labels may be the wrong way "
                "round"
            )
        return tuple(found)


def check_references(data: Dataset) -> ReferenceAgreement | None:
    """Compare both responses with the reference; None where no pair has one."""
    known = [pair for pair in data.pairs if (pair.reference or "").strip()]
    if not known:
        return None
    truths = {row: truth for row, pair in enumerate(known) if (truth := read_truth(pair)) is not None}
    decided = {row: truth for row, truth in truths.items() if truth.decided}
    chosen = [truth.chosen for truth in truths.values() if truth.chosen is not None]
    rejected = [truth.rejected for truth in truths.values() if truth.rejected is not None]

    def listed(chosen_right: bool, rejected_right: bool) -> Listed:  # noqa: FBT001 - the two cells of a table
        cell = (chosen_right, rejected_right)
        return Listed.of([known[row].id for row, truth in decided.items() if (truth.chosen, truth.rejected) == cell])

    return ReferenceAgreement(
        pairs=len(known), decided=len(decided), chosen_right=share_or_none(sum(chosen), len(chosen)),
        rejected_wrong=share_or_none(len(rejected) - sum(rejected), len(rejected)),
        agreeing=share_or_none(sum(truth.agrees for truth in decided.values()), len(decided)),
        reversed=listed(False, True), both_right=listed(True, True), both_wrong=listed(False, False),  # noqa: FBT003
        undecided=Listed.of([known[row].id for row, one in truths.items() if row not in decided and one.use != "chosen"]),
        overlap=_measure_overlap([pair for row, pair in enumerate(known) if row not in truths]),
    )  # fmt: skip


def read_truth(pair: TextPair) -> Truth | None:
    """What the reference says about both responses; None without a reference, or where it is free text."""
    reference = (pair.reference or "").strip()
    if not reference:
        return None
    truth = compare_texts(pair.prompt, reference, pair.chosen, pair.rejected, is_itself=pair.chosen_is_reference)
    return None if truth.use == "text" else truth


def _measure_overlap(pairs: list[TextPair]) -> Overlap | None:
    if not pairs:
        return None
    scores = []
    for pair in pairs:
        reference = words(pair.reference or "")
        scores.append((overlap_f1(words(pair.chosen), reference), overlap_f1(words(pair.rejected), reference)))
    return Overlap(
        measure=MEASURE, pairs=len(pairs), chosen=fmean(a for a, _ in scores), rejected=fmean(b for _, b in scores),
        closer=Share.of(sum((a > b) + (a == b) / 2 for a, b in scores), len(scores)),
        reversed=Listed.of([pair.id for pair, (a, b) in zip(pairs, scores, strict=True) if b - a >= CLEAR]),
    )  # fmt: skip
