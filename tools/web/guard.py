"""Decide which web addresses may be shown or read: public ones only.

A search result is text by a stranger, and its link may point into the network that this program runs in: at a router, a
database or a cloud's metadata service. `check_url` judges what the text of a link says; `GuardedResolver` judges every address
that a connection is about to use, so that a name which answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Collection

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from anyprefer.errors import ToolError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARS = 2000
"""Longest link; browsers and servers take no more."""
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\\]")
_PRIVATE_ZONES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
"""Names that are never on the public internet (RFC 6761, 6762, 8375 and ICANN's reserved ones)."""


def is_public(address: Address) -> bool:
    """Whether an address is reachable for everyone and belongs to one machine.

    An IPv6 address that embeds an IPv4 address (mapped, 6to4, Teredo) is as public as the embedded one; `64:ff9b::/96` and other
    reserved ranges are refused.
    """
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        embedded = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
        if embedded is not None:
            return is_public(embedded)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def check_url(text: str, private_hosts: Collection[str] = ()) -> URL:
    """Parse a link and judge what can be judged without asking a name server.

    Args:
        text: A link as a search engine or a page gave it.
        private_hosts: Hosts that are allowed wherever they are.

    Raises:
        ToolError: The link is malformed, not http(s), holds credentials, or names a host that is not public.
    """
    if len(text) > MAX_URL_CHARS or _BLANK_OR_CONTROL.search(text):
        raise ToolError(f"link refused, it is malformed: {text[:80]!r}")
    try:
        url = URL(text)
    except ValueError as error:
        raise ToolError(f"link refused, it is malformed: {text[:80]!r}") from error
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise ToolError(f"link refused, only http and https are followed: {text[:80]!r}")
    if url.raw_user is not None or url.raw_password is not None:
        raise ToolError(f"link refused, it holds credentials: {url.scheme}://...@{url.raw_host}")
    if url.raw_host not in private_hosts and not _may_be_public(url.raw_host):
        raise ToolError(f"link refused, its host is not public: {url.raw_host!r}")
    return url


def _may_be_public(host: str) -> bool:
    """False for private names and addresses; True for names that only a name server can judge."""
    address = read_address(host)
    if address is not None:
        return is_public(address)
    name = host.rstrip(".").lower()
    return "." in name and not any(name == zone or name.endswith(f".{zone}") for zone in _PRIVATE_ZONES)


def read_address(host: str) -> Address | None:
    """The address that a host is, also in the old forms that connecting understands: `2130706433`, `0x7f.1`, `0177.0.0.1`."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, UnicodeEncodeError):
        return None


class GuardedResolver(AbstractResolver):
    """Resolve names for a connection and refuse one if any of its addresses is not public.

    The connection goes to the very addresses that were judged here: there is no second look-up in between.
    """

    def __init__(self, private_hosts: Collection[str] = (), inner: AbstractResolver | None = None) -> None:
        self._private_hosts = private_hosts
        self._inner = inner or ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Look a name up and judge every address.

        Raises:
            ToolError: An address is not public.
            OSError: The name is not known.
        """
        found = await self._inner.resolve(host, port, family)
        if host not in self._private_hosts:
            for entry in found:
                address = read_address(entry["host"])
                if address is None or not is_public(address):
                    raise ToolError(f"link refused, {host!r} leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()
