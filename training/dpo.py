"""DPO with LoRA on TRL's trainer: what is ours is the noise-aware losses, the checks, and what is kept of a training."""

import hashlib
import json
import logging
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from peft import LoraConfig as PeftLoraConfig
from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from torch import Tensor
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback
from trl import DPOConfig, DPOTrainer

from anyprefer.config import TrainingConfig
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError, TrainingError
from anyprefer.training.adapter_card import adapter_card
from anyprefer.training.losses import (
    DoubtThreshold,
    conservative_loss,
    preference_margin,
    selfie_loss,
    sigmoid_loss,
    weighted_mean,
)
from anyprefer.training.memory import check_memory
from anyprefer.training.metrics_log import MetricsLog, Say
from anyprefer.training.preference_data import PreferenceData, load_preferences
from anyprefer.training.targets import TrainingTarget

logger = logging.getLogger(__name__)

BIG_PARAMETERS = 3_000_000_000
"""From here on gradients are checkpointed on a GPU, if the recipe does not say."""

PLACES = {"base", "data", "start"}
"""Facts of a training that may change: folders move, and what is in them has a checksum."""


@dataclass(frozen=True)
class Start:
    """Where training begins.

    Attributes:
        adapter: Goes on from these weights; None is a fresh adapter, which changes nothing at first.
        reference: What DPO compares with: the model without any adapter, or the model that the adapter makes at the start.
    """

    adapter: Path | None = None
    reference: Literal["first", "previous"] = "first"


