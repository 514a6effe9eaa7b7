"""Preference losses that TRL lacks, as functions of tensors alone.

Everything starts from the margin of a pair, in nats, shape [B]: by how much the policy prefers the chosen response over the
rejected one, beyond the reference. Each loss gives one value per pair, shape [B]; `weighted_mean` reduces them.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

PairWeight = Literal["none", "margin", "reward", "both"]


def preference_margin(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> Tensor:
    """Difference of log-ratios, in nats, from the log-probabilities of whole responses; all of shape [B].

    Paper: section 2.5 takes DPO as it is; this is the bracket of Rafailov et al., 2023, eq. 7.
    """
    return (chosen - ref_chosen) - (rejected - ref_rejected)


def sigmoid_loss(margin: Tensor, beta: float) -> Tensor:
    """DPO: the negative log-likelihood that the chosen response wins. Rafailov et al., 2023, eq. 7."""
    return -functional.logsigmoid(beta * margin)


def conservative_loss(margin: Tensor, beta: float, label_smoothing: float) -> Tensor:
    """Conservative DPO: the label is wrong with probability `label_smoothing`, below 0.5.

    Mitchell, "A note on DPO with noisy preferences" (2023), eq. 3. Unlike TRL's "robust" it is no unbiased estimate, but its
    gradient vanishes at a finite margin, so that certain pairs are not pushed apart for ever.
    """
    return (1 - label_smoothing) * sigmoid_loss(margin, beta) + label_smoothing * sigmoid_loss(-margin, beta)


def selfie_loss(margin: Tensor, beta: float, trusted: Tensor, smoothing: float) -> Tensor:
    """Selfie's noise-aware loss: smooth the label of pairs that the policy itself doubts.

    Kim et al., 2024 (arXiv 2406.04412), equation 8.

    Args:
        margin: Nats, [B].
        beta: Temperature of DPO.
        trusted: Whether the policy agrees with the label, bool [B], from `DoubtThreshold`.
        smoothing: Probability of a wrong label among doubtful pairs.
    """
    probability = 1 - smoothing + smoothing * trusted.to(margin.dtype)
    return probability * sigmoid_loss(margin, beta) + (1 - probability) * sigmoid_loss(-margin, beta)


@dataclass
class DoubtThreshold:
    """Which pairs the policy doubts: those whose margin is among the lowest of the recent ones.

    Kim et al., 2024, section 4.2, with the numbers of their code. It leaves out their extrapolation between policy and
    reference, which needs all logits of both.
    """

    share: float = 0.1
    """Pairs below this quantile of the recent margins are doubted."""
    memory: int = 50
    """Recent margins that count."""
    warmup: float = 0.2
    """Share of the training during which every pair is trusted: an untrained policy has no opinion."""
    margins: deque[float] = field(default_factory=deque)

    def trusted(self, margin: Tensor, progress: float) -> Tensor:
        """Judge a batch and remember its margins.

        Args:
            margin: Nats, [B]; no gradient flows through the decision.
            progress: Share of the training that is done, 0 to 1.

        Returns:
            bool [B].
        """
        values = margin.detach().float()
        if progress < self.warmup or not self.margins:
            trusted = torch.ones_like(values, dtype=torch.bool)
        else:
            recent = torch.tensor(list(self.margins), device=values.device)
            trusted = values > torch.quantile(recent, self.share)
        self.margins.extend(values.tolist())
        while len(self.margins) > self.memory:
            self.margins.popleft()
        return trusted


def pair_weights(margins: Tensor, rewards: Tensor, kind: PairWeight) -> Tensor:
    """Weights from what judge and critic thought of the pairs, with mean 1 so that the learning rate keeps its meaning.

    Args:
        margins: The judge's score differences, above 0 and at most 9, [N].
        rewards: The critic's scores, 1 to 10, [N].
        kind: Proportional to the margin, to the reward, to their product, or all equal.

    Returns:
        [N], not negative.
    """
    weights = {
        "none": torch.ones_like(margins), "margin": margins, "reward": rewards, "both": margins * rewards,
    }[kind].float()  # fmt: skip
    return weights / weights.mean().clamp_min(1e-12)


def weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of losses [B] times weights [B]; the weights have mean 1 over the data set, so they are not divided by again."""
    return (losses if weights is None else losses * weights.to(losses)).mean()
