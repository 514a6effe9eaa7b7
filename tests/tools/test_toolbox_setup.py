"""A finding is kept with what it was found under: another setup of the tool, or another task under the old id, asks again."""

import pytest

from anyprefer.backends.calls import MemoryCalls
from anyprefer.config import ToolsConfig
from anyprefer.tools.base import Case, Tool
from anyprefer.tools.toolbox import Toolbox
from anyprefer.types import Candidate, Task, ToolCall

TASK = Task(id="t", prompt="x", metadata={"tests": "1"})


class Counting(Tool):
    """Says how often it was asked."""

    name = "counting"
    description = "x"
    scope = "task"
    asked = 0

    async def run(self, args: Tool.Args, case: Case) -> str:
        self.asked += 1
        return str(self.asked)


async def find(tool: Counting, calls: MemoryCalls, task: Task = TASK, setup: str = "") -> str:
    box = Toolbox({"counting": tool}, 1.0, calls, {"counting": setup})
    call = ToolCall(tool="counting", args={}, why="x")
    (evidence,) = await box.gather([call], task, (Candidate(index=0, output="a"),), 0)
    return evidence.text


@pytest.mark.parametrize(
    "changes",
    [{"metadata": {"tests": "2"}}, {"reference": "4"}, {"tools": ({"name": "f"},)}],
    ids=["metadata", "reference", "tools"],
)
async def test_what_was_found_about_another_task_of_the_same_id_is_found_anew(changes: dict[str, object]) -> None:
    tool, calls = Counting({}), MemoryCalls()
    other = Task.model_validate({**TASK.model_dump(), **changes})
    assert [await find(tool, calls), await find(tool, calls), await find(tool, calls, other)] == ["1", "1", "2"]
    assert await find(tool, calls, other) == "2"


async def test_what_was_found_under_other_options_is_found_anew() -> None:
    tool, calls = Counting({}), MemoryCalls()
    first, second = (ToolsConfig(names=("counting",), options={"counting": {"size": size}}).setup("counting") for size in (1, 2))
    assert [await find(tool, calls, setup=one) for one in (first, first, second)] == ["1", "1", "2"]


def test_a_setup_is_one_tools_own() -> None:
    options, servers = {"a": {"x": 1}}, {"s": {"url": "http://127.0.0.1:1"}}
    before = ToolsConfig(names=("a", "b", "mcp:s/t"), options=options)
    after = ToolsConfig.model_validate({"names": ("a", "b", "mcp:s/t"), "options": {"a": {"x": 2}}, "servers": servers})
    assert [before.setup(name) == after.setup(name) for name in before.names] == [False, True, False]


async def test_findings_of_earlier_journals_are_taken_as_they_are() -> None:
    tool, calls = Counting({}), MemoryCalls()
    await find(tool, calls)
    for call in calls.calls.values():
        del call.reply["about"]
    assert await find(tool, calls, setup="another") == "1"
