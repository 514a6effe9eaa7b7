"""Search a local text corpus: evidence about facts, without a network."""

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from anyprefer.errors import ToolError
from anyprefer.tools.base import Case, Tool, ToolArgs, ToolOptions
from anyprefer.tools.corpus.index import ensure_index
from anyprefer.types import Finding

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


class Passage(NamedTuple):
    """A piece of a document that matches a query."""

    title: str
    body: str


class CorpusSearch(Tool["CorpusSearch.Args", "CorpusSearch.Options"]):
    """A task tool that returns the best passages of a corpus for a query."""

    name = "corpus_search"
    quotes = True
    description = "Searches a local reference corpus for passages that match a query; use it when responses state facts."

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

    def __init__(self, options: Options) -> None:
        """Find the corpus and build its index where there is none yet, which takes seconds per 100 MB.

        Raises:
            ConfigError: The corpus is missing, empty or malformed, or the index cannot be written.
        """
        super().__init__(options)
        self._index = ensure_index(options.path, options.index, options.passage_chars)

    async def run(self, args: Args, case: Case) -> Finding:
        """Quote the best passages, best first, one per document.

        Raises:
            ToolError: The index cannot be read any more.
        """
        return Finding(content=quote(await self.search(args.query, args.num_results)) or "no passage matches")

    async def search(self, query: str, num_results: int) -> list[Passage]:
        """The best passages, best first, one per document; every search opens the index for itself.

        Raises:
            ToolError: The index cannot be read any more.
        """
        try:
            return await asyncio.to_thread(self._find_passages, query, num_results)
        except sqlite3.Error as error:
            raise ToolError(f"the corpus index cannot be read: {error}") from error

    def _find_passages(self, query: str, num_results: int) -> list[Passage]:
        """Search in a thread; a connection of its own per call makes concurrent calls safe."""
        expression = match_expression(query)
        if not expression:
            return []
        found: dict[int, Passage] = {}
        with closing(sqlite3.connect(f"{self._index.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                # A hit in the title counts twice: it says what the whole document is about.
                "SELECT title, body, document FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 2.0, 1.0)",
                (expression,),
            )
            for title, body, document in rows:
                found.setdefault(document, Passage(title, body))
                if len(found) == num_results:
                    break
        return list(found.values())


def quote(passages: Sequence[Passage]) -> str:
    """Passages as text with their ranks; empty where there are none."""
    return "\n\n".join(f"[{rank}] {item.title}\n{item.body}".rstrip() for rank, item in enumerate(passages, start=1))


def match_expression(query: str) -> str:
    """Write a query as an FTS5 expression of quoted words, any of which may match; empty where it has no word.

    Quoting makes every word a plain string, so that nothing in a query is FTS5 syntax. Stop words go unless all are.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
    telling = [word for word in words if word not in _STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in telling[:MAX_TERMS])
