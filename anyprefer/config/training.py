"""How a target is trained on its pairs: every knob, its unit, its default and the reason for it."""

from typing import Literal

from pydantic import Field, model_validator

from anyprefer.config.base import Section

TRL_LOSSES = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero",
    "apo_down", "discopop", "sft", "sigmoid_norm",
)  # fmt: skip
"""Loss names of TRL's DPO trainer, handed through."""

OWN_LOSSES = ("conservative", "selfie")
"""Noise-aware losses of `anyprefer.training.losses`."""


class LoraConfig(Section):
    """The adapter."""

    rank: int = Field(default=16, ge=1)
    """16 is enough for a few thousand pairs; the paper has 128 (its table 3)."""
    alpha: int = Field(default=32, ge=1)
    """Scale is alpha / rank; 2 keeps the learning rate's meaning across ranks, and is the paper's."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """0: DPO compares two passes of the same model, and dropout is noise in the comparison. Above 0 the model's own is on too."""
    targets: str | tuple[str, ...] = "all-linear"
    """Layers with an adapter; "all-linear" leaves out the output head."""


class TrainingConfig(Section):
    """DPO with LoRA."""

    model: str | None = None
    """What to train, if not `target.model`: `llamacpp:NAME`, `vllm:NAME` of the hub, or a transformers folder."""
    lora: LoraConfig = LoraConfig()
    losses: tuple[str, ...] = ("sigmoid",)
    """Names of TRL's DPO losses, added up, or one of "conservative" and "selfie"."""
    loss_weights: tuple[float, ...] = ()
    """One for each loss; empty: 1 each."""
    beta: float = Field(default=0.1, gt=0)
    """Strength of the pull to the reference; the value of DPO's authors and TRL's default. The paper names none."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Probability of a wrong label, for "conservative", "selfie", "robust", "exo_pair" and the "aot" losses."""
    pair_weight: Literal["none", "margin", "reward", "both"] = "none"
    """Weigh pairs by the judge's margin, the critic's reward, or both; with the losses "sigmoid", "conservative", "selfie"."""
    learning_rate: float = Field(default=5e-6, gt=0)
    """For LoRA. The paper's 1e-7 (its table 3) moves a 135M model hardly at all in three epochs of hundreds of pairs."""
    epochs: float = Field(default=1.0, gt=0)
    """Pairs from one policy go stale as it moves: one pass, then new pairs."""
    batch_size: int = Field(default=8, ge=1)
    """Pairs of one optimiser step on one device; both responses are in the batch."""
    accumulate: int = Field(default=1, ge=1)
    """Batches of one optimiser step; raise it where a batch does not fit memory."""
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Shape of the learning rate after the warm-up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """0: a low-rank update with few steps needs none."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to it."""
    max_length: int = Field(default=1024, ge=16)
    """Tokens of prompt and response together; longer pairs are refused or cut, see `max_overlong_share`. The paper's
    value (`model_max_length`)."""
    max_overlong_share: float = Field(default=0.1, ge=0, le=1)
    """Most pairs, as a share, that may be cut at `max_length`; more is an error before the first step."""
    eval_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the pairs held out for reward accuracy and margins."""
    precompute_reference: bool | None = None
    """Compute the reference's log-probabilities once, ahead: 30 % faster. None: wherever TRL can (text)."""
    gradient_checkpointing: bool | None = None
    """Trade a fifth of the speed for memory. None: on for models of 3 billion parameters and more on a GPU."""
    save_steps: int = Field(default=50, ge=1)
    """Optimiser steps between two checkpoints, from which a killed training goes on."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Checkpoints kept."""
    log_steps: int = Field(default=1, ge=1)
    """Optimiser steps between two lines of metrics."""
    seed: int = Field(default=0, ge=0)
    """Of shuffling, initialisation and split."""

    @model_validator(mode="after")
    def _check_losses(self) -> "TrainingConfig":
        if unknown := [name for name in self.losses if name not in (*TRL_LOSSES, *OWN_LOSSES)]:
            raise ValueError(f"losses: there is no {unknown[0]!r}; choose from {', '.join((*TRL_LOSSES, *OWN_LOSSES))}")
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise ValueError("losses: name at least one, and each once")
        own = [name for name in self.losses if name in OWN_LOSSES]
        if own and len(self.losses) > 1:
            raise ValueError(f"losses: {own[0]!r} stands alone, it is no part of a sum")
        if self.loss_weights and len(self.loss_weights) != len(self.losses):
            raise ValueError(f"loss_weights: give {len(self.losses)}, one for each loss")
        if self.pair_weight != "none" and self.losses not in (("sigmoid",), ("conservative",), ("selfie",)):
            raise ValueError("pair_weight needs the loss 'sigmoid', 'conservative' or 'selfie', alone")
        if "exo_pair" in self.losses and not self.label_smoothing:
            raise ValueError("losses: 'exo_pair' needs label_smoothing above 0, such as 0.001")
        return self

    @property
    def is_own(self) -> bool:
        """Whether the loss is computed here, and not by TRL."""
        return self.losses[0] in OWN_LOSSES or self.pair_weight != "none"
