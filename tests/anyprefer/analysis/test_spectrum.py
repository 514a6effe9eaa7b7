"""Measures of spread with answers that are known beforehand."""

import math

import numpy as np
import pytest

from anyprefer.analysis.neighbours import expected_coverage, measure_coverage, measure_spacing
from anyprefer.analysis.spectrum import condition_by_rows, measure_spectrum, plain_condition, vendi_score
from anyprefer.analysis.subsampling import Estimate, estimate


def unit_rows(count, dimensions, seed=0, scales=None):
    rows = np.random.default_rng(seed).normal(size=(count, dimensions)) * (1 if scales is None else scales)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vendi_counts_different_items():
    assert vendi_score(np.eye(12)) == pytest.approx(12)
    assert vendi_score(np.ones((12, 12))) == pytest.approx(1)
    assert vendi_score(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3)  # three items, four times each


def test_vendi_equals_its_authors_package():
    package = pytest.importorskip("vendi_score.vendi")
    rows = unit_rows(40, 15)
    assert vendi_score(rows @ rows.T) == pytest.approx(package.score_dual(rows, normalize=True))


def test_condition_number_of_a_constructed_covariance():
    """Points at +-a and +-b on two axes: the covariance has the eigenvalues 2a^2/3 and 2b^2/3."""
    rows = np.array([[3.0, 0, 0], [-3, 0, 0], [0, 0.5, 0], [0, -0.5, 0]])
    found = measure_spectrum(rows @ rows.T, 3)
    assert found.rank == 2
    assert found.condition_number == pytest.approx(36)
    assert found.participation_ratio == pytest.approx((9 + 0.25) ** 2 / (81 + 0.0625))
    shares = np.array([3, 0.5]) / 3.5
    assert found.effective_rank == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize(("count", "dimensions"), [(60, 20), (30, 60)])
def test_condition_number_is_that_of_the_covariance_between_its_nonzero_eigenvalues(count, dimensions):
    rows = unit_rows(count, dimensions, scales=np.geomspace(1, 0.2, dimensions))
    found = measure_spectrum(rows @ rows.T, dimensions)
    values = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1][: min(count - 1, dimensions)]
    assert found.rank == len(values)
    assert found.condition_number == pytest.approx(values[0] / values[-1])


@pytest.mark.parametrize(("count", "dimensions"), [(60, 20), (30, 60)])
def test_shrinkage_is_scikit_learns(count, dimensions):
    covariance = pytest.importorskip("sklearn.covariance")
    rows = unit_rows(count, dimensions, scales=np.geomspace(1, 0.2, dimensions))
    shrunk, _ = covariance.ledoit_wolf(rows)
    assert measure_spectrum(rows @ rows.T, dimensions).shrunk_condition_number == pytest.approx(np.linalg.cond(shrunk))


def test_constant_features_do_not_enter_the_condition_number():
    """MiniLM has two features that are always zero and one that differs in the last bit."""
    rows = unit_rows(50, 10)
    padded = np.hstack([rows, np.zeros((50, 2)), 1e-9 * unit_rows(50, 1)])
    found, plain = measure_spectrum(padded @ padded.T, 13), measure_spectrum(rows @ rows.T, 10)
    assert found.rank == 10
    assert found.condition_number == pytest.approx(plain.condition_number)
    assert plain_condition(padded) > 1e15


def test_the_plain_condition_number_says_nothing_without_full_rank():
    rows = unit_rows(20, 40)
    assert plain_condition(rows) > 1e15
    assert 1 < condition_by_rows(rows) < 1e3  # samples as variables: 20 x 20 of full rank


def test_equal_vectors_have_no_directions():
    found = measure_spectrum(np.ones((6, 6)), 4)
    assert (found.rank, found.effective_rank, found.vendi) == (0, 1.0, 1.0)
    assert math.isinf(found.condition_number)


@pytest.mark.parametrize("dimensions", [8, 384, 1152])
@pytest.mark.parametrize("count", [2, 12, 200])
def test_equal_vectors_with_noise_in_the_last_bit_have_no_directions(count, dimensions):
    """Encoders give equal texts vectors that differ in their last bit, depending on the processor and on the batch."""
    row = unit_rows(1, dimensions).astype(np.float32)
    steps = np.random.default_rng(1).integers(-1, 2, size=(count, dimensions))
    rows = (row + steps * np.spacing(row)).astype(np.float64)
    assert len(np.unique(rows, axis=0)) > 1
    found = measure_spectrum(rows @ rows.T, dimensions)
    assert (found.rank, found.effective_rank, found.vendi) == (0, 1.0, 1.0)
    assert math.isinf(found.condition_number)


def test_a_direction_above_the_rounding_counts_however_close_the_vectors_lie():
    row = unit_rows(1, 20)
    rows = row + 1e-4 * unit_rows(12, 20, seed=1)
    assert measure_spectrum(rows @ rows.T, 20).rank == 11


def test_spacing_of_a_square():
    rows = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    found = measure_spacing(rows @ rows.T)
    assert found.mean_distance == pytest.approx((2 + 1 + 1) / 3)
    assert found.nearest_distance == pytest.approx(1)
    assert found.near_duplicates == 0
    twins = np.vstack([rows, rows[:1]])
    assert measure_spacing(twins @ twins.T).near_duplicates == pytest.approx(2 / 5)


def test_a_set_covers_itself_and_no_far_one():
    rows, far = unit_rows(40, 6), unit_rows(40, 6)
    rows[:, 0], far[:, 0] = 5, -5
    rows, far = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, far))
    assert measure_coverage(rows @ rows.T, rows @ rows.T) == 1
    assert measure_coverage(rows @ rows.T, rows @ far.T) == 0


def test_coverage_has_a_direction():
    """A wide set covers a narrow one; the narrow one covers only its own corner of the wide one."""
    wide = unit_rows(200, 3)
    narrow = wide[wide[:, 0] > 0.8]
    assert measure_coverage(narrow @ narrow.T, narrow @ wide.T) == 1
    assert measure_coverage(wide @ wide.T, wide @ narrow.T) < 0.3


def test_two_samples_of_one_distribution_have_the_expected_coverage():
    found = [
        measure_coverage(one @ one.T, one @ other.T)
        for one, other in ((unit_rows(100, 4, seed), unit_rows(100, 4, seed + 500)) for seed in range(30))
    ]
    assert np.mean(found) == pytest.approx(expected_coverage(100, 100), abs=0.01)


def test_intervals_hold_the_true_value_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        sample = rng.normal(1.0, 0.3, size=50)
        found = estimate(lambda at, own=sample: [own[at].mean()], ["distance"], 50, resamples=60, seed=trial)[0]
        hits += found.low <= 1.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_a_resample_repeats_no_item():
    seen = []

    def statistic(indices):
        seen.append(indices)
        return [1.0]

    estimate(statistic, ["ratio"], 20, resamples=5, seed=0)
    assert [len(indices) for indices in seen] == [20, 16, 16, 16, 16, 16]
    assert all(len(set(indices)) == len(indices) for indices in seen)


def test_what_is_infinite_has_no_estimate():
    found = estimate(lambda indices: [math.inf, 1.0], ["ratio", "share"], 10, resamples=3, seed=0)
    assert found == [None, Estimate(value=1, low=1, high=1)]
