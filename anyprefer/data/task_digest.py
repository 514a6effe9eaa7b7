"""What a task says, as a short digest of each of its parts: tells whether it is still the task that its record was made for."""

import hashlib
import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json

from anyprefer.data.records import escape_surrogates
from anyprefer.types import Task

PARTS = ("prompt", "tools", "reference", "metadata", "other fields")
"""What is told apart, in the order of the digests."""


def digest_task(task: Task) -> str:
    """The digests of a task's parts with spaces between them, the same before and after the task was stored; the id is none."""
    try:
        text = task.model_dump_json()
    except PydanticSerializationError:
        text = Task.model_validate(escape_surrogates(task.model_dump())).model_dump_json()
    tree = from_json(text)
    del tree["id"]
    known = [_messages(tree.pop("prompt")), *(tree.pop(name) for name in PARTS[1:-1])]
    others = {name: value for name, value in tree.items() if value != Task.model_fields[name].default}
    return " ".join(hashlib.blake2b(_text(part), digest_size=8).hexdigest() for part in (*known, others))


def changed_parts(before: str, after: str) -> list[str]:
    """The names of the parts in which two tasks differ, by their digests."""
    pairs = zip(PARTS, before.split(), after.split(), strict=True)
    return [name for name, old, new in pairs if old != new]


def _messages(prompt: Any) -> list[dict[str, Any]]:
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return [{name: value for name, value in message.items() if value is not None} for message in messages]


def _text(part: Any) -> bytes:
    return json.dumps(part, sort_keys=True).encode()
