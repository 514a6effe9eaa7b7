"""The run folder: who owns it, and which recipe it belongs to."""

import fcntl
import os
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyprefer.agents.references import ReferenceReader
from anyprefer.config import Recipe
from anyprefer.data.records import Change, RecordFile
from anyprefer.data.run_dir import FORMAT, Lock, Pending, RunDir
from anyprefer.errors import RunFolderError
from anyprefer.recipes import digest_of
from anyprefer.runs.decisions import read_decisions
from anyprefer.runs.index import RunIndex
from anyprefer.types import PreferenceRecord

if TYPE_CHECKING:
    from anyprefer.runs.changes import RecipeChange


class RunFolder:
    """An open run folder; one process at a time holds it.

    Attributes:
        files: What its files are called.
        records: Finished tasks.
        index: What they came to.
        news: What the folder took on with this recipe, in a line for a person; empty where that is nothing new.
    """

    def __init__(self, path: Path, recipe: Recipe, prompt_hashes: Mapping[str, str], *, retry_failed: bool = False) -> None:
        """Create or reopen the folder; it takes on a changed recipe where no record depends on the change.

        Args:
            path: The folder.
            recipe: What is to be run.
            prompt_hashes: Of the recipe's prompts.
            retry_failed: Whether the records of tasks that an error ended are about to go.

        Raises:
            RunFolderError: It cannot be written, another process runs in it, or it belongs to another recipe.
        """
        self.files = RunDir(path)
        self.news = ""
        self._lock: Lock
        try:
            path.mkdir(parents=True, exist_ok=True)
            with ExitStack() as undo:
                self._owner = _own(self.files.owner)
                undo.callback(os.close, self._owner)
                self._claim(recipe, prompt_hashes, retry_failed=retry_failed)
                self.records = undo.enter_context(RecordFile(self.files.records))
                self.index = RunIndex(self.files.index, self.records, ReferenceReader.of(recipe))
                undo.pop_all()
        except OSError as error:
            raise RunFolderError(f"cannot use run folder {str(path)!r}: {error.strerror or error}; give another --out") from error

    @property
    def path(self) -> Path:
        """The folder."""
        return self.files.path

    @property
    def digest(self) -> str:
        """Of the recipe and the prompts, as records that are made now carry it."""
        return self._lock.digest

    @property
    def identity(self) -> str:
        """What threads are named after; stays, whatever recipe the folder takes on."""
        return self._lock.identity

    @property
    def pending(self) -> tuple[Pending, ...]:
        """What has still to be done for the recipe that the folder took on; `Workplace.settle` sees to it."""
        return self._lock.pending

    @property
    def is_current(self) -> bool:
        """Whether the present code can go on from its checkpoints; `Runner.modernize` sees to it."""
        return self._lock.format == FORMAT

    def mark_current(self) -> None:
        """Note that the folder holds nothing any more that the present code cannot read."""
        self._relock(format=FORMAT)

    def mark_settled(self) -> None:
        """Note that records and checkpoints are what they are under the folder's recipe."""
        self._relock(pending=())

    def rewrite(self, change: Change) -> int:
        """Write the records anew, see `RecordFile.rewrite`; killed at any moment, the folder is as before or as after."""
        self.index.clear()
        try:
            return self.records.rewrite(change, self.files.aside)
        finally:
            self.index.catch_up(self.records)

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

    def _relock(self, **changes: Any) -> None:
        self._lock = replace(self._lock, **changes)
        self.write(self.files.lock, self._lock.text)

    def _claim(self, recipe: Recipe, prompts: Mapping[str, str], *, retry_failed: bool) -> None:
        """Take the folder for a recipe.

        Code that knows more settings than the code that made the folder computes another digest; what counts is that the saved
        recipe, read now, says the same.
        """
        from anyprefer.runs.changes import compare_recipes  # knows every agent, which who only reads a folder need not

        digest = digest_of(recipe, {"prompts": dict(prompts)})
        if not self.files.lock.exists():
            self._lock = self.files.lock_of(recipe, digest, prompts)
            self._relock()
            return
        lock = self._lock = self.files.read_lock()
        if lock.format > FORMAT:
            raise RunFolderError(f"run folder {str(self.path)!r} was made by a newer anyprefer: install that one")
        change = None if lock.digest == digest else compare_recipes(lock, recipe, prompts)
        if change is None:
            return
        retry_failed = retry_failed or "failed" in lock.pending
        self._check_free(change, retry_failed=retry_failed)
        wanted = {"threads": True, "records": change.judged_again, "failed": retry_failed}
        self.news = f"the recipe has changed ({'; '.join(change.lines)}); completed calls that are the same are not asked again"
        self._relock(
            digest=digest, tables=self.files.lock_of(recipe, digest, prompts).tables, prompts=dict(prompts),
            first_digest=lock.identity, earlier=(*lock.earlier, {"digest": lock.digest, "changed": list(change.lines)}),
            pending=tuple(name for name, needed in wanted.items() if needed or name in lock.pending),
        )  # fmt: skip

    def _check_free(self, change: "RecipeChange", *, retry_failed: bool) -> None:
        """See that nothing which is finished depends on a change."""
        stuck = failed = 0
        done = set()
        for record in RecordFile(self.files.records):
            done.add(record.task.id)
            if change.concerns(record):
                stuck += 1
                failed += is_cut_short(record)
        if stuck - failed * retry_failed:
            raise RunFolderError(_refusal(self.path, change, stuck, failed))
        if undone := sum(task_id not in done for task_id in read_decisions(self.files.reviews)):
            raise RunFolderError(
                f"run folder {str(self.path)!r} has {undone} decisions of reviewers about pairs of another recipe: apply them "
                f"first (anyprefer review {shlex.quote(str(self.path))}), or undo these changes:\n  " + "\n  ".join(change.lines)
            )


def is_cut_short(record: PreferenceRecord) -> bool:
    """Whether an error ended the task, and no person has decided about its pair since: trying again may mend that."""
    return record.error is not None and record.review is None


def _refusal(path: Path, change: "RecipeChange", stuck: int, failed: int) -> str:
    lines = [
        f"run folder {str(path)!r} belongs to another recipe; give another --out, or undo these changes:",
        *(f"  {line}" for line in change.lines),
        f"{stuck} of its records depend on them",
    ]
    if stuck == failed:
        lines.append("all of them are of tasks that an error ended: --retry-failed does those again under the new recipe")
    lines.append(f"another folder can take over the completed calls of this one: --out NEW --reuse {shlex.quote(str(path))}")
    return "\n".join(lines)


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
