"""How a judge model is asked for scores: all responses on one sheet, or one response at a time (paper: appendix D.1).

A `Reading` is one look at some responses by one model: in one order, under one aspect. A judgement is the mean of its readings.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import response_blocks, task_block, task_evidence_blocks, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.backends.logprobs import expected_digits
from anyprefer.config import JudgeConfig
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Evidence, Knowledge, Message, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What a judge model looks at, the responses apart."""

    task: Task
    evidence: Sequence[Evidence]
    knowledge: Knowledge | None
    guidance: str
    """The judge policy's current guidance (paper: p_j)."""
    own_answer: str
    """The judge's own answer to the task; empty where the recipe does not ask for one."""
    round: int


@dataclass(frozen=True)
class Reading:
    """One request for scores."""

    number: int
    """Unique within a judgement."""
    model: ModelClient
    shown: tuple[Candidate, ...]
    """In the order in which the model sees them."""
    aspect: str = ""
    """What alone is to be judged, as `name: description`; empty judges the whole."""


@dataclass(frozen=True)
class Opinion:
    """What one reading says about one response."""

    candidate: int
    analysis: str
    score: float


@dataclass(frozen=True)
class Scorer:
    """Fills in the score prompts and reads the replies."""

    sheet_prompt: Prompt
    single_prompt: Prompt
    config: JudgeConfig
    evidence_chars: int
    field: str
    examples: str = ""

    async def read(self, reading: Reading, material: Material) -> list[Opinion]:
        """Ask for the scores of the responses shown.

        Raises:
            ModelError: The reply is missing or malformed; an unreadable verdict is never a score.
        """
        site = CallSite(material.task.id, "judge", material.round, f"score/{reading.number}")
        messages = self._messages(reading, material, site.nonce(reading.model.calls.secret))
        schema = score_sheet(len(reading.shown), self.config)
        sheet, completion = await reading.model.structured_completion(messages, site, schema, digits=self.config.expected_score)
        found: dict[str, Any] = sheet.model_dump()
        pointwise = self.config.method == "pointwise"
        analyses = [found.get("analysis", "")] if pointwise else found.get("analyses", [""] * len(reading.shown))
        scores = [found["score"]] if pointwise else found["scores"]
        if self.config.expected_score:
            expected = expected_digits(completion.texts[0], "score" if pointwise else "scores", completion.digits or [])
            if expected is None:
                _warn_without_logprobs(reading.model)
            scores = [1 + digit for digit in expected or scores]
        return [
            Opinion(candidate.index, analysis, float(score))
            for candidate, analysis, score in zip(reading.shown, analyses, scores, strict=True)
        ]

    def _messages(self, reading: Reading, material: Material, nonce: str) -> tuple[Message, ...]:
        if material.knowledge is not None:
            background = text_block(material.knowledge.text, "findings", nonce)
        else:
            background = task_evidence_blocks(material.evidence, nonce, self.evidence_chars)
        own = text_block(material.own_answer, "your own answer", nonce) if material.own_answer else ""
        lowest, highest = scale(self.config)
        values = {
            "field": self.field, "examples": self.examples, "lowest": str(lowest), "highest": str(highest),
            "analysis": _analysis_rule(self.config), "rules": self._rules(reading, material),
            "task": task_block(material.task, nonce), "knowledge": "\n\n".join(part for part in (background, own) if part),
            "responses": response_blocks(reading.shown, nonce, material.evidence, self.evidence_chars),
        }  # fmt: skip
        if self.config.method == "pointwise":
            return self.single_prompt.fill(values)
        return self.sheet_prompt.fill({**values, "num_candidates": str(len(reading.shown))})

    def _rules(self, reading: Reading, material: Material) -> str:
        """What this judgement must go by, beyond the prompt: an aspect, principles, the rewritten guidance."""
        parts = []
        if reading.aspect:
            parts.append(f"Judge this aspect and nothing else.\n{reading.aspect}")
        if self.config.principles:
            parts.append("\n".join(("Apply these principles:", *(f"- {line}" for line in self.config.principles))))
        if material.own_answer:
            parts.append("You have worked out the task yourself; compare, but check your own answer as well: it may be wrong.")
        if material.guidance:
            parts.append(f"Further guidance:\n{material.guidance}")
        return "\n\n".join(parts)


def scale(config: JudgeConfig) -> tuple[int, int]:
    """The lowest and highest score that the model is asked for.

    Expected scores are asked for as one digit, since "10" is two tokens for many models; 1 is added to what comes back.
    """
    return (0, 9) if config.expected_score else (1, 10)


def score_sheet(num_candidates: int, config: JudgeConfig) -> type[BaseModel]:
    """The reply schema: analyses, where the recipe wants them, come before scores, so that scores follow from them."""
    return _sheet(1 if config.method == "pointwise" else num_candidates, config.method, config.analysis_chars, *scale(config))


@cache
def _sheet(count: int, method: str, analysis_chars: int, lowest: int, highest: int) -> type[BaseModel]:
    analysis: Any = Annotated[str, Field(min_length=1, max_length=max(1, analysis_chars))]
    score: Any = Annotated[int, Field(ge=lowest, le=highest)]
    if method == "pointwise":
        first: dict[str, Any] = {"analysis": (analysis, ...)} if analysis_chars else {}
        return create_model("Score", __config__=ConfigDict(extra="forbid"), **first, score=(score, ...))
    size = Field(min_length=count, max_length=count)
    first = {"analyses": (Annotated[list[analysis], size], ...)} if analysis_chars else {}
    return create_model("ScoreSheet", __config__=ConfigDict(extra="forbid"), **first, scores=(Annotated[list[score], size], ...))


def _analysis_rule(config: JudgeConfig) -> str:
    if not config.analysis_chars:
        return ""
    what = "of the response" if config.method == "pointwise" else "of every response, in the order shown"
    return f"First write a short analysis {what} (at most {config.analysis_chars} characters each), and only then score."


_warned: set[str] = set()


def _warn_without_logprobs(model: ModelClient) -> None:
    if model.model_id not in _warned:
        _warned.add(model.model_id)
        logger.warning(
            "%s gives no log-probabilities for its scores, so plain scores are used: set judge.expected_score = false",
            model.model_id,
        )
