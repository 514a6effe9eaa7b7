"""The first application: prompts in words, replies in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from anyprefer.applications.base import Column, ModelFamily, Sampler, TargetPlayer
from anyprefer.data.blobs import BlobStore
from anyprefer.data.tasks import read_task
from anyprefer.types import Output, Part, PreferenceRecord, Reasoning, Task, Text, same_output


class TextApplication:
    """Conversations with language models."""

    name: ClassVar[str] = "text"

    def read_task(self, where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        """See `anyprefer.data.tasks.read_task`."""
        return read_task(where, row, folder, blobs)

    def sampler(self, team: TargetPlayer) -> Sampler:
        """The target's replies."""
        return team.sample_replies()

    def show(self, output: Output, *, reasoning: bool = False) -> tuple[Part, ...]:
        """The answer as text, after the thoughts where they are asked for."""
        thought = output.reasoning if reasoning else ""
        return (*((Reasoning(text=thought),) if thought else ()), Text(text=output.text))

    def same(self, a: Output, b: Output) -> bool:
        """Whether the answers say the same, thoughts and white space apart."""
        return same_output(a, b)

    def columns(self, record: PreferenceRecord) -> Mapping[str, Column]:
        """None: replies have the columns that every application has."""
        return {}

    def trainer(self) -> ModelFamily:
        """Causal language models."""
        from anyprefer.training.models.text import LanguageModels

        return LanguageModels()
