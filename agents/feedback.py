"""Guidance that follows from a known reason: sentences that are there already, so that no model is asked for them.

Where a round's reason names the defect, a sentence says what mends it to the player who can (paper: the feedback of section 2.4).
A model that is asked for the same says it in general words, or says what the answer is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anyprefer.config import Feedback
from anyprefer.types import REASONS, Reason

Player = Literal["target", "judge"]

PLAYERS: Mapping[Feedback, tuple[Player, ...]] = {
    "joint": ("target", "judge"),
    "independent": ("target", "judge"),
    "target_only": ("target",),
    "judge_only": ("judge",),
    "none": (),
}
"""Whose guidance each feedback mode may change."""

_CHECK = (
    "Read the task again before you check anything: give every quantity in it a name, and compute step by step in the task's "
    "order. A program prints the answer and nothing else."
)
_END = (
    "End with one line that begins with 'Answer:' and states nothing but the final answer; where code is asked for, put all of "
    "it into one fenced block instead."
)
_DIFFER = "Answer in another way than the one that comes to mind first, and in words of your own."

TARGET_LINES: Mapping[Reason, str] = {
    "cut_off": "Finish within about {words} words.",
    "no_answer": _END,
    "too_few": _DIFFER,
    "all_right": "Take another way to the answer than the usual one, and use fewer words.",
    "all_wrong": "Work step by step, and check each step against the task before you answer.",
    "unverified": _END,
    "alike": _DIFFER,
    "unseen": "Keep the response short: leave out what the task does not ask for.",
}
"""What mends a reason, said to the target. It is never asked for a wrong answer."""

JUDGE_LINES: Mapping[Reason, str] = {"all_wrong": _CHECK, "unverified": _CHECK, "undecided": _CHECK}
"""What mends a reason, said to the judge, whose guidance reaches the programs that it writes. Where all responses are wrong,
the programs may be."""

BEYOND_WORDS: frozenset[Reason] = frozenset({"filtered", "no_reference"})
"""What no guidance mends: a provider's filter is not to be talked round, and a reference is there or not."""

_OPPOSITES: Mapping[Reason, Reason] = {"all_right": "all_wrong", "all_wrong": "all_right"}


def is_known(reasons: Sequence[Reason]) -> bool:
    """Whether the reason that decided a round needs no model's advice; without any reason nobody knows."""
    return bool(reasons) and (reasons[0] in _WITH_LINES or reasons[0] in BEYOND_WORDS)


def join_reasons(earlier: Sequence[Reason], now: Sequence[Reason]) -> tuple[Reason, ...]:
    """The reasons whose lines hold after a round: those of before, unless the opposite has come up, then the new ones."""
    kept = [reason for reason in earlier if _OPPOSITES.get(reason) not in now]
    return tuple(dict.fromkeys((*kept, *(reason for reason in now if reason in _WITH_LINES))))


_WITH_LINES = TARGET_LINES.keys() | JUDGE_LINES.keys()


@dataclass(frozen=True)
class KnownAdvice:
    """The fixed lines under one recipe."""

    max_tokens: int
    """The target's longest response."""

    def lines(self, player: Player, reasons: Sequence[Reason] = REASONS) -> list[str]:
        """The lines of some reasons for a player, each once."""
        words = str(max(10, self.max_tokens // 20 * 10))  # a word is up to two tokens, where there is much to calculate
        said = TARGET_LINES if player == "target" else JUDGE_LINES
        return list(dict.fromkeys(said[reason].replace("{words}", words) for reason in reasons if reason in said))

    def strip(self, player: Player, guidance: str) -> str:
        """What is left of a guidance without any fixed line: a model's words."""
        for line in self.lines(player):
            guidance = guidance.replace(line, "\n")
        return "\n".join(part for line in guidance.splitlines() if (part := line.strip()))

    def join(self, player: Player, reasons: Sequence[Reason], words: str) -> str:
        """The guidance of a player: the lines of the reasons that hold, then a model's words."""
        rest = self.strip(player, words)
        return "\n".join((*self.lines(player, reasons), *([rest] if rest else [])))
