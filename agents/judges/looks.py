"""One look at some candidates by one model: what it is shown, and how its scores are read (paper: appendix D.1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from anyprefer.agents.grading import scale, weigh_digits
from anyprefer.agents.judges.base import JudgeSetup, Material
from anyprefer.agents.material import guidance_part, knowledge_block, lay_out, response_blocks, task_block, text_block
from anyprefer.backends.calls import CallSite
from anyprefer.backends.replies import Completion
from anyprefer.config import JudgeConfig
from anyprefer.prompts import Prompt
from anyprefer.types import Candidate, Criterion


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
    expected = setup.config.expected_score
    found, completion = await ask_about(setup, material, shown, prompt=prompt, schema=schema, values=values, digits=expected)
    written = found[key] if isinstance(found[key], list) else [found[key]]
    scores = weigh_digits(setup.model, completion, key, written) if expected else [float(score) for score in written]
    return found, scores


async def ask_about(
    setup: JudgeSetup, material: Material, shown: Sequence[Candidate], *, prompt: Prompt, schema: type[BaseModel],
    values: Mapping[str, str], digits: bool = False,
) -> tuple[dict[str, Any], Completion]:  # fmt: skip
    """Ask for any reply about some candidates, shown as `take_look` shows them.

    Returns:
        The reply's fields, and the completion that they were read from, which knows its digits' log-probabilities if asked to.

    Raises:
        ModelError: The reply is missing or malformed.
    """
    site = CallSite(material.task.id, "judge", material.round, f"score/{material.look}")
    messages = lay_out(setup.model, lambda: prompt.fill({**describe_material(setup, material, shown), **values}))
    sheet, completion = await setup.model.structured_completion(messages, site, schema, digits=digits)
    return sheet.model_dump(), completion


def describe_material(setup: JudgeSetup, material: Material, shown: Sequence[Candidate]) -> dict[str, str]:
    """The values of the placeholders that all prompts about candidates may have."""
    background = knowledge_block(material.knowledge, material.evidence, setup.evidence_chars)
    own = text_block(material.own_answer, "your own answer") if material.own_answer else ""
    lowest, highest = scale(setup.config)
    return {
        "field": setup.field, "examples": setup.examples, "lowest": str(lowest), "highest": str(highest),
        "rules": describe_rules(setup.config, material), "task": task_block(material.task),
        "knowledge": "\n\n".join(part for part in (background, own) if part),
        "criteria": text_block(list_criteria(material.rubric), "criteria"),
        "responses": response_blocks(shown, material.evidence, setup.evidence_chars, show=setup.show),
    }  # fmt: skip


def list_criteria(rubric: Iterable[Criterion]) -> str:
    """The criteria as a prompt shows them, each on a line with its number."""
    return "\n".join(f"{number}. {' '.join(one.text.split())}" for number, one in enumerate(rubric, start=1))


def describe_rules(config: JudgeConfig, material: Material) -> str:
    """What this judgement must go by, beyond the prompt: an aspect, principles, the rewritten guidance."""
    parts = []
    if material.aspect:
        parts.append(f"Judge this aspect and nothing else.\n{material.aspect}")
    if config.principles:
        parts.append("\n".join(("Apply these principles:", *(f"- {line}" for line in config.principles))))
    if material.own_answer:
        parts.append("You have worked out the task yourself; compare, but check your own answer as well: it may be wrong.")
    if material.guidance:
        parts.append(guidance_part(material.guidance))
    return "\n\n".join(parts)
