"""What a hostile program cannot do from the sandbox, looked at from outside, and what the sandbox leaves behind: nothing."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import pytest
from escapes import BOMBS, ESCAPES, FILTERED, PRELUDE

import anyprefer.tools.python.sandbox
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.python.sandbox import Sandbox, preferred_isolations
from anyprefer.tools.python.sandbox_process import Limits

ALLOW_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
"""A filter that lets every call through, so that the namespaces have to hold alone."""

LAYERS = ["namespaces", "bubblewrap"]


class Outside:
    """The world that a program must not touch: servers, files and a process, with what they look like untouched."""

    def __init__(self, folder):
        self.name = f"sbx{secrets.token_hex(5)}"
        self.secret = f"secret-{secrets.token_hex(8)}"
        self.folder = folder
        folder.chmod(0o755)
        self.file = folder / "outside.txt"
        self.file.write_text(self.secret)
        self.file.chmod(0o666)
        self.inherited = os.open(self.file, os.O_RDWR)
        os.set_inheritable(self.inherited, True)
        self.tcp = self.listen(socket.AF_INET, ("127.0.0.1", 0))
        self.listeners = [
            self.tcp,
            self.listen(socket.AF_UNIX, str(folder / "unix")),
            self.listen(socket.AF_UNIX, "\0" + self.name),
        ]
        (folder / "unix").chmod(0o777)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.setblocking(False)
        self.library = Path(os.__file__).stat()
        self.bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
        self.bystander.send_signal(signal.SIGSTOP)  # any signal from inside would show
        self.host = socket.gethostname()

    def listen(self, family, address):
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen()
        listener.setblocking(False)
        return listener

    def facts(self):
        shown = [*sys.path, sys.base_prefix, sysconfig.get_path("purelib"), anyprefer.tools.python.sandbox.__file__, "/opt/x"]
        parts = {part for path in shown for part in Path(os.path.realpath(path)).parts}
        return {
            "name": self.name,
            "file": str(self.file),
            "unix": str(self.folder / "unix"),
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "home": str(Path.home()),
            "package": str(Path(anyprefer.tools.python.sandbox.__file__).parent),
            "parent": os.getpid(),
            "bystander": self.bystander.pid,
            "ways": sorted(parts - {"outside.txt", self.folder.name}),
        }

    def processes(self):
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = path.read_text()
                if text[text.index("(") + 1 : text.rindex(")")] == self.name:
                    found.append(path.parent)
        return found

    def memory_bytes(self):
        pages = 0
        for path in self.processes():
            with contextlib.suppress(OSError):
                pages += int((path / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def assert_untouched(self):
        for listener in self.listeners:
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            self.udp.recv(100)
        assert self.file.read_text() == self.secret
        assert self.file.stat().st_mode & 0o777 == 0o666
        assert sorted(path.name for path in self.folder.iterdir()) == ["outside.txt", "unix"]
        assert self.bystander.poll() is None
        status = Path(f"/proc/{self.bystander.pid}/status").read_text()
        assert "State:\tT (stopped)" in status
        assert "TracerPid:\t0" in status
        assert not [path for path in self.traces() if path.exists()]
        assert Path(os.__file__).stat() == self.library
        assert socket.gethostname() == self.host
        assert self.processes() == []

    def traces(self):
        """Where the programs try to leave a file of their name."""
        package = Path(anyprefer.tools.python.sandbox.__file__).parent
        return [Path(folder, self.name) for folder in (Path.home(), "/tmp", "/etc", "/", "/dev/shm", package, *sys.path)]

    def close(self):
        for path in filter(Path.exists, self.traces()):
            path.rmdir() if path.is_dir() else path.unlink()
        self.bystander.kill()
        self.bystander.wait()
        os.close(self.inherited)
        for item in (*self.listeners, self.udp):
            item.close()


def make_sandbox(layer, max_concurrent=2):
    isolation = layer.split()[0]
    if isolation not in preferred_isolations():
        pytest.skip(f"this user's programs never run in {isolation}")
    try:
        made = Sandbox(max_concurrent, (isolation,))
    except ConfigError as error:
        pytest.skip(str(error))
    if layer.endswith("without filter"):
        made._filter = ALLOW_EVERYTHING
    return made


def limits_for(reasons):
    """Short for what only ends at the deadline, long for what a busy machine may delay."""
    wall_seconds = 1.0 if reasons == {"timeout"} else 10.0
    return Limits(1, wall_seconds, memory_mb=96, num_processes=6, file_mb=4, scratch_mb=8, output_bytes=2000)


@pytest.fixture(params=LAYERS)
def layer(request):
    return request.param


@pytest.fixture
def sandbox(layer):
    made = make_sandbox(layer)
    yield made
    made.close()


@pytest.fixture
def outside(monkeypatch):
    folder = Path(tempfile.mkdtemp())  # not pytest's: its mode would keep the sandbox's user out by itself
    made = Outside(folder)
    monkeypatch.setenv("SECRET_OF_THE_PARENT", made.secret)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("layer", [*LAYERS, "namespaces without filter"], indirect=True)
@pytest.mark.parametrize("name", ESCAPES)
async def test_no_escape_by(sandbox, layer, outside, name):
    files = {"facts.json": json.dumps(outside.facts())}
    outcome = await sandbox.run_program(PRELUDE + ESCAPES[name], files=files)
    assert "tried:" in outcome.stdout, outcome
    assert "Traceback" not in outcome.stderr
    assert outside.secret not in outcome.stdout + outcome.stderr
    if layer != "namespaces without filter" or name not in FILTERED:
        assert "ESCAPED" not in outcome.stdout
    outside.assert_untouched()


@pytest.mark.parametrize("name", BOMBS)
async def test_limits_hold_against(sandbox, outside, name):
    source, reasons = BOMBS[name]
    limits = limits_for(reasons)
    files = {"facts.json": json.dumps(outside.facts())}
    start = time.perf_counter()
    run = asyncio.create_task(sandbox.run_program(PRELUDE + source, limits, files))
    num_processes, memory = 0, 0
    while not run.done():
        await asyncio.sleep(0.05)
        num_processes = max(num_processes, len(outside.processes()))
        memory = max(memory, outside.memory_bytes())
    outcome = await run
    assert "ESCAPED" not in outcome.stdout
    assert outcome.reason in reasons, outcome
    assert outcome.reason != "finished" or outcome.exit_code == 0, outcome
    assert time.perf_counter() - start < limits.wall_seconds + 30
    assert num_processes <= limits.num_processes
    assert memory < limits.num_processes * (limits.memory_mb << 20)
    assert len(outcome.stdout) <= limits.output_bytes
    assert len(outcome.stderr) <= limits.output_bytes
    outside.assert_untouched()


async def test_program_sees_its_files_and_prints_unicode(sandbox):
    files = {"data.txt": "naïve ☃ ﬁ", "odd name.txt": "\ud800"}
    outcome = await sandbox.run_program("print(open('data.txt').read(), open('odd name.txt').read(), 'äß')", files=files)
    assert outcome.stdout == "naïve ☃ ﬁ ? äß\n"
    assert (outcome.reason, outcome.exit_code, outcome.signal, outcome.stderr) == ("finished", 0, None, "")


async def test_ordinary_programs_run(sandbox):
    source = """
