"""Rows of a task file or dataset, in whichever format it is: what it holds decides, and its name only where that says nothing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from anyprefer.data.cells import parse_json
from anyprefer.data.hub import is_dataset, read_dataset
from anyprefer.data.json_rows import Row, is_wrapper, read_json_document, read_json_lines
from anyprefer.data.table_rows import read_arrow_file, read_arrow_stream, read_csv, read_parquet
from anyprefer.data.unpack import is_packed, read_head
from anyprefer.errors import DataError

Reader = Callable[[Path], Iterator[Row]]

_BINARY: dict[bytes, Reader] = {b"PAR1": read_parquet, b"ARROW1": read_arrow_file, b"\xff\xff\xff\xff": read_arrow_stream}
"""How a file begins -> its reader."""

_SUFFIXES: dict[str, Reader] = {
    ".jsonl": read_json_lines, ".ndjson": read_json_lines, ".json": read_json_document, ".csv": read_csv, ".tsv": read_csv,
    ".parquet": read_parquet, ".arrow": read_arrow_file, ".feather": read_arrow_file,
}  # fmt: skip

_PACKED = (".gz", ".gzip", ".zst", ".zstd")

_FOREIGN = {
    b"PK\x03\x04": "a ZIP or Excel file: save it as CSV in UTF-8",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"BZh": "packed with bzip2: unpack it, or pack it with gzip or zstd",
    b"\xfd7zXZ": "packed with xz: unpack it, or pack it with gzip or zstd",
}
"""How a file begins that cannot be read -> what it is and what to do."""

_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[{\]])')
_HEAD = 2**20
"""Bytes by which a file is known: a first line that is longer is read as a document of JSON."""


def read_rows(path: str | Path, split: str | None = None) -> Iterator[Row]:
    """Where each row of a task source stands, and its columns as they are.

    Args:
        path: A file of JSON, JSON Lines, CSV, TSV, Parquet or Arrow, text also packed with gzip or zstd; a folder that holds a
            Hugging Face dataset; or `hf:OWNER/NAME` for one of the hub, with `:SPLIT` behind it.
        split: Of a dataset that has several and names none.

    Raises:
        DataError: The file or a row cannot be read.
        ConfigError: Reading it needs an extra.
    """
    path = Path(path)
    return read_dataset(path, split) if is_dataset(path) else _reader(path)(path)


def _reader(path: Path) -> Reader:
    if not path.exists():
        raise DataError(f"task file {str(path)!r} does not exist: give the path of a {_listed()} file")
    if not path.is_file():
        raise DataError(f"cannot read tasks from {str(path)!r}: it is no file that can be read twice; save it as one")
    head, packed = read_head(path, _HEAD), is_packed(path)
    if foreign := next((what for begin, what in _FOREIGN.items() if head.startswith(begin)), None):
        raise DataError(f"cannot read tasks from {str(path)!r}: it is {foreign}")
    suffix = (path.with_suffix("") if path.suffix.lower() in _PACKED else path).suffix.lower()
    found = next((reader for begin, reader in _BINARY.items() if head.startswith(begin)), None)
    if found is not None and packed:
        raise DataError(f"{str(path)!r} is packed twice: Parquet and Arrow files pack themselves, so unpack it")
    found = found or _json_reader(head, suffix) or _SUFFIXES.get(suffix)
    if found is None:
        raise DataError(f"cannot read tasks from {str(path)!r}: {suffix!r} is none of {_listed()}; convert the file")
    return found


def _listed() -> str:
    return ", ".join(_SUFFIXES)


def _json_reader(head: bytes, suffix: str) -> Reader | None:
    """How text is read that looks like JSON; None where it does not."""
    text = head.decode("utf-8-sig", "replace").lstrip()
    if not _JSON.match(text):
        return None
    line, whole, rest = text.partition("\n")
    if text.startswith("[") or not (whole or len(head) < _HEAD):
        return read_json_document
    try:
        value = parse_json(line)
    except ValueError:
        return None if suffix in _SUFFIXES and suffix != ".json" else read_json_document
    return read_json_document if is_wrapper(value) and not rest.strip() else read_json_lines
