"""What depends on the kind of task: an application says how tasks are read, sampled, shown, compared, exported and trained on.

Nothing else asks which application it is. A recipe names one; `anyprefer.applications.registry` finds it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from anyprefer.data.blobs import BlobStore
from anyprefer.types import Candidate, Output, Part, PreferenceRecord, Prompts, Task

Kind = Literal["messages", "strings", "string", "int64", "float64"]
"""What a column holds, in Arrow's words; `messages` is a list of `{role, content}`, `strings` a list of strings."""


class Column(BaseModel):
    """One column that an application adds to an exported row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    meaning: str
    """For the dataset card."""
    value: Any


class Sampler(Protocol):
    """Whatever gives the loop its candidates: a model, a simulator, given responses."""

    async def sample(self, task: Task, prompts: Prompts, round_: int, earlier: Sequence[Candidate] = ()) -> tuple[Candidate, ...]:
        """Up to as many different, whole candidates as the recipe wants.

        Args:
            task: What to make something of.
            prompts: The current guidance.
            round_: The round of the loop, from 0; every candidate names it.
            earlier: Those of earlier rounds, which stay in play: new ones differ from them, and their indices go on behind.

        Raises:
            ModelError: There is none.
        """


class TargetPlayer(Protocol):
    """What a team offers an application to sample with."""

    def sample_replies(self) -> Sampler:
        """A sampler of the target's replies under the recipe."""


class ModelFamily(Protocol):
    """How a kind of model is trained: see `anyprefer.training.models.text` for the family of language models."""

    def load(self, folder: Path, **options: Any) -> Any:
        """The model with its weights.

        Args:
            folder: A transformers folder, or one with a GGUF file that the options name.
            options: Those of transformers' `from_pretrained`, such as `dtype`.
        """

    def count_weights(self, folder: Path) -> int:
        """How many weights it has, without loading them."""

    def load_processor(self, folder: Path, name: str, **options: Any) -> Any:
        """What turns rows into tokens: a tokenizer, or a processor of text and pictures.

        Args:
            folder: As for `load`.
            name: What messages call the model.
            options: As for `load`.

        Raises:
            ConfigError: Conversations cannot be read with it.
        """

    def encode(self, processor: Any, conversation: str | Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Tokens of a text, or of a conversation of `{role, content}` messages, as training reads them.

        Raises:
            DataError: The model cannot read such a conversation.
        """

    def make_collator(self, processor: Any, max_length: int) -> Any:
        """What makes batches of encoded pairs, cut at `max_length` tokens, for TRL's DPO trainer."""


class Application(Protocol):
    """A kind of task."""

    name: str

    def read_task(self, where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        """Make a task of a row.

        Args:
            where: The row's place, for messages.
            row: Its columns, under the usual names where the recipe's `[columns]` maps others.
            folder: What relative paths in it are relative to.
            blobs: Keeps its pictures and the like; None only hashes them.

        Raises:
            DataError: The row cannot be used; names the place, the value and the fix.
        """

    def sampler(self, team: TargetPlayer) -> Sampler:
        """What draws candidates."""

    def show(self, output: Output, *, reasoning: bool = False) -> tuple[Part, ...]:
        """How judges, pages and terminals see an output; thoughts are shown only where they are asked for."""

    def same(self, a: Output, b: Output) -> bool:
        """Whether two outputs are equal, so that they are no pair."""

    def columns(self, record: PreferenceRecord) -> Mapping[str, Column]:
        """What an exported row has beyond the columns of every application."""

    def trainer(self) -> ModelFamily:
        """How the target's kind of model is trained."""
