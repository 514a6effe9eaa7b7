"""The metrics of a training: a line for each logging step. Importing this needs the extra `train`."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from anyprefer.errors import TrainingError

Say = Callable[[dict[str, float]], None]
"""Takes a line of metrics."""


class MetricsLog(TrainerCallback):  # type: ignore[misc]  # transformers leaves it untyped
    """One JSON line per logging step, and an end to a training that has gone wrong."""

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.say = say
        self.last: dict[str, float] = {}
        self.tokens: tuple[float, float] | None = None
        """Tokens and time at the first line of this session."""
        self.tokens_per_second: float | None = None

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Write a line.

        Raises:
            TrainingError: The loss is no number any more.
        """
        line = {"step": state.global_step, "max_steps": state.max_steps, "epoch": state.epoch or 0.0, **(logs or {})}
        self.last.update(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._clock(line)
        self.say(line)
        loss = line.get("loss", line.get("eval_loss", 0.0))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss!r} at step {state.global_step}: lower training.learning_rate, or look for broken pairs; the "
                "last checkpoint stays"
            )

    def _clock(self, line: dict[str, float]) -> None:
        now = time.perf_counter()
        if "num_tokens" not in line or "loss" not in line:
            return
        if self.tokens is None:
            self.tokens = (line["num_tokens"], now)
        elif now > self.tokens[1]:
            self.tokens_per_second = (line["num_tokens"] - self.tokens[0]) / (now - self.tokens[1])
