"""Search the web with DuckDuckGo: evidence about facts that no local corpus holds.

The query, which by default is the task's text, leaves this machine. What comes back is kept on disk, so that another run asks
nothing. Where the engine gives nothing, a local corpus may answer in its place, and the evidence says so.
"""

import asyncio
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from pydantic import Field
from yarl import URL

from anyprefer.backends.weights import cache_dir
from anyprefer.errors import ConfigError, ToolError
from anyprefer.shortening import shorten
from anyprefer.tools.base import Case, Tool, ToolArgs, ToolOptions
from anyprefer.tools.corpus.search import CorpusSearch, quote
from anyprefer.tools.web.cache import WebCache
from anyprefer.tools.web.engine import Engine, SearchFailed
from anyprefer.tools.web.guard import check_url
from anyprefer.tools.web.pages import PageReader
from anyprefer.types import Finding

MAX_QUERY_CHARS = 400
"""Longest query; search engines cut or refuse longer ones."""
MAX_SNIPPET_CHARS = 600
"""Longest snippet and title of a result; the engine's own are half as long."""

Result = dict[str, str]


class WebSearch(Tool["WebSearch.Args", "WebSearch.Options"]):
    """A task tool that quotes web search results, and the first pages' text if the recipe wants it."""

    name = "web_search"
    quotes = True
    description = "Searches the web for pages that match a query; use it when responses state facts that may be wrong or recent."
    extra = "tools"

    class Args(ToolArgs):
        """What to look up."""

        query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
        """Key words of the fact to look up, as one would type them into a search engine."""
        num_results: int = Field(default=4, ge=1, le=10)
        """How many results to quote, 1 to 10."""

    class Options(ToolOptions):
        """How the engine is asked, what is kept, and what answers in its place."""

        region: str = Field(default="us-en", pattern="^[a-z]{2}-[a-z]{2,3}$")
        """DuckDuckGo's region and language; `wt-wt` is none. The default is the language of the prompts."""
        endpoint: str | None = None
        """URL of a mirror that answers as DuckDuckGo's HTML page does; None is DuckDuckGo. The recipe vouches for it."""
        cache: Path | None = None
        """The file that keeps answers; None is `web_search.sqlite` in the user's cache folder."""
        cache_days: float = Field(default=30.0, ge=0)
        """Days that an answer is used again; 30 covers a study and its repetition. 0 keeps nothing."""
        spacing_seconds: float = Field(default=1.5, ge=0)
        """Least time between two requests of this process in seconds; faster clients are soon limited."""
        timeout_seconds: float = Field(default=8.0, gt=0)
        """Limit of one request in seconds; the engine answers within two or not at all."""
        retries: int = Field(default=2, ge=0, le=10)
        """Further requests of a search that gave nothing, since a limit often passes in seconds."""
        backoff_seconds: float = Field(default=2.0, ge=0)
        """Pause before the first further request in seconds; it doubles each time."""
        budget_seconds: float = Field(default=20.0, gt=0)
        """Longest search in seconds, with waits and retries; below `tools.timeout_seconds`, so that a corpus can still answer."""
        failure_limit: int = Field(default=3, ge=1)
        """Searches without a result in a row after which the engine is left alone."""
        cooldown_seconds: float = Field(default=120.0, ge=0)
        """For how many seconds; then one search tries again. Limits are lifted after minutes."""
        corpus: Path | None = None
        """A corpus as `corpus_search` takes it, which answers where the engine gives nothing; None fails instead."""
        fetch_pages: bool = False
        """Also read the text of the first results' pages. Off: it takes seconds and reaches sites that strangers chose."""
        max_pages: int = Field(default=1, ge=1, le=5)
        """How many pages are read."""
        page_chars: int = Field(default=1200, ge=100)
        """Longest text of a page in characters; 1,200 leaves room for snippets in the default evidence limit."""
        page_seconds: float = Field(default=6.0, gt=0)
        """Limit of one page in seconds; pages are read at the same time."""
        private_hosts: tuple[str, ...] = ()
        """Hosts in your own network that results may link to and that may be read; all others must be public."""

    def __init__(self, options: Options) -> None:
        """Check that ddgs is installed, prepare the cache and index the corpus if there is one.

        Raises:
            ConfigError: The endpoint is no URL, the cache cannot be written or the corpus is unusable.
            ImportError: ddgs is missing.
        """
        import ddgs.engines.duckduckgo  # noqa: F401

        super().__init__(options)
        if options.endpoint and urlsplit(options.endpoint).scheme not in ("http", "https"):
            raise ConfigError(f"tools.options.web_search.endpoint = {options.endpoint!r}: it must be an http(s) URL")
        self._engine = Engine(**{part.name: getattr(options, part.name) for part in fields(Engine)})
        self._cache = WebCache(options.cache or cache_dir() / "web_search.sqlite", options.cache_days)
        self._cache.prepare()
        self._corpus = _open_corpus(options.corpus) if options.corpus else None
        self._reader = PageReader(options.page_seconds, options.private_hosts)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, args: Args, case: Case) -> Finding:
        """Quote the results, best first.

        Raises:
            ToolError: Neither the engine nor the corpus gave anything; says why.
        """
        query = " ".join("".join(char if char.isprintable() else " " for char in args.query).split())
        if not query:
            raise ToolError(f"the query {args.query!r} has no word")
        try:
            results = (await self._find_results(query))[: args.num_results]
        except SearchFailed as error:
            return await self._ask_corpus(query, args.num_results, str(error))
        pages = await self._read_pages(results) if self.options.fetch_pages else []
        quotes = [f"[{rank}] {item['title']}\n{item['href']}\n{item['body']}" for rank, item in enumerate(results, start=1)]
        return Finding(content="\n\n".join((*quotes, *pages)))

    async def _find_results(self, query: str) -> list[Result]:
        """Take the results from the cache or the engine; equal queries at the same time ask once."""
        key = ("search", self.options.endpoint or "", self.options.region, query)
        lock = self._locks.setdefault(query, asyncio.Lock())
        async with lock:
            results = await asyncio.to_thread(self._cache.get, *key)
            if not results:
                results = self._usable(await self._engine.search(query))
                await asyncio.to_thread(self._cache.put, results, *key)
        return list(results)

    def _usable(self, found: list[Result]) -> list[Result]:
        """Drop results whose link leads to no public page.

        Raises:
            SearchFailed: None is left.
        """
        results = []
        for item in found:
            try:
                link = str(check_url(_target_of(item["href"]), self.options.private_hosts))
            except ToolError:
                continue
            texts = {key: shorten(item[key], MAX_SNIPPET_CHARS) for key in ("title", "body")}
            results.append({**texts, "href": link})
        if not results:
            raise SearchFailed("the search engine gave only results whose links lead to no public page")
        return results

    async def _read_pages(self, results: list[Result]) -> list[str]:
        links = [item["href"] for item in results[: self.options.max_pages]]
        texts = await asyncio.gather(*(self._read_page(rank, link) for rank, link in enumerate(links, start=1)))
        return [f"[page of {rank}]\n{text}" for rank, text in enumerate(texts, start=1)]

    async def _read_page(self, rank: int, link: str) -> str:
        """A page's text from the cache or the web; a page that cannot be read says so and spoils nothing else."""
        text = await asyncio.to_thread(self._cache.get, "page", link)
        if text is None:
            try:
                text = await self._reader.read(link)
            except ToolError as error:
                return f"(not read: {error})"
            await asyncio.to_thread(self._cache.put, text, "page", link)
        return shorten(str(text), self.options.page_chars, f"page {rank}") or "(no text)"

    async def _ask_corpus(self, query: str, num_results: int, reason: str) -> Finding:
        if self._corpus is None:
            raise ToolError(reason)
        try:
            passages = await self._corpus.search(query, num_results)
        except ToolError as error:
            raise ToolError(f"{reason}; the local corpus failed too: {error}") from error
        if not passages:
            raise ToolError(f"{reason}; the local corpus has no passage that matches either")
        return Finding(content=f"(from the local corpus, not the web: {reason})\n\n{quote(passages)}")


def _open_corpus(path: Path) -> CorpusSearch:
    try:
        return CorpusSearch(CorpusSearch.Options(path=path))
    except ConfigError as error:
        raise ConfigError(f"tools.options.web_search.corpus: {error}") from error


def _target_of(link: str) -> str:
    """The page that a result's link leads to; DuckDuckGo sometimes wraps it in a link to itself."""
    full = f"https:{link}" if link.startswith("//") else link
    try:
        url = URL(full)
    except ValueError:
        return full
    if url.host in ("duckduckgo.com", "html.duckduckgo.com") and url.path == "/l/":
        return url.query.get("uddg", full)
    return full
