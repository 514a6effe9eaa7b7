"""Benchmarks that a served model answers in words: what is asked, and when an answer is right."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.agents.judges.scorers import Kind, kind_of
from anyprefer.agents.sampler import refuse_pictures
from anyprefer.config import ColumnsConfig
from anyprefer.data.blobs import BlobStore
from anyprefer.data.cells import as_metadata
from anyprefer.data.tasks import load_tasks, read_task
from anyprefer.errors import DataError
from anyprefer.evaluation.pairs import LABELS
from anyprefer.types import Message, Reply, Task, Text

_ASK: dict[Kind, str] = {
    "number": "\n\nWork it out step by step, and end with a line \"Answer: NUMBER\".",
    "choice": "\n\nReply with the letter of the right option alone.",
    "exact": "",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One question."""

    task: Task
    """With the reference; a choice's is its letter."""
    messages: tuple[Message, ...]
    """What the model sees."""


def load_benchmark(name: str, path: Path, limit: int | None = None, columns: ColumnsConfig | None = None) -> list[Item]:
    """Read a benchmark file.

    Args:
        name: One of `KINDS`, or `module:function` of a scorer of your own, whose prompts are asked as they are.
        path: A task file: GSM8K's (question, answer), ARC's (question, choices, answerKey), or prompts with references.
        limit: Most items.
        columns: What columns mean whose names do not say it.

    Raises:
        ConfigError: No such benchmark.
        DataError: A row has pictures or no reference, or its answer is none of its options; names the row.
    """
    kind = kind_of(name)
    return [_item(kind, task) for task in load_tasks(path, limit=limit, read=_read, columns=columns)]


def _read(where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
    return read_task(where, as_metadata(where, row, LABELS), folder, blobs)


def _item(kind: Kind, task: Task) -> Item:
    refuse_pictures(task)
    if kind == "choice":
        task = _with_options(task)
    if not task.answer.strip():
        raise DataError(f"item {task.id!r} has no reference answer: a benchmark needs one for each question")
    *before, last = task.messages
    content = last.content + _ASK[kind] if isinstance(last.content, str) else (*last.content, Text(text=_ASK[kind]))
    return Item(task, (*before, Message(role=last.role, content=content, name=last.name)))


def _with_options(task: Task) -> Task:
    choices, key = task.metadata.get("choices"), str(task.metadata.get("answerKey", "")).strip()
    if not isinstance(choices, dict):
        return task
    options = dict(_options(choices))
    if key not in options:
        raise DataError(f"item {task.id!r}: answerKey {key!r} is none of its options {', '.join(options)}")
    listed = "\n".join(f"{label}. {text}" for label, text in options.items())
    return task.model_copy(update={"prompt": f"{task.text}\n\n{listed}", "reference": Reply.of(key)})


def _options(choices: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for label, text in zip(choices.get("label", ()), choices.get("text", ()), strict=False):
        yield str(label), str(text)
