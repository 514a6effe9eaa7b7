"""Whether a training fits into memory, before anything is loaded, and what it gives back."""

import gc
import os
from pathlib import Path

from anyprefer.config import TrainingConfig
from anyprefer.errors import ConfigError
from anyprefer.training.packages import has_gpu, import_training
from anyprefer.training.targets import TrainingTarget


def check_memory(target: TrainingTarget, config: TrainingConfig, free: int | None = None) -> None:
    """Refuse a model whose weights and adapter alone do not fit.

    Args:
        target: What is to be trained.
        config: The adapter's rank.
        free: Bytes that may be used; None asks the GPU, or the machine where it has none.

    Raises:
        ConfigError: Says how much is needed and how much there is.
    """
    cuda = import_training("torch").cuda
    weights = target.family.count_weights(target.folder)
    # An adapter has weight, gradient and two moments of Adam in single precision.
    trained = 16 * min(weights, weights * config.lora.rank / 500)
    needed = weights * (2 if cuda.is_available() else 4) + trained
    if free is None:
        free = int(cuda.mem_get_info()[0]) if cuda.is_available() else _free_memory()
    if needed > free:
        raise ConfigError(
            f"training {target.name!r} takes {needed / 2**30:.1f} GiB for {weights / 1e9:.2f} billion weights and an adapter "
            f"alone, and {free / 2**30:.1f} GiB are free: use a smaller model or a machine with more memory"
        )


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines() if Path("/proc/meminfo").exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_gpu() -> None:
    """Give back the memory that torch keeps of a finished training: a server that is started next may want it."""
    gc.collect()
    if has_gpu():
        import_training("torch").cuda.empty_cache()