FRESH = Start()


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        adapter: The adapter's folder.
        metrics: The last line of metrics, held-out ones included.
        tokens_per_second: Of this session; prompt and both responses.
    """

    adapter: Path
    metrics: dict[str, float]
    tokens_per_second: float | None


class PairTrainer(DPOTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer with the losses of `anyprefer.training.losses` for those that ask for them."""

    def __init__(self, *args: Any, own: TrainingConfig | None, **kwargs: Any) -> None:
        self._own = own
        self._doubt = DoubtThreshold()
        super().__init__(*args, **kwargs)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "pair_weight" not in self._signature_columns:
            self._signature_columns.append("pair_weight")

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: FBT001 - TRL's signature
        if self._own is None:
            inputs.pop("pair_weight", None)
            return super()._compute_loss(model, inputs, return_outputs)
        weights = inputs.pop("pair_weight", None)
        chosen, rejected = self._log_probs(model, inputs)
        ref_chosen, ref_rejected = self._reference(model, inputs)
        margin = preference_margin(chosen, rejected, ref_chosen, ref_rejected)
        loss = weighted_mean(self._pair_losses(margin), weights)
        self._note(chosen - ref_chosen, rejected - ref_rejected, inputs)
        return (loss, None) if return_outputs else loss

    def _pair_losses(self, margin: Tensor) -> Tensor:
        kind, smoothing = (self._own.losses[0], self._own.label_smoothing) if self._own else ("sigmoid", 0.0)
        if kind == "conservative":
            return conservative_loss(margin, self.beta, smoothing)
        if kind == "selfie":
            done = self.state.global_step / max(1, self.state.max_steps)
            training = bool(self.model.training)
            trusted = self._doubt.trusted(margin, done) if training else torch.ones_like(margin, dtype=torch.bool)
            return selfie_loss(margin, self.beta, trusted, smoothing or 0.1)
        return sigmoid_loss(margin, self.beta)

    def _log_probs(self, model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the chosen and of the rejected responses, [B] each."""
        given = {key: inputs[key] for key in ("input_ids", "attention_mask")}
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
        outputs = model(**given, labels=labels, use_cache=False, fused_lm_head=True)
        first, second = outputs.log_probs.sum(dim=1).chunk(2, dim=0)
        return first, second

    def _reference(self, model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        if self.precompute_ref_logps:
            return inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        found: tuple[Tensor, Tensor] = self.compute_ref_log_probs(self.ref_model or model, inputs)
        return found

    def _note(self, chosen: Tensor, rejected: Tensor, inputs: dict[str, Any]) -> None:
        """Keep the metrics that TRL keeps, under its names; log-ratios of shape [B]."""
        mode = "train" if self.model.training else "eval"
        if mode == "train":
            self._total_train_tokens += self.accelerator.gather_for_metrics(inputs["attention_mask"].sum()).sum().item()
        metrics = self._metrics[mode]
        metrics["num_tokens"] = [self._total_train_tokens]
        good, bad = (self.accelerator.gather(self.beta * one.detach()) for one in (chosen, rejected))
        metrics["rewards/chosen"].append(good.mean().item())
        metrics["rewards/rejected"].append(bad.mean().item())
        metrics["rewards/accuracies"].append((good > bad).float().mean().item())
        metrics["rewards/margins"].append((good - bad).mean().item())


def train_dpo(
    target: TrainingTarget, data: Path, out: Path, config: TrainingConfig, say: Say = lambda line: None, start: Start = FRESH
) -> TrainingResult:
    """Train an adapter; the same call goes on after a crash, and returns at once when the training is finished.

    Args:
        target: What to train.
        data: Preference data, see `load_preferences`.
        out: Gets `adapter/`, `checkpoints/`, `metrics.jsonl` and `training.json`.
        config: Every knob.
        say: Called with each line of metrics.
        start: Where the adapter begins and what the reference is.

    Raises:
        ConfigError: Model, memory or settings do not fit; `out` belongs to another training.
        DataError: Nothing can be learned from the data.
        TrainingError: The training went wrong on the way; checkpoints stay.
    """
    processor = target.family.load_processor(target.folder, target.name)
    found = load_preferences(data, config, partial(target.family.encode, processor))
    check_memory(target, config)
    if target.adapter is not None and start.adapter is None:
        start = Start(target.adapter, "previous")
    _claim(out, target, data, config, start)
    adapter = out / "adapter"
    if (adapter / "adapter_config.json").exists():
        saved = json.loads((out / "result.json").read_text(encoding="utf-8"))
        return TrainingResult(adapter, saved["metrics"], saved["tokens_per_second"])
    log = MetricsLog(out / "metrics.jsonl", say)
    trainer = _make_trainer(target, found, out, config, processor, log, start)
    checkpoint = transformers.trainer_utils.get_last_checkpoint(out / "checkpoints") if (out / "checkpoints").exists() else None
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"out of memory: lower training.batch_size, or set gradient_checkpointing = true ({error})"
        ) from error
    if found.held_out is not None:
        trainer.evaluate()
    return _finish(trainer, adapter, out, log)


def _claim(out: Path, target: TrainingTarget, data: Path, config: TrainingConfig, start: Start) -> None:
    """Write down what this training is, or refuse a folder of another one."""
    values = {
        "model": target.name, "base": str(target.folder), "start": str(start.adapter) if start.adapter else None,
        "start_sha256": data_digest(start.adapter / "adapter_model.safetensors") if start.adapter else None,
        "reference": start.reference, "data": str(data.resolve()), "data_sha256": data_digest(data),
        **config.model_dump(mode="json", exclude={"log_steps", "keep_checkpoints"}),
    }  # fmt: skip
    path = out / "training.json"
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if changed := [
            f"{key}: {old[key]!r} -> {values[key]!r}" for key in (old.keys() & values.keys()) - PLACES if old[key] != values[key]
        ]:
            raise ConfigError(
                f"{str(out)!r} belongs to another training; give another --out, or undo:\n  " + "\n  ".join(sorted(changed))
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def data_digest(data: Path) -> str:
    """SHA-256 over the files of a data set, its card aside; of a run folder, over its records."""
    digest = hashlib.sha256()
    data = RunDir(data).records if RunDir(data).records.is_file() else data
    files = [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file() and path.suffix != ".md")
    for path in files:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make_trainer(
    target: TrainingTarget, data: PreferenceData, out: Path, config: TrainingConfig, processor: Any, log: MetricsLog, start: Start
) -> PairTrainer:
    on_gpu = torch.cuda.is_available()
    transformers.set_seed(config.seed)
    model = target.family.load(
        target.folder, dtype=torch.bfloat16 if on_gpu else torch.float32, device_map={"": 0} if on_gpu else None
    )
    big = sum(parameter.numel() for parameter in model.parameters()) >= BIG_PARAMETERS
    lora: PeftConfig | None = _lora(config)
    if start.adapter is not None:
        lora = PeftConfig.from_pretrained(start.adapter)
        lora.inference_mode = False
        if start.reference == "previous":
            model, lora = PeftModel.from_pretrained(model, start.adapter, is_trainable=True), None
    trainer = PairTrainer(
        model=model, args=_arguments(out, config, on_gpu=on_gpu, big=big, held_out=data.held_out is not None),
        train_dataset=data.train, eval_dataset=data.held_out, processing_class=processor, peft_config=lora,
        data_collator=target.family.make_collator(processor, config.max_length),
        callbacks=[log, *_tensorboard(out / "tensorboard")], own=config if config.is_own else None,
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    if start.adapter is not None and lora is not None:
        # Only now: the reference's log-probabilities were computed without the adapter, which is the first model.
        set_peft_model_state_dict(trainer.model, load_peft_weights(str(start.adapter), device="cpu"))
    return trainer


def _lora(config: TrainingConfig) -> PeftConfig:
    targets = config.lora.targets
    return PeftLoraConfig(
        r=config.lora.rank, lora_alpha=config.lora.alpha, lora_dropout=config.lora.dropout, task_type="CAUSAL_LM",
        target_modules=targets if isinstance(targets, str) else list(targets),
    )  # fmt: skip


def _arguments(out: Path, config: TrainingConfig, *, on_gpu: bool, big: bool, held_out: bool) -> DPOConfig:
    checkpointing = config.gradient_checkpointing
    warmup: float = config.warmup_share
    return DPOConfig(
        output_dir=str(out / "checkpoints"), report_to=[],
        loss_type=["sigmoid"] if config.is_own else list(config.losses), loss_weights=list(config.loss_weights) or None,
        beta=config.beta, label_smoothing=config.label_smoothing, max_length=config.max_length,
        disable_dropout=config.lora.dropout == 0, learning_rate=config.learning_rate, num_train_epochs=config.epochs,
        lr_scheduler_type="constant_with_warmup" if config.schedule == "constant" else config.schedule,
        warmup_steps=warmup, weight_decay=config.weight_decay, max_grad_norm=config.max_grad_norm,
        per_device_train_batch_size=config.batch_size, per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate, optim="adamw_torch_fused" if on_gpu else "adamw_torch",
        gradient_checkpointing=checkpointing if checkpointing is not None else (big and on_gpu),
        precompute_ref_log_probs=config.precompute_reference is not False, bf16=on_gpu, tf32=True if on_gpu else None,
        eval_strategy="steps" if held_out else "no", eval_steps=config.save_steps, save_steps=config.save_steps,
        save_total_limit=config.keep_checkpoints, logging_steps=config.log_steps, logging_nan_inf_filter=False,
        seed=config.seed, data_seed=config.seed, use_cpu=not on_gpu, disable_tqdm=True, dataset_num_proc=None,
    )  # fmt: skip


def _tensorboard(folder: Path) -> list[TrainerCallback]:
    """Metrics for TensorBoard, where it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return []
    return [TensorBoardCallback(SummaryWriter(log_dir=str(folder)))]


def _finish(trainer: PairTrainer, adapter: Path, out: Path, log: MetricsLog) -> TrainingResult:
    """Save the adapter in one step, so that a folder with an adapter is a finished training."""
    if "ref" in trainer.model.peft_config:
        trainer.model.delete_adapter("ref")
    scratch = adapter.with_name("adapter.tmp")
    trainer.model.save_pretrained(scratch)
    trainer.processing_class.save_pretrained(scratch)
    facts = json.loads((out / "training.json").read_text(encoding="utf-8"))
    metrics = {key: value for key, value in log.last.items() if math.isfinite(value)}
    result = {"metrics": metrics, "tokens_per_second": log.tokens_per_second}
    (scratch / "README.md").write_text(adapter_card(facts, metrics), encoding="utf-8")
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    scratch.rename(adapter)
    return TrainingResult(adapter, metrics, log.tokens_per_second)
