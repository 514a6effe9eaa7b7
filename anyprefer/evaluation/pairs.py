"""Labelled pairs: a task, a right response and a wrong one, taken from a file or built from answers that can be checked.

A row of the file holds `chosen` and `rejected` (a preference dataset, see `anyprefer.data.pairs`), each a response or a list of
some, or two responses and a label (a judge benchmark, see `anyprefer.evaluation.labels`), or `choices` and `answerKey` (a
multiple-choice set), or `responses` beside a reference (responses whose final answers are compared with the reference's), or a
reference alone: then responses must be sampled first. A row that gives no pair is named, with the reason.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from anyprefer.agents.sampler import refuse_pictures
from anyprefer.config import ColumnsConfig
from anyprefer.data.blobs import BlobStore
from anyprefer.data.cells import as_metadata
from anyprefer.data.given import SIDES, split_pair
from anyprefer.data.pairs import Preference, data_file
from anyprefer.data.tasks import has_id, load_tasks, read_task
from anyprefer.errors import DataError
from anyprefer.evaluation.labels import name_sides
from anyprefer.tools.answers import answer_like, choice_of, final_answer, same_answer
from anyprefer.training.rows import PreferenceRow
from anyprefer.types import Reply, Task, content_id, normalize, same_output

LABELS = {"choices", "answerKey", "responses", *PreferenceRow.model_fields} - {"prompt", "metadata", "reference", "images"}
"""Fields that hold or betray the answer; no tool and no model sees them."""


@dataclass(frozen=True)
class LabelledPair:
    """A pair whose better response is known."""

    task: Task
    """Without its reference and labels."""
    right: str
    wrong: str


@dataclass(frozen=True)
class LabelledTask:
    """A task with responses of which each is known to be right or wrong."""

    task: Task
    """Without its reference and labels."""
    right: tuple[str, ...]
    wrong: tuple[str, ...]

    def pick(self) -> LabelledPair | str:
        """One of each, which the task's id decides; or why there is none."""
        if not self.right:
            return "every response is wrong"
        if not self.wrong:
            return "every response is right"
        return LabelledPair(self.task, _pick(self.task, self.right), _pick(self.task, self.wrong))


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


def load_pairs(
    path: Path, limit: int | None = None, responses: Mapping[str, Sequence[str]] | None = None,
    columns: ColumnsConfig | None = None,
) -> PairSet:  # fmt: skip
    """Read a file and take or build at most one pair per row.

    Args:
        path: A task file, an export or another dataset; see `anyprefer.data.rows.read_rows`.
        limit: Most pairs; rows beyond it are not looked at.
        responses: Task id -> sampled responses, for rows that have none of their own.
        columns: What columns mean whose names do not say it.

    Raises:
        DataError: The file cannot be read, a task has pictures, or there is no pair although nothing remains to be sampled.
    """
    found = PairSet()
    for task, labelled in label_rows(path, responses, columns):
        built = labelled.pick() if isinstance(labelled, LabelledTask) else labelled
        if built is None:
            found.unsampled.append(task)
        elif isinstance(built, str):
            found.unused[task.id] = built
        else:
            found.pairs.append(built)
        if limit is not None and len(found.pairs) >= limit:
            break
    if not found.pairs and not found.unsampled:
        reasons = "; ".join(f"{number} x {reason}" for reason, number in found.reasons().items())
        raise DataError(
            f"{str(path)!r} gives no pair of a right and a wrong response ({reasons or 'no rows'}): give rows with chosen and "
            "rejected, with two responses and a label, with choices and answerKey, or with a reference and responses of which "
            "some are right and some wrong"
        )
    return found


def label_rows(
    path: Path, responses: Mapping[str, Sequence[str]] | None = None, columns: ColumnsConfig | None = None
) -> Iterator[tuple[Task, LabelledTask | str | None]]:
    """Every task of a file with its responses sorted into right and wrong, or why they cannot be; None where it has none yet.

    Raises:
        DataError: The file cannot be read, or a task has pictures.
    """
    reader = _Reader()
    for task in load_tasks(data_file(path), read=reader.read, columns=columns):
        refuse_pictures(task)
        sampled = (responses or {}).get(task.id)
        fields = task.metadata if sampled is None else {**task.metadata, "responses": list(sampled)}
        if reader.last is None and task.answer and not any(name in fields for name in ("choices", "responses")):
            yield task, None
        else:
            yield task, _label(task, fields, reader.last)


Labelled = Preference | tuple[list[str], list[str]]
"""The two responses of a row, or its right and its wrong ones."""


