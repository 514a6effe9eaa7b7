"""Read the text of a web page that a search found, within limits on where, how much and how long."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver
from yarl import URL

from anyprefer.errors import ToolError
from anyprefer.tools.web.guard import GuardedResolver, check_url

MAX_BYTES = 1 << 20
"""Bytes of a page that are read; the text that counts stands in the first megabyte."""
MAX_REDIRECTS = 3
"""Redirects that are followed, each checked like the first link."""
CONTENT_TYPES = ("text/html", "text/plain", "application/xhtml+xml")
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": "anyprefer (evidence for a preference judge)", "Accept": "text/html, text/plain;q=0.9"}
_NOISE = ("script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "svg", "iframe", "head")
_BLOCKS = ("p", "div", "li", "tr", "br", "section", "article", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True)
class PageReader:
    """Fetches pages; nothing is kept between two of them, neither cookies nor connections."""

    seconds: float
    """Limit for one page, redirects included."""
    private_hosts: Collection[str] = ()
    resolver: AbstractResolver | None = field(default=None, repr=False)
    """Looks names up before they are judged; None is the system's."""

    async def read(self, link: str) -> str:
        """Fetch a page and return its text.

        Raises:
            ToolError: The link or a redirect is refused, or the page cannot be had or is no text.
        """
        connector = TCPConnector(
            resolver=GuardedResolver(self.private_hosts, self.resolver), use_dns_cache=False, force_close=True, limit=1
        )
        try:
            # Compressed bodies are not asked for: a small one may unpack to gigabytes.
            headers = {**_HEADERS, "Accept-Encoding": "identity"}
            async with (
                asyncio.timeout(self.seconds),
                ClientSession(connector=connector, timeout=ClientTimeout(total=self.seconds), headers=headers,
                              auto_decompress=False, trust_env=False) as session,
            ):  # fmt: skip
                body, kind, charset = await self._follow(session, check_url(link, self.private_hosts))
        except TimeoutError:
            raise ToolError(f"the page gave no answer within {self.seconds:g} seconds") from None
        except (ClientError, OSError, ValueError) as error:
            raise ToolError(f"the page cannot be read: {type(error).__name__}: {error}") from error
        return await asyncio.to_thread(page_text, body, kind, charset)

    async def _follow(self, session: ClientSession, url: URL) -> tuple[bytes, str, str | None]:
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status in _REDIRECTS and (place := answer.headers.get("Location")):
                    url = check_url(str(url.join(URL(place))), self.private_hosts)
                    continue
                return await _read_body(answer), answer.content_type, answer.charset
        raise ToolError(f"the page redirects more than {MAX_REDIRECTS} times")


async def _read_body(answer: ClientResponse) -> bytes:
    if answer.status != 200:
        raise ToolError(f"the page answered with status {answer.status}")
    if answer.content_type not in CONTENT_TYPES:
        raise ToolError(f"the page is {answer.content_type[:60]!r}, not text")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ToolError("the page came compressed although it was not asked to")
    body = bytearray()
    async for piece in answer.content.iter_chunked(1 << 16):
        body += piece
        if len(body) >= MAX_BYTES:
            break
    return bytes(body[:MAX_BYTES])


def page_text(body: bytes, kind: str, charset: str | None) -> str:
    """The readable text of a page, a line for each block; scripts, styles and navigation go."""
    if kind == "text/plain":
        return _tidy(_decode(body, charset))
    from lxml import etree, html

    if not body.strip():
        return ""
    try:
        # The parser finds the charset of a page that names it inside.
        tree = html.document_fromstring(_decode(body, charset) if charset else body, parser=html.HTMLParser(no_network=True))
    except (etree.LxmlError, ValueError):
        return _tidy(_decode(body, charset))
    for element in list(tree.iter(*_NOISE, etree.Comment, etree.ProcessingInstruction)):
        if element.getparent() is not None:
            element.drop_tree()
    for element in tree.iter(*_BLOCKS):
        element.tail = f"\n{element.tail or ''}"
    return _tidy(str(tree.text_content()))


def _decode(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.replace("\0", " ").splitlines())
    return "\n".join(line for line in lines if line)
