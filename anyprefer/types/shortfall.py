"""Why a round made no good pair, as values that the loop acts on."""

from typing import Literal, get_args

from anyprefer.types.base import Value

Reason = Literal[
    "cut_off",
    "filtered",
    "no_answer",
    "too_few",
    "all_right",
    "all_wrong",
    "unverified",
    "undecided",
    "contradicted",
    "alike",
    "unseen",
    "low_margin",
    "judges_disagree",
    "no_reference",
    "low_reward",
]
"""In the order in which they are worth mending: responses stopped by a length limit or a filter; without a readable answer;
fewer whole and different ones than a pair needs; all verified right, or all wrong; no verifying tool spoke, or its checks
are split; the findings speak against the order; the sides say the same, or differ in what no judge saw; scores too close;
forms of judging that rank in opposite ways; no reference to take; a reward below the threshold."""
REASONS: tuple[Reason, ...] = get_args(Reason)


class Shortfall(Value):
    """Why a round has no pair, or none that is good enough."""

    reasons: tuple[Reason, ...]
    """The one that decided it first, then what else was found on the way."""
    text: str
    """For a reader."""
