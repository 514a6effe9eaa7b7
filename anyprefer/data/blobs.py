"""Content-addressed files of a run: pictures, frames and the like, stored under the SHA-256 of their bytes.

A value names a blob by its hash and never by a path, so that moving a folder changes nothing and another picture under an old
name is another picture. What is read is checked against its name.
"""

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path

from anyprefer.errors import DataError, RunFolderError

MAX_BYTES = 64 * 2**20
"""Largest blob: a picture of more is a mistake, or a way to fill the disk."""

_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class BlobStore:
    """The folder `blobs/` of a run: `ab/cdef...` for the hash abcdef...

    Example:
        name = BlobStore(run / "blobs").put(picture.read_bytes())
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def put(self, data: bytes) -> str:
        """Keep bytes; equal bytes are kept once, whole or not at all.

        Returns:
            Their SHA-256 as 64 hexadecimal digits.

        Raises:
            RunFolderError: They cannot be written.
        """
        name = hash_of(data)
        path = self.place(name)
        if path.exists():
            return name
        scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        except OSError as error:
            raise RunFolderError(f"cannot write {str(path)!r}: {error.strerror or error}; free space and run again") from error
        finally:
            with suppress(OSError):  # also where the folder could not be made
                scratch.unlink(missing_ok=True)
        return name

    def get(self, name: str) -> bytes:
        """The bytes of a hash.

        Raises:
            DataError: They are not there, or are not what their name says.
        """
        path = self.place(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"there is no blob {name} in {str(self.path)!r} ({error.strerror}): load the tasks again") from error
        if hash_of(data) != name:
            raise DataError(f"{str(path)!r} is damaged: its bytes are not those of its name; remove it and load the tasks again")
        return data

    def place(self, name: str) -> Path:
        """Where the bytes of a hash are, or would be.

        Raises:
            ValueError: The name is no SHA-256.
        """
        if len(name) != 64 or set(name) - set("0123456789abcdef"):
            raise ValueError(f"{name!r} is no SHA-256: 64 hexadecimal digits in lower case")
        return self.path / name[:2] / name[2:]


def hash_of(data: bytes) -> str:
    """The name of some bytes."""
    return hashlib.sha256(data).hexdigest()


def picture_type(data: bytes) -> str | None:
    """The media type of a picture, by how its bytes begin; None where they are no picture that models are shown."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _TYPES.items() if data.startswith(start)), None)
