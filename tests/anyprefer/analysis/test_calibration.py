"""What margins and rewards are worth, on data whose right answers are known."""

import pytest

from anyprefer.analysis.calibration import Calibration, measure_calibration
from anyprefer.analysis.dataset import Dataset, TextPair


def pair(
    number: int, margin: float, *, right: bool = True, reward: float | None = None, reference: str | None = "18"
) -> TextPair:
    chosen, rejected = ("Answer: 18", "Answer: 17") if right else ("Answer: 17", "Answer: 18")
    low = (10 - margin) / 2 + 0.5
    return TextPair(str(number), "How many?", chosen, rejected, low + margin, low, reward, reference)


def measure(*pairs: TextPair) -> Calibration:
    found = measure_calibration(Dataset("d", pairs))
    assert found is not None
    return found


def test_margins_that_mean_something_correlate_with_being_right() -> None:
    good = measure(*(pair(i, 8, right=True) for i in range(20)), *(pair(i, 1.5, right=i % 2 == 0) for i in range(20)))
    assert good.margin is not None
    assert good.margin.correlation is not None
    assert good.margin.correlation > 0.4
    filled = [(part.low, part.count, part.right and part.right.value) for part in good.margin.bins if part.count]
    assert filled == [(1.0, 20, 0.5), (8.0, 20, 1.0)]
    assert good.margin.error == pytest.approx((0.5 + 1.5 / 18 - 0.5) / 2 + (1 - 0.5 - 8 / 18) / 2)
    assert not any("does not go with" in text for text in good.warnings)


def test_margins_that_mislead_are_named() -> None:
    bad = measure(*(pair(i, 8, right=i % 4 == 0) for i in range(20)), *(pair(i, 2) for i in range(20)))
    assert any("a higher margin does not go with more correct pairs" in text for text in bad.warnings)


def test_few_references_say_nothing_about_right_and_wrong() -> None:
    found = measure(*(pair(i, 1 + i % 8, right=i % 2 == 0) for i in range(29)))
    assert found.margin is not None
    assert (found.margin.decided, found.margin.correlation, found.margin.error) == (29, None, None)


def test_saturated_and_constant_scores_are_named() -> None:
    found = measure(*(pair(i, 9, reward=8.0, reference=None) for i in range(40)))
    assert found.saturated is not None
    assert found.saturated.value == 1
    assert (found.chosen_scores, found.rejected_scores) == ({10: 40}, {1: 40})
    assert found.agreement is None
    texts = " | ".join(found.warnings)
    assert "scored 10 against 1" in texts
    assert "have the reward 8" in texts
    assert "have the margin 9" not in texts


def test_margin_and_reward_are_compared_and_labels_against_their_scores_listed() -> None:
    found = measure(*(pair(i, 1 + i, reward=float(2 + i), reference=None) for i in range(5)), pair(5, -2, reward=1.0))
    assert found.agreement == pytest.approx(1)
    assert found.not_positive.ids == ("5",)
    assert sum(part.count for part in found.margin.bins) == 6 if found.margin else False


def test_scores_on_another_scale_are_binned_without_a_promise() -> None:
    pairs = tuple(TextPair(str(i), "How many?", "Answer: 18", "Answer: 17", 50.0 + i, 20.0, None, "18") for i in range(40))
    found = measure(*pairs)
    assert found.margin is not None
    assert (found.saturated, found.margin.error) == (None, None)
    assert (found.margin.bins[0].low, found.margin.bins[-1].high) == (30.0, 69.0)


def test_without_scores_there_is_no_result() -> None:
    assert measure_calibration(Dataset("d", (TextPair("0", "p", "a", "b", reference="a"),))) is None
