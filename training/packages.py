"""The packages of the extra `train`, imported where they are needed."""

import importlib
import os
from typing import Any

from anyprefer.errors import ConfigError


def import_training(name: str) -> Any:
    """A package of the training extra.

    Raises:
        ConfigError: It is missing.
    """
    # Before torch is loaded: threads that spin while they wait slow each other down wherever anything else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"training needs {error.name or name}: pip install 'anyprefer[train]'") from None


def has_gpu() -> bool:
    """Whether torch sees a CUDA device."""
    return bool(import_training("torch").cuda.is_available())
