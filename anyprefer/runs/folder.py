"""The run folder: which files it has, who owns it, and which recipe it belongs to."""

import fcntl
import os
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.errors import RunFolderError
from anyprefer.recipes import digest_of, lock_text, parse_recipe, tracked_values
from anyprefer.runs.index import RunIndex


class RunFolder:
    """An open run folder; one process at a time holds it.

    Attributes:
        digest: Digest of the recipe and the prompts, as records carry it.
        records: Finished tasks.
        index: What they came to.
    """

    def __init__(self, path: Path, recipe: Recipe, prompt_hashes: Mapping[str, str]) -> None:
        """Create or reopen the folder.

        Raises:
            RunFolderError: It cannot be written, another process runs in it, or it belongs to another recipe.
        """
        self.path = path
        extra = {"prompts": dict(prompt_hashes)}
        self.digest = digest_of(recipe, extra)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._owner = _own(path / "run.lock")
            self._lock_recipe(recipe, extra)
            self.records = RecordFile(path / "records.jsonl").open()
            self.index = RunIndex(path / "index.sqlite", self.records)
        except OSError as error:
            raise RunFolderError(f"cannot use run folder {str(path)!r}: {error.strerror or error}; give another --out") from error

    @property
    def summary(self) -> Path:
        """What the run came to."""
        return self.path / "summary.json"

    @property
    def live(self) -> Path:
        """What the run is doing, or last did."""
        return self.path / "live.json"

    def close(self) -> None:
        """Close the files and give up ownership."""
        self.records.close()
        self.index.close()
        os.close(self._owner)

    def write(self, path: Path, text: str) -> None:
        """Replace a small file in one step."""
        scratch = path.with_suffix(f"{path.suffix}.tmp")
        try:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            raise RunFolderError(f"cannot write {str(path)!r}: {error.strerror or error}; what was finished stays") from error

    def _lock_recipe(self, recipe: Recipe, extra: Mapping[str, Any]) -> None:
        lock = self.path / "recipe.lock.toml"
        if not lock.exists():
            self.write(lock, lock_text(recipe, self.digest, extra))
            return
        saved = tomllib.loads(lock.read_text(encoding="utf-8"))
        header = saved.pop("lock")
        if header["digest"] == self.digest:
            return
        old, new = tracked_values(parse_recipe(saved, str(lock))), tracked_values(recipe)
        changed = [f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        for name, digest in extra["prompts"].items():
            if header["prompts"].get(name) != digest:
                changed.append(f"prompt {name}: another text")
        if not changed:
            self.digest = header["digest"]  # of the same recipe, when other keys were part of it; finished records carry it
            return
        raise RunFolderError(
            f"run folder {str(self.path)!r} belongs to another recipe; give another --out, or undo these changes:\n  "
            + "\n  ".join(changed)
        )


def owner_of(path: Path) -> str | None:
    """The process that works in a run folder, None where there is none."""
    try:
        descriptor = os.open(path / "run.lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 20).decode() or "unknown"
    finally:
        os.close(descriptor)
    return None


def _own(path: Path) -> int:
    """Take the folder's lock, which the system drops when the process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if not _lock(descriptor):
        owner = os.read(descriptor, 20).decode() or "unknown"
        os.close(descriptor)
        raise RunFolderError(
            f"run folder {str(path.parent)!r} is in use by process {owner}: wait for it, stop it or give another --out"
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _lock(descriptor: int) -> bool:
    """Take the lock; whoever just looks who the owner is (`owner_of`) holds it for a moment, so one refusal says nothing."""
    for _ in range(3):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False
