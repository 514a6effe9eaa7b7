"""What is known of the endpoints of a run, in memory and in its folder, so that a resume need not try them again."""

import asyncio
import json
import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anyprefer.backends.capabilities import Capabilities, Dialect
from anyprefer.redaction import quote

logger = logging.getLogger(__name__)


class KnownEndpoints:
    """The dialects of all models, by model identifier.

    Attributes:
        on_news: Takes a line about each thing that is learned.
    """

    def __init__(self) -> None:
        self._dialects: dict[str, Dialect] = {}
        self._remembered: dict[str, Any] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._path: Path | None = None
        self.on_news: Callable[[str], None] = lambda line: None

    def dialect(self, identity: str, at_first: Capabilities) -> Dialect:
        """How a model is asked.

        Args:
            identity: The model identifier.
            at_first: What is taken for granted where nothing was learned yet.
        """
        if identity not in self._dialects:
            found = _revive(self._remembered.get(identity), at_first) or Dialect(at_first)
            found.on_change, found.on_news = self._save, partial(self._tell, identity)
            self._dialects[identity] = found
        return self._dialects[identity]

    def remember(self, path: Path) -> None:
        """Take up what a run folder knows, and keep there what is learned; to be called before any request.

        A file that cannot be read is as good as none: everything in it can be tried again.
        """
        self._path = path
        with suppress(OSError, ValueError, RecursionError):
            found = json.loads(path.read_text(encoding="utf-8"))
            self._remembered = found if isinstance(found, dict) else {}
        for identity, dialect in self._dialects.items():
            if earlier := _revive(self._remembered.get(identity), dialect.known):
                dialect.known, dialect.proven = earlier.known, earlier.proven

    @asynccontextmanager
    async def probing(self, identity: str) -> AsyncIterator[None]:
        """Let one role at a time try a model, so that the next one knows what it learned."""
        async with self._locks[identity]:
            yield

    def _tell(self, identity: str, news: str) -> None:
        line = f"{quote(identity)}: {news}"
        logger.info("%s", line)
        self.on_news(line)

    def _save(self) -> None:
        if self._path is None or not self._path.parent.is_dir():  # an estimate makes no folder
            return
        found = {**self._remembered, **{identity: _written(dialect) for identity, dialect in self._dialects.items()}}
        scratch = self._path.with_suffix(f".{os.getpid()}.tmp")  # workers may share the folder
        try:
            scratch.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            scratch.replace(self._path)
        except OSError as error:
            logger.warning("cannot keep what was learned of the endpoints in %s: %s", self._path, error)


def _written(dialect: Dialect) -> dict[str, Any]:
    return {"known": dialect.known.model_dump(mode="json"), "answered": sorted(sorted(used) for used in dialect.proven)}


def _revive(found: Any, at_first: Capabilities) -> Dialect | None:
    """What was known; but a context that the recipe sets is the one that it sets now."""
    try:
        known = Capabilities.model_validate(found["known"])
        proven = {frozenset(used) for used in found["answered"]}
    except (KeyError, TypeError, ValidationError):
        return None
    return Dialect(known.model_copy(update={"context_tokens": at_first.context_tokens or known.context_tokens}), proven=proven)
