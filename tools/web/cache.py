"""Keep what the web answered: one SQLite file, so that a query is asked once in its lifetime and not once a run."""

import hashlib
import json
import logging
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.errors import ConfigError

logger = logging.getLogger(__name__)

_APPLICATION_ID = 0x41505743
_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, saved REAL NOT NULL, answer TEXT NOT NULL)"
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class WebCache:
    """Answers by key, each valid for some days. Every call opens the file for itself, which makes threads safe."""

    path: Path
    days: float
    """0 keeps nothing."""

    def prepare(self) -> None:
        """Make the file and drop what is too old.

        Raises:
            ConfigError: The file is something else or cannot be written.
        """
        if self.days <= 0:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                found = connection.execute("PRAGMA application_id").fetchone()[0]
                if found != _APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise ConfigError(f"{str(self.path)!r} is no web cache of anyprefer and is not overwritten")
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(_SCHEMA)
                connection.execute("DELETE FROM answers WHERE saved < ?", (self._oldest(),))
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"cannot write the web cache {str(self.path)!r}: {error}; set tools.options.web_search.cache or ANYPREFER_CACHE, "
                "or cache_days = 0"
            ) from error

    def get(self, *key: str) -> Any:
        """The answer to a key, or None; a cache that cannot be read any more costs a request, never a task."""
        if self.days <= 0:
            return None
        try:
            with closing(self._connect()) as connection:
                row = connection.execute(
                    "SELECT answer FROM answers WHERE key = ? AND saved >= ?", (_digest(key), self._oldest())
                ).fetchone()
            return json.loads(row[0]) if row else None
        except (sqlite3.Error, ValueError) as error:
            logger.warning("the web cache %s cannot be read: %s", self.path, error)
            return None

    def put(self, answer: Any, *key: str) -> None:
        """Keep an answer, replacing an older one."""
        if self.days <= 0:
            return
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("REPLACE INTO answers VALUES (?, ?, ?)", (_digest(key), time.time(), json.dumps(answer)))
        except sqlite3.Error as error:
            logger.warning("the web cache %s cannot be written: %s", self.path, error)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=5)

    def _oldest(self) -> float:
        return time.time() - self.days * _SECONDS_PER_DAY


def _digest(key: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()
