"""What a tool is: a name, a scope, arguments, options and one coroutine.

A tool checks responses against something other than a model's opinion. `task` tools are called once per chosen call, such as
a search; `candidate` tools once per response, such as a checker of its arithmetic. A third-party package adds a tool with
an entry point in the group `anyprefer.tools` that names a class which fits `Tool`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from anyprefer.types import Candidate, Task

Scope = Literal["task", "candidate"]


class ToolArgs(BaseModel):
    """Arguments that the judge fills in; the field descriptions are what it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ToolOptions(BaseModel):
    """Settings from the recipe's `[tools.options.NAME]`; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Case:
    """What a call is about: the task, all responses of the round and, for a candidate tool, the one to look at."""

    task: Task
    """Its reference is never part of the evidence."""
    candidates: Sequence[Candidate] = ()
    candidate: Candidate | None = None
    """None for a task tool."""


@dataclass(frozen=True)
class Example:
    """A task and the arguments that a good judge would write for it; small judges need to see one."""

    task: str
    args: Mapping[str, Any]


class Tool(Protocol):
    """The whole surface of a tool; a class may also have `examples`, a tuple of `Example`."""

    name: ClassVar[str]
    description: ClassVar[str]
    """One sentence for the judge: what the tool finds out and when to use it."""
    scope: ClassVar[Scope]
    Args: ClassVar[type[ToolArgs]]
    Options: ClassVar[type[ToolOptions]]

    def __init__(self, options: ToolOptions) -> None:
        """Prepare the tool, loading what it needs.

        Raises:
            ConfigError: An extra or a file is missing; names it and the fix.
        """

    def default_args(self, task: Task) -> ToolArgs:
        """The arguments of a call that nobody chose: what a sensible judge would ask about this task."""

    async def run(self, args: ToolArgs, case: Case) -> str:
        """Gather evidence as plain text.

        Args:
            args: An instance of this tool's `Args`.
            case: The task and the responses.

        Raises:
            ToolError: The tool could not answer; the message is shown to the judge.
        """

    async def aclose(self) -> None:
        """Release files, processes and connections."""
