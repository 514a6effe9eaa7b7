"""No input makes a degenerate pair, and every side is known by who wrote it."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anyprefer.agents.outcome import form_pair
from anyprefer.config import PairConfig
from anyprefer.types import REFERENCE, Candidate, Ending, Origin, PreferencePair, Reply, Side, Task, Verdict, normalize

texts = st.one_of(st.sampled_from(["a", "a ", " a\n", "b", "", " ", "A"]), st.text(max_size=8))
scores = st.floats(min_value=1, max_value=10)
endings = st.sampled_from(["complete", "cut", "filtered", "failed"])
configs = st.builds(
    PairConfig,
    chosen=st.sampled_from(["best", "reference"]),
    chosen_rank=st.integers(1, 6),
    rejected_rank=st.integers(0, 6),
    min_margin=st.floats(min_value=0.001, max_value=9),
    allow_truncated=st.booleans(),
)


def candidate_side(index: int, text: str, score: float) -> Side:
    return Side(origin=Origin(kind="candidate", candidate=index, round=0), output=text, score=score)


@given(st.lists(st.tuples(texts, scores, endings, st.booleans()), max_size=7), configs, st.one_of(st.none(), texts))
def test_pair_has_contrast_or_there_is_a_reason(
    rows: list[tuple[str, float, Ending, bool]], config: PairConfig, ref: str | None
) -> None:
    candidates = [Candidate(index=i, output=text, ending=ending) for i, (text, _, ending, _) in enumerate(rows)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, (_, score, _, judged) in enumerate(rows) if judged]
    pair, why_not = (
        form_pair(Task(prompt="q", reference=ref), candidates, verdicts, config, 3) if _pairable(rows) else (None, "empty")
    )
    assert (pair is None) == bool(why_not)
    if pair is not None:
        assert normalize(pair.chosen.text) != normalize(pair.rejected.text)
        allowed = {"complete", "cut"} if config.allow_truncated else {"complete"}
        _check_side(pair.rejected, rows, allowed)
        if config.chosen == "reference":
            assert (pair.chosen.origin, pair.chosen.score, pair.chosen.text) == (REFERENCE, None, ref)
            assert pair.margin is None
        else:
            assert pair.margin is not None
            assert pair.margin >= config.min_margin
            _check_side(pair.chosen, rows, allowed)


def _check_side(side: Side, rows: list[tuple[str, float, Ending, bool]], allowed: set[str]) -> None:
    """A side is the very candidate that its origin names, with that candidate's own score."""
    assert side.origin.kind == "candidate"
    assert side.origin.round == 3
    text, score, ending, judged = rows[side.origin.candidate or 0]
    assert (side.text, side.score, judged) == (text, score, True)
    assert ending in allowed


def _pairable(rows: list[tuple[str, float, Ending, bool]]) -> bool:
    """The sampler lets no empty candidate through."""
    return all(text.strip() for text, *_ in rows)


@given(texts, texts, scores, scores)
def test_pair_itself_refuses_to_be_degenerate(chosen: str, rejected: str, high: float, low: float) -> None:
    degenerate = not chosen.strip() or not rejected.strip() or normalize(chosen) == normalize(rejected)
    try:
        pair = PreferencePair(chosen=candidate_side(0, chosen, high), rejected=candidate_side(1, rejected, low))
    except ValidationError:
        assert degenerate
    else:
        assert not degenerate
        assert pair.margin == high - low


def test_middle_ranks_are_taken_when_asked_for() -> None:
    candidates = [Candidate(index=i, output=f"text {i}") for i in range(5)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, score in enumerate([2, 10, 4, 8, 6])]
    pair, _ = form_pair(Task(prompt="q"), candidates, verdicts, PairConfig(chosen_rank=3, rejected_rank=5), 0)
    assert pair is not None
    assert (pair.chosen.text, pair.rejected.text) == ("text 4", "text 0")


@pytest.mark.parametrize("chosen", ["best", "reference"])
def test_the_reason_counts_what_is_not_whole_and_names_the_key(chosen: Literal["best", "reference"]) -> None:
    rows: list[tuple[str, Ending]] = [("a", "cut"), ("b", "cut"), ("", "cut"), ("c", "filtered"), ("d", "failed")]
    candidates = [Candidate(index=i, output=text, ending=ending) for i, (text, ending) in enumerate(rows)]
    pair, why_not = form_pair(Task(prompt="q", reference="r"), candidates, [], PairConfig(chosen=chosen), 0)
    assert pair is None
    assert why_not == (
        "Only 0 different whole responses came back, too few to rank and pair. Not whole: 2 stopped by target.max_tokens (raise "
        "it, or ask for shorter responses), 1 that thought up to target.max_tokens and had no token left to answer (raise it), "
        "1 held back by the provider's filter, 1 ended in an error."
    )


def test_a_difference_that_nobody_saw_makes_no_pair() -> None:
    candidates = [Candidate(index=i, output=f"text {i}") for i in range(2)]
    verdicts = [Verdict(candidate=i, analysis="x", score=9 - 5 * i) for i in range(2)]
    seen: list[PreferencePair] = []

    def find_unseen(pair: PreferencePair) -> str:
        seen.append(pair)
        return "nobody saw it"

    found = form_pair(Task(prompt="q"), candidates, verdicts, PairConfig(), 0, find_unseen=find_unseen)
    assert found == (None, "nobody saw it")
    assert [(pair.chosen.text, pair.rejected.text) for pair in seen] == [("text 0", "text 1")]


def test_missing_reference_is_said() -> None:
    pair, why_not = form_pair(Task(prompt="q"), [], [], PairConfig(chosen="reference"), 0)
    assert pair is None
    assert "reference" in why_not


def test_thoughts_are_no_difference() -> None:
    candidates = [Candidate(index=i, output=Reply.of("4", reasoning=f"plan {i}")) for i in range(2)]
    verdicts = [Verdict(candidate=0, analysis="x", score=9), Verdict(candidate=1, analysis="x", score=2)]
    pair, why_not = form_pair(Task(prompt="q"), candidates, verdicts, PairConfig(), 0)
    assert pair is None
    assert "same text" in why_not
    with pytest.raises(ValidationError, match="two different texts"):
        PreferencePair(chosen=Side(origin=REFERENCE, output=candidates[0].output), rejected=Side(origin=REFERENCE, output="4"))
