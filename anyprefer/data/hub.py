"""Rows of Hugging Face datasets, from a folder or from the hub.

The `datasets` library keeps a dataset as memory-mapped Arrow files, so rows are read one by one however many there are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anyprefer.data.table_rows import without_nulls
from anyprefer.errors import ConfigError, DataError

PREFIX = "hf:"
"""Begins the name of a dataset of the hub: `hf:openai/gsm8k:test`, `hf:openai/gsm8k/main:test` with a configuration."""


def is_dataset(path: Path) -> bool:
    """Whether a task source is a dataset and no file."""
    return str(path).startswith(PREFIX) or path.is_dir() or (":" in path.name and Path(str(path).rpartition(":")[0]).is_dir())


def read_dataset(path: Path, split: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each row stands, and its columns; see `open_dataset`.

    Raises:
        ConfigError: The extra is missing.
        DataError: The dataset cannot be loaded, or has several splits and none was named.
    """
    for number, row in enumerate(open_dataset(path, split), start=1):
        yield f"{path} row {number}", {name: without_nulls(value) for name, value in row.items()}


def open_dataset(path: Path, default: str | None = None) -> Any:
    """One split of a dataset, as a `datasets.Dataset`.

    Args:
        path: A folder, or a dataset of the hub, with or without a split's name behind it.
        default: The split where several are there and none is named.

    Raises:
        ConfigError: The extra is missing.
        DataError: It cannot be loaded, or nothing says which split.
    """
    try:
        import datasets
    except ImportError:
        raise ConfigError(f"reading the dataset {str(path)!r} needs datasets: pip install 'anyprefer[parquet]'") from None
    name, split = _split(path)
    try:
        found = _load(datasets, name)
    except Exception as error:  # the library raises whatever its many back ends raise
        raise DataError(
            f"cannot load the dataset {str(path)!r} ({type(error).__name__}: {error}): give a folder with Parquet, JSON Lines or "
            "CSV files, one written by save_to_disk, or hf:OWNER/NAME:SPLIT"
        ) from error
    return _pick(path, found, split, default) if isinstance(found, datasets.DatasetDict) else found


def _pick(path: Path, found: Any, split: str | None, default: str | None) -> Any:
    if split is not None and split not in found:
        raise DataError(f"{str(path)!r}: there is no split {split!r}, only {', '.join(found)}")
    if split is None and len(found) > 1 and default not in found:
        raise DataError(
            f"{str(path)!r} has the splits {', '.join(found)}: add one of them, as in {f'{path}:{next(iter(found))}'!r}"
        )
    return found[split or (default if default in found else next(iter(found)))]


def _split(path: Path) -> tuple[str, str | None]:
    """Name and split of a source."""
    text = str(path)
    prefix = PREFIX if text.startswith(PREFIX) else ""
    if not prefix and path.exists():
        return text, None
    name, _, split = text.removeprefix(prefix).rpartition(":")
    return (f"{prefix}{name}", split) if name else (f"{prefix}{split}", None)


def _load(datasets: Any, name: str) -> Any:
    if not name.startswith(PREFIX):
        saved = any((Path(name) / file).exists() for file in ("state.json", "dataset_dict.json"))
        return datasets.load_from_disk(name) if saved else datasets.load_dataset(name)
    owner, _, rest = name.removeprefix(PREFIX).partition("/")
    title, _, config = rest.partition("/")
    return datasets.load_dataset(f"{owner}/{title}" if title else owner, config or None)
