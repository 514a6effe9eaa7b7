"""Shares, rank correlations and capped lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anyprefer.analysis.findings import LISTED, Listed, correlate_ranks
from anyprefer.shares import Share


def test_share_has_wilsons_interval() -> None:
    share = Share.of(8, 10)
    assert (round(share.low, 3), round(share.high, 3)) == (0.490, 0.943)
    assert str(Share.of(0, 20)) == "0.0 % [0.0, 16.1]"


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_share_lies_within_its_interval(count: int, part: float) -> None:
    share = Share.of(round(part * count), count)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_list_is_cut_but_counted() -> None:
    listed = Listed.of([str(i) for i in range(LISTED + 7)])
    assert (listed.total, len(listed.ids)) == (LISTED + 7, LISTED)
    assert listed.name() == "0, 1, 2, ..."
    with pytest.raises(ValidationError):
        Listed.model_validate({"total": 1, "ids": ["a"], "more": 1})


def test_rank_correlation_sees_order_only_and_shares_ranks_of_ties() -> None:
    assert correlate_ranks([1, 2, 3], [1, 10, 1000]) == pytest.approx(1)
    assert correlate_ranks([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlate_ranks([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9487, abs=1e-4)
    assert correlate_ranks([1, 2, 3], [5, 5, 5]) is None
    assert correlate_ranks([1, 2], [1, 2]) is None