@dataclass
class _Reader:
    """Reads rows as tasks, and keeps the two responses of the last one."""

    last: Labelled | str | None = None
    """Of the row that was read last: its pair, or why it is none; None where it holds no responses that are labelled."""

    def read(self, where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        named, why_not = name_sides(row)
        self.last, rest = why_not or None, named
        chosen, rejected = (named.get(side) for side in SIDES)
        if not why_not and chosen is None and rejected is None:
            return read_task(where, as_metadata(where, named, LABELS), folder, blobs)
        if _is_texts(chosen) and _is_texts(rejected):
            self.last = chosen, rejected
        elif not why_not:
            try:
                self.last, rest = split_pair(where, named)
            except DataError as error:
                self.last = str(error).removeprefix(where).lstrip(": ")
        task = read_task(where, {name: value for name, value in rest.items() if name not in LABELS}, folder, blobs)
        return task if has_id(row) else task.model_copy(update={"id": self._name(task)})

    def _name(self, task: Task) -> str:
        """An id by the prompt and both responses: several pairs may answer one prompt."""
        if isinstance(self.last, Preference):
            return content_id(task.prompt, task.tools, (self.last.chosen, self.last.rejected))
        if isinstance(self.last, tuple):
            return content_id(task.prompt, task.tools, (Reply.of(text) for side in self.last for text in side))
        return task.id


def save_pairs(path: Path, pairs: Iterable[LabelledPair]) -> None:
    """Write pairs as `prompt`, `chosen`, `rejected` rows, which `load_pairs` reads again."""
    rows = ({"id": pair.task.id, "prompt": pair.task.text, "chosen": pair.right, "rejected": pair.wrong} for pair in pairs)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _label(task: Task, fields: Mapping[str, Any], labelled: Labelled | str | None) -> LabelledTask | str:
    if isinstance(labelled, str):
        return labelled
    if labelled is not None:
        return _from_preference(task, labelled) if isinstance(labelled, Preference) else _from_lists(task, *labelled)
    if "choices" in fields:
        return _from_choices(task, fields)
    if not task.answer.strip():
        return "no reference"
    return _from_responses(task, fields.get("responses"))


def _from_preference(task: Task, pair: Preference) -> LabelledTask | str:
    if not pair.chosen.text.strip() or not pair.rejected.text.strip():
        return "chosen or rejected is empty"
    if same_output(pair.chosen, pair.rejected):
        return "chosen and rejected are the same text"
    return LabelledTask(_blind(task), (pair.chosen.text,), (pair.rejected.text,))


def _from_lists(task: Task, right: Sequence[str], wrong: Sequence[str]) -> LabelledTask | str:
    if not right or not wrong:
        return "chosen or rejected is an empty list"
    good, bad = {normalize(text) for text in right}, {normalize(text) for text in wrong}
    if "" in good | bad:
        return "chosen or rejected is empty"
    if good & bad:
        return "chosen and rejected have a text in common"
    return LabelledTask(_blind(task), tuple(right), tuple(wrong))


def _from_choices(task: Task, fields: Mapping[str, Any]) -> LabelledTask | str:
    choices, key = fields["choices"], str(fields.get("answerKey", "")).strip()
    if not isinstance(choices, dict) or not isinstance(choices.get("text"), list) or not isinstance(choices.get("label"), list):
        return "choices is not {text: [...], label: [...]}"
    options = {str(label): str(text) for label, text in zip(choices["label"], choices["text"], strict=False)}
    if key not in options:
        return f"answerKey {key!r} is none of the choices"
    if len(options) < 2:
        return "only one choice"
    texts = {label: f"{label}. {text}" for label, text in options.items()}
    asked = task.model_copy(update={"prompt": "\n".join((f"{task.text}\n", *texts.values()))})
    return LabelledTask(_blind(asked), (texts[key],), tuple(text for label, text in texts.items() if label != key))


def _from_responses(task: Task, responses: Any) -> LabelledTask | str:
    if not isinstance(responses, list) or not all(isinstance(text, str) for text in responses):
        return "responses is not a list of texts"
    truth = _answer(task, task.answer) or task.answer.strip()
    answers = {text: answer for text in responses if (answer := answer_like(_answer(task, text), truth)) is not None}
    if not answers:
        return "no response states a final answer"
    right = tuple(text for text, answer in answers.items() if same_answer(answer, truth))
    return LabelledTask(_blind(task), right, tuple(text for text in answers if text not in right))


def _answer(task: Task, text: str) -> str | None:
    answer = final_answer(text)
    return answer and (choice_of(answer, task.text) or answer)


def _is_texts(value: Any) -> TypeGuard[list[str]]:
    """Whether a side is a list of responses, and no conversation."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _blind(task: Task) -> Task:
    """The task without what says which response is right."""
    metadata = {name: value for name, value in task.metadata.items() if name not in LABELS}
    return task.model_copy(update={"reference": None, "metadata": metadata})


def _pick(task: Task, options: Sequence[str]) -> str:
    return random.Random(task.id).choice(options)  # noqa: S311 - a repeatable choice, not a secret
