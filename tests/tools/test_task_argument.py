"""A task that is longer than a tool's argument may be: both its ends go in, since the question often stands at the end."""

from pydantic import Field

from anyprefer.tools.base import NoOptions, Tool, ToolArgs
from anyprefer.tools.foreign.tool import ForeignOptions, ForeignTool
from anyprefer.types import Task

LONG = Task(prompt="Context. " + "word " * 500 + "Who wrote it?")


class Search(Tool["Search.Args", NoOptions]):
    """Takes a short text."""

    name = "search"
    description = "Searches."

    class Args(ToolArgs):
        """What to look up."""

        query: str = Field(max_length=100)
        """The text."""


def test_both_ends_of_a_long_task_become_the_argument():
    foreign = ForeignTool(
        "search", "Searches.", {"properties": {"query": {"type": "string", "maxLength": 100}}, "required": ["query"]},
        ForeignOptions(),
    )  # fmt: skip
    for tool in (Search(NoOptions()), foreign):
        text = tool.default_args(LONG).query
        assert len(text) == 100
        assert text.startswith("Context. word")
        assert text.endswith("Who wrote it?")
        assert tool.default_args(Task(prompt=" A short one? ")).query == "A short one?"


def test_a_long_description_keeps_both_ends_on_one_line():
    tool = ForeignTool("search", "Searches.\n" + "a " * 400 + "Not for sums.", {}, ForeignOptions())
    assert tool.description.startswith("Searches. a")
    assert tool.description.endswith("Not for sums.")
    assert "characters left out" in tool.description
    assert len(tool.description) <= 300
    assert "\n" not in tool.description
