"""Parquet: typed columns, compressed."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anyprefer.data.pairs import DATA_FILES
from anyprefer.training.formats.base import Row, Shape

_ROWS_PER_GROUP = 500


class Parquet:
    """`data/train-00000-of-00001.parquet`."""

    packages: tuple[str, ...] = ("pyarrow",)
    data_file: str | None = DATA_FILES["parquet"]
    files = re.compile(r"data(/train-[\w-]+\.parquet)?")
    load = 'from datasets import load_dataset\npairs = load_dataset("path/to/this/folder", split="train")'

    def write(self, rows: Iterable[Row], folder: Path, shape: Shape) -> None:
        """See `ExportFormat.write`."""
        import pyarrow
        import pyarrow.parquet

        path = folder / DATA_FILES["parquet"]
        path.parent.mkdir()
        schema = _arrow_schema(shape)
        with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for group in _groups(iter(rows)):
                writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _arrow_schema(shape: Shape) -> Any:
    import pyarrow

    message = pyarrow.struct([(name, pyarrow.string()) for name in shape.in_message])
    types = {
        "messages": pyarrow.list_(message),
        "strings": pyarrow.list_(pyarrow.string()),
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in shape.kinds.items()])


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(itertools.islice(rows, _ROWS_PER_GROUP)):
        yield group
