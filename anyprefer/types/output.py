"""What a target makes of a task: a reply, or a trajectory of a robot; told apart by `kind`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from anyprefer.types.base import Value, normalize
from anyprefer.types.content import Image, Message, Reasoning, Text, ToolUse, text_of


class Reply(Value):
    """What a model said: usually one assistant message, or a conversation with tools.

    Example:
        Reply.of("4", reasoning="2 and 2 make 4.")
    """

    kind: Literal["reply"] = "reply"
    messages: tuple[Message, ...] = Field(min_length=1)
    """In the order in which they were said; at least one is the assistant's."""

    @model_validator(mode="after")
    def _check_roles(self) -> "Reply":
        if self.messages[0].role != "assistant" and all(message.role != "assistant" for message in self.messages):
            raise ValueError("a reply needs a message of the assistant")
        return self

    @classmethod
    def of(cls, answer: str, reasoning: str = "") -> "Reply":
        """A reply of one message."""
        if not reasoning:
            return cls(messages=(Message(role="assistant", content=answer),))
        parts = (Reasoning(text=reasoning), *((Text(text=answer),) if answer else ()))
        return cls(messages=(Message(role="assistant", content=parts),))

    @property
    def answer(self) -> str:
        """What was said, thoughts apart: what judges, tools and comparisons see."""
        return self.messages[0].text if len(self.messages) == 1 else text_of(self.messages)

    @property
    def reasoning(self) -> str:
        """What was thought; empty where the model thinks nothing or does not say it."""
        parts = (part for message in self.messages for part in message.parts)
        return "\n\n".join(part.text for part in parts if isinstance(part, Reasoning))

    @property
    def calls(self) -> tuple[ToolUse, ...]:
        """The tool calls that the model asked for."""
        return tuple(part for message in self.messages for part in message.parts if isinstance(part, ToolUse))

    @property
    def text(self) -> str:
        """How the output reads."""
        return self.answer


class Trajectory(Value):
    """What a policy did, step by step."""

    kind: Literal["trajectory"] = "trajectory"
    actions: tuple[tuple[float, ...], ...] = Field(min_length=1)
    """[T, A]: one row for each step, in the policy's own units."""
    observations: tuple[Image, ...] = ()
    """What the policy saw, in order."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What a simulator knows about the outcome, such as "success"."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """How the output stands in a conversation."""
        return (Message(role="assistant", content=self.text),)

    @property
    def reasoning(self) -> str:
        """Nothing: a policy thinks in no words."""
        return ""

    @property
    def text(self) -> str:
        """How the output reads: its length and its facts."""
        facts = "; ".join(f"{name}: {value}" for name, value in self.facts.items())
        return f"{len(self.actions)} steps" + (f"; {facts}" if facts else "")


def _lift(value: Any) -> Any:
    return Reply.of(value) if isinstance(value, str) else value


Output = Annotated[Annotated[Reply | Trajectory, Field(discriminator="kind")], BeforeValidator(_lift)]
"""A text alone stands for the reply that says it."""


def same_output(first: Reply | Trajectory, second: Reply | Trajectory) -> bool:
    """Whether two outputs are equal: answers by their text, thoughts and white space apart; trajectories by their actions."""
    if isinstance(first, Trajectory) or isinstance(second, Trajectory):
        return isinstance(first, Trajectory) and isinstance(second, Trajectory) and first.actions == second.actions
    return normalize(first.answer) == normalize(second.answer)
