"""Run the command line with a SIGKILL planted: `put:N` and `delete:N` at the N-th checkpoint write or thread deletion,
`enter:NODE` and `leave:NODE` around the first call of a node, `before:MODULE:CLASS.METHOD` and `after:...` around the first call
of a method, `task:ID` whenever a task comes to be scored; `error:ID` raises an unexpected error there instead."""

import importlib
import inspect
import os
import signal
import sys
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from anyprefer.cli import main
from anyprefer.graph.nodes import Nodes


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(method: str, number: int) -> None:
    original, seen = getattr(AsyncSqliteSaver, method), 0

    async def planted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            die()
        return await original(self, *args, **kwargs)

    setattr(AsyncSqliteSaver, method, planted)


def kill_around_node(edge: str, node: str) -> None:
    original = getattr(Nodes, node)

    async def planted(self: Nodes, state: Any) -> Any:
        if edge == "enter":
            die()
        update = await original(self, state)
        die()
        return update

    planted.__name__ = node
    setattr(Nodes, node, planted)


def kill_around_method(edge: str, path: str) -> None:
    module, _, name = path.partition(":")
    owner = getattr(importlib.import_module(module), name.partition(".")[0])
    method = name.partition(".")[2]
    original = getattr(owner, method)

    def planted(*args: Any, **kwargs: Any) -> Any:
        if edge == "before":
            die()
        original(*args, **kwargs)
        die()

    async def planted_async(*args: Any, **kwargs: Any) -> Any:
        if edge == "before":
            die()
        await original(*args, **kwargs)
        die()

    setattr(owner, method, planted_async if inspect.iscoroutinefunction(original) else planted)


def fail_on_task(place: str, task_id: str) -> None:
    original = Nodes.score_candidates

    async def score_candidates(self: Nodes, state: Any) -> Any:
        if state["task"].id == task_id:
            if place == "task":
                die()
            raise RuntimeError("planted")
        return await original(self, state)

    Nodes.score_candidates = score_candidates  # type: ignore[method-assign]


place, _, what = sys.argv.pop(1).partition(":")
if place in ("put", "delete"):
    kill_at_call({"put": "aput", "delete": "adelete_thread"}[place], int(what))
elif place in ("task", "error"):
    fail_on_task(place, what)
elif place in ("before", "after"):
    kill_around_method(place, what)
elif place:
    kill_around_node(place, what)
main()
