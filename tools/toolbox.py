"""The toolbox: runs the chosen tool calls side by side, with limits, once per run."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from anyprefer import telemetry
from anyprefer.backends.calls import CallSite, CallStore, StoredCall, call_key
from anyprefer.data.task_digest import digest_task
from anyprefer.errors import ToolError
from anyprefer.shortening import note_cuts, watch_cuts
from anyprefer.tools.base import Case, Tool
from anyprefer.types import Candidate, Cut, Evidence, Finding, Reply, Task, ToolCall

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Toolbox:
    """The tools of a recipe and their shared limits."""

    tools: Mapping[str, Tool]
    timeout_seconds: float
    calls: CallStore
    setups: Mapping[str, str] = field(default_factory=dict)
    """Tool -> how it is set up; what was found under another setup, or about a task that said something else, is found anew."""

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
        request = {
            "args": call.args,
            "candidate": _keyed(candidate) if candidate else None,
            "candidates": [_keyed(item) for item in candidates],
        }
        key, about = call_key(site, request), self._about(call.tool, task)
        stored = await self.calls.get(key)
        if stored is None or stored.reply.get("about", about) != about:
            stored = await self._run(key, site, call, Case(task, tuple(candidates), candidate))
            stored.reply["about"] = about
            await self.calls.put(stored)
        note_cuts(map(Cut.model_validate, stored.reply.get("cuts", ())))
        return Evidence(call=call, finding=_read_finding(stored.reply), ok=stored.reply["ok"], seconds=stored.seconds)

    def _about(self, tool: str, task: Task) -> str:
        """What a finding depends on beyond its call's key: everything that the tool is told and could look at."""
        return hashlib.blake2b(f"{digest_task(task)} {self.setups.get(tool, '')}".encode(), digest_size=8).hexdigest()

    async def _run(self, key: str, site: CallSite, call: ToolCall, case: Case) -> StoredCall:
        start = time.perf_counter()
        cuts: list[Cut] = []
        try:
            with telemetry.span(f"execute_tool {call.tool}", gen_ai__tool__name=call.tool), watch_cuts("tools") as cuts:
                async with asyncio.timeout(self.timeout_seconds):
                    finding, ok = await run_tool(self.tools[call.tool], call.args, case), True
        except TimeoutError:
            finding, ok = Finding(content=f"no answer within {self.timeout_seconds:g} seconds"), False
        except (ToolError, ValidationError) as error:
            finding, ok = Finding(content=str(error)), False
        except Exception as error:  # a tool is foreign code: its crash is evidence, not the end of the task
            logger.warning("tool %r crashed on task %r", call.tool, case.task.id, exc_info=True)
            finding, ok = Finding(content=f"{type(error).__name__}: {error}"), False
        if self.tools[call.tool].quotes:
            finding = finding.model_copy(update={"is_quote": True})
        reply = {"finding": _encodable(finding).model_dump(mode="json"), "ok": ok}
        if cuts and ok:
            reply["cuts"] = [{**cut.model_dump(), "what": f"{cut.what} of {_name(call)}"} for cut in cuts]
        return StoredCall(key, site, "tool", reply, seconds=time.perf_counter() - start)


async def run_tool(tool: Tool, args: Mapping[str, Any], case: Case) -> Finding:
    """Check the arguments and run a tool.

    Raises:
        ToolError: The tool could not answer, or gave something that is no finding about this case.
        ValidationError: The arguments do not fit.
    """
    found: object = await tool.run(tool.Args.model_validate(args), case)
    if isinstance(found, str):
        return Finding(content=found)
    if not isinstance(found, Finding):
        raise ToolError(f"the tool gave a {type(found).__name__}, neither a text nor a Finding")
    if case.candidate is None and found.supports is not None:
        raise ToolError("the tool speaks for or against a response, but was asked about the task: its scope must be 'candidate'")
    return found


def _name(call: ToolCall) -> str:
    return f"{call.tool} on " + ("the task" if call.candidate is None else f"response {call.candidate + 1}")


def _keyed(candidate: Candidate) -> Any:
    """A candidate as the calls' keys know it: by what tools see of it."""
    output = candidate.output
    return output.text if isinstance(output, Reply) else output.model_dump(mode="json")


def _read_finding(reply: Mapping[str, Any]) -> Finding:
    """A stored finding; a journal of an earlier version holds its text alone."""
    return Finding.model_validate(reply["finding"] if "finding" in reply else {"content": reply["content"]})


def _encodable(finding: Finding) -> Finding:
    """Replace lone surrogates, which journals and records cannot hold."""
    text = json.dumps(finding.model_dump(), ensure_ascii=False)
    return Finding.model_validate_json(text.encode("utf-8", "replace"))
