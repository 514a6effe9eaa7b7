"""A function with a docstring is a tool: what the judge sees of it, what it gets, and what its results mean."""

import asyncio
import threading
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, Example
from anyprefer.tools.function import make_tool_class, marked_tool, tool
from anyprefer.tools.toolbox import run_tool
from anyprefer.types import Candidate, Finding, Task

TASK = Task(prompt="How far is it?", reference="5 km")
RESPONSE = Candidate(index=1, output="It is 5 km.")
CASE = Case(TASK, (Candidate(index=0, output="No idea."), RESPONSE), RESPONSE)


def made(function):
    kind = marked_tool(function) or make_tool_class(function)
    return kind(kind.Options())


@tool
def names_unit(unit: str, candidate: Candidate, *, at_most: Annotated[int, Field(ge=0)] = 9) -> bool:
    """Checks that a response names a unit; use it where the task
    asks for a quantity.

    It reads the response alone.

    Args:
        unit: The unit to look for,
            such as "km".
        candidate: The response.
        at_most (int): How often at most:
            none: it is 0.

    Returns:
        Whether it does.
    """
    return 0 < candidate.text.count(unit) <= at_most


def test_the_judge_sees_the_docstring_and_the_parameters_that_it_fills_in():
    kind = marked_tool(names_unit)
    assert (kind.name, kind.scope) == ("names_unit", "candidate")
    assert kind.description == "Checks that a response names a unit; use it where the task asks for a quantity."
    fields = {key: (field.description, field.is_required()) for key, field in kind.Args.model_fields.items()}
    assert fields == {
        "unit": ('The unit to look for, such as "km".', True),
        "at_most": ("How often at most: none: it is 0.", False),
    }
    for wrong in ({"unit": 5}, {"unit": "km", "at_most": -1}, {"unit": "km", "candidate": RESPONSE}, {}):
        with pytest.raises(ValidationError):
            kind.Args.model_validate(wrong)


def test_a_marked_function_can_still_be_called():
    assert names_unit("km", RESPONSE) is True


def test_a_name_and_examples_can_be_given():
    example = Example("How heavy is it?", {"unit": "kg"})

    @tool(name="unit", examples=[example])
    def check(unit: Annotated[str, "The unit."], candidate: Candidate) -> bool:
        """Checks the unit."""
        return unit in candidate.text

    kind = marked_tool(check)
    assert (kind.name, kind.examples, kind.Args.model_fields["unit"].description) == ("unit", (example,), "The unit.")


async def test_verdicts_of_a_check():
    for args, supports in [({"unit": "km"}, True), ({"unit": "miles"}, False), ({"unit": "km", "at_most": 0}, False)]:
        finding = await run_tool(made(names_unit), args, CASE)
        assert (finding.supports, finding.value) == (supports, None)
        assert finding.text == f"The check 'names_unit' {'passes' if supports else 'fails'}."


async def test_special_parameters_get_what_the_call_is_about():
    async def look(task: Task, case: Case, candidate: Candidate, kind: Literal["a", "b"] = "a") -> str:
        """Looks.

        Args:
            kind: Which.
        """
        return f"{task.text} {len(case.candidates)} {candidate.index} {kind}"

    looker = made(look)
    assert list(looker.Args.model_fields) == ["kind"]
    assert (await run_tool(looker, {"kind": "b"}, CASE)).text == "How far is it? 2 1 b"
    with pytest.raises(ToolError, match="once per candidate"):
        await run_tool(looker, {}, Case(TASK))


async def test_a_tool_without_a_response_is_about_the_task():
    def count(task: Task) -> int:
        """Counts the words of the task."""
        return len(task.text.split())

    counter = made(count)
    assert counter.scope == "task"
    assert counter.default_args(TASK) == counter.Args()
    assert await run_tool(counter, {}, Case(TASK)) == Finding(content="The check 'count' gives 4.", value=4.0)


