"""One look at some candidates by one model: what it is shown, and how its scores are read (paper: appendix D.1)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from anyprefer.agents.judges.base import JudgeSetup, Material
from anyprefer.agents.material import lay_out, response_blocks, task_block, task_evidence_blocks, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient
from anyprefer.backends.logprobs import expected_digits
from anyprefer.backends.replies import Completion
from anyprefer.config import JudgeConfig
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate

logger = logging.getLogger(__name__)


async def take_look(
    setup: JudgeSetup, material: Material, shown: Sequence[Candidate], *, prompt: Prompt, schema: type[BaseModel], key: str,
    values: Mapping[str, str],
) -> tuple[dict[str, Any], list[float]]:  # fmt: skip
    """Ask for scores.

    Args:
        setup: The model and what it must know.
        material: What it goes by.
        shown: The candidates, in the order in which the model sees them.
        prompt: A prompt with the placeholders of `score.md` or fewer.
        schema: Of the reply.
        key: The reply's field that holds the score, or the list of scores.
        values: Of the prompt's further placeholders.

    Returns:
        The reply, and its scores from 1 to 10.

    Raises:
        ModelError: The reply is missing or malformed; an unreadable verdict is never a score.
    """
    site = CallSite(material.task.id, "judge", material.round, f"score/{material.look}")
    nonce = site.nonce(setup.model.calls.secret)
    messages = lay_out(setup.model, lambda: prompt.fill({**describe_material(setup, material, shown, nonce), **values}))
    expected = setup.config.expected_score
    sheet, completion = await setup.model.structured_completion(messages, site, schema, digits=expected)
    found: dict[str, Any] = sheet.model_dump()
    written = found[key] if isinstance(found[key], list) else [found[key]]
    scores = weigh_digits(setup.model, completion, key, written) if expected else [float(score) for score in written]
    return found, scores


def describe_material(setup: JudgeSetup, material: Material, shown: Sequence[Candidate], nonce: str) -> dict[str, str]:
    """The values of the placeholders that all score prompts have."""
    if material.knowledge is not None:
        background = text_block(material.knowledge.text, "findings", nonce)
    else:
        background = task_evidence_blocks(material.evidence, nonce, setup.evidence_chars)
    own = text_block(material.own_answer, "your own answer", nonce) if material.own_answer else ""
    lowest, highest = scale(setup.config)
    return {
        "field": setup.field, "examples": setup.examples, "lowest": str(lowest), "highest": str(highest),
        "rules": _describe_rules(setup.config, material), "task": task_block(material.task, nonce),
        "knowledge": "\n\n".join(part for part in (background, own) if part),
        "responses": response_blocks(shown, nonce, material.evidence, setup.evidence_chars, show=setup.show),
    }  # fmt: skip


def _describe_rules(config: JudgeConfig, material: Material) -> str:
    """What this judgement must go by, beyond the prompt: an aspect, principles, the rewritten guidance."""
    parts = []
    if material.aspect:
        parts.append(f"Judge this aspect and nothing else.\n{material.aspect}")
    if config.principles:
        parts.append("\n".join(("Apply these principles:", *(f"- {line}" for line in config.principles))))
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


def describe_analysis(config: JudgeConfig, what: str) -> str:
    """The prompt's demand for an analysis, empty where the recipe wants none."""
    if not config.analysis_chars:
        return ""
    return f"First write a short analysis {what} (at most {config.analysis_chars} characters each), and only then score."


def analysis_type(max_chars: int) -> Any:
    """The type of one analysis in a reply."""
    return Annotated[str, Field(min_length=1, max_length=max(1, max_chars))]


def score_type(lowest: int, highest: int) -> Any:
    """The type of one score in a reply."""
    return Annotated[int, Field(ge=lowest, le=highest)]


def weigh_digits(model: ModelClient, completion: Completion, key: str, written: Sequence[int]) -> list[float]:
    """The expected scores on the scale from 1 to 10, or the written ones where the server gave no distribution."""
    expected = expected_digits(completion.texts[0], key, completion.digits or [])
    if expected is None:
        _warn_without_logprobs(model)
    return [min(1.0 + digit, 10.0) for digit in expected or written]  # a weighted mean of nines may round to more than 9


_warned: set[str] = set()


def _warn_without_logprobs(model: ModelClient) -> None:
    if model.model_id not in _warned:
        _warned.add(model.model_id)
        logger.warning(
            "%s gives no log-probabilities for its scores, so plain scores are used: set judge.expected_score = false",
            model.model_id,
        )
