"""What is trained: a transformers folder, made from a GGUF file where the target is one, and its tokenizer."""

import json
import logging
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from anyprefer.applications.base import ModelFamily
from anyprefer.applications.registry import find_application
from anyprefer.backends.registry import load_provider
from anyprefer.backends.weights import cache_dir
from anyprefer.config import Recipe, split_model
from anyprefer.errors import ConfigError
from anyprefer.training.models.text import LANGUAGE_MODELS
from anyprefer.training.packages import import_training

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of converted folders; another number makes them anew."""


@dataclass(frozen=True)
class TrainingTarget:
    """A model on disk that can be trained."""

    name: str
    """As the recipe names it; stands in the model card."""
    folder: Path
    """A transformers folder with weights and tokenizer."""
    adapter: Path | None = None
    """An adapter on top of it that training goes on from."""
    family: ModelFamily = LANGUAGE_MODELS
    """How its kind of model is loaded, read and batched."""


def resolve_target(recipe: Recipe, model: str | None = None) -> TrainingTarget:
    """Find the model to train: the argument, else `training.model`, else the recipe's target.

    Args:
        recipe: Names the target.
        model: `llamacpp:NAME` (catalogue or GGUF path), `vllm:NAME` (on the hub, or a folder), or a transformers or adapter
            folder, with or without `hf:`.

    Raises:
        ConfigError: It cannot be trained: a model behind an API, no folder, no chat template.
        ModelFetchError: Weights cannot be fetched.
    """
    found = find_target(recipe, model)
    return replace(found, folder=convert_gguf(found.folder)) if found.folder.is_file() else found


def find_target(recipe: Recipe, model: str | None = None) -> TrainingTarget:
    """Likewise, without a look into the weights: `folder` may be a GGUF file.

    Raises:
        ConfigError: It cannot be trained.
        ModelFetchError: Weights cannot be fetched.
    """
    name = model or recipe.training.model or recipe.target.model
    family = find_application(recipe.application).trainer()
    parsed = split_model(name)
    if parsed and (provider := load_provider(parsed.provider)):
        weights = provider.find_weights(parsed.name)
        if weights is None:
            raise ConfigError(
                f"{name!r} is served elsewhere and cannot be trained here: set training.model (or --model) to a folder of its "
                "weights"
            )
        if weights.is_file():
            return TrainingTarget(name, weights, family=family)
        folder = weights
    else:
        folder = Path(name.removeprefix("hf:")).expanduser()
    if (folder / "adapter_config.json").is_file():
        return _from_adapter(name, folder, family)
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"no model at {str(folder)!r}: give a transformers folder (with config.json), an adapter or llamacpp:NAME"
        )
    return TrainingTarget(name, folder.resolve(), family=family)


def _from_adapter(name: str, folder: Path, family: ModelFamily) -> TrainingTarget:
    base = Path(json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])
    if not (base / "config.json").is_file():
        raise ConfigError(
            f"adapter {str(folder)!r} belongs to the base model {str(base)!r}, which is not there: put it back, or give the base "
            "model to train a new adapter"
        )
    return TrainingTarget(name, base.resolve(), folder.resolve(), family)


def convert_gguf(weights: Path) -> Path:
    """Make a transformers folder from a GGUF file, once; it stays in the cache.

    The weights are dequantised: what is trained is what the quantised file means, in half precision.

    Raises:
        ConfigError: The extra is missing, or the file has no chat template.
    """
    stat = weights.stat()
    folder = cache_dir() / "converted" / f"{weights.stem}-{stat.st_size}-v{FORMAT}"
    if (folder / "complete").exists():
        return folder
    family, torch = LANGUAGE_MODELS, import_training("torch")
    from transformers.utils.quantization_config import GgufConfig

    logger.info("converting %s to %s", weights.name, folder)
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    tokenizer = family.load_processor(weights.parent, str(weights), gguf_file=weights.name)
    dense = GgufConfig(dequantize=True)
    model = family.load(weights.parent, gguf_file=weights.name, quantization_config=dense, dtype=torch.float16)
    model.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    (scratch / "complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    return folder
