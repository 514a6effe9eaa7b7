"""Links are shown and followed only where they lead to the public web, whatever way a private place is spelt."""

import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver

from anyprefer.errors import ToolError
from anyprefer.tools.web.guard import GuardedResolver, check_url, is_public


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
        "http://017700000001/", "http://0/", "http://0.0.0.0/", "http://127.0.0.1./", "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a00:1]/", "http://[::127.0.0.1]/",
        "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fc00::1]/", "http://[fec0::1]/", "http://[ff02::1]/",
        "http://[2002:7f00:1::]/", "http://[64:ff9b::7f00:1]/", "http://[2001:db8::1]/",
        "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/", "http://224.0.0.1/", "http://240.0.0.1/", "http://255.255.255.255/", "http://192.0.2.1/",
        "http://198.18.0.1/", "http://localhost/", "http://LOCALHOST:8080/", "http://localhost./", "http://a.localhost/",
        "http://printer.local/", "http://vault.internal/", "http://router.lan/", "http://intranet/",
    ],
)  # fmt: skip
def test_private_hosts_are_refused(link):
    with pytest.raises(ToolError, match="its host is not public"):
        check_url(link)


@pytest.mark.parametrize(
    "link",
    [
        "file:///etc/passwd", "ftp://example.org/x", "gopher://example.org/", "javascript:alert(1)", "data:text/html,x",
        "//example.org/x", "/x", "x", "", "http:///x", "http://", "HTTPX://example.org/",
    ],
)  # fmt: skip
def test_other_schemes_are_refused(link):
    with pytest.raises(ToolError, match="only http and https"):
        check_url(link)


@pytest.mark.parametrize(
    "link",
    [
        "http://example.org:99999/", "http://[::1", "http://exa mple.org/", "http://example.org/\r\nHost: x", "http://127.0.0.1:80\t/",
        "http://example.org\\@127.0.0.1/", "http://example.org/\x00", "https://example.org/" + "a" * 5000,
    ],
)  # fmt: skip
def test_malformed_links_are_refused(link):
    with pytest.raises(ToolError, match="malformed"):
        check_url(link)


@pytest.mark.parametrize("link", ["http://user:secret@example.org/", "http://user@example.org/", "http://:secret@example.org/"])
def test_credentials_are_refused_and_not_repeated(link):
    with pytest.raises(ToolError, match="credentials") as caught:
        check_url(link)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "link",
    [
        "http://example.org",
        "HTTPS://Example.ORG:8443/a?b=c#d",
        "http://1.1.1.1/",
        "http://[2606:4700::1111]/",
        "https://bücher.example.org/ä",
    ],
)
def test_public_links_are_accepted(link):
    assert check_url(link).scheme in ("http", "https")


def test_a_named_private_host_is_accepted_and_no_other():
    assert check_url("http://127.0.0.1:8080/x", ("127.0.0.1",)).port == 8080
    with pytest.raises(ToolError):
        check_url("http://127.0.0.2:8080/x", ("127.0.0.1",))


@pytest.mark.parametrize(
    ("address", "public"), [("8.8.8.8", True), ("::ffff:8.8.8.8", True), ("::ffff:10.0.0.1", False), ("2002:808:808::", True)]
)
def test_embedded_addresses_count(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


class Names(AbstractResolver):
    """A name server that gives the next answer of a list each time."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        entry = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [{**entry, "host": address} for address in self.answers.pop(0)]

    async def close(self):
        pass


async def test_a_name_that_leads_to_a_private_address_is_refused():
    for answer in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["fe80::1%eth0"]):
        with pytest.raises(ToolError, match="not public"):
            await GuardedResolver(inner=Names(answer)).resolve("evil.example.org", 80)


async def test_every_look_up_is_judged_anew():
    resolver = GuardedResolver(inner=Names(["8.8.8.8"], ["127.0.0.1"]))
    assert [entry["host"] for entry in await resolver.resolve("rebind.example.org", 80)] == ["8.8.8.8"]
    with pytest.raises(ToolError, match="not public"):
        await resolver.resolve("rebind.example.org", 80)


async def test_the_systems_resolver_is_judged_too():
    resolver = GuardedResolver()
    with pytest.raises(ToolError, match="not public"):
        await resolver.resolve("localhost", 80)
    await resolver.close()
