"""Rows of tables: CSV with any of the usual delimiters, Parquet, and Arrow as a file (Feather) or a stream."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anyprefer.data.columns import holds_text, role_of
from anyprefer.data.json_rows import Row
from anyprefer.data.quoting import brief
from anyprefer.data.unpack import MAX_ROW, read_lines
from anyprefer.errors import ConfigError, DataError

DELIMITERS = ",\t;|"

_BATCH = 64
"""Rows of an Arrow file that become Python's at a time."""


class _Lines:
    """The lines of a text, and the number of the one that was read last."""

    def __init__(self, path: Path) -> None:
        self._lines, self.number = read_lines(path), 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        return line


def read_csv(path: Path) -> Iterator[Row]:
    """Rows of a text with a header; an empty cell is None.

    Raises:
        DataError: A row has other cells than the header, or a quote is open; names the line on which the row begins.
    """
    lines = _Lines(path)
    csv.field_size_limit(MAX_ROW)
    start = 1
    try:
        delimiter, names = _read_head(lines)
        header = _header(f"{path} line {lines.number}", names)
        start = lines.number + 1
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            if any(cell.strip() for cell in cells):
                where = f"{path} line {start}"
                yield where, _row(where, header, cells, delimiter)
            start = lines.number + 1
    except csv.Error as error:
        raise DataError(f"{path} line {start} is not CSV ({error}): mend its quotes or line ends, or use JSON Lines") from None


def _read_head(lines: Iterator[str]) -> tuple[str, list[str]]:
    """The delimiter, and the names of the columns."""
    head = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter_of(head)
    if marked := re.fullmatch(r"sep=(.)", head.strip("\r\n")):  # as Excel says it
        delimiter, head = marked[1], next(lines, "")
    return delimiter, [cell.strip() for cell in next(csv.reader([head], delimiter=delimiter), [])]


def _delimiter_of(head: str) -> str:
    """The one that makes the header name the most known columns, then the most columns."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", head)

    def rank(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([head], delimiter=delimiter), [])
        return sum(role_of(cell) is not None for cell in cells), bare.count(delimiter)

    return max(DELIMITERS, key=rank)


def _header(where: str, names: Sequence[str]) -> Sequence[str]:
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise DataError(f"{where}: two columns are called {brief(twice[0])}: give each a name of its own")
    return names


def _row(where: str, header: Sequence[str], cells: Sequence[str], delimiter: str) -> dict[str, Any]:
    if len(cells) != len(header):
        problem = "more" if len(cells) > len(header) else "fewer"
        raise DataError(
            f"{where} has {problem} cells than the header, {len(cells)} and {len(header)}: {brief(list(cells))}; quote cells "
            f"that hold a line break or the delimiter {delimiter!r}"
        )
    if nameless := [cell for name, cell in zip(header, cells, strict=True) if not name and holds_text(cell)]:
        raise DataError(f"{where}: {brief(nameless[0])} stands in a column without a name: give it one in the header")
    return {name: cell or None for name, cell in zip(header, cells, strict=True) if name}


def read_parquet(path: Path) -> Iterator[Row]:
    """Rows of a Parquet file.

    Raises:
        DataError: It is none, or damaged.
        ConfigError: The extra is missing.
    """
    arrow = _arrow(path)

    def batches() -> Iterator[Any]:
        with arrow.parquet.ParquetFile(path) as file:
            _header(str(path), file.schema_arrow.names)
            yield from file.iter_batches(batch_size=_BATCH)

    return _read(path, "Parquet", batches(), arrow.ArrowException)


def read_arrow_file(path: Path) -> Iterator[Row]:
    """Rows of an Arrow file, which is Feather's format as well.

    Raises:
        DataError: It is none, or damaged.
        ConfigError: The extra is missing.
    """
    arrow = _arrow(path)

    def batches() -> Iterator[Any]:
        with arrow.ipc.open_file(arrow.memory_map(str(path))) as file:
            _header(str(path), file.schema.names)
            yield from map(file.get_batch, range(file.num_record_batches))

    return _read(path, "Arrow", batches(), arrow.ArrowException)


def read_arrow_stream(path: Path) -> Iterator[Row]:
    """Rows of an Arrow stream, as `datasets` keeps its data.

    Raises:
        DataError: It is none, or damaged.
        ConfigError: The extra is missing.
    """
    arrow = _arrow(path)

    def batches() -> Iterator[Any]:
        with arrow.ipc.open_stream(arrow.memory_map(str(path))) as stream:
            _header(str(path), stream.schema.names)
            yield from stream

    return _read(path, "Arrow", batches(), arrow.ArrowException)


def _arrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(f"reading {str(path)!r} needs pyarrow: pip install 'anyprefer[parquet]'") from None
    return pyarrow


def _read(path: Path, kind: str, batches: Iterator[Any], arrow_error: type[Exception]) -> Iterator[Row]:
    """Rows of record batches, few of them as Python's at a time."""
    number = 0
    try:
        for batch in batches:
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _BATCH):
                for row in batch.slice(start, _BATCH).to_pylist():
                    number += 1
                    yield f"{path} row {number}", {name: without_nulls(value) for name, value in row.items()}
    except (OSError, ValueError, arrow_error) as error:
        raise DataError(f"{path} is not a readable {kind} file (after row {number}): {brief(str(error))}") from error


def without_nulls(value: Any) -> Any:
    """A nested value without the keys that Arrow gives every object because another one has them."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
