"""KnowledgeAggregator: distils evidence into what the judge needs (paper: appendix D.1, the aggregate function)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import (
    Show,
    guidance_part,
    lay_out,
    response_blocks,
    show_text,
    task_block,
    task_evidence_blocks,
    text_block,
)
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.config import AggregatorConfig
from anyprefer.prompts import Prompt
from anyprefer.shortening import shorten
from anyprefer.types import Attempt, Candidate, Evidence, Knowledge, Task


class Notes(BaseModel):
    """The aggregator's reply."""

    model_config = ConfigDict(extra="forbid")

    text: str


@cache
def notes_schema(chars: int) -> type[Notes]:
    """The reply with the recipe's length limit."""
    text = Annotated[str, Field(max_length=chars)]
    return create_model("Notes", __base__=Notes, text=(text, ...))


@dataclass(frozen=True)
class KnowledgeAggregator:
    """Keeps what is needed and right, drops what is redundant or wrong."""

    model: ModelClient
    prompt: Prompt
    config: AggregatorConfig
    field: str
    evidence_chars: int = 2000
    show: Show = show_text

    async def aggregate(
        self, task: Task, candidates: Sequence[Candidate], evidence: Sequence[Evidence], previous: Attempt | None, round_: int,
        *, guidance: str = "",
    ) -> Knowledge | None:  # fmt: skip
        """Consolidate the evidence, given the candidates and the previous round's scores.

        Args:
            task: The task.
            candidates: Those that are judged, of whatever round.
            evidence: What tools found.
            previous: The last round's attempt.
            round_: The round.
            guidance: The judge's (paper: p_j, which "will finally affect the aggregation of the tools information").

        Returns:
            None where there is no evidence, or where the recipe hands it to the judge as it is.

        Raises:
            ModelError: The model failed.
        """
        if not evidence or not self.config.enabled:
            return None
        site = CallSite(task.id, "aggregator", round_, "aggregate")
        history = _history(previous, candidates) if previous else ""
        messages = lay_out(self.model, lambda: self.prompt.fill({
            "field": self.field, "knowledge_chars": str(self.config.knowledge_chars), "task": task_block(task),
            "responses": response_blocks(candidates, evidence, self.evidence_chars, self.show),
            "evidence": task_evidence_blocks(evidence, self.evidence_chars),
            "history": text_block(history, "scores of the previous round") if history else "",
            "guidance": guidance_part(guidance),
        }))  # fmt: skip
        notes = await self.model.structured(messages, site, notes_schema(self.config.knowledge_chars))
        return Knowledge(text=notes.text)


_EXCERPT_CHARS = 160
"""How much of a response stands beside its score in the last round."""


def _history(previous: Attempt, candidates: Sequence[Candidate]) -> str:
    """The last round's scores, of its own candidates and of earlier ones; empty where no judge was asked."""
    texts = {one.index: " ".join(one.text.split()) for one in (*candidates, *previous.candidates)}
    known = [verdict for verdict in previous.verdicts if verdict.candidate in texts]
    return "\n".join(f"{one.score:.3g}/10: {shorten(texts[one.candidate], _EXCERPT_CHARS)}" for one in known)
