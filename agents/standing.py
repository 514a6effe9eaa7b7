"""How a candidate stands by what verifying tools, or the task's reference, found about it: values, and no model's opinion.

Findings decide and opinions order: a response that checks speak for stands above one that they are silent on, and that above one
that they speak against, whatever a judge makes of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyprefer.types import Candidate, Evidence, Verdict


@dataclass(frozen=True)
class Standing:
    """What is known about one candidate."""

    supports: bool | None = None
    """Verified right or shown to be wrong; None where nobody checked, the checks are split, or tools contradict each other."""
    votes_for: float = 0.0
    votes: int = 0
    """Single checks: of n, so many speak for the candidate. 0 of 0 where none spoke."""
    silent: bool = False
    """Whether a verifying tool that spoke about others looked at this one as well, and could read no answer in it. A tool that
    failed, or was not called about it, has not looked."""
    passed: int = 0
    """Checks that it passes which alone do not show it to be right, such as one of its form."""

    @property
    def share(self) -> float | None:
        """The share of the votes that speak for it; None where none were cast."""
        return self.votes_for / self.votes if self.votes else None

    @property
    def rank(self) -> tuple[int, float, int]:
        """What candidates are ordered by before any score: verified, then unknown, then silent, then contradicted."""
        place = {True: 3, None: 1 if self.silent else 2, False: 0}[self.supports]
        return place, 0.5 if self.share is None else self.share, self.passed


UNKNOWN = Standing()
Standings = Mapping[int, Standing]


def find_standings(
    candidates: Sequence[Candidate], evidence: Sequence[Evidence], verdicts: Sequence[Verdict], verifiers: frozenset[str]
) -> dict[int, Standing]:
    """The standing of each candidate, by its index.

    Args:
        candidates: Whom to place.
        evidence: What tools found about them.
        verdicts: Those by a reference come before any tool.
        verifiers: The tools that can show a response to be right. Any tool can show one to be wrong.
    """
    findings = {one.index: [item for item in evidence if item.candidate == one.index and item.ok] for one in candidates}
    spoke = {item.tool for items in findings.values() for item in items if item.tool in verifiers and _speaks(item)}
    found = {index: _by_tools(items, verifiers, spoke) for index, items in findings.items()}
    by_reference = {one.candidate: _by_score((one.score - 1) / 9) for one in verdicts if one.by_reference}
    return {**found, **{index: one for index, one in by_reference.items() if index in found}}


def certainty_of(chosen: Standing, rejected: Standing) -> float | None:
    """The share of the votes behind an order: no more than stand behind either side; None where one side has none."""
    if chosen.share is None or rejected.share is None:
        return None
    return min(chosen.share, 1 - rejected.share)


def _speaks(item: Evidence) -> bool:
    return item.finding.supports is not None or item.finding.votes is not None


def _by_score(share: float) -> Standing:
    """By a scorer's share of the reference: all of it is right, nothing of it wrong, and what lies between is neither."""
    return Standing({1.0: True, 0.0: False}.get(share), share, 1)


def _by_tools(items: Sequence[Evidence], verifiers: frozenset[str], spoke: set[str]) -> Standing:
    """Add up what tools found; a finding without votes is one vote."""
    looked = [item for item in items if item.tool in verifiers]
    verifying = [item for item in looked if _speaks(item)]
    others = [item for item in items if item.tool not in verifiers]
    against = [item for item in others if item.finding.supports is False]
    votes = [item.finding.votes or (int(bool(item.finding.supports)), 1) for item in verifying] + [(0, 1) for _ in against]
    opinions = {item.finding.supports for item in (*verifying, *against)} - {None}
    return Standing(
        supports=opinions.pop() if len(opinions) == 1 else None,
        votes_for=float(sum(count for count, _ in votes)),
        votes=sum(total for _, total in votes),
        silent=bool(spoke & {item.tool for item in looked} - {item.tool for item in verifying}),
        passed=sum(item.finding.supports is True for item in others),
    )
