"""Pages are read within limits on where, how much and how long, and only their text comes back."""

import asyncio
import gzip
import socket

import pytest
from aiohttp.abc import AbstractResolver
from loopback_web import LoopbackWeb

from anyprefer.errors import ToolError
from anyprefer.tools.web.pages import MAX_BYTES, PageReader, page_text

HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture
def web():
    with LoopbackWeb() as server:
        yield server


def reader(seconds=5.0, private_hosts=("127.0.0.1",), resolver=None):
    return PageReader(seconds, private_hosts, resolver)


class Loopback(AbstractResolver):
    """A name server for which every name is this machine."""

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


async def test_the_text_of_a_page_is_read(web):
    body = "<title>x</title><script>evil()</script><nav>menu</nav><h1>Ants</h1><p>Six   legs,<br>äöü.</p><!-- no -->"
    web.pages["/"] = (200, HTML, body.encode())
    assert await reader().read(f"{web.url}/") == "Ants\nSix legs,\näöü."


async def test_plain_text_is_read_as_it_is(web):
    web.pages["/a"] = (200, {"Content-Type": "text/plain; charset=latin-1"}, "<b>ä</b>".encode("latin-1"))
    assert await reader().read(f"{web.url}/a") == "<b>ä</b>"


async def test_redirects_are_followed_and_checked(web):
    web.pages["/1"] = (302, {"Location": "/2"}, b"")
    web.pages["/2"] = (200, HTML, b"<p>here</p>")
    assert await reader().read(f"{web.url}/1") == "here"


@pytest.mark.parametrize(
    "place",
    ["http://localhost:{port}/secret", "http://2130706433:{port}/secret", "http://[::ffff:127.0.0.1]:{port}/secret",
     "http://127.0.0.2:{port}/secret", "file:///etc/passwd", "http://u:p@127.0.0.1:{port}/secret", "//169.254.169.254/"],
)  # fmt: skip
async def test_a_redirect_to_a_private_place_is_refused(web, place):
    web.pages["/1"] = (302, {"Location": place.format(port=web.port)}, b"")
    web.pages["/secret"] = (200, HTML, b"secret")
    with pytest.raises(ToolError, match="link refused"):
        await reader().read(f"{web.url}/1")
    assert web.paths == ["/1"]


async def test_endless_redirects_end(web):
    web.pages["/1"] = (302, {"Location": "/1"}, b"")
    with pytest.raises(ToolError, match="more than 3 times"):
        await reader().read(f"{web.url}/1")
    assert len(web.paths) == 4


async def test_a_name_that_leads_to_this_machine_is_not_connected_to(web):
    web.pages["/"] = (200, HTML, b"secret")
    with pytest.raises(ToolError, match="not public"):
        await reader(resolver=Loopback()).read(f"http://rebind.example.org:{web.port}/")
    assert web.paths == []


async def test_the_connection_goes_to_the_judged_address(web):
    web.pages["/"] = (200, HTML, b"<p>wiki</p>")
    found = await reader(private_hosts=("wiki.example.org",), resolver=Loopback()).read(f"http://wiki.example.org:{web.port}/")
    assert found == "wiki"


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ((404, HTML, b""), "status 404"),
        ((200, {"Content-Type": "application/pdf"}, b"%PDF"), "application/pdf"),
        ((200, {**HTML, "Content-Encoding": "gzip"}, gzip.compress(b"x" * 1000)), "compressed"),
        ((302, {}, b""), "status 302"),
    ],
)
async def test_other_answers_are_refused(web, page, reason):
    web.pages["/"] = page
    with pytest.raises(ToolError, match=reason):
        await reader().read(f"{web.url}/")


async def test_a_huge_page_is_cut(web):
    web.pages["/"] = (200, {"Content-Type": "text/plain"}, b"x" * (3 * MAX_BYTES))
    assert len(await reader().read(f"{web.url}/")) == MAX_BYTES


async def test_an_endless_page_is_left_when_enough_is_read():
    async def pour(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert len(await reader(seconds=20).read(f"http://127.0.0.1:{port}/")) == MAX_BYTES
        await asyncio.sleep(0.1)  # for the writer to see that its reader has gone


async def test_a_slow_page_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ToolError, match=r"within 0\.3 seconds"):
        await reader(seconds=0.3).read(f"http://127.0.0.1:{silent.getsockname()[1]}/")


async def test_a_closed_port_is_explained():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ToolError, match="cannot be read"):
        await reader().read(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"\0\0", b"<", b"<!DOCTYPE x [<!ENTITY a 'b'>]>&a;", b"<p>" * 100_000, b"\xff\xfe\x00"]
)
def test_broken_html_yields_text(body):
    assert isinstance(page_text(body, "text/html", None), str)
    assert isinstance(page_text(body, "text/html", "no-such-charset"), str)
