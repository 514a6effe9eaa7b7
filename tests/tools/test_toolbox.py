"""The toolbox runs calls with limits, keeps their findings and hands stored ones back, those of earlier versions included."""

import asyncio
import json

import pytest
from pydantic import Field

from anyprefer.backends.calls import CallSite, MemoryCalls, StoredCall, call_key
from anyprefer.shortening import shorten, watch_cuts
from anyprefer.tools.base import NoOptions, Tool, ToolArgs
from anyprefer.tools.toolbox import Toolbox
from anyprefer.types import Candidate, Cut, Finding, Task, Text, ToolCall, Trajectory

TASK = Task(prompt="Which is longest?")
RESPONSES = (Candidate(index=0, output="one"), Candidate(index=1, output="two words"))


class Length(Tool["Length.Args", NoOptions]):
    """Measures a response, or does something worse."""

    name = "length"
    description = "Measures a response."
    scope = "candidate"

    class Args(ToolArgs):
        """How."""

        most: int = Field(default=5, ge=1)
        """Most characters."""
        trouble: str = ""
        """What goes wrong."""

    def __init__(self, options):
        super().__init__(options)
        self.runs = 0
        self.num_closed = 0

    async def run(self, args, case):
        self.runs += 1
        if args.trouble == "slow":
            await asyncio.sleep(60)
        results = {
            "crash": lambda: 1 / 0,
            "text": lambda: "just text",
            "long": lambda: shorten("x" * 1000, 100, "page"),
            "nothing": lambda: None,
            "surrogate": lambda: Finding(content=(Text(text="odd \ud800"), Text(text="more"))),
            "verdict": lambda: Finding(content="right", supports=True),
        }
        if args.trouble:
            return results[args.trouble]()
        size = len(case.response(self.name).text)
        return Finding(content=f"{size} characters", supports=size <= args.most, value=size, votes=(int(size <= args.most), 1))

    async def aclose(self):
        self.num_closed += 1


@pytest.fixture
def tool():
    return Length(NoOptions())


@pytest.fixture
def calls():
    return MemoryCalls()


def gather(tool, calls, *wanted, responses=RESPONSES, seconds=5.0):
    return Toolbox({"length": tool}, seconds, calls).gather(wanted, TASK, responses, 0)


def call(candidate=0, **args):
    return ToolCall(tool="length", args=args, candidate=candidate, why="to know")


async def test_evidence_holds_the_call_and_the_finding(tool, calls):
    short, long = await gather(tool, calls, call(0), call(1))
    assert (short.call, short.finding.supports, short.finding.votes, short.ok) == (call(0), True, (1, 1), True)
    assert (long.candidate, long.text, long.finding.supports, long.finding.value) == (1, "9 characters", False, 9.0)


async def test_a_finding_is_paid_once_and_comes_back_whole(tool, calls):
    first = await gather(tool, calls, call(0), call(1))
    assert await gather(tool, calls, call(0), call(1)) == first
    assert tool.runs == 2
    assert all(json.loads(json.dumps(stored.reply)) == stored.reply for stored in calls.calls.values())


async def test_the_text_of_an_earlier_version_is_read_as_a_silent_finding(tool, calls):
    site = CallSite(TASK.id, "length", 0, "tool/1")
    key = call_key(site, {"args": {"most": 3}, "candidate": "two words", "candidates": ["one", "two words"]})
    await calls.put(StoredCall(key, site, "tool", {"content": "9 characters", "ok": True}, seconds=1.5))
    [evidence] = await gather(tool, calls, call(1, most=3))
    assert (evidence.finding, evidence.ok, evidence.seconds) == (Finding(content="9 characters"), True, 1.5)
    assert tool.runs == 0


async def test_trajectories_that_read_alike_are_told_apart(tool, calls):
    moves = [Candidate(index=0, output=Trajectory(actions=((step,),))) for step in (0.0, 1.0)]
    assert moves[0].text == moves[1].text
    for move in moves:
        await gather(tool, calls, call(0), responses=(move,))
    assert tool.runs == 2


async def test_a_text_alone_is_a_silent_finding(tool, calls):
    [evidence] = await gather(tool, calls, call(0, trouble="text"))
    assert (evidence.finding, evidence.ok) == (Finding(content="just text"), True)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (call(0, trouble="crash"), "ZeroDivisionError: division by zero"),
        (call(0, trouble="nothing"), "the tool gave a NoneType, neither a text nor a Finding"),
        (call(0, trouble="slow"), "no answer within 0.2 seconds"),
        (call(0, most=0), "greater than or equal to 1"),
        (call(0, no_such=1), "Extra inputs are not permitted"),
        (call(None), "the tool 'length' reads a response and got none: call it once per candidate"),
        (call(None, trouble="verdict"), "its scope must be 'candidate'"),
    ],
)
async def test_a_failed_call_is_a_silent_finding_that_says_why(tool, calls, wanted, reason):
    [evidence] = await gather(tool, calls, wanted, seconds=0.2)
    assert reason in evidence.text
    assert not evidence.ok
    assert evidence.finding == Finding(content=evidence.text)
    assert await gather(tool, calls, wanted, seconds=0.2) == (evidence,)


async def test_what_a_tool_shortened_is_told_again_where_the_call_is_not_made_again(tool, calls):
    for _ in range(2):
        with watch_cuts("tools") as cuts:
            short, long = await gather(tool, calls, call(0), call(1, trouble="long"))
        assert cuts == [Cut(role="tools", what="page of length on response 2", chars=950)]
    assert tool.runs == 2
    assert (short.text, len(long.text)) == ("3 characters", 85)
    assert [stored.reply.get("cuts") is None for stored in calls.calls.values()] == [True, False]


async def test_what_no_file_can_hold_is_replaced(tool, calls):
    [evidence] = await gather(tool, calls, call(0, trouble="surrogate"))
    assert evidence.text == "odd ?\n\nmore"


async def test_closing_closes_every_tool(tool, calls):
    other = Length(NoOptions())
    await Toolbox({"length": tool, "other": other}, 1.0, calls).aclose()
    assert (tool.num_closed, other.num_closed) == (1, 1)


async def test_what_a_tool_quotes_is_marked_and_kept_as_it_is(tool, calls):
    """The record has the page's words; what a judge is shown of them is the prompts' business."""
    tool.quotes = True
    quoted, failed = await gather(tool, calls, call(0, trouble="text"), call(1, trouble="crash"))
    assert (quoted.finding, failed.finding.is_quote) == (Finding(content="just text", is_quote=True), True)
    tool.quotes = False
    (own,) = await gather(tool, MemoryCalls(), call(0, trouble="text"))
    assert not own.finding.is_quote
