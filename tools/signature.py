"""What the signature and the docstring of a function say about the tool that it is to be."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from anyprefer.errors import ConfigError
from anyprefer.tools.base import Case, Scope, ToolArgs
from anyprefer.tools.schema_args import one_line, safe_name
from anyprefer.types import Candidate, Finding, Task

INJECTED = (Case, Task, Candidate)
"""Annotations of parameters that no judge fills in."""
_RESULTS = (str, bool, int, float, Finding, NoneType)
_ARGS_HEADING = re.compile(r"(?:Args|Arguments|Parameters):\s*")
_ARG_LINE = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


@dataclass(frozen=True)
class Signature:
    """A function as a tool: what the judge reads, and what a call needs."""

    description: str
    scope: Scope
    args: type[ToolArgs]
    injected: Mapping[str, type]
    """Parameter -> which part of the case it gets."""


def read_signature(function: Callable[..., Any], name: str) -> Signature:
    """Read a function as a tool of a name.

    Raises:
        ConfigError: The signature or the docstring does not say what a tool needs.
    """
    try:
        description, explained = _read_docstring(inspect.getdoc(function) or "")
        hints = _resolve_hints(function)
        result = hints.pop("return", Any)
        injected = {key: hint for key, hint in hints.items() if hint in INJECTED}
        scope: Scope = "candidate" if Candidate in injected.values() else "task"
        _check_result(result, scope)
        return Signature(description, scope, _make_args(name, function, hints, explained), injected)
    except ConfigError as error:
        raise ConfigError(f"the function {function.__module__}:{function.__qualname__} is no tool: {error}") from error


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph in one line, and what the section Args says of each parameter."""
    summary, _, rest = text.partition("\n\n")
    if not summary:
        raise ConfigError("it has no docstring; its first sentence tells the judge what the tool finds out and when to use it")
    lines = iter(rest.split("\n"))
    explained: dict[str, str] = {}
    if any(_ARGS_HEADING.fullmatch(line) for line in lines):
        current, indent = "", 0
        for line in filter(str.strip, lines):
            depth = len(line) - len(line.lstrip())
            if depth == 0:
                break
            indent = indent or depth
            match = _ARG_LINE.fullmatch(line.strip()) if depth == indent else None
            current = match[1] if match else current
            explained[current] = f"{explained.get(current, '')} {match[2] if match else line.strip()}".strip()
    return one_line(summary), explained


def _resolve_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of each parameter and of the result."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"its annotations cannot be resolved ({error}); import the types that they name") from error
    for key, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"the parameter {str(parameter)!r} cannot be filled in by name; write the parameters out")
        if key not in hints:
            raise ConfigError(f"the parameter {key!r} has no annotation; say which type it is")
        if hints[key] not in INJECTED and (meant := [kind for kind in INJECTED if kind in _members(hints[key])]):
            fix = f"annotate it as {meant[0].__name__} alone, or take a Case, which has all responses"
            raise ConfigError(f"no judge can fill in the parameter {key!r}; {fix}")
    return hints


def _members(hint: Any) -> list[Any]:
    """The types that an annotation mentions."""
    return [hint, *(member for part in get_args(hint) for member in _members(part))]


def _check_result(result: Any, scope: Scope) -> None:
    """Refuse a function whose results would be no findings."""
    members = get_args(result) if get_origin(result) in (Union, UnionType) else (result,)
    wrong = [member for member in members if member is not Any and member not in _RESULTS]
    if wrong:
        raise ConfigError(f"it returns {one_line(str(wrong[0]), 80)}; let it return a str, bool, float or Finding")
    if bool in members and scope == "task":
        raise ConfigError("it returns a bool, which speaks for or against a response; give it a parameter of the type Candidate")


def _make_args(name: str, function: Callable[..., Any], hints: Mapping[str, Any], explained: Mapping[str, str]) -> type[ToolArgs]:
    """The argument model: every parameter that is not injected, with its description."""
    fields: dict[str, Any] = {}
    for key, parameter in inspect.signature(function).parameters.items():
        if hints[key] in INJECTED:
            continue
        if key.startswith("_") or hasattr(ToolArgs, key):
            raise ConfigError(f"no argument can be called {key!r}; rename the parameter")
        description = _description_in(hints[key]) or explained.get(key)
        if not description:
            raise ConfigError(f"the judge finds no description of {key!r}; add a line for it to the docstring's section Args")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[key] = (hints[key], Field(default, description=description))
    try:
        made = create_model(f"{safe_name(name)}_args", __base__=ToolArgs, __doc__=f"Arguments of {name}.", **fields)
        made.model_json_schema()
    except Exception as error:
        raise ConfigError(f"its parameters cannot be described to a judge: {type(error).__name__}: {error}") from error
    return made


def _description_in(hint: Any) -> str:
    """What `Annotated` says of a parameter, as a text or a `Field`."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    said = [note.description if isinstance(note, FieldInfo) else note for note in notes]
    return next((text for text in said if isinstance(text, str) and text), "")
