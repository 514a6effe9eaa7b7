"""Vectors of texts that were encoded before, so that an analysis that runs again is quick."""

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer.backends.text_encoders import TextEncoder
from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 500
"""Keys in one query: SQLite takes at least 999 in all its builds."""


def encode_texts(encoder: TextEncoder, texts: Sequence[str], folder: Path | None = None) -> "NDArray[np.float32]":
    """Encode texts, taking from a folder what it has and adding what it has not.

    The file's name is the encoder's digest and a text is known by its SHA-256, so another model or text never gets a stale
    vector, and no text is in the file.

    Args:
        encoder: Encodes what is new.
        texts: Any number, repeated or not.
        folder: Where the file is, made if need be; None keeps nothing.

    Returns:
        `[N, D]`, float32, rows of length 1.

    Raises:
        ConfigError: The folder cannot be used.
    """
    if folder is None or not texts:
        return encoder.encode(texts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / f"{encoder.digest[:16]}.sqlite", timeout=60)) as store:
            store.execute("CREATE TABLE IF NOT EXISTS vectors (text_sha256 BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
            return _encode_through(store, encoder, texts)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"the embedding cache in {str(folder)!r} cannot be used ({error}): name another folder, or none"
        ) from error


def _encode_through(store: sqlite3.Connection, encoder: TextEncoder, texts: Sequence[str]) -> "NDArray[np.float32]":
    import numpy as np

    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    found = _read(store, list(dict.fromkeys(keys)))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
    if missing:
        new = [row.astype("<f4").tobytes() for row in encoder.encode(list(missing.values()))]
        found.update(zip(missing, new, strict=True))
        with store:
            store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(key, found[key]) for key in missing])
    rows = np.frombuffer(b"".join(found[key] for key in keys), dtype="<f4")
    return rows.reshape(len(texts), encoder.dimensions).astype(np.float32)


def _read(store: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        query = f"SELECT text_sha256, vector FROM vectors WHERE text_sha256 IN ({marks})"  # noqa: S608 - question marks only
        found.update(store.execute(query, chunk))
    return found