import json, math, multiprocessing, random, statistics, subprocess, tempfile, threading, decimal
with tempfile.TemporaryFile() as file:
    file.write(b"x")
with multiprocessing.Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
print(subprocess.run(["echo", "shell"], capture_output=True, text=True, check=True).stdout.strip())
"""
    outcome = await sandbox.run_program(source)
    assert outcome.stdout == "[1, 2]\nthread\nshell\n", outcome


async def test_exit_codes_and_signals_are_reported(sandbox):
    assert (await sandbox.run_program("raise SystemExit(7)")).exit_code == 7
    outcome = await sandbox.run_program("import os; os.kill(os.getpid(), 11)")
    assert (outcome.reason, outcome.signal, outcome.exit_code) == ("signal", 11, None)
    assert (await sandbox.run_program("1 / 0")).stderr.endswith("ZeroDivisionError: division by zero\n")


async def test_scratch_folders_share_nothing(sandbox):
    await sandbox.run_program("open('/tmp/left', 'w').write('x')")
    outcome = await sandbox.run_program("import os; print(os.path.exists('/tmp/left'))")
    assert outcome.stdout == "False\n"


async def test_nothing_is_left_behind(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_files_and_mounts()
    for source in ("print(1)", "1 / 0", "import os; os.fork(); os.setsid()", "import time; time.sleep(60)"):
        await sandbox.run_program(source, Limits(wall_seconds=0.5))
    assert open_files_and_mounts() == before
    assert list(tmp_path.iterdir()) == []
    assert zombies() == []


def open_files_and_mounts():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir()), Path("/proc/self/mounts").read_text()


def zombies():
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) in (1, os.getpid()):
                found.append(path.parent.name)
    return found


async def test_cancelling_kills_the_program(sandbox, outside):
    source = PRELUDE + "os.fork()\ntime.sleep(60)"
    run = asyncio.create_task(sandbox.run_program(source, files={"facts.json": json.dumps(outside.facts())}))
    await wait_until(lambda: len(outside.processes()) == 2)
    start = time.perf_counter()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert time.perf_counter() - start < 30  # the program sleeps for a minute
    outside.assert_untouched()
    assert (await sandbox.run_program("print(1)")).stdout == "1\n"


async def test_cancelling_at_any_moment_leaves_nothing(sandbox, outside):
    before = open_files_and_mounts()
    for delay in (0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
        source = PRELUDE + "time.sleep(60)"
        run = asyncio.create_task(sandbox.run_program(source, files={"facts.json": json.dumps(outside.facts())}))
        await asyncio.sleep(delay)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    outside.assert_untouched()
    assert open_files_and_mounts() == before
    assert zombies() == []


async def test_killed_parent_takes_its_programs_along(layer, outside):
    make_sandbox(layer).close()
    script = (
        "import asyncio, sys\nfrom anyprefer.tools.python.sandbox import Sandbox\n"
        f"asyncio.run(Sandbox(1, ({layer.split()[0]!r},)).run_program(sys.argv[1], files={{'facts.json': sys.argv[2]}}))"
    )
    arguments = [sys.executable, "-c", script, PRELUDE + "time.sleep(60)", json.dumps(outside.facts())]
    parent = start_process(arguments)
    try:
        await wait_until(outside.processes)
    finally:
        parent.kill()
        parent.wait()
    await wait_until(lambda: not outside.processes())


def start_process(arguments):
    return subprocess.Popen(arguments)


async def wait_until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


async def test_only_so_many_run_at_once(layer, outside):
    sandbox = make_sandbox(layer, max_concurrent=2)
    files = {"facts.json": json.dumps(outside.facts())}
    runs = asyncio.gather(*(sandbox.run_program(PRELUDE + "time.sleep(0.4)", files=files) for _ in range(6)))
    most = 0
    while not runs.done():
        most = max(most, len(outside.processes()))
        await asyncio.sleep(0.02)
    assert most == 2
    assert {outcome.exit_code for outcome in await runs} == {0}
    sandbox.close()


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", "", "."])
async def test_scratch_names_stay_in_the_folder(sandbox, name):
    with pytest.raises(ToolError, match="plain name"):
        await sandbox.run_program("", files={name: "x"})


async def test_broken_set_up_runs_nothing(sandbox, layer):
    sandbox._filter = b"\xff" * 8
    with pytest.raises(ToolError, match="could not be set up"):
        await sandbox.run_program("print('ran')")


def test_no_isolation_is_refused():
    with pytest.raises(ConfigError, match="install bubblewrap, or allow unprivileged user namespaces"):
        Sandbox(isolations=())


def test_leaking_isolation_is_refused(monkeypatch, outside):
    monkeypatch.setattr(anyprefer.tools.python.sandbox, "CHILD", outside.folder / "unprotected.py")
    (outside.folder / "unprotected.py").write_text(UNPROTECTED)
    try:
        with pytest.raises(ConfigError, match=r"reads files outside, writes files outside.*reaches the network"):
            Sandbox(isolations=("namespaces",))
    finally:
        (outside.folder / "unprotected.py").unlink()


UNPROTECTED = """
import json, os, sys, tempfile
request = json.loads(sys.stdin.buffer.read())
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, text in request["files"].items():
        open(name, "w").write(text)
    code = os.waitstatus_to_exitcode(os.system(f"{sys.executable} program.py"))
    os.write(request["status_fd"], json.dumps({"started": True, "exit_code": code}).encode())
"""
