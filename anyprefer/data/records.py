"""The records file: one JSON line per finished task, written whole or not at all.

A line ends in a newline exactly when it is complete, so a reader beside the writer knows what to leave alone, and a crash can
spoil the last line only. `RecordFile.open` moves such a line to `records.torn`; its task runs again. Lines of format version 1
stay as they are; readers get records of the present version (`anyprefer.data.old_records`).
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from anyprefer.data.old_records import upgrade
from anyprefer.errors import DataError, RunFolderError
from anyprefer.types import RECORD_VERSION, PreferenceRecord

logger = logging.getLogger(__name__)

M = TypeVar("M")

Change = Callable[[PreferenceRecord], PreferenceRecord | None]

_BLOCK = 1 << 16
_PRESENT = f'{{"version":{RECORD_VERSION},'.encode()


class RecordFile:
    """The `records.jsonl` of a run folder: any number of readers, one writer.

    Iterating needs no `open`, and ignores a last line without its newline, which a writer may be writing just now.

    Example:
        with RecordFile(folder / "records.jsonl") as records:
            if task.id not in records.ids():
                records.append(record)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._fd: int | None = None

    def open(self) -> Self:
        """Repair the last line and get ready to append; creates the file.

        Raises:
            RunFolderError: The file cannot be opened or repaired.
        """
        if self._fd is None:
            try:
                self._repair()
                self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
        return self

    def close(self) -> None:
        """Force what was appended to disk and let go of the file; it may be opened again."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.fsync(fd)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
            finally:
                os.close(fd)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def append(self, record: PreferenceRecord) -> int:
        """Write one line, whole or not at all; from here on it survives a kill of this process.

        Returns:
            The size of the file in bytes, this line included.

        Raises:
            DataError: The record could not be read back (data nested hundreds of levels deep).
            RunFolderError: The disk is full or gone; the file is as it was before.
        """
        if self._fd is None:
            raise ValueError(f"{self.path} is not open: call open() first, or use it in a with statement")
        line = record_line(record)
        size = os.fstat(self._fd).st_size
        try:
            _write_all(self._fd, line)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, size)
            raise _cannot_write(self.path, error) from error
        return size + len(line)

    def size(self) -> int:
        """Size of the file in bytes, 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def after(self, offset: int) -> Iterator[tuple[PreferenceRecord, int]]:
        """The records that begin at or after a byte offset, each with the offset of its end.

        Raises:
            RunFolderError: The file cannot be read, or a line is no record; names the line.
        """
        for number, line, end in self._lines(offset):
            yield self._parse(read_record, number, line), end

    def ids(self) -> set[str]:
        """The ids of all finished tasks, whatever came of them; reads nothing else of the records.

        Raises:
            RunFolderError: The file cannot be read, or a line is no record; names the line.
        """
        return {head.task.id for head in self._read(_Head.model_validate_json)}

    def __iter__(self) -> Iterator[PreferenceRecord]:
        """All records in the order in which they were finished, one in memory at a time.

        Raises:
            RunFolderError: The file cannot be read, or a line is no record; names the line.
        """
        return self._read(read_record)

    def rewrite(self, change: Change, aside: Path | None = None) -> int:
        """Write every record as `change` has it; a crash leaves the old file or the new one, nothing between.

        Args:
            change: Gives a record that takes the place of another, the same one, or None to leave it out.
            aside: Gets the lines that are left out although they hold a pair, before they are.

        Returns:
            How many were changed or left out.
        """
        was_open = self._fd is not None
        self.open().close()
        temporary = self.path.with_name(f"{self.path.name}.tmp")
        try:
            count, paired = self._copy(change, temporary)
            if aside is not None and paired:
                self._copy_lines(paired, aside)
            temporary.replace(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        finally:
            temporary.unlink(missing_ok=True)
            if was_open:
                self.open()
        return count

    def _copy(self, change: Change, to: Path) -> tuple[int, set[int]]:
        """Write the records anew; gives how many were changed or left out, and the numbers of lines left out with a pair."""
        count, paired = 0, set()
        with to.open("wb") as file:
            for number, line, _ in self._lines():
                record = self._parse(read_record, number, line)
                found = change(record)
                count += found is not record
                if found is not None:
                    file.write(line if found is record else record_line(found))
                elif record.best_attempt is not None:
                    paired.add(number)
            _sync(file)
        shutil.copymode(self.path, to)
        return count, paired

    def _copy_lines(self, numbers: set[int], to: Path) -> None:
        with to.open("ab") as file:
            for number, line, _ in self._lines():
                if number in numbers:
                    file.write(line)
            _sync(file)

    def _read(self, parse: Callable[[bytes], M]) -> Iterator[M]:
        for number, line, _ in self._lines():
            yield self._parse(parse, number, line)

    def _parse(self, parse: Callable[[bytes], M], number: int, line: bytes) -> M:
        try:
            return parse(line)
        except ValueError as error:
            raise RunFolderError(
                f"{self.path} line {number} is not a record ({_problem(error)}): {line[:80]!r}. Restore the file, or delete this "
                "line and run the same command again; its task is then done again"
            ) from error

    def _lines(self, offset: int = 0) -> Iterator[tuple[int, bytes, int]]:
        """Number (counted from the offset), content and end of every whole line."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                for number, line in enumerate(file, start=1):
                    offset += len(line)
                    if line.endswith(b"\n"):
                        yield number, line, offset
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunFolderError(f"cannot read {str(self.path)!r}: {error.strerror}") from error

    def _repair(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            start = _start_of_last_line(file)
            file.seek(start)
            line = file.read()
        if not line or (line.endswith(b"\n") and _is_record(line)):
            return
        torn = self.path.with_suffix(".torn")
        with torn.open("ab") as file:
            file.write(line if line.endswith(b"\n") else line + b"\n")
            _sync(file)
        os.truncate(self.path, start)
        logger.warning("%s: moved a torn last line of %d bytes to %s; its task runs again", self.path, len(line), torn.name)


def read_record(line: bytes) -> PreferenceRecord:
    """The record of a line, of the present version whatever version was written.

    Raises:
        ValueError: It is no record.
        RunFolderError: It is of a newer version.
    """
    if line.startswith(_PRESENT):
        return PreferenceRecord.model_validate_json(line)
    tree = from_json(line)
    version = tree.get("version", 1) if isinstance(tree, dict) else None
    if version == 1:
        return PreferenceRecord.model_validate(upgrade(tree))
    if isinstance(version, int) and version > RECORD_VERSION:
        raise RunFolderError(
            f"a record of version {version} ({line[:80]!r}), and this anyprefer reads {RECORD_VERSION}: install the newer one"
        )
    return PreferenceRecord.model_validate(tree)


class _HeadTask(BaseModel):
    id: str


class _Head(BaseModel):
    task: _HeadTask


def record_line(record: PreferenceRecord) -> bytes:
    """The line of a record, newline included: proven to read back.

    Lone surrogates, which models do produce in JSON and UTF-8 cannot hold, are written as the six characters of their escape.

    Raises:
        DataError: The record could not be read back.
    """
    try:
        try:
            text = record.model_dump_json()
        except PydanticSerializationError:
            text = PreferenceRecord.model_validate(escape_surrogates(record.model_dump())).model_dump_json()
        PreferenceRecord.model_validate_json(text)
    except (PydanticSerializationError, ValidationError, RecursionError) as error:
        raise DataError(f"the record of task {record.task.id!r} cannot be stored as JSON: {error}") from error
    return text.encode() + b"\n"


def escape_surrogates(value: Any) -> Any:
    """Replace lone surrogates by their escapes in all texts of a JSON-like value; distinct texts stay distinct."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {escape_surrogates(key): escape_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escape_surrogates(item) for item in value]
    return value


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _write_all(fd: int, data: bytes) -> None:
    # One write in practice. A disk that fills up takes a part first, and says why on the next write only.
    while data:
        data = data[os.write(fd, data) :]


def _start_of_last_line(file: IO[bytes]) -> int:
    position = max(file.seek(0, os.SEEK_END) - 1, 0)
    while position > 0:
        start = max(position - _BLOCK, 0)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _is_record(line: bytes) -> bool:
    try:
        read_record(line)
    except ValueError:
        return False
    return True


def _problem(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors(include_url=False, include_input=False)[0]["msg"])
    return str(error)


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"cannot write {str(path)!r}: {error.strerror}; mend that (free space, allow writing) and run the same command again, "
        "what was finished stays"
    )