@pytest.mark.parametrize(
    ("result", "finding"),
    [
        ("some text", Finding(content="some text")),
        (True, Finding(content="The check 'give' passes.", supports=True)),
        (0.25, Finding(content="The check 'give' gives 0.25.", value=0.25)),
        (None, Finding(content="The check 'give' has nothing to say.")),
        (Finding(content="2 of 3", supports=True, votes=(2, 3)), Finding(content="2 of 3", supports=True, votes=(2, 3))),
    ],
)
async def test_results_are_findings(result, finding):
    def give(candidate: Candidate):
        """Gives something."""
        return result

    assert await run_tool(made(give), {}, CASE) == finding


@pytest.mark.parametrize("result", [float("nan"), float("inf"), [1], {"supports": True}, b"bytes"])
async def test_a_result_that_is_no_finding_is_a_tool_error(result):
    def give(candidate: Candidate):
        """Gives something."""
        return result

    with pytest.raises(ToolError, match=r"'give' returned .*let it return a str, a bool"):
        await run_tool(made(give), {}, CASE)


async def test_plain_functions_run_beside_the_loop():
    met = threading.Barrier(2, timeout=5)

    def wait(candidate: Candidate) -> str:
        """Waits for another call of itself."""
        met.wait()
        return "met"

    waiter = made(wait)
    assert [finding.text for finding in await asyncio.gather(*(run_tool(waiter, {}, CASE) for _ in range(2)))] == ["met", "met"]


def no_docstring(candidate: Candidate) -> str:
    return ""


def no_annotation(unit, candidate: Candidate) -> str:
    """Says nothing."""


def no_description(unit: str) -> str:
    """Says nothing."""


def no_names(*units: str) -> str:
    """Says nothing."""


def no_keywords(**units: str) -> str:
    """Says nothing."""


def no_positions(unit: str, /) -> str:
    """Says nothing."""


def no_response(unit: Annotated[str, "x"]) -> bool:
    """Says nothing."""


def maybe_response(candidate: Candidate | None = None) -> str:
    """Says nothing."""


def all_responses(candidates: tuple[Candidate, ...]) -> str:
    """Says nothing."""


def odd_result(candidate: Candidate) -> list[str]:
    """Says nothing."""


def half_odd_result(candidate: Candidate) -> bool | dict[str, str]:
    """Says nothing."""


def no_such_type(unit: "Unit") -> str:  # noqa: F821 - that is the point
    """Says nothing."""


def reserved(copy: Annotated[str, "x"]) -> str:
    """Says nothing."""


def no_schema(unit: Annotated[threading.Lock, "x"]) -> str:
    """Says nothing."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_docstring, "it has no docstring; its first sentence tells the judge"),
        (no_annotation, "the parameter 'unit' has no annotation"),
        (no_description, "the judge finds no description of 'unit'; add a line for it to the docstring's section Args"),
        (no_names, r"the parameter '\*units: str' cannot be filled in by name"),
        (no_keywords, r"the parameter '\*\*units: str' cannot be filled in by name"),
        (no_positions, "the parameter 'unit: str' cannot be filled in by name"),
        (no_response, "it returns a bool, which speaks for or against a response; give it a parameter of the type Candidate"),
        (maybe_response, "no judge can fill in the parameter 'candidate'; annotate it as Candidate alone"),
        (all_responses, "no judge can fill in the parameter 'candidates'; .*take a Case"),
        (odd_result, r"it returns list\[str\]; let it return"),
        (half_odd_result, r"it returns dict\[str, str\]; let it return"),
        (no_such_type, "its annotations cannot be resolved .*Unit"),
        (reserved, "no argument can be called 'copy'; rename"),
        (no_schema, "its parameters cannot be described to a judge"),
    ],
)
def test_a_function_that_is_no_tool_is_explained(function, message):
    with pytest.raises(ConfigError, match=rf"the function .*:{function.__name__} is no tool: .*{message}"):
        tool(function)
