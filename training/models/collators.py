"""Batches for TRL's trainers. Importing this needs the extra `train`."""

from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference


@dataclass
class WeightedCollator(DataCollatorForPreference):  # type: ignore[misc]  # TRL has no types
    """TRL's collator, with the pairs' weights."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Pad a batch; `pair_weight` is [B] where the pairs have one."""
        batch: dict[str, Any] = super().torch_call(examples)
        if "pair_weight" in examples[0]:
            batch["pair_weight"] = torch.tensor([example["pair_weight"] for example in examples])
        return batch
