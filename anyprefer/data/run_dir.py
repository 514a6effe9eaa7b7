"""A run folder as seen from outside: what its files are called, and the lock that says which recipe it belongs to.

Whoever reads a folder finds its files by these names. `anyprefer.runs.folder` is the one writer.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel

from anyprefer.config import Recipe
from anyprefer.errors import RunFolderError
from anyprefer.recipe_tables import parse_recipe

FORMAT = 2
"""Of the folders that are made now: what their checkpoints and records hold. Locks without a number are of format 1."""

Pending = Literal["threads", "records", "failed"]
"""Drop the checkpoints of unfinished tasks; judge records again; drop those that an error ended."""


@dataclass(frozen=True)
class Lock:
    """The content of `recipe.lock.toml`."""

    source: Path
    digest: str
    """Over the recipe and the prompts, as the code that wrote it computed it; records carry the one that they were made under."""
    tables: dict[str, Any]
    """The resolved recipe, as nested tables."""
    prompts: dict[str, str] = field(default_factory=dict)
    """Prompt file -> SHA-256 of its text."""
    format: int = FORMAT
    first_digest: str = ""
    """The digest that the folder began with, where it has taken on another recipe since."""
    earlier: tuple[dict[str, Any], ...] = ()
    """The recipes that it had before, each as a table of its `digest` and of what `changed` after it."""
    pending: tuple[Pending, ...] = ()
    """What a session that took on a recipe has still to do: one that is killed in between leaves it to the next."""

    @property
    def identity(self) -> str:
        """Names the folder for good: threads are named after it, whatever recipe it takes on."""
        return self.first_digest or self.digest

    @property
    def recipe(self) -> Recipe:
        """The recipe as the present code reads it: fields that are newer than the folder have their defaults.

        Raises:
            ConfigError: It names a setting that there is no longer.
        """
        return parse_recipe(self.tables, str(self.source))

    @property
    def text(self) -> str:
        """The lock as TOML."""
        head = {
            "digest": self.digest, "first_digest": self.first_digest, "format": self.format, "pending": list(self.pending),
            "earlier": list(self.earlier), "prompts": self.prompts,
        }  # fmt: skip
        head = {name: value for name, value in head.items() if value or name == "prompts"}
        return tomli_w.dumps({"lock": head, **self.tables})


class _Head(BaseModel):
    digest: str = ""
    prompts: dict[str, str] = {}
    format: int = 1
    first_digest: str = ""
    earlier: tuple[dict[str, Any], ...] = ()
    pending: tuple[Pending, ...] = ()


@dataclass(frozen=True)
class RunDir:
    """The files of a run folder; none need exist.

    Example:
        for record in RecordFile(RunDir("runs/mine").records): ...
    """

    path: Path

    def __init__(self, path: str | Path) -> None:
        object.__setattr__(self, "path", Path(path))

    @property
    def lock(self) -> Path:
        """The resolved recipe and its digest."""
        return self.path / "recipe.lock.toml"

    @property
    def owner(self) -> Path:
        """Held by the process that works in the folder."""
        return self.path / "run.lock"

    @property
    def records(self) -> Path:
        """One line per finished task."""
        return self.path / "records.jsonl"

    @property
    def torn(self) -> Path:
        """Lines that a crash cut off; their tasks ran again."""
        return self.path / "records.torn"

    @property
    def aside(self) -> Path:
        """Records with a pair whose tasks are done again."""
        return self.path / "records.aside"

    @property
    def index(self) -> Path:
        """What the records came to."""
        return self.path / "index.sqlite"

    @property
    def journal(self) -> Path:
        """Completed calls, where they are not in Postgres."""
        return self.path / "journal.sqlite"

    @property
    def checkpoints(self) -> Path:
        """Unfinished tasks, where they are not in Postgres."""
        return self.path / "checkpoints.sqlite"

    @property
    def store(self) -> Path:
        """Where journal and checkpoints are in Postgres: which schema."""
        return self.path / "store.json"

    @property
    def capabilities(self) -> Path:
        """What is known of the endpoints."""
        return self.path / "capabilities.json"

    @property
    def blobs(self) -> Path:
        """Pictures by the hash of their bytes."""
        return self.path / "blobs"

    @property
    def live(self) -> Path:
        """What the run is doing, or last did."""
        return self.path / "live.json"

    @property
    def summary(self) -> Path:
        """What the run came to."""
        return self.path / "summary.json"

    @property
    def log(self) -> Path:
        """What the process said, tracebacks included."""
        return self.path / "run.log"

    @property
    def reviews(self) -> Path:
        """Decisions of reviewers."""
        return self.path / "reviews.jsonl"

    @property
    def analysis(self) -> Path:
        """Findings of `anyprefer analyze`."""
        return self.path / "analysis"

    @property
    def report(self) -> Path:
        """The page of `anyprefer report`."""
        return self.path / "report.html"

    @property
    def dataset(self) -> Path:
        """Where `anyprefer export` writes unless told otherwise."""
        return self.path / "dataset"

    def read_lock(self) -> Lock:
        """Which recipe the folder belongs to.

        Raises:
            RunFolderError: It is no run folder, or its lock cannot be read.
        """
        try:
            tables = tomllib.loads(self.lock.read_text(encoding="utf-8"))
            head = _Head.model_validate(tables.pop("lock", {}))
            return Lock(self.lock, head.digest, tables, head.prompts, head.format, head.first_digest, head.earlier, head.pending)
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(f"{str(self.path)!r} is no run folder (it has no {self.lock.name}): {self._suggest()}") from None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot read {str(self.lock)!r}: {error}; run the recipe again into another folder") from error

    def read_schema(self) -> str:
        """The schema of a folder whose journal is in Postgres.

        Raises:
            RunFolderError: The file that names it cannot be read.
        """
        try:
            return str(json.loads(self.store.read_text(encoding="utf-8"))["schema"])
        except (OSError, ValueError, KeyError) as error:
            raise RunFolderError(f"cannot read {str(self.store)!r}: {error}") from error

    def lock_of(self, recipe: Recipe, digest: str, prompts: Mapping[str, str]) -> Lock:
        """The lock of a new folder under a recipe."""
        return Lock(self.lock, digest, recipe.model_dump(mode="json", exclude_none=True), dict(prompts))

    def read_recipe(self) -> Recipe:
        """The recipe that the folder belongs to.

        Raises:
            RunFolderError: It is no run folder.
            ConfigError: The recipe names a setting that there is no longer.
        """
        return self.read_lock().recipe

    def _suggest(self) -> str:
        name = self.lock.name
        found = sorted(self.path.glob(f"*/{name}")) + sorted(self.path.glob(f"*/*/{name}"))
        return f"give one of its run folders, such as {str(found[0].parent)!r}" if found else "give the --out of `anyprefer run`"
