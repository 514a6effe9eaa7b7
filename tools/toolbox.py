"""The toolbox: runs the chosen tool calls side by side, with limits, once per run."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from anyprefer import telemetry
from anyprefer.backends.calls import CallSite, CallStore, StoredCall, call_key
from anyprefer.errors import ToolError
from anyprefer.tools.base import Case, Tool
from anyprefer.types import Candidate, Evidence, Task, ToolCall

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Toolbox:
    """The tools of a recipe and their shared limits."""

    tools: Mapping[str, Tool]
    timeout_seconds: float
    calls: CallStore

    async def gather(
        self, calls: Sequence[ToolCall], task: Task, candidates: Sequence[Candidate], round_: int
    ) -> tuple[Evidence, ...]:
        """Run the calls at the same time; a failed one yields evidence that says so."""
        return tuple(await asyncio.gather(*(self._evidence(call, task, candidates, round_) for call in calls)))

    async def aclose(self) -> None:
        """Close every tool."""
        for tool in self.tools.values():
            await tool.aclose()

    async def _evidence(self, call: ToolCall, task: Task, candidates: Sequence[Candidate], round_: int) -> Evidence:
        candidate = next((item for item in candidates if item.index == call.candidate), None)
        site = CallSite(task.id, call.tool, round_, f"tool/{call.candidate}")
        case = Case(task, tuple(candidates), candidate)
        texts = [item.text for item in candidates]
        key = call_key(site, {"args": call.args, "candidate": candidate.text if candidate else None, "candidates": texts})
        stored = await self.calls.get(key)
        if stored is None:
            stored = await self._run(key, site, call, case)
            await self.calls.put(stored)
        return Evidence(tool=call.tool, args=call.args, candidate=call.candidate, seconds=stored.seconds, **stored.reply)

    async def _run(self, key: str, site: CallSite, call: ToolCall, case: Case) -> StoredCall:
        tool = self.tools[call.tool]
        start = time.perf_counter()
        try:
            args = tool.Args.model_validate(call.args)
            with telemetry.span(f"execute_tool {call.tool}", gen_ai__tool__name=call.tool):
                async with asyncio.timeout(self.timeout_seconds):
                    content, ok = await tool.run(args, case), True
        except TimeoutError:
            content, ok = f"no answer within {self.timeout_seconds:g} seconds", False
        except (ToolError, ValidationError) as error:
            content, ok = str(error), False
        except Exception as error:  # a tool is foreign code: its crash is evidence, not the end of the task
            logger.warning("tool %r crashed on task %r", call.tool, case.task.id, exc_info=True)
            content, ok = f"{type(error).__name__}: {error}", False
        safe = content.encode("utf-8", "replace").decode()
        return StoredCall(key, site, "tool", {"content": safe, "ok": ok}, seconds=time.perf_counter() - start)
