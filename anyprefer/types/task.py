"""What a pair is made for."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from anyprefer.types.base import Value
from anyprefer.types.content import Image, Message, images_of, text_of
from anyprefer.types.output import Output, Reply, Trajectory


class Task(Value):
    """One prompt to make a preference pair for.

    Example:
        Task(prompt="What is 2 + 2?", reference="4")
    """

    id: str = ""
    """Unique within a run; a hash of the prompt's content and of the tools when the input names none."""
    prompt: str | tuple[Message, ...]
    """A plain user prompt, or a conversation whose last message is the user's or a tool's."""
    tools: tuple[dict[str, Any], ...] = ()
    """What the target may call, each as a JSON schema of a function (`name`, `description`, `parameters`)."""
    reference: Output | None = None
    """A trusted output, used as the chosen side when the recipe says so; a text stands for the reply that says it."""
    given: tuple[Output, ...] = Field(default=(), exclude_if=lambda outputs: not outputs)
    """Outputs to judge instead of sampling any, in the order in which a judge sees them; empty, and left out of the JSON, where
    the target is to be asked."""
    application: str = "text"
    """Which kind of task it is: the name of an application (`anyprefer.applications`)."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Carried through to record and export. No model sees it, but the tool `python` runs `tests` and quotes a failing one, and a
    judge that goes by a rubric is shown the criteria of `rubric`."""

    @model_validator(mode="after")
    def _check_prompt(self) -> "Task":
        if not any(message.text.strip() for message in self.messages):
            raise ValueError("prompt is empty: every task needs a prompt with text")
        if self.messages[-1].role not in ("user", "tool"):
            raise ValueError(f"the last message of prompt has role {self.messages[-1].role!r}: it must be 'user'")
        if not self.id:
            object.__setattr__(self, "id", content_id(self.prompt, self.tools, self.given))
        return self

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt as a conversation."""
        return (Message(role="user", content=self.prompt),) if isinstance(self.prompt, str) else self.prompt

    @property
    def text(self) -> str:
        """The prompt as plain text, for judges, tools and search queries; one given as messages shows its roles."""
        text = self.prompt if isinstance(self.prompt, str) else text_of(self.prompt, roles=True)
        return f"{text}\n\n[tools]\n{json.dumps(self.tools, ensure_ascii=False)}" if self.tools else text

    @property
    def images(self) -> tuple[Image, ...]:
        """The prompt's pictures, in their order."""
        return images_of(self.messages)

    @property
    def answer(self) -> str:
        """The reference as text; empty where there is none."""
        return self.reference.text if self.reference is not None else ""


def content_id(
    prompt: str | Iterable[Message], tools: Iterable[dict[str, Any]] = (), given: Iterable[Reply | Trajectory] = ()
) -> str:
    """24 hexadecimal digits that name a prompt by its content: its texts, the hashes of its pictures, its calls and its tools.

    Outputs that are given with it count as well.
    """
    text = prompt if isinstance(prompt, str) else "\0".join(f"{message.role}\0{_content(message)}" for message in prompt)
    parts = [text, *(json.dumps(tool, sort_keys=True) for tool in tools)]
    parts += [output.model_dump_json() for output in given]
    return hashlib.sha256("\0\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _content(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return json.dumps([part.model_dump() for part in message.content], sort_keys=True, ensure_ascii=False)
