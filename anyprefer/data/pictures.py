"""Pictures of task rows: read, checked, and put in front of the question that they belong to."""

from pathlib import Path
from typing import Any

from anyprefer.data.blobs import MAX_BYTES, BlobStore, hash_of, picture_type
from anyprefer.data.cells import read_cell
from anyprefer.data.columns import is_empty, is_single
from anyprefer.data.quoting import brief
from anyprefer.errors import DataError
from anyprefer.types import Image, Message


def read_pictures(where: str, name: str, value: Any, folder: Path, blobs: BlobStore | None) -> list[Image]:
    """The pictures of a row.

    Args:
        where: The row's place, for messages.
        name: The column's name, which says whether it holds one or a list.
        value: Paths, or `{bytes, path}` as datasets have them; a list may be written as JSON text.
        folder: What paths are relative to.
        blobs: Keeps the pictures; None only hashes them.

    Raises:
        DataError: A picture cannot be read, is of another kind, or too large.
    """
    if is_empty(value):
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = read_cell(where, name, value)
    elif is_single(name) and not isinstance(value, list):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(item, str | dict) for item in value):
        raise DataError(f'{where}: {name} = {brief(value)} is no list of paths: write ["picture.png"]')
    return [_image(where, item, folder, blobs) for item in value]


def _image(where: str, item: Any, folder: Path, blobs: BlobStore | None) -> Image:
    """A picture from a path, or from the bytes that a dataset holds."""
    data = item.get("bytes") if isinstance(item, dict) else None
    if not isinstance(data, bytes):
        data = _read_picture(where, folder / str(item.get("path") if isinstance(item, dict) else item))
    media_type = picture_type(data)
    if media_type is None or len(data) > MAX_BYTES:
        what = "no PNG, JPEG, GIF or WebP picture" if media_type is None else f"larger than {MAX_BYTES // 2**20} MiB"
        raise DataError(f"{where}: the image {brief(item)} is {what}: convert it")
    return Image(sha256=blobs.put(data) if blobs else hash_of(data), media_type=media_type)


def _read_picture(where: str, path: Path) -> bytes:
    problem = "it is no file"
    try:
        if path.is_file() or not path.exists():  # a pipe would be waited for
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        problem = (error.strerror if isinstance(error, OSError) else None) or "it is no path"
    raise DataError(f"{where}: cannot read the image {str(path)[:300]!r} ({problem}): paths are relative to the task file")


def with_pictures(prompt: str | tuple[Message, ...], images: list[Image]) -> str | tuple[Message, ...]:
    """A prompt with pictures: they stand before the text of the first message of the user."""
    if not images:
        return prompt
    messages = list(prompt) if isinstance(prompt, tuple) else [Message(role="user", content=prompt)]
    place = next((i for i, message in enumerate(messages) if message.role == "user"), 0)
    first = messages[place]
    messages[place] = Message(role=first.role, content=(*images, *first.parts), name=first.name)
    return tuple(messages)
