"""Try a sandbox out: a program that reaches for everything runs in it, and the outside is looked at afterwards."""

import json
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from anyprefer.errors import ToolError
from anyprefer.tools.python.sandbox_process import Limits, SandboxProcess

# A leak must do no harm: what is written outside is a file of this run, or has no name and is gone at once.
Prepare = Callable[[str, Limits, Mapping[str, str]], SandboxProcess]

PROBE = """
import json, os, socket, sys

facts = json.load(open("facts.json"))

def connect():
    socket.create_connection(("127.0.0.1", facts["port"]), timeout=2).close()

attempts = {
    "reads files outside": lambda: open(facts["file"]).read(),
    "writes files outside": lambda: open(facts["file"], "a").write("reached"),
    "writes beside the interpreter": lambda: os.close(os.open(sys.prefix, os.O_TMPFILE | os.O_WRONLY)),
    "writes to its root": lambda: os.close(os.open("/", os.O_TMPFILE | os.O_WRONLY)),
    "reaches the network": connect,
}
found = []
for name, attempt in attempts.items():
    try:
        attempt()
    except Exception:
        continue
    found.append(name)
print(facts["name"], ", ".join(found), sep="")
"""


def find_leaks(prepare: Prepare) -> str | None:
    """What a program could do in a sandbox although it must not, or why it did not run at all; None where all is well."""
    token = f"anyprefer-probe-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        file = Path(folder, "outside.txt")
        file.write_text(token)
        file.chmod(0o666)  # so that the sandbox, not the file's mode, is what holds
        Path(folder).chmod(0o755)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0)
        facts = {"file": str(file), "port": listener.getsockname()[1], "name": token}
        try:
            outcome = prepare(PROBE, Limits(), {"facts.json": json.dumps(facts)}).run()
        except (ToolError, OSError) as error:
            return str(error)
        if not outcome.stdout.startswith(token):
            return f"a program does not run in it: {outcome.stderr.strip()[-200:] or outcome.reason}"
        leaks = outcome.stdout.strip().removeprefix(token)
        if leaks or file.read_text() != token or _was_reached(listener):
            return f"a program in it {leaks or 'reaches outside'}"
    return None


def _was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
