"""What an export format is, and the registry of formats.

Another package adds one with an entry point in the group `anyprefer.export_formats` that names a class which fits `ExportFormat`;
a notebook with `register_format`.
"""

import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anyprefer.applications.base import Kind
from anyprefer.errors import ConfigError
from anyprefer.registry import Registry

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """The columns of a dataset, with what they hold, and what every message in them has."""

    kinds: Mapping[str, Kind]
    in_message: tuple[str, ...]


class ExportFormat(Protocol):
    """One layout of a dataset folder."""

    packages: tuple[str, ...]
    """What must be installed."""
    data_file: str | None
    """The one data file within the folder, for `datasets.load_dataset`; None where the layout has names of its own."""
    files: "re.Pattern[str]"
    """Every file and folder that `write` may leave, relative to the folder: what a later export may replace."""
    load: str
    """Python that loads the folder as `pairs`, for the card."""

    def write(self, rows: Iterable[Row], folder: Path, shape: Shape) -> None:
        """Write the rows into a new folder, one group in memory at a time.

        Raises:
            OSError: They cannot be written.
        """


FORMATS: Registry[type[ExportFormat]] = Registry(
    kind="export format",
    group="anyprefer.export_formats",
    built_in={
        "jsonl": "anyprefer.training.formats.jsonl:JsonLines",
        "parquet": "anyprefer.training.formats.parquet:Parquet",
        "hf": "anyprefer.training.formats.saved_dataset:SavedDataset",
    },
)


def register_format(name: str, factory: type[ExportFormat]) -> None:
    """Add a format to this process.

    Raises:
        ConfigError: The name is a built-in one.
    """
    FORMATS.register(name, factory)


def find_format(name: str) -> ExportFormat:
    """The format of a name, ready to write.

    Raises:
        ConfigError: There is none, or a package that it needs is missing.
    """
    found = FORMATS.load(name, "format")()
    for package in found.packages:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"format {name!r} needs {package}: pip install 'anyprefer[parquet]', or use --format jsonl")
    return found


def is_of_a_format(file: str) -> bool:
    """Whether some format leaves a file or folder of this name in an export."""
    return any(FORMATS.load(name, "format").files.fullmatch(file) for name in FORMATS.names())
