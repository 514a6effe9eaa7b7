"""The model card of a trained adapter."""

from collections.abc import Mapping
from typing import Any

_CARD = """\
---
library_name: peft
tags: [anyprefer, dpo, lora]
---

# {name}, trained on its own preference pairs

An adapter for `{model}`, trained with DPO by anyprefer.

| what | value |
|---|---|
{facts}

## Held out

{metrics}

## Use

```python
from peft import AutoPeftModelForCausalLM
model = AutoPeftModelForCausalLM.from_pretrained("path/to/this/folder")
```

The adapter remembers where its base model was: `base_model_name_or_path` in `adapter_config.json`. To merge it, load the base in
single precision; in bfloat16 a small update is lost in rounding.

## Caution

The pairs and the scores behind them come from models. A higher margin on held-out pairs is no proof of better answers: measure
the model on a benchmark of the task.
"""

SHOWN = (
    "data", "data_sha256", "start", "reference", "losses", "loss_weights", "beta", "label_smoothing", "pair_weight", "lora",
    "learning_rate", "epochs", "batch_size", "accumulate", "max_length", "seed",
)  # fmt: skip
"""What of the settings the card shows."""

METRICS = ("eval_rewards/accuracies", "eval_rewards/margins", "eval_loss", "loss", "rewards/margins")


def adapter_card(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """Write the card.

    Args:
        facts: The content of `training.json`.
        metrics: The last value of each metric.
    """
    name = str(facts["model"]).rpartition(":")[2].rpartition("/")[2]
    rows = "\n".join(f"| {key} | {_cell(facts[key])} |" for key in SHOWN if key in facts)
    found = [f"| {key} | {metrics[key]:.4g} |" for key in METRICS if key in metrics]
    table = "\n".join(["| metric | value |", "|---|---|", *found]) if found else "Nothing was held out."
    return _CARD.format(name=_cell(name), model=_cell(facts["model"]), facts=rows, metrics=table)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("`", "")
