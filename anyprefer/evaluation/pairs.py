"""Labelled pairs: a task, a right response and a wrong one, taken from a file or built from answers that can be checked.

A row of the file holds `chosen` and `rejected` (a preference dataset), or `choices` and `answerKey` (a multiple-choice set), or
`responses` beside a reference (responses whose final answers are compared with the reference's), or a reference alone: then
responses must be sampled first. A row that gives no pair is named with the reason, never dropped in silence.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyprefer.data.tasks import load_tasks
from anyprefer.errors import DataError
from anyprefer.tools.answers import choice_of, final_answer, same_answer
from anyprefer.types import Task, normalize

LABELS = ("chosen", "rejected", "choices", "answerKey", "responses", "chosen_score", "rejected_score")
"""Fields that hold or betray the answer; no tool and no model sees them."""


@dataclass(frozen=True)
class LabelledPair:
    """A pair whose better response is known."""

    task: Task
    """Without its reference and labels."""
    right: str
    wrong: str


@dataclass
class PairSet:
    """The pairs of a file, and why other rows gave none."""

    pairs: list[LabelledPair] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)
    """Task id -> reason."""
    unsampled: list[Task] = field(default_factory=list)
    """Tasks that have a reference but no responses yet."""

    def reasons(self) -> dict[str, int]:
        """How often each reason stands in `unused`."""
        return dict(Counter(self.unused.values()).most_common())


def load_pairs(path: Path, limit: int | None = None, responses: Mapping[str, Sequence[str]] | None = None) -> PairSet:
    """Read a file and take or build at most one pair per row.

    Args:
        path: A task file (`.jsonl`, `.csv`, `.parquet`).
        limit: Most pairs; rows beyond it are not looked at.
        responses: Task id -> sampled responses, for rows that have none of their own.

    Raises:
        DataError: The file cannot be read, or it gives no pair although nothing remains to be sampled.
    """
    found = PairSet()
    for task in load_tasks(path):
        if limit is not None and len(found.pairs) >= limit:
            break
        sampled = (responses or {}).get(task.id)
        fields = task.metadata if sampled is None else {**task.metadata, "responses": list(sampled)}
        if not any(name in fields for name in ("chosen", "choices", "responses")) and task.reference:
            found.unsampled.append(task)
            continue
        built = _build(task, fields)
        if isinstance(built, str):
            found.unused[task.id] = built
        else:
            found.pairs.append(built)
    if not found.pairs and not found.unsampled:
        reasons = "; ".join(f"{number} x {reason}" for reason, number in found.reasons().items())
        raise DataError(
            f"{str(path)!r} gives no pair of a right and a wrong response ({reasons or 'no rows'}): give rows with chosen and "
            "rejected, with choices and answerKey, or with a reference and responses of which some are right and some wrong"
        )
    return found


def save_pairs(path: Path, pairs: Iterable[LabelledPair]) -> None:
    """Write pairs as `prompt`, `chosen`, `rejected` rows, which `load_pairs` reads again."""
    rows = ({"id": pair.task.id, "prompt": pair.task.text, "chosen": pair.right, "rejected": pair.wrong} for pair in pairs)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _build(task: Task, fields: Mapping[str, Any]) -> LabelledPair | str:
    if "chosen" in fields or "rejected" in fields:
        return _from_preference(task, fields)
    if "choices" in fields:
        return _from_choices(task, fields)
    if not (task.reference or "").strip():
        return "no reference"
    return _from_responses(task, fields.get("responses"))


def _from_preference(task: Task, fields: Mapping[str, Any]) -> LabelledPair | str:
    chosen, rejected = _text_of(fields.get("chosen")), _text_of(fields.get("rejected"))
    if chosen is None or rejected is None:
        return "chosen or rejected is missing or no text"
    if normalize(chosen) == normalize(rejected):
        return "chosen and rejected are the same text"
    return LabelledPair(_blind(task), chosen, rejected)


def _text_of(value: Any) -> str | None:
    """A response's text; a conversation's is that of its last message."""
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        value = value[-1].get("content")
    return value if isinstance(value, str) and value.strip() else None


def _from_choices(task: Task, fields: Mapping[str, Any]) -> LabelledPair | str:
    choices, key = fields["choices"], str(fields.get("answerKey", "")).strip()
    if not isinstance(choices, dict) or not isinstance(choices.get("text"), list) or not isinstance(choices.get("label"), list):
        return "choices is not {text: [...], label: [...]}"
    options = {str(label): str(text) for label, text in zip(choices["label"], choices["text"], strict=False)}
    if key not in options:
        return f"answerKey {key!r} is none of the choices"
    others = [label for label in options if label != key]
    if not others:
        return "only one choice"
    other = _pick(task, others)
    listed = "\n".join(f"{label}. {text}" for label, text in options.items())
    asked = task.model_copy(update={"prompt": f"{task.text}\n\n{listed}"})
    return LabelledPair(_blind(asked), f"{key}. {options[key]}", f"{other}. {options[other]}")


def _from_responses(task: Task, responses: Any) -> LabelledPair | str:
    if not isinstance(responses, list) or not all(isinstance(text, str) for text in responses):
        return "responses is not a list of texts"
    truth = _answer(task, task.reference or "") or (task.reference or "").strip()
    answers = {text: answer for text in responses if (answer := _answer(task, text)) is not None}
    if not answers:
        return "no response states a final answer"
    right = [text for text, answer in answers.items() if same_answer(answer, truth)]
    wrong = [text for text in answers if text not in right]
    if not right:
        return "every response is wrong"
    if not wrong:
        return "every response is right"
    return LabelledPair(_blind(task), _pick(task, right), _pick(task, wrong))


def _answer(task: Task, text: str) -> str | None:
    answer = final_answer(text)
    return answer and (choice_of(answer, task.text) or answer)


def _blind(task: Task) -> Task:
    """The task without what says which response is right."""
    metadata = {name: value for name, value in task.metadata.items() if name not in LABELS}
    return task.model_copy(update={"reference": None, "metadata": metadata})


def _pick(task: Task, options: Sequence[str]) -> str:
    return random.Random(task.id).choice(options)  # noqa: S311 - a repeatable choice, not a secret
