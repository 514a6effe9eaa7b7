"""One training, bare or ours, with the same data and settings. Prints one JSON line.

python benchmarks/arm_train.py bare|ours MODEL_FOLDER PAIRS OUT [KEY=VALUE ...]
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def bare(model: Path, pairs: Path, out: Path, settings: dict[str, Any]) -> float:
    """TRL as its documentation uses it; gives tokens per second, prompt and both responses."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
    from trl import DPOConfig, DPOTrainer

    on_gpu = torch.cuda.is_available()
    marks: list[tuple[float, float]] = []

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers leaves it untyped
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                marks.append((logs["num_tokens"], time.perf_counter()))

    set_seed(0)
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(
            model, dtype=torch.bfloat16 if on_gpu else torch.float32, device_map={"": 0} if on_gpu else None
        ),
        args=DPOConfig(
            output_dir=str(out), beta=0.1, learning_rate=settings["learning_rate"], num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["batch_size"], max_length=1024, lr_scheduler_type="linear", warmup_steps=0.1,
            bf16=on_gpu, tf32=True if on_gpu else None, gradient_checkpointing=False, precompute_ref_log_probs=True,
            optim="adamw_torch_fused" if on_gpu else "adamw_torch", logging_steps=1, save_steps=50, seed=0, data_seed=0,
            use_cpu=not on_gpu, report_to=[], disable_tqdm=True,
        ),
        train_dataset=load_dataset("json", data_files=str(pairs), split="train"),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(
            r=settings["rank"], lora_alpha=2 * settings["rank"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    trainer.model.save_pretrained(out / "adapter")
    (first_tokens, first), (tokens, last) = marks[0], marks[-1]
    return (tokens - first_tokens) / (last - first)


def ours(model: Path, pairs: Path, out: Path, settings: dict[str, Any]) -> float:
    """The same by `anyprefer.training.dpo`."""
    from anyprefer.config import LoraConfig, TrainingConfig
    from anyprefer.training.dpo import train_dpo
    from anyprefer.training.targets import TrainingTarget

    config = TrainingConfig(
        lora=LoraConfig(rank=settings["rank"], alpha=2 * settings["rank"]), learning_rate=settings["learning_rate"],
        epochs=settings["epochs"], batch_size=settings["batch_size"], eval_share=0.0, gradient_checkpointing=False,
    )  # fmt: skip
    result = train_dpo(TrainingTarget(model.name, model), pairs, out, config)
    assert result.tokens_per_second is not None
    return result.tokens_per_second


def main() -> None:
    """Train, and say how fast."""
    kind, model, pairs, out = sys.argv[1], *map(Path, sys.argv[2:5])
    settings: dict[str, Any] = {"rank": 16, "learning_rate": 5e-6, "epochs": 1.0, "batch_size": 4}
    settings |= {key: json.loads(value) for key, _, value in (argument.partition("=") for argument in sys.argv[5:])}
    speed = {"bare": bare, "ours": ours}[kind](model, pairs, out, settings)
    sys.stdout.write(json.dumps({"tokens_per_second": speed}) + "\n")


if __name__ == "__main__":
    main()
