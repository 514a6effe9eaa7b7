"""What the rewriter is shown of a round: its pair or its responses, what tools found about them, and what they were given."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyprefer.agents.material import Show, evidence_block, response_block, response_blocks, show_text, task_evidence_blocks
from anyprefer.agents.standing import UNKNOWN, Standing, find_standings
from anyprefer.shortening import shorten
from anyprefer.types import Attempt, Candidate, PreferencePair, Side

_SIDE_CHARS = 1500
"""Longest response of the pair; critique and findings say what matters about it."""

_EXCERPT_CHARS = 300
"""Where there is no pair: how much of each response is quoted, its beginning and its end."""


@dataclass(frozen=True)
class RoundView:
    """One attempt as the rewriter sees it."""

    attempt: Attempt
    earlier: Sequence[Candidate] = ()
    """Candidates of the rounds before."""
    verifiers: frozenset[str] = frozenset()
    evidence_chars: int = 2000
    show: Show = show_text

    @property
    def responses(self) -> list[Candidate]:
        """All candidates that are known of, those that only stand in the pair included."""
        pair = self.attempt.pair
        sides = [] if pair is None else [pair.chosen, pair.rejected]
        known = {side.origin.candidate: _as_candidate(side) for side in sides if side.origin.candidate is not None}
        return list({**known, **{one.index: one for one in (*self.earlier, *self.attempt.candidates)}}.values())

    def describe(self) -> str:
        """The round in a prompt, every text of a model or a tool fenced."""
        pair = self.attempt.pair
        parts = self._of_responses() if pair is None else self._of_pair(pair)
        about_task = task_evidence_blocks(self.attempt.evidence, self.evidence_chars)
        return "\n\n".join(part for part in (*parts, about_task) if part)

    def _of_pair(self, pair: PreferencePair) -> list[str]:
        """The rewards, then each side with what was found about it."""
        critique, parts = self.attempt.critique, []
        if critique.score is not None:
            parts.append(f"Reward of the pair: {critique.score:.3g} of 10.")
        if critique.grades is not None:
            first, second = critique.grades
            parts.append(f"Grades for each by itself: {first:.3g} of 10 for the preferred response, {second:.3g} for the other.")
        for side, name in ((pair.chosen, "preferred response"), (pair.rejected, "dispreferred response")):
            found = [] if side.origin.candidate is None else self._lines([_as_candidate(side)])
            parts.append(f"{name.capitalize()}{''.join(f': {line}' for line in found)}")
            parts.append(response_block(shorten(self.show(side.output), _SIDE_CHARS, name), name, name))
            parts += [
                evidence_block(item, f"{item.tool} on the {name}", self.evidence_chars) for item in self.attempt.evidence_of(side)
            ]
        return parts

    def _of_responses(self) -> list[str]:
        """What there is where no pair was formed: the responses in excerpts, with what was found about each."""
        responses = self.responses
        lines = [f"Response {place}: {line}" for place, line in enumerate(self._lines(responses), start=1)]
        blocks = response_blocks(
            responses, self.attempt.evidence, self.evidence_chars,
            show=lambda output: shorten(self.show(output), _EXCERPT_CHARS),
        )  # fmt: skip
        return ["No pair could be formed.", "\n".join(lines), blocks]

    def _lines(self, responses: Sequence[Candidate]) -> list[str]:
        """How each response stands and what it scored."""
        standings = find_standings(self.responses, self.attempt.evidence, self.attempt.verdicts, self.verifiers)
        scores = {verdict.candidate: verdict.score for verdict in self.attempt.verdicts}
        return [_in_words(standings.get(one.index, UNKNOWN), scores.get(one.index)) for one in responses]


def _as_candidate(side: Side) -> Candidate:
    return Candidate(index=side.origin.candidate or 0, output=side.output)


def _in_words(standing: Standing, score: float | None) -> str:
    """How a response stands, for a model to read."""
    if standing.supports is not None:
        told = f"checks show it to be {'right' if standing.supports else 'wrong'}"
    elif standing.silent:
        told = "it states no answer that could be checked"
    else:
        told = "the checks are split" if standing.votes else "no check decides"
    votes = f" ({standing.votes_for:g} of {standing.votes} speak for it)" if standing.votes > 1 else ""
    return f"{told}{votes}{'' if score is None else f'; the judge gave it {score:.3g} of 10'}."
