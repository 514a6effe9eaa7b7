"""Build the full-text index of a local corpus: SQLite FTS5, made once, streamed, put in place atomically.

A corpus is a folder of .txt, .md and .jsonl files or one JSONL file whose lines hold `text` and, if they like, `title`. The
index is keyed by a digest of the files' names, sizes and modification times, so a changed corpus is indexed anew.
"""

import hashlib
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from anyprefer.errors import ConfigError

FORMAT = 1
"""Raised when the index's tables or the way passages are cut change, so that older indexes are not used."""
SUFFIXES = (".txt", ".md", ".jsonl")
"""Files of a corpus folder that are read; others are ignored."""
_APPLICATION_ID = 0x41505243
_MAX_LINE = 1 << 16
_SENTENCE_END = re.compile(r"(?<=[.!?]) +")
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE source (digest TEXT NOT NULL);
CREATE VIRTUAL TABLE passages USING fts5 (title, body, document UNINDEXED, tokenize = 'porter unicode61');
"""


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the corpus; `lines` is read once, so that a long text never stands in memory."""

    title: str
    lines: Iterable[str]


def ensure_index(corpus: Path, index: Path | None, passage_chars: int) -> Path:
    """Return the index of a corpus, building it where there is none for the files as they are now.

    Args:
        corpus: A folder or one JSONL file.
        index: Where the index is to be; None puts it in the user's cache folder, named by the digest.
        passage_chars: Longest passage in characters.

    Raises:
        ConfigError: The corpus is missing, empty or malformed, or the index cannot be written there.
    """
    files = _list_files(corpus)
    digest = _digest_files(corpus, files, passage_chars)
    target = index or _cache_root() / "corpus" / f"{digest}.sqlite"
    if target.exists() and _read_digest(target) == digest:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _build_index(target, digest, _read_passages(corpus, files, passage_chars))
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"cannot write the corpus index {str(target)!r}: {error}; set tools.options.corpus_search.index or ANYPREFER_CACHE"
        ) from error
    return target


def _cache_root() -> Path:
    """ANYPREFER_CACHE, else the folder `anyprefer` in the user's cache directory."""
    if root := os.environ.get("ANYPREFER_CACHE"):
        return Path(root).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anyprefer"


def _list_files(corpus: Path) -> list[Path]:
    if corpus.is_file():
        return [corpus]
    if not corpus.is_dir():
        raise ConfigError(f"tools.options.corpus_search.path = {str(corpus)!r}: no such file or folder")
    files = sorted(path for path in corpus.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise ConfigError(f"tools.options.corpus_search.path = {str(corpus)!r}: the folder has no {', '.join(SUFFIXES)} file")
    return files


def _digest_files(corpus: Path, files: list[Path], passage_chars: int) -> str:
    parts = [f"{FORMAT}\0{passage_chars}"]
    for path in files:
        status = path.stat()
        name = path.relative_to(corpus) if path != corpus else path.name
        parts.append(f"{name}\0{status.st_size}\0{status.st_mtime_ns}")
    return hashlib.sha256("\0\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _read_digest(target: Path) -> str | None:
    """The digest that an index was built for.

    Raises:
        ConfigError: The file is something else, which must not be overwritten.
    """
    try:
        with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID:
                row = connection.execute("SELECT digest FROM source").fetchone()
                return str(row[0]) if row else None
    except sqlite3.Error as error:
        raise ConfigError(f"{str(target)!r} cannot be read as a corpus index: {error}; delete it or name another file") from error
    raise ConfigError(f"{str(target)!r} is no corpus index of anyprefer and is not overwritten: name another file")


def _build_index(target: Path, digest: str, passages: Iterator[tuple[str, str, int]]) -> None:
    """Write beside the target and rename, so that readers and crashes never see half an index."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as connection:
            connection.executescript(f"PRAGMA application_id = {_APPLICATION_ID};{_SCHEMA}")
            with connection:
                connection.execute("INSERT INTO source VALUES (?)", (digest,))
                connection.executemany("INSERT INTO passages VALUES (?, ?, ?)", passages)
            if connection.execute("SELECT rowid FROM passages LIMIT 1").fetchone() is None:
                raise ConfigError("tools.options.corpus_search.path: the corpus holds no text")
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _read_passages(corpus: Path, files: list[Path], passage_chars: int) -> Iterator[tuple[str, str, int]]:
    """Yield title, passage and document number."""
    number = 0
    for path in files:
        is_json = path.suffix.lower() == ".jsonl" or path == corpus
        for document in _read_jsonl(path) if is_json else [Document(path.stem, _read_lines(path))]:
            title = _encodable(document.title)
            for passage in cut_passages(document.lines, passage_chars):
                yield title, _encodable(passage), number
            number += 1


def _read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file; one longer than 64 Ki characters comes in pieces."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            yield from iter(lambda: stream.readline(_MAX_LINE), "")
    except UnicodeDecodeError as error:
        raise ConfigError(f"corpus file {str(path)!r} is not UTF-8 ({error}): convert it or take it out") from error


def _read_jsonl(path: Path) -> Iterator[Document]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _parse_document(line, f"corpus file {str(path)!r}, line {number}")
    except UnicodeDecodeError as error:
        raise ConfigError(f"corpus file {str(path)!r} is not UTF-8 ({error}): convert it or take it out") from error


def _parse_document(line: str, place: str) -> Document:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: not JSON ({error}); each line must be an object with 'text'") from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{place}: no text; each line must be an object whose 'text' is a string that is not empty")
    return Document(str(row.get("title") or ""), text.splitlines())


def cut_passages(lines: Iterable[str], limit: int) -> Iterator[str]:
    """Yield passages of at most `limit` characters that end where a paragraph or sentence does, if they can."""
    passage = ""
    for piece, is_paragraph in _cut_pieces(lines, limit):
        separator = "\n" if is_paragraph else " "
        if passage and len(passage) + 1 + len(piece) > limit:
            yield passage
            passage = ""
        passage = f"{passage}{separator}{piece}" if passage else piece
    if passage:
        yield passage


def _cut_pieces(lines: Iterable[str], limit: int) -> Iterator[tuple[str, bool]]:
    """Yield sentences, cut where longer than the limit, each with whether it starts a paragraph."""
    for line in lines:
        starts_paragraph = True
        for sentence in _SENTENCE_END.split(" ".join(line.split())):
            rest = sentence
            while rest:
                end = rest.rfind(" ", 1, limit + 1) if len(rest) > limit else len(rest)
                end = end if end > 0 else limit
                yield rest[:end], starts_paragraph
                rest, starts_paragraph = rest[end:].lstrip(), False


def _encodable(text: str) -> str:
    """Replace what JSON escapes can spell but UTF-8 cannot store."""
    return text.encode("utf-8", "replace").decode()
