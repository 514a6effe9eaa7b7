"""A plain function as a tool: its parameters become the arguments, its docstring is what the judge reads.

A parameter that is annotated as `Candidate`, `Task` or `Case` gets what the call is about and is not shown to the judge; one
that is a `Candidate` makes the tool look at each response. The other parameters are described by the docstring's section Args
or by `Annotated`.
"""

import asyncio
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, overload

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, Example, NoOptions, Tool, ToolArgs
from anyprefer.tools.schema_args import one_line
from anyprefer.tools.signature import read_signature
from anyprefer.types import Candidate, Finding, Task

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "anyprefer_tool"


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(*, name: str = "", examples: Sequence[Example] = (), verifies: bool = False) -> Callable[[Function], Function]: ...
def tool(function: Function | None = None, /, *, name: str = "", examples: Sequence[Example] = (), verifies: bool = False) -> Any:
    """Mark a function, plain or async, as a tool; it can still be called as before.

    It returns a text; True or False for or against the response; a number that measures it; a `Finding`; or None where it has
    nothing to say. A plain function runs in a thread, several calls at a time, and goes on there after a timeout.

    Args:
        function: The function, where the decorator has no parentheses.
        name: The tool's name; empty is the function's.
        examples: Worked examples for judges too small to write the arguments without one.
        verifies: Whether True shows a response to be right, as a test of the whole does and a check of its form does not.

    Raises:
        ConfigError: The signature or the docstring does not say what a tool needs.

    Example:
        @tool
        def names_unit(unit: Annotated[str, "The unit, such as km"], candidate: Candidate) -> bool:
            "Checks that a response names a unit; use it where the task asks for a quantity."
            return unit in candidate.text
    """

    def mark(found: Function) -> Function:
        setattr(found, _MARK, make_tool_class(found, name, examples, verifies=verifies))
        return found

    return mark if function is None else mark(function)


def marked_tool(found: object) -> type[Tool] | None:
    """The tool that a decorated function is; None of anything else."""
    kind = getattr(found, _MARK, None)
    return kind if inspect.isclass(kind) and issubclass(kind, Tool) else None


def make_tool_class(
    function: Callable[..., Any], name: str = "", examples: Sequence[Example] = (), *, verifies: bool = False
) -> type[Tool]:
    """The class of a function's tool.

    Raises:
        ConfigError: It is no function, or as `tool`.
    """
    if not inspect.isfunction(function):
        raise ConfigError(f"{one_line(repr(function), 80)} is no function: a tool is a function or a subclass of Tool")
    name = name or function.__name__
    signature = read_signature(function, name)
    parts: dict[str, Any] = {
        "__module__": function.__module__, "__doc__": signature.description, "name": name, "examples": tuple(examples),
        "description": signature.description, "scope": signature.scope, "Args": signature.args,
        "function": staticmethod(function), "injected": signature.injected, "verifies": verifies,
    }  # fmt: skip
    return type(function.__name__, (FunctionTool,), parts)


class FunctionTool(Tool[ToolArgs, NoOptions]):
    """A tool that calls a function."""

    function: ClassVar[Callable[..., Any]]
    injected: ClassVar[Mapping[str, type]]

    async def run(self, args: ToolArgs, case: Case) -> Finding:
        """Call the function and read what it returns.

        Raises:
            ToolError: There is no response to read, or the result is nothing that a tool may return.
        """
        known: dict[type, Any] = {Case: case, Task: case.task}
        if self.scope == "candidate":
            known[Candidate] = case.response(self.name)
        given = {name: getattr(args, name) for name in type(args).model_fields}
        given |= {name: known[kind] for name, kind in self.injected.items()}
        if inspect.iscoroutinefunction(self.function):
            return _read_result(self.name, await self.function(**given))
        return _read_result(self.name, await asyncio.to_thread(self.function, **given))


def _read_result(name: str, result: Any) -> Finding:
    """What a function returned, as a finding."""
    if isinstance(result, Finding):
        return result
    if isinstance(result, str):
        return Finding(content=result)
    if isinstance(result, bool):
        return Finding(content=f"The check {name!r} {'passes' if result else 'fails'}.", supports=result)
    if isinstance(result, int | float) and math.isfinite(result):
        return Finding(content=f"The check {name!r} gives {result:.6g}.", value=result)
    if result is None:
        return Finding(content=f"The check {name!r} has nothing to say.")
    raise ToolError(f"{name!r} returned {one_line(repr(result), 80)}: let it return a str, a bool, a finite number or a Finding")
