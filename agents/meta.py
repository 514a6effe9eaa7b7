"""The meta-judge: compares whole judgements and keeps the best (Meta-Rewarding Language Models, arXiv 2407.19594).

The paper trains the judge on such comparisons; here they decide which judgement's scores count.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from anyprefer.agents.material import response_blocks, task_block, text_block
from anyprefer.agents.scoring import Material, Opinion
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate

Judgement = Mapping[int, Opinion]
"""Candidate index -> opinion."""


class MetaVerdict(BaseModel):
    """The comparison's reply: the reason first."""

    model_config = ConfigDict(extra="forbid")

    analysis: Annotated[str, Field(min_length=1, max_length=300)]
    better: Literal["A", "B"]


def merge_opinions(opinions: Sequence[Opinion]) -> Judgement:
    """One opinion per candidate: the mean score over aspects, the analyses one after the other."""
    merged: dict[int, Opinion] = {}
    for index in dict.fromkeys(opinion.candidate for opinion in opinions):
        own = [opinion for opinion in opinions if opinion.candidate == index]
        analysis = "\n".join(opinion.analysis for opinion in own if opinion.analysis)
        merged[index] = Opinion(index, analysis, fmean(opinion.score for opinion in own))
    return merged


async def choose_judgement(
    model: ModelClient, prompt: Prompt, material: Material, candidates: Sequence[Candidate], judgements: Sequence[Judgement]
) -> int:
    """Let the model compare judgements two at a time; the winner stays.

    Each comparison swaps the places of winner and challenger, so that no place is favoured throughout.

    Returns:
        The index of the judgement that wins.

    Raises:
        ModelError: The model failed.
    """
    best = 0
    for challenger in range(1, len(judgements)):
        first, second = (best, challenger) if challenger % 2 else (challenger, best)
        site = CallSite(material.task.id, "judge", material.round, f"meta/{challenger}")
        nonce = site.nonce(model.calls.secret)
        messages = prompt.fill({
            "task": task_block(material.task, nonce), "responses": response_blocks(candidates, nonce),
            "judgement_a": text_block(_describe(candidates, judgements[first]), "judgement A", nonce),
            "judgement_b": text_block(_describe(candidates, judgements[second]), "judgement B", nonce),
        })  # fmt: skip
        reply = await model.structured(messages, site, MetaVerdict)
        best = first if reply.better == "A" else second
    return best


def _describe(candidates: Sequence[Candidate], judgement: Judgement) -> str:
    return "\n".join(
        f"Response {place}: {judgement[candidate.index].score:g}. {judgement[candidate.index].analysis}"
        for place, candidate in enumerate(candidates, start=1)
    )
