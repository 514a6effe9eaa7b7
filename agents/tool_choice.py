"""Which tools are called, and with what: the judge's choice (paper: section 2.2)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import Show, guidance_part, lay_out, response_blocks, show_text, task_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import ToolsConfig
from anyprefer.prompts import Prompt, fence
from anyprefer.shortening import shorten
from anyprefer.tools.base import Tool
from anyprefer.types import Candidate, Message, Task, ToolCall

_STRICT = ConfigDict(extra="forbid")
_Why = Annotated[str, Field(max_length=160)]

_EXCERPT_CHARS = 300
"""How much of a response the judge sees while it chooses tools: its beginning and its end."""


@dataclass(frozen=True, kw_only=True)
class ToolChooser:
    """Chooses tool calls as `tools.choose` says."""

    model: ModelClient
    choose_prompt: Prompt
    arguments_prompt: Prompt
    config: ToolsConfig
    tools: Mapping[str, Tool]
    field: str
    """The domain that the judge must know."""
    show: Show = show_text
    """How the judge sees an output; it sees an excerpt alone, so thoughts would hide the answer."""

    async def choose_tools(
        self, task: Task, candidates: Sequence[Candidate], round_: int, *, guidance: str = "", earlier: Sequence[ToolCall] = ()
    ) -> tuple[ToolCall, ...]:
        """Choose tool calls with arguments; a candidate tool becomes one call per candidate.

        Args:
            task: The task.
            candidates: Those to look at, of whatever round.
            round_: The round.
            guidance: The judge's (paper: p_j).
            earlier: The calls of the round before: what they list, such as programs, still votes where the tool is called again.

        Raises:
            ModelError: The model failed; its choice is never guessed.
        """
        if self.config.choose == "always":
            calls = [
                ToolCall(tool=name, args=tool.default_args(task).model_dump(mode="json")) for name, tool in self.tools.items()
            ]
        elif self.config.choose == "arguments":
            calls = await complete_all(self._fill_in(task, name, tool, round_, guidance) for name, tool in self.tools.items())
        else:
            calls = await self._choose(task, candidates, round_, guidance)
        return expand_calls(list(self._with_earlier(calls, earlier)), self.tools, candidates)

    async def _choose(self, task: Task, candidates: Sequence[Candidate], round_: int, guidance: str) -> list[ToolCall]:
        """Let the model choose tools and write their arguments in one reply."""
        site = CallSite(task.id, "judge", round_, "choose_tools")
        messages = lay_out(self.model, lambda: self.choose_prompt.fill({
            "field": self.field, "tools": describe_tools(self.tools), "max_calls": str(self.config.max_calls),
            "task": task_block(task),
            "responses": response_blocks(candidates, show=lambda output: shorten(self.show(output), _EXCERPT_CHARS)),
            "guidance": guidance_part(guidance),
        }))  # fmt: skip
        reply: Any = await self.model.structured(messages, site, choice_schema(self.tools, self.config.max_calls))
        return [ToolCall(tool=call.tool, args=call.args.model_dump(mode="json"), why=call.why) for call in reply.calls]

    def _with_earlier(self, calls: Sequence[ToolCall], earlier: Sequence[ToolCall]) -> Iterator[ToolCall]:
        """The calls, the first one of each tool with what earlier calls of it list behind its own; nothing else of these stays.

        A judge that writes arguments once may write the same again, which is no second vote; samples are votes each.
        """
        asked: dict[str, list[dict[str, Any]]] = {}
        for one in earlier:
            if one.args not in asked.setdefault(one.tool, []):
                asked[one.tool].append(one.args)
        for call in calls:
            merged = call.args
            for args in asked.pop(call.tool, ()):
                more = _without_repeats(args, merged) if self.config.samples == 1 else args
                merged = merge_arguments(self.tools[call.tool].Args, [merged, more])
            yield call.model_copy(update={"args": merged})

    async def _fill_in(self, task: Task, name: str, tool: Tool, round_: int, guidance: str) -> ToolCall:
        """Write one tool's arguments; one without any costs no call."""
        if not tool.Args.model_fields:
            return ToolCall(tool=name)
        site = CallSite(task.id, "judge", round_, f"fill_in/{name}")
        messages = lay_out(self.model, lambda: self._arguments_messages(name, tool, task, guidance))
        samples, temperature = self.config.samples, self.config.sample_temperature
        if samples > 1:
            replies = await self.model.structured_samples(messages, site, tool.Args, samples, temperature)
        else:
            replies = [await self.model.structured(messages, site, tool.Args)]
        return ToolCall(tool=name, args=merge_arguments(tool.Args, [reply.model_dump(mode="json") for reply in replies]))

    def _arguments_messages(self, name: str, tool: Tool, task: Task, guidance: str) -> tuple[Message, ...]:
        """Ask for one tool's arguments, after its worked examples as turns of the conversation."""
        prompt, values = self.arguments_prompt, {"field": self.field, "tools": describe_tools({name: tool})}
        values["guidance"] = guidance_part(guidance)
        turns: list[Message] = []
        for example in tool.examples:
            reply = Message(role="assistant", content=json.dumps(dict(example.args), ensure_ascii=False))
            turns += [prompt.fill({**values, "task": fence(example.task, "task")})[-1], reply]
        *system, question = prompt.fill({**values, "task": task_block(task)})
        return (*system, *turns, question)


