"""One request to a chat model, as the loop means it, and what of it an endpoint is sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anyprefer.types import Message, Part, Text


@dataclass(frozen=True)
class Ask:
    """What is asked for, whatever the endpoint can do."""

    messages: Sequence[Message]
    n: int = 1
    schema: dict[str, Any] | None = None
    """A JSON schema that the replies must fit."""
    seed: int | None = None
    temperature: float | None = None
    """None: the role's own."""
    top_p: float = 1.0
    max_tokens: int = 1024
    top_logprobs: int = 0
    """Alternatives of each token whose log-probabilities are wanted; 0 wants none."""
    tools: Sequence[dict[str, Any]] = ()
    """JSON schemas of functions that the model may call."""
    extra_body: dict[str, Any] = field(default_factory=dict)
    """Sent as it is."""
    spell: bool = False
    """Whether the schema goes into the prompt even where the endpoint is held to it."""

    @property
    def num_bytes(self) -> int:
        """Length of what is read by the model, in UTF-8."""
        texts = (message.text for message in self.messages)
        return (
            sum(len(text.encode("utf-8", "replace")) for text in texts) + len(str(self.schema or "")) + len(str(self.tools or ""))
        )


def spell_schema(ask: Ask) -> Ask:
    """Put the schema into the prompt, at the end of the last message, where models look for what to do."""
    if ask.schema is None:
        return ask
    form = json.dumps(ask.schema, ensure_ascii=False)
    wish = f"Reply with one JSON object that fits this JSON schema, and nothing else:\n{form}"
    *before, last = ask.messages
    return replace(ask, messages=(*before, _with_text(last, wish, at_end=True)))


def join_system(ask: Ask) -> Ask:
    """Move system text to the start of the first user message, for models that know no system role."""
    system = "\n\n".join(message.text for message in ask.messages if message.role == "system")
    rest = [message for message in ask.messages if message.role != "system"]
    place = next((i for i, message in enumerate(rest) if message.role == "user"), None)
    if not system or place is None:
        return ask
    rest[place] = _with_text(rest[place], system, at_end=False)
    return replace(ask, messages=tuple(rest))


def _with_text(message: Message, text: str, *, at_end: bool) -> Message:
    if isinstance(message.content, str):
        both = (message.content, text) if at_end else (text, message.content)
        return message.model_copy(update={"content": "\n\n".join(part for part in both if part)})
    added: tuple[Part, ...] = (Text(text=text),)
    return message.model_copy(update={"content": (*message.content, *added) if at_end else (*added, *message.content)})
