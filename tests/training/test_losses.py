"""The losses against values computed by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")
losses_module = pytest.importorskip("anyprefer.training.losses")

DoubtThreshold, conservative_loss, pair_weights = (
    losses_module.DoubtThreshold, losses_module.conservative_loss, losses_module.pair_weights,
)  # fmt: skip
preference_margin, selfie_loss, sigmoid_loss = (
    losses_module.preference_margin, losses_module.selfie_loss, losses_module.sigmoid_loss,
)  # fmt: skip
weighted_mean = losses_module.weighted_mean


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def test_margin_by_hand() -> None:
    tensors = [torch.tensor([value]) for value in (-1.0, -4.0, -2.0, -3.5)]
    assert preference_margin(*tensors).tolist() == [1.5]


@pytest.mark.parametrize("margin", [-3.0, 0.0, 0.5, 12.0])
def test_sigmoid_by_hand(margin: float) -> None:
    assert sigmoid_loss(torch.tensor([margin]), 0.1).item() == pytest.approx(softplus(-0.1 * margin), rel=1e-5)


@pytest.mark.parametrize(("margin", "smoothing"), [(2.0, 0.0), (2.0, 0.1), (-1.0, 0.3), (0.0, 0.49)])
def test_conservative_by_hand(margin: float, smoothing: float) -> None:
    expected = (1 - smoothing) * softplus(-0.5 * margin) + smoothing * softplus(0.5 * margin)
    assert conservative_loss(torch.tensor([margin]), 0.5, smoothing).item() == pytest.approx(expected, rel=1e-5)


def test_conservative_is_content_with_a_finite_margin() -> None:
    """Its gradient vanishes where the policy is as sure as the labels: sigmoid(beta * margin) = 1 - smoothing."""
    beta, smoothing = 0.1, 0.2
    margin = torch.tensor([math.log((1 - smoothing) / smoothing) / beta], requires_grad=True)
    conservative_loss(margin, beta, smoothing).sum().backward()
    assert margin.grad.item() == pytest.approx(0.0, abs=1e-7)


def test_selfie_by_hand() -> None:
    margin, trusted = torch.tensor([1.0, -2.0]), torch.tensor([True, False])
    losses = selfie_loss(margin, 0.1, trusted, 0.1)
    assert losses[0].item() == pytest.approx(softplus(-0.1), rel=1e-5)
    assert losses[1].item() == pytest.approx(0.9 * softplus(0.2) + 0.1 * softplus(-0.2), rel=1e-5)


def test_doubt_begins_after_the_warm_up_and_at_the_quantile() -> None:
    threshold = DoubtThreshold(share=0.5, memory=4, warmup=0.2)
    assert threshold.trusted(torch.tensor([1.0, 2.0, 3.0, 4.0]), progress=0.1).tolist() == [True] * 4
    assert threshold.trusted(torch.tensor([2.0, 3.0]), progress=0.5).tolist() == [False, True]
    assert list(threshold.margins) == [3.0, 4.0, 2.0, 3.0]


def test_no_gradient_flows_through_the_doubt() -> None:
    threshold = DoubtThreshold(warmup=0.0)
    threshold.trusted(torch.tensor([0.0, 1.0]), progress=0.0)
    margin = torch.tensor([0.5], requires_grad=True)
    assert not threshold.trusted(margin, progress=1.0).requires_grad


@pytest.mark.parametrize("kind", ["none", "margin", "reward", "both"])
def test_weights_have_mean_one(kind: str) -> None:
    margins, rewards = torch.tensor([1.0, 3.0, 8.0]), torch.tensor([7.0, 9.0, 10.0])
    weights = pair_weights(margins, rewards, kind)
    assert weights.mean().item() == pytest.approx(1.0)
    expected = {"none": 1.0, "margin": 8.0, "reward": 10 / 7, "both": 80 / 7}[kind]
    assert (weights[2] / weights[0]).item() == pytest.approx(expected)


def test_weighted_mean_scales_single_pairs() -> None:
    losses = torch.tensor([1.0, 2.0])
    assert weighted_mean(losses, None).item() == 1.5
    assert weighted_mean(losses, torch.tensor([0.5, 1.5])).item() == pytest.approx(1.75)


@given(st.floats(-50, 50), st.floats(0.01, 1), st.floats(0, 0.49))
def test_losses_are_finite_and_agree_without_smoothing(margin: float, beta: float, smoothing: float) -> None:
    one = torch.tensor([margin], dtype=torch.float64)
    assert torch.isfinite(conservative_loss(one, beta, smoothing)).all()
    assert torch.allclose(conservative_loss(one, beta, 0.0), sigmoid_loss(one, beta))
    assert torch.allclose(selfie_loss(one, beta, torch.tensor([True]), smoothing), sigmoid_loss(one, beta))
