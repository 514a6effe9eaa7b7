"""The example MCP server as a process of its own, reached over loopback HTTP."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

COMMAND = (sys.executable, str(Path(__file__).parent / "mcp_example.py"))
"""Starts the server over standard input and output; a port as a further argument makes it HTTP."""


class McpHttpServer:
    """A server that can be stopped and started again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen([*COMMAND, str(self._port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1200):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
