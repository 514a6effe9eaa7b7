"""What a tool is: a name, a scope, arguments, options and one coroutine that gives a finding.

A tool checks responses against something other than a model's opinion. `task` tools are called once per chosen call, such as
a search; `candidate` tools once per response, such as a checker of its arithmetic. A function with the decorator
`anyprefer.tool` is enough for a tool; a subclass of `Tool` may also have options and state. Another package adds one with an
entry point in the group `anyprefer.tools`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from anyprefer.errors import ToolError
from anyprefer.shortening import ends
from anyprefer.types import Candidate, Finding, Task

Scope = Literal["task", "candidate"]


class ToolArgs(BaseModel):
    """Arguments that the judge fills in; the field descriptions are what it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ToolOptions(BaseModel):
    """Settings from the recipe's `[tools.options.NAME]`; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NoArgs(ToolArgs):
    """The tool needs no arguments."""


class NoOptions(ToolOptions):
    """The tool has no settings."""


A = TypeVar("A", bound=ToolArgs, default=Any)
O = TypeVar("O", bound=ToolOptions, default=Any)  # noqa: E741 - options, as A is arguments


@dataclass(frozen=True)
class Case:
    """What a call is about: the task, its responses of all rounds so far and, for a candidate tool, the one to look at."""

    task: Task
    """Its reference is never part of the evidence."""
    candidates: Sequence[Candidate] = ()
    candidate: Candidate | None = None
    """None for a task tool."""

    def response(self, tool: str) -> Candidate:
        """The response to look at.

        Raises:
            ToolError: There is none; names the tool.
        """
        if self.candidate is None:
            raise ToolError(f"the tool {tool!r} reads a response and got none: call it once per candidate")
        return self.candidate


@dataclass(frozen=True)
class Example:
    """A task and the arguments that a good judge would write for it; small judges need to see one."""

    task: str
    args: Mapping[str, Any]


class Tool(Generic[A, O]):
    """The base of all tools: a name, a description and `run` are what a tool must bring.

    Args and Options are the type parameters, or classes of these names inside; without either the tool has none.

    Example:
        class WordCount(Tool):
            name = "word_count"
            description = "Counts the words of a response; use it where the task asks for a length."
            scope = "candidate"

            async def run(self, args: NoArgs, case: Case) -> str:
                return f"{len(case.response(self.name).text.split())} words"
    """

    name: str
    description: str
    """One sentence for the judge: what the tool finds out and when to use it."""
    scope: Scope = "task"
    Args: type[A] = NoArgs  # type: ignore[assignment] # of a tool that says nothing else
    Options: type[O] = NoOptions  # type: ignore[assignment] # likewise
    examples: Sequence[Example] = ()
    """Worked examples for judges too small to write the arguments without one."""
    quotes: ClassVar[bool] = False
    """Whether what it finds is somebody else's words, such as a page's, which may speak to the judge."""
    verifies: ClassVar[bool] = False
    """Whether a finding of it can show a response to be right, as a program's result does. Where such a tool speaks about some
    responses to a task and can read no answer in another, its silence counts against that one."""
    extra: ClassVar[str] = ""
    """The extra of anyprefer that brings the packages which the constructor imports."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        parameters = [part for base in vars(cls).get("__orig_bases__", ()) for part in getattr(base, "__args__", ())]
        for name, base in (("Args", ToolArgs), ("Options", ToolOptions)):
            given = [part for part in parameters if isinstance(part, type) and issubclass(part, base)]
            if given and name not in vars(cls):
                setattr(cls, name, given[0])
        if (cls.__module__ or "").startswith(f"{__package__}.") and "Args" in vars(cls) and "name" in vars(cls):
            _name_by_tool(cls.Args, cls.name)

    def __init__(self, options: O) -> None:
        """Prepare the tool, loading what it needs.

        Raises:
            ConfigError: A file or a service is missing or wrong; names it and the fix.
            ImportError: A package is missing; the registry names the extra.
        """
        self.options = options

    def default_args(self, task: Task) -> A:
        """The arguments of a call that nobody chose: the task's text, where the tool needs just one text, or none.

        Raises:
            ToolError: The tool needs more than that.
        """
        fields = self.Args.model_fields
        required = [name for name, field in fields.items() if field.is_required()]
        if not required:
            return self.Args()
        if len(required) > 1 or fields[required[0]].annotation is not str:
            raise ToolError(f"{self.name!r} needs {', '.join(required)}: only a judge can choose these arguments")
        longest = next((part.max_length for part in fields[required[0]].metadata if hasattr(part, "max_length")), None)
        return self.Args.model_validate({required[0]: task_as_argument(task, longest)})

    @classmethod
    def check_task(cls, task: Task) -> None:
        """Refuse a task whose own columns hold what this tool could not use; asked of every task before any work starts.

        Raises:
            ToolError: Says what is wrong and what to do.
        """

    async def run(self, args: A, case: Case) -> Finding | str:
        """Gather evidence.

        Args:
            args: An instance of this tool's `Args`, already checked.
            case: The task and the responses.

        Returns:
            What was found; a text alone is a finding that speaks neither for nor against a response.

        Raises:
            ToolError: The tool could not answer; the message is shown to the judge.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Release files, processes and connections; may be called twice."""


def task_as_argument(task: Task, longest: int | None) -> str:
    """A task's text for an argument of limited length: of a longer one both ends, since the question often stands at the end."""
    text = task.text.strip().encode("utf-8", "replace").decode()
    return text if longest is None or len(text) <= longest else " ".join(ends(text, longest - 1))


def _name_by_tool(args: type[ToolArgs], name: str) -> None:
    """Have schemas name an argument model by its tool, not by the file it lies in.

    Where several models have one class name, a schema tells them apart by their modules. It is part of the key under which a
    run's journal keeps the judge's choice of tools, and that must outlive a move of the file.
    """
    args.__module__ = f"{__package__}.{name}"
    args.model_rebuild(force=True)
