"""What `datasets.Dataset.save_to_disk` writes, so that it loads without a copy."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from anyprefer.data.pairs import DATA_FILES
from anyprefer.training.formats.base import Row, Shape
from anyprefer.training.formats.parquet import Parquet


class SavedDataset:
    """Arrow files with names of their own."""

    packages: tuple[str, ...] = ("pyarrow", "datasets")
    data_file: str | None = None
    files = re.compile(r"data-[\w-]+\.arrow|dataset_info\.json|state\.json")
    load = 'from datasets import load_from_disk\npairs = load_from_disk("path/to/this/folder")'

    def write(self, rows: Iterable[Row], folder: Path, shape: Shape) -> None:
        """See `ExportFormat.write`."""
        import datasets

        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as scratch:
            Parquet().write(rows, Path(scratch), shape)
            try:
                dataset = datasets.Dataset.from_parquet(str(Path(scratch, DATA_FILES["parquet"])), cache_dir=scratch)
                dataset.save_to_disk(folder)
            except datasets.exceptions.DatasetsError as error:
                raise OSError(str(error)) from error
