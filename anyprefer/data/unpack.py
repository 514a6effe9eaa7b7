"""The text of a task file: unpacked where it is compressed, decoded, and never more than one row's worth of it at a time."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from anyprefer.errors import ConfigError, DataError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"

MAX_ROW = 64 * 2**20
"""Longest row in bytes: one of more is another kind of file, or a way to fill the memory."""

MAX_RATIO = 200
"""How many times its size a compressed file may unpack to, beyond `FREE_BYTES`: text rarely packs better than 1 to 50."""

FREE_BYTES = 256 * 2**20
"""What any compressed file may unpack to."""

_CHUNK = 2**16


def is_packed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes and not by its name.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4).startswith((GZIP, ZSTD))
    except OSError as error:
        _refuse(path, error)


def open_unpacked(path: Path) -> io.BufferedReader:
    """A file's content as bytes, unpacked where it is compressed.

    Raises:
        DataError: It cannot be read; while it is read, it is damaged or unpacks to far more than its size.
        ConfigError: It is compressed with zstd, and pyarrow is missing.
    """
    try:
        if not is_packed(path):
            return path.open("rb")
        size = path.stat().st_size
        with path.open("rb") as file:
            packed = gzip.GzipFile(path) if file.read(2) == GZIP else _open_zstd(path)
    except OSError as error:
        _refuse(path, error)
    return io.BufferedReader(_Unpacked(path, packed, max(FREE_BYTES, MAX_RATIO * size)), _CHUNK)


def _open_zstd(path: Path) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ConfigError(f"reading {str(path)!r}, which zstd packed, needs pyarrow: pip install 'anyprefer[parquet]'") from None
    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


class _Unpacked(io.RawIOBase):
    """A stream that unpacks another and counts what comes out."""

    def __init__(self, path: Path, packed: Any, limit: int) -> None:
        self._path, self._packed, self._limit, self._left = path, packed, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._packed.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{str(self._path)!r} is damaged ({error}): its packing cannot be undone; pack it again") from error
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{str(self._path)!r} unpacks to more than {self._limit:,} bytes, which no honest text of its size does: unpack "
                "it yourself and give that file, if you trust it"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._packed.close()
        super().close()


def read_head(path: Path, size: int) -> bytes:
    """The first bytes of a file's content.

    Raises:
        DataError: It cannot be read.
        ConfigError: As of `open_unpacked`.
    """
    try:
        with open_unpacked(path) as file:
            return file.read(size)
    except OSError as error:
        _refuse(path, error)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, counted from 1; a byte order mark is left out.

    Raises:
        DataError: The file cannot be read, a line is not UTF-8, or one is longer than `MAX_ROW`.
        ConfigError: As of `open_unpacked`.
    """
    offset = number = 0
    try:
        with open_unpacked(path) as file:
            while line := file.readline(MAX_ROW + 1):
                number += 1
                if len(line) > MAX_ROW:
                    raise DataError(f"{path} line {number} is longer than {MAX_ROW:,} bytes: no row of a task file is")
                where = f"{path} line {number}"
                yield (
                    number,
                    _decode(codecs.getincrementaldecoder("utf-8-sig" if number == 1 else "utf-8")(), line, where, offset),
                )
                offset += len(line)
    except OSError as error:
        _refuse(path, error)


def read_text(path: Path) -> Iterator[str]:
    """The same text in pieces of any length, for a format whose rows are no lines.

    Raises:
        DataError: As of `read_lines`.
        ConfigError: As of `open_unpacked`.
    """
    decoder, offset = codecs.getincrementaldecoder("utf-8-sig")(), 0
    try:
        with open_unpacked(path) as file:
            while data := file.read(_CHUNK):
                held = len(decoder.getstate()[0])
                yield _decode(decoder, data, str(path), offset - held, final=False)
                offset += len(data)
            _decode(decoder, b"", str(path), offset)
    except OSError as error:
        _refuse(path, error)


def _decode(decoder: Any, data: bytes, where: str, offset: int, *, final: bool = True) -> str:
    try:
        text: str = decoder.decode(data, final)
    except UnicodeDecodeError as error:
        byte = error.object[error.start : error.start + 1]
        raise DataError(
            f"{where} is not UTF-8: byte {byte!r} at offset {offset + error.start} of the file; save it as UTF-8, for example "
            "with iconv"
        ) from None
    if "\0" in text:
        raise DataError(f"{where} holds a zero byte, as files in UTF-16 and binary files do: save it as text in UTF-8")
    return text


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
