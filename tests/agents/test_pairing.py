"""No input makes a degenerate pair."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anyprefer.agents.pairing import form_pair
from anyprefer.config import PairConfig
from anyprefer.types import Candidate, PreferencePair, Task, Verdict, normalize

texts = st.one_of(st.sampled_from(["a", "a ", " a\n", "b", "", " ", "A"]), st.text(max_size=8))
scores = st.floats(min_value=1, max_value=10)
configs = st.builds(
    PairConfig,
    chosen=st.sampled_from(["best", "reference"]),
    chosen_rank=st.integers(1, 6),
    rejected_rank=st.integers(0, 6),
    min_margin=st.floats(min_value=0.001, max_value=9),
    allow_truncated=st.booleans(),
)


@given(
    st.lists(st.tuples(texts, scores, st.sampled_from(["stop", "length", None]), st.booleans()), max_size=7),
    configs,
    st.one_of(st.none(), texts),
)
def test_pair_has_contrast_or_there_is_a_reason(
    rows: list[tuple[str, float, str | None, bool]], config: PairConfig, ref: str | None
) -> None:
    candidates = [Candidate(index=i, text=text, finish_reason=why) for i, (text, _, why, _) in enumerate(rows)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, (_, score, _, judged) in enumerate(rows) if judged]
    pair, why_not = (
        form_pair(Task(prompt="q", reference=ref), candidates, verdicts, config) if _pairable(rows) else (None, "empty")
    )
    assert (pair is None) == bool(why_not)
    if pair is not None:
        assert normalize(pair.chosen) != normalize(pair.rejected)
        assert pair.margin >= config.min_margin
        assert pair.chosen.strip()
        cut = {text for text, _, why, _ in rows if why == "length"} - {text for text, _, why, _ in rows if why != "length"}
        assert config.allow_truncated or config.chosen == "reference" or pair.chosen not in cut


def _pairable(rows: list[tuple[str, float, str | None, bool]]) -> bool:
    """The sampler lets no empty candidate through."""
    return all(text.strip() for text, *_ in rows)


@given(texts, texts, scores, scores)
def test_pair_itself_refuses_to_be_degenerate(chosen: str, rejected: str, high: float, low: float) -> None:
    try:
        pair = PreferencePair(chosen=chosen, rejected=rejected, chosen_score=high, rejected_score=low)
    except ValidationError:
        degenerate = not chosen.strip() or not rejected.strip() or normalize(chosen) == normalize(rejected) or high - low <= 0
        assert degenerate
    else:
        assert normalize(pair.chosen) != normalize(pair.rejected)
        assert pair.margin > 0


def test_middle_ranks_are_taken_when_asked_for() -> None:
    candidates = [Candidate(index=i, text=f"text {i}") for i in range(5)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, score in enumerate([2, 10, 4, 8, 6])]
    pair, _ = form_pair(Task(prompt="q"), candidates, verdicts, PairConfig(chosen_rank=3, rejected_rank=5))
    assert pair is not None
    assert (pair.chosen, pair.rejected) == ("text 4", "text 0")


def test_missing_reference_is_said() -> None:
    pair, why_not = form_pair(Task(prompt="q"), [], [], PairConfig(chosen="reference"))
    assert pair is None
    assert "reference" in why_not