def describe_tools(tools: Mapping[str, Tool]) -> str:
    """One line for each tool and one for each of its arguments.

    Servers that hold a model to a schema do not all show it the schema, so the prompt must say what the arguments mean.
    """
    lines = []
    for name, tool in tools.items():
        lines.append(f"- {name} ({tool.scope}): {tool.description}")
        for key, field in tool.Args.model_fields.items():
            lines.append(f"  - {key}: {' '.join((field.description or 'no description').split())}")
    return "\n".join(lines)


def choice_schema(tools: Mapping[str, Tool], max_calls: int) -> type[BaseModel]:
    """A list of calls, one variant for each tool, so that grammar and validation hold the arguments to the tool's own model."""
    variants: list[Any] = []
    for number, (name, tool) in enumerate(tools.items()):
        literal: Any = Literal[name]
        variants.append(
            create_model(f"Call{number}", __config__=_STRICT, tool=(literal, ...), why=(_Why, ...), args=(tool.Args, ...))
        )
    variant: Any = Union[tuple(variants)]  # noqa: UP007 - built at run time
    calls: Any = Annotated[list[variant], Field(max_length=max_calls)]
    return create_model("ToolChoice", __config__=_STRICT, calls=(calls, ...))


def merge_arguments(schema: type[BaseModel], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One call's arguments out of several: lists joined as far as the schema allows, the rest from the first."""
    merged = dict(samples[0])
    for name, value in merged.items():
        if isinstance(value, list):
            joined = [item for sample in samples for item in sample.get(name, ())]
            limit = next((part.max_length for part in schema.model_fields[name].metadata if hasattr(part, "max_length")), None)
            merged[name] = joined[:limit]
    return merged


def _without_repeats(args: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments whose lists hold nothing that those of a known call hold."""
    return {
        name: [item for item in value if item not in known[name]] if isinstance(value, list) and name in known else value
        for name, value in args.items()
    }


def expand_calls(calls: Sequence[ToolCall], tools: Mapping[str, Tool], candidates: Sequence[Candidate]) -> tuple[ToolCall, ...]:
    """One call per candidate for candidate tools; a call that stands there twice goes out once."""
    expanded: list[ToolCall] = []
    for call in calls:
        if tools[call.tool].scope == "task":
            expanded.append(call)
        else:
            expanded += [call.model_copy(update={"candidate": candidate.index}) for candidate in candidates]
    keys = [call.model_dump(exclude={"why"}) for call in expanded]
    return tuple(call for i, call in enumerate(expanded) if keys[i] not in keys[:i])
