"""What the rounds of sampling and training read."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from anyprefer.config.base import Section


class RoundsConfig(Section):
    """Rounds: pairs from the target, training on them, the trained model as the next target."""

    count: int = Field(default=3, ge=1)
    """Rounds. The paper shows three, each better than the one before (its figure 3 and table 6), and no fourth."""
    tasks_per_round: int | None = Field(default=None, ge=1)
    """New tasks of each round, in file order; None gives every round all tasks."""
    accept_per_round: int | None = Field(default=None, ge=1)
    """Accepted pairs of each round; None takes what the tasks give."""
    start: Literal["warm", "fresh"] = "warm"
    """`warm` goes on from the last round's adapter (RLHFlow's way); `fresh` begins a new adapter on the first model each time."""
    reference: Literal["first", "previous"] = "first"
    """What DPO's reference is: the first model in every round (RLHFlow's way), or the model that sampled the pairs."""
    pool: Literal["round", "all"] = "round"
    """Train on the round's own pairs, or on those of all rounds so far."""
    benchmark: str | None = None
    """Held-out metric of the gate: `gsm8k`, `arc_easy`, `arc_challenge`, `exact`, or `module:function`; None has no gate."""
    benchmark_data: Path | None = None
    """Its file, relative to the recipe."""
    benchmark_limit: int | None = Field(default=None, ge=1)
    """Most items of it."""
    tolerance: float = Field(default=0.0, ge=0, le=1)
    """By how much a round's metric may fall and its model still become the target."""
    gguf: Literal["f32", "f16", "bf16", "q8_0"] = "f16"
    """Precision of the embedded model that samples the next round; vLLM serves the adapter as it is. q8_0 is
    half as large and rounds away most of a small update."""

    @model_validator(mode="after")
    def _check_gate(self) -> "RoundsConfig":
        if (self.benchmark is None) != (self.benchmark_data is None):
            raise ValueError("benchmark and benchmark_data go together: give both, or neither")
        if self.start == "fresh" and self.reference == "previous":
            raise ValueError("reference = 'previous' needs start = 'warm': a fresh adapter begins at the first model")
        return self
