"""One row of the exported dataset per preference pair: TRL's columns first, then the lineage.

Every row has the same columns with the same types, whatever the record holds, so that any Arrow reader takes any export.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from anyprefer.data.records import record_line
from anyprefer.errors import DataError
from anyprefer.types import Attempt, Message, PreferencePair, PreferenceRecord


class PreferenceRow(BaseModel):
    """The columns, in their order. Their docstrings are the column descriptions of the dataset card."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt: list[Message]
    """The task's prompt as messages, exactly as given: never with the guidance that the loop wrote."""
    chosen: list[Message]
    """The preferred response, as one assistant message."""
    rejected: list[Message]
    """The other response, as one assistant message."""
    task_id: str
    """Id of the task within its run."""
    status: Literal["accepted", "exhausted"]
    """Whether the reward reached the threshold, or this is the best pair of a task whose rounds ran out."""
    chosen_score: float
    """The judge's score of the chosen response, 1 to 10, averaged over the orderings shown."""
    rejected_score: float
    """Likewise of the rejected response."""
    margin: float
    """Chosen score minus rejected score, above 0."""
    reward: float | None
    """The critic's score of the pair, 1 to 10; empty where the recipe asks no critic."""
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
    """The model that wrote the responses."""
    judge_model: str
    """The model that scored them."""
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
    """SHA-256 of the record's line in `records.jsonl`, without its newline."""
    metadata: str
    """The task's own further fields, as a JSON object."""
    images: list[str] = []
    """Paths or content hashes of the task's images; a column only where some task has images."""


Kind = Literal["messages", "strings", "string", "int64", "float64"]
"""What a column holds, in Arrow's words; `messages` is a list of `{role, content}`, `strings` a list of strings."""

_KINDS: dict[Any, Kind] = {
    list[Message]: "messages", list[str]: "strings", float: "float64", float | None: "float64", int: "int64", int | None: "int64",
}  # fmt: skip


def columns(*, with_images: bool) -> dict[str, Kind]:
    """The columns of an export in their order, with what they hold."""
    fields = PreferenceRow.model_fields.items()
    return {name: _KINDS.get(field.annotation, "string") for name, field in fields if with_images or name != "images"}


def is_exported(record: PreferenceRecord, *, include_exhausted: bool = False, min_reward: float = 0) -> bool:
    """Whether the record's best pair belongs into a dataset.

    Args:
        record: Any record.
        include_exhausted: Take the best pair of tasks whose rounds ran out, too.
        min_reward: Least reward, 1 to 10, of any pair.
    """
    wanted = record.status == "accepted" or (include_exhausted and record.status == "exhausted")
    return wanted and record.best is not None and record.pair is not None and record.best.reward >= min_reward


def preference_row(record: PreferenceRecord, *, with_images: bool = False) -> dict[str, Any]:
    """The row of a record with a pair: the fields of `PreferenceRow` as plain values.

    Args:
        record: Accepted, or exhausted with a best attempt.
        with_images: Whether the dataset has the column `images`.

    Raises:
        DataError: The record has no pair.
    """
    attempt, pair = _best(record)
    row = {
        "prompt": record.task.messages,
        "chosen": [Message(role="assistant", content=pair.chosen)],
        "rejected": [Message(role="assistant", content=pair.rejected)],
        "task_id": record.task.id,
        "status": record.status,
        "chosen_score": pair.chosen_score,
        "rejected_score": pair.rejected_score,
        "margin": pair.margin,
        "seed": record.seed,
        "recipe_digest": record.recipe_digest,
        "record_sha256": hashlib.sha256(record_line(record)[:-1]).hexdigest(),
        "metadata": _to_json(record.task.metadata),
        "images": list(record.task.images),
        **_attempt_columns(attempt),
        **{f"{role}_model": record.models.get(role, "") for role in ("target", "judge", "critic")},
    }
    return PreferenceRow.model_validate(row).model_dump(exclude=None if with_images else {"images"})


def _best(record: PreferenceRecord) -> tuple[Attempt, PreferencePair]:
    if record.best is None or record.pair is None:
        raise DataError(f"the {record.status} record of task {record.task.id!r} has no pair: export accepted records only")
    return record.best, record.pair


def _attempt_columns(attempt: Attempt) -> dict[str, Any]:
    return {
        "reward": None if attempt.critique.score is None else float(attempt.critique.score),
        "round": attempt.round,
        "critique": attempt.critique.analysis,
        "knowledge": attempt.knowledge.text if attempt.knowledge else "",
        "tools": _unique(found.tool for found in attempt.evidence if found.ok),
        "evidence": _to_json([found.model_dump(mode="json") for found in attempt.evidence]),
        "prompt_version": attempt.prompts.version,
        "target_guidance": attempt.prompts.target,
        "judge_guidance": attempt.prompts.judge,
    }


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
