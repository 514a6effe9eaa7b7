"""One row of the exported dataset per preference pair: TRL's columns first, then the lineage.

Every row has the same columns with the same types, whatever the record holds, so that any Arrow reader takes any export.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from anyprefer.agents.pooling import evidence_behind
from anyprefer.applications.base import Application, Kind
from anyprefer.data.records import record_line
from anyprefer.errors import DataError
from anyprefer.types import Attempt, Evidence, Message, PreferencePair, PreferenceRecord, Reasoning, Side

Thoughts = Literal["none", "field", "inline"]
"""What becomes of the thoughts behind the answers: left out, a field of the message, or text before the answer."""

FIELD = "reasoning_content"
"""Where chat templates look for a message's thought."""


class PreferenceRow(BaseModel):
    """The columns, in their order. Their docstrings are the column descriptions of the dataset card."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt: list[dict[str, str | None]]
    """The task's prompt as messages, exactly as given: never with the guidance that the loop wrote."""
    chosen: list[dict[str, str | None]]
    """The preferred response as messages, most often one of the assistant."""
    rejected: list[dict[str, str | None]]
    """The other response, likewise."""
    images: list[str] = []
    """SHA-256 of the prompt's pictures, in their order; a column only where some task has pictures."""
    task_id: str
    """Id of the task within its run."""
    status: Literal["accepted", "exhausted"]
    """Whether the reward reached the threshold, or this is the best pair of a task whose rounds ran out."""
    chosen_origin: Literal["candidate", "given", "reference", "person"]
    """Where the chosen response is from: a model in the loop, the task file's own pairs, its reference, or a reviewer."""
    rejected_origin: Literal["candidate", "given", "reference", "person"]
    """Likewise of the rejected response."""
    chosen_model: str
    """The model that wrote the chosen response; empty where no model did, or its run does not say which."""
    rejected_model: str
    """Likewise of the rejected response."""
    chosen_score: float | None
    """The judge's score of the chosen response, 1 to 10, averaged over the orderings shown; empty where no judge saw it."""
    rejected_score: float | None
    """Likewise of the rejected response."""
    margin: float | None
    """Chosen score minus rejected score, below 0 where a person turned the pair round; empty where a score is missing."""
    certainty: float | None
    """Share of the verifying tools' votes that stand behind the order, 0 to 1; empty where none spoke."""
    differences: str
    """The criteria of the judge's rubric that the responses do not meet alike, as a JSON list; empty without a rubric."""
    chosen_grade: float | None
    """The critic's grade of the chosen response read by itself, 1 to 10; empty of a critic that reads the pair as a whole."""
    rejected_grade: float | None
    """Likewise of the rejected response."""
    reward: float | None
    """The critic's score of the pair before any review, 1 to 10; empty where the recipe asks no critic."""
    review: str
    """What a person decided about the pair, as a JSON object (decision, reviewer, reason); empty where nobody was asked."""
    reference: str
    """The task's trusted answer; empty where it has none."""
    round: int
    """The round of the loop that made the pair, from 0."""
    critique: str
    """The critic's explanation."""
    knowledge: str
    """What the judge was told beyond the task, distilled from the evidence; empty without tools."""
    tools: list[str]
    """Tools that gave evidence for this pair, in order of first use."""
    evidence: str
    """All tool results behind the pair, as a JSON list."""
    target_model: str
    """The recipe's target; who wrote a response stands in the columns above."""
    judge_model: str
    """The recipe's judge; it was not asked where scores are empty, or where the recipe's scorer compared with a reference."""
    critic_model: str
    """The model that rewarded the pair; empty where there was none."""
    prompt_version: int
    """How many rewrites led to the two guidances below."""
    target_guidance: str
    """What the loop had added to the target's prompt in this round."""
    judge_guidance: str
    """What the loop had added to the judge's prompt in this round."""
    seed: int | None
    """Seed of the sampling requests."""
    recipe_digest: str
    """SHA-256 over the recipe values and prompts that made this row."""
    record_sha256: str
    """SHA-256 of the record's line in `records.jsonl`, without its newline; that of an earlier version as today's would be."""
    metadata: str
    """The task's own further fields, as a JSON object."""


_KINDS: dict[Any, Kind] = {
    list[dict[str, str | None]]: "messages", list[str]: "strings", float: "float64", float | None: "float64", int: "int64",
    int | None: "int64",
}  # fmt: skip


def columns(*, with_images: bool) -> dict[str, Kind]:
    """The columns of an export in their order, with what they hold."""
    fields = PreferenceRow.model_fields.items()
    return {name: _KINDS.get(field.annotation, "string") for name, field in fields if with_images or name != "images"}


