"""The longer response wins: seen where it is so, silent where it is chance."""

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.length import LengthBias, measure_length


def measure(*lengths: tuple[int, int], scores: bool = False) -> LengthBias:
    pairs = tuple(
        TextPair(
            str(i), "p", "w " * a, "w " * b, chosen_score=10.0 if scores else None,
            rejected_score=float(10 - min(9, abs(a - b))) if scores else None,
        )
        for i, (a, b) in enumerate(lengths)
    )  # fmt: skip
    return measure_length(Dataset("d", pairs))


def test_bias_is_measured_in_characters_and_words_and_warned_of() -> None:
    found = measure(*[(20, 10)] * 45, *[(5, 10)] * 5)
    assert (found.longer_chosen.value, found.longer_chosen_words.value) == (0.9, 0.9)
    assert (found.chosen_chars.mean, found.rejected_chars.median, found.chosen_words.median) == (37.0, 20.0, 20.0)
    assert "the longer one in 90.0 %" in found.warnings[0]
    assert "the shorter one in 90.0 %" in measure(*[(10, 20)] * 45, *[(10, 5)] * 5).warnings[0]


def test_equal_lengths_count_half_and_do_not_decide_who_wins() -> None:
    found = measure((3, 3), (3, 3), (4, 3), (3, 4))
    assert found.longer_chosen.value == 0.5
    assert found.longer_wins is not None
    assert found.longer_wins.count == 2
    assert measure((3, 3)).longer_wins is None


def test_few_pairs_and_small_differences_bring_no_warning() -> None:
    assert measure((2, 1), (2, 1), (2, 1)).warnings == ()
    assert measure(*[(2, 1)] * 55, *[(1, 2)] * 45).warnings == ()
    assert measure(*[(2, 1)] * 5500, *[(1, 2)] * 4500).warnings == ()


def test_margin_that_follows_length_is_named() -> None:
    found = measure(*[(10 + i % 9, 10) for i in range(20)], *[(10, 10 + i % 9) for i in range(20)])
    assert found.margin_correlation is None
    scored = measure(*[(10 + i % 9, 10) for i in range(60)], scores=True)
    assert scored.margin_correlation is not None
    assert scored.margin_correlation > 0.9
    assert any("the margin follows the difference in length" in text for text in scored.warnings)
