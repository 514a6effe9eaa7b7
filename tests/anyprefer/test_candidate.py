"""Which outputs are whole, so that they may stand in a pair: one question for both sides."""

import pytest

from anyprefer.types import Candidate, Ending, Reply, Trajectory, ending_of


@pytest.mark.parametrize(
    ("ending", "text", "is_whole", "with_cut"),
    [
        ("complete", "4", True, True), ("cut", "4", False, True), ("filtered", "4", False, False), ("failed", "4", False, False),
        ("complete", " \n", False, False), ("cut", "", False, False),
    ],
)  # fmt: skip
def test_whole_is_what_says_something_and_ended_well(ending: Ending, text: str, is_whole: bool, with_cut: bool) -> None:
    candidate = Candidate(index=0, output=Reply.of(text, reasoning="thought"), ending=ending)
    assert (candidate.is_whole(), candidate.is_whole(or_cut=True)) == (is_whole, with_cut)


def test_a_trajectory_says_something() -> None:
    assert Candidate(index=0, output=Trajectory(actions=((0.5,),))).is_whole()


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("FinishReason.STOP", "complete"), ("FINISH_REASON_STOP", "complete"), ("COMPLETE", "complete"), ("", "complete"),
        ("FinishReason.MAX_TOKENS", "cut"), ("model_context_window_exceeded", "cut"), ("FinishReason.SAFETY", "filtered"),
        ("guardrail_intervened", "filtered"), ("FINISH_REASON_OTHER", "failed"), ("incomplete", "failed"),
    ],
)  # fmt: skip
def test_servers_spell_their_endings_in_many_ways(reason: str, ending: Ending) -> None:
    assert ending_of(reason) == ending