def message_fields(reasoning: Thoughts) -> tuple[str, ...]:
    """What every message of an export holds."""
    return ("role", "content", FIELD) if reasoning == "field" else ("role", "content")


def preference_row(
    record: PreferenceRecord, application: Application, *, with_images: bool = False, reasoning: Thoughts = "none"
) -> dict[str, Any]:
    """The row of a record with a pair: the fields of `PreferenceRow` as plain values, then the application's own columns.

    Args:
        record: Accepted, or exhausted with a best attempt.
        application: The recipe's.
        with_images: Whether the dataset has the column `images`.
        reasoning: What becomes of thoughts. Where only one side has any, neither keeps them, or they alone would tell the two
            apart.

    Raises:
        DataError: The record has no pair.
    """
    attempt, pair = _best(record)
    kept: Thoughts = reasoning if thinking(pair) == "both" else "none"
    row = {
        "prompt": [_message(message, reasoning, reasoning) for message in record.task.messages],
        "chosen": [_message(message, kept, reasoning) for message in pair.chosen.output.messages],
        "rejected": [_message(message, kept, reasoning) for message in pair.rejected.output.messages],
        "images": [image.sha256 for image in record.task.images],
        "task_id": record.task.id,
        "status": record.status,
        "reference": record.task.answer,
        "review": _review(record),
        "seed": record.seed,
        "recipe_digest": record.recipe_digest,
        "record_sha256": hashlib.sha256(record_line(record)[:-1]).hexdigest(),
        "metadata": _to_json(record.task.metadata),
        **_side_columns(record, "chosen", pair.chosen),
        **_side_columns(record, "rejected", pair.rejected),
        "margin": pair.margin,
        "certainty": pair.certainty,
        "differences": _to_json([one.model_dump(mode="json") for one in pair.differences]) if pair.differences else "",
        **_attempt_columns(attempt, evidence_behind(record.attempts, attempt)),
        **{f"{role}_model": record.models.get(role, "") for role in ("target", "judge", "critic")},
    }
    own = {name: column.value for name, column in application.columns(record).items()}
    return PreferenceRow.model_validate(row).model_dump(exclude=None if with_images else {"images"}) | own


def thinking(pair: PreferencePair) -> Literal["none", "one", "both"]:
    """On how many sides of a pair the thoughts are known."""
    found = sum(bool(side.output.reasoning) for side in (pair.chosen, pair.rejected))
    return ("none", "one", "both")[found]


def _best(record: PreferenceRecord) -> tuple[Attempt, PreferencePair]:
    if record.best is None or record.pair is None:
        raise DataError(f"the {record.status} record of task {record.task.id!r} has no pair: export accepted records only")
    return record.best, record.pair


def _message(message: Message, thoughts: Thoughts, layout: Thoughts) -> dict[str, str | None]:
    """A message as trainers read it, with its thought where `thoughts` says so; `layout` decides which fields it has."""
    text = message.text
    thought = "\n\n".join(part.text for part in message.parts if isinstance(part, Reasoning))
    if thought and thoughts == "inline":
        text = f"<think>\n{thought}\n</think>\n\n{text}"
    field = {FIELD: thought if thought and thoughts == "field" else None} if layout == "field" else {}
    return {"role": message.role, "content": text, **field}


def _side_columns(record: PreferenceRecord, name: str, side: Side) -> dict[str, Any]:
    return {
        f"{name}_origin": side.origin.kind, f"{name}_model": record.model_of(side) or "", f"{name}_score": side.score,
        f"{name}_grade": grade_of(record, side),
    }  # fmt: skip


def grade_of(record: PreferenceRecord, side: Side) -> float | None:
    """The critic's grade of a side, which it keeps when a reviewer swaps the pair; None where no critic graded this text."""
    attempt = record.best
    if attempt is None or attempt.pair is None or attempt.critique.grades is None:
        return None
    graded = zip((attempt.pair.chosen, attempt.pair.rejected), attempt.critique.grades, strict=True)
    return next((grade for one, grade in graded if one == side), None)


def _review(record: PreferenceRecord) -> str:
    review = record.review
    return "" if review is None else _to_json(review.model_dump(include={"decision", "reviewer", "reason"}))


def _attempt_columns(attempt: Attempt, evidence: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "reward": attempt.critique.score,
        "round": attempt.round,
        "critique": attempt.critique.analysis,
        "knowledge": attempt.knowledge.text if attempt.knowledge else "",
        "tools": _unique(found.tool for found in evidence if found.ok),
        "evidence": _to_json([found.model_dump(mode="json") for found in evidence]),
        "prompt_version": attempt.prompts.version,
        "target_guidance": attempt.prompts.target,
        "judge_guidance": attempt.prompts.judge,
    }


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
