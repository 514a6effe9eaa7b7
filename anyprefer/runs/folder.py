"""The run folder: who owns it, and which recipe it belongs to."""

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import FORMAT, Lock, RunDir
from anyprefer.errors import RunFolderError
from anyprefer.recipes import digest_of, tracked_values
from anyprefer.runs.index import RunIndex


class RunFolder:
    """An open run folder; one process at a time holds it.

    Attributes:
        files: What its files are called.
        records: Finished tasks.
        index: What they came to.
    """

    def __init__(self, path: Path, recipe: Recipe, prompt_hashes: Mapping[str, str]) -> None:
        """Create or reopen the folder.

        Raises:
            RunFolderError: It cannot be written, another process runs in it, or it belongs to another recipe.
        """
        self.files = RunDir(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with ExitStack() as undo:
                self._owner = _own(self.files.owner)
                undo.callback(os.close, self._owner)
                self._lock = self._claim(recipe, prompt_hashes)
                self.records = undo.enter_context(RecordFile(self.files.records))
                self.index = RunIndex(self.files.index, self.records)
                undo.pop_all()
        except OSError as error:
            raise RunFolderError(f"cannot use run folder {str(path)!r}: {error.strerror or error}; give another --out") from error

    @property
    def path(self) -> Path:
        """The folder."""
        return self.files.path

    @property
    def digest(self) -> str:
        """Of the recipe and the prompts, as threads and records carry it: the one that the folder was made with."""
        return self._lock.digest

    @property
    def is_current(self) -> bool:
        """Whether the present code can go on from its checkpoints; `Runner.modernize` sees to it."""
        return self._lock.format == FORMAT

    def mark_current(self) -> None:
        """Note that the folder holds nothing any more that the present code cannot read."""
        self._lock = replace(self._lock, format=FORMAT)
        self.write(self.files.lock, self._lock.text)

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

    def _claim(self, recipe: Recipe, prompts: Mapping[str, str]) -> Lock:
        """Take the folder for a recipe.

        Code that knows more settings than the code that made the folder computes another digest; what counts is that the saved
        recipe, read now, says the same.
        """
        digest = digest_of(recipe, {"prompts": dict(prompts)})
        if not self.files.lock.exists():
            lock = self.files.lock_of(recipe, digest, prompts)
            self.write(self.files.lock, lock.text)
            return lock
        lock = self.files.read_lock()
        if lock.format > FORMAT:
            raise RunFolderError(f"run folder {str(self.path)!r} was made by a newer anyprefer: install that one")
        if lock.digest != digest and (changed := _differences(lock, recipe, prompts)):
            raise RunFolderError(
                f"run folder {str(self.path)!r} belongs to another recipe; give another --out, or undo these changes:\n  "
                + "\n  ".join(changed)
            )
        return lock


def _differences(lock: Lock, recipe: Recipe, prompts: Mapping[str, str]) -> list[str]:
    """What a recipe and its prompts say differently from the folder's own."""
    old, new = tracked_values(lock.recipe), tracked_values(recipe)
    changed = [f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return changed + [
        f"prompt {name}: another text" for name, digest in prompts.items() if lock.prompts.get(name, digest) != digest
    ]


def owner_of(path: Path) -> str | None:
    """The process that works in a run folder, None where there is none."""
    try:
        descriptor = os.open(RunDir(path).owner, os.O_RDONLY)
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
