"""Search a local text corpus: evidence about facts, without a network."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, Scope, ToolArgs, ToolOptions
from anyprefer.tools.corpus_index import ensure_index
from anyprefer.types import Task

MAX_QUERY_CHARS = 1000
"""Longest query; a longer task text is cut to it."""
MAX_TERMS = 64
"""Different words of a query that are looked up."""

_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    "a about after all also am an and any are as at be because been before being between both but by can could did do does "
    "doing during each few for from further had has have having he her here hers him his how i if in into is it its itself "
    "just me more most my no nor not of off on once only or other our out over own s same she should so some such t than that "
    "the their them then there these they this those through to too under until up very was we were what when where which "
    "while who whom whose why will with would you your".split()
)


class CorpusSearch:
    """A task tool that returns the best passages of a corpus for a query."""

    name: ClassVar[str] = "corpus_search"
    description: ClassVar[str] = (
        "Searches a local reference corpus for passages that match a query; use it when responses state facts."
    )
    scope: ClassVar[Scope] = "task"

    class Args(ToolArgs):
        """What to look up."""

        query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
        """Key words of the fact to look up; their order and punctuation do not matter."""
        num_results: int = Field(default=3, ge=1, le=10)
        """How many documents to quote, 1 to 10."""

    class Options(ToolOptions):
        """Where the corpus and its index are."""

        path: Path
        """A folder of .txt, .md and .jsonl files, or one JSONL file with `text` and an optional `title` on each line."""
        index: Path | None = None
        """The index file; None is a file in the user's cache folder, named by the corpus' digest."""
        passage_chars: int = Field(default=800, ge=100, le=20_000)
        """Longest passage in characters; 800 is about two paragraphs, so three results fit the default evidence limit."""

    def __init__(self, options: ToolOptions) -> None:
        """Find the corpus and build its index where there is none yet, which takes seconds per 100 MB.

        Raises:
            ConfigError: The corpus is missing, empty or malformed, or the index cannot be written.
        """
        if not isinstance(options, self.Options):
            raise ConfigError(f"corpus_search needs CorpusSearch.Options, got {type(options).__name__}")
        self._index = ensure_index(options.path, options.index, options.passage_chars)

    def default_args(self, task: Task) -> ToolArgs:
        """The task's text as the query."""
        return self.Args(query=task.text.strip()[:MAX_QUERY_CHARS])

    async def run(self, args: ToolArgs, case: Case) -> str:
        """Quote the best passages, best first, one per document.

        Raises:
            ToolError: The index cannot be read any more.
        """
        call = self.Args.model_validate(args.model_dump())
        try:
            passages = await asyncio.to_thread(self._find_passages, call.query, call.num_results)
        except sqlite3.Error as error:
            raise ToolError(f"the corpus index cannot be read: {error}") from error
        if not passages:
            return "no passage matches"
        return "\n\n".join(f"[{rank}] {title}\n{body}".rstrip() for rank, (title, body) in enumerate(passages, start=1))

    async def aclose(self) -> None:
        """Nothing is held: every search opens the index for itself."""

    def _find_passages(self, query: str, num_results: int) -> list[tuple[str, str]]:
        """Search in a thread; a connection of its own per call makes concurrent calls safe."""
        expression = match_expression(query)
        if not expression:
            return []
        found: dict[int, tuple[str, str]] = {}
        with closing(sqlite3.connect(f"{self._index.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                # A hit in the title counts twice: it says what the whole document is about.
                "SELECT title, body, document FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 2.0, 1.0)",
                (expression,),
            )
            for title, body, document in rows:
                found.setdefault(document, (title, body))
                if len(found) == num_results:
                    break
        return list(found.values())


def match_expression(query: str) -> str:
    """Write a query as an FTS5 expression of quoted words, any of which may match; empty where it has no word.

    Quoting makes every word a plain string, so that nothing in a query is FTS5 syntax. Stop words go unless all are.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
    telling = [word for word in words if word not in _STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in telling[:MAX_TERMS])
