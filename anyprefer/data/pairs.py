"""Preference pairs from wherever they are: run folders, exports, and any file or dataset with the columns of TRL.

One reader for training, analysis and evaluation, so that a row means the same to all of them. A row holds chosen and rejected, as
text or as messages, and its prompt in one of three ways: in a column of its own; in front of both sides as well; or in front of
both sides alone (TRL's implicit prompt).
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from anyprefer.data.records import RecordFile
from anyprefer.data.rows import read_rows
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Message, Output, PreferenceRecord, Reasoning, Reply, Text, ToolUse, text_of

DATA_FILES: dict[str, str] = {"jsonl": "train.jsonl", "parquet": "data/train-00000-of-00001.parquet"}
"""Format -> the data file in an export. `hf` is the layout of `Dataset.save_to_disk`, which has names of its own."""

PROMPTS = ("prompt", "question", "instruction")
"""Columns that hold the prompt, the first that a row has."""
REFERENCES = ("reference", "answer")
"""Columns that hold a trusted answer."""
IMAGES = ("image", "images")
"""Columns that hold pictures."""
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message that hold its thought."""

PartName = Literal["prompt", "chosen", "rejected"]
Messages = list[dict[str, Any]]
Turns = str | Messages
"""A text without any chat template, or messages as the row has them."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One pair.

    Attributes:
        id: Of its task, or the row's number.
        prompt: The conversation that both sides go on from; a text is a message of the user.
        chosen: The preferred output, thoughts set apart.
        rejected: The other.
        turns: The three as trainers take them, thoughts where the row has them: all text, or all messages.
        columns: Whatever else the row says.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: Output
    rejected: Output
    turns: Mapping[PartName, Turns]
    columns: Mapping[str, Any] = field(default_factory=dict)

    def text(self, part: PartName) -> str:
        """How a part of the pair reads, thoughts apart."""
        if part == "prompt":
            return text_of(self.prompt)
        return self.chosen.text if part == "chosen" else self.rejected.text

    def number(self, column: str) -> float | None:
        """What a column of numbers says; None where the row has none."""
        value = self.columns.get(column)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def has_images(self) -> bool:
        """Whether the row has pictures in a column of their own."""
        return any(self.columns.get(name) for name in IMAGES)

    @property
    def reference(self) -> str | None:
        """A trusted answer to the prompt, where the row has one."""
        return next((text for name in REFERENCES if isinstance(text := self.columns.get(name), str) and text), None)


def is_exported(record: PreferenceRecord, *, include_exhausted: bool = False, min_reward: float = 0) -> bool:
    """Whether the record's best pair belongs into a dataset, its certainty apart.

    Args:
        record: Any record.
        include_exhausted: Take the best pair of tasks whose rounds ran out, too.
        min_reward: Least reward, 1 to 10, of any pair.
    """
    wanted = record.status == "accepted" or (include_exhausted and record.status == "exhausted")
    return wanted and record.best is not None and record.pair is not None and record.best.reward >= min_reward


def is_certain(record: PreferenceRecord, min_certainty: float | None) -> bool:
    """Whether enough of the votes stand behind the record's pair; one that nobody voted on is not certain.

    Args:
        record: Any record.
        min_certainty: Least share of the votes, above 0 and up to 1; None asks for none.
    """
    if min_certainty is None:
        return True
    certainty = record.pair.certainty if record.pair else None
    return certainty is not None and certainty >= min_certainty


def read_preferences(path: Path, *, include_exhausted: bool = False) -> Iterator[Preference]:
    """The pairs of a run folder, of an export, or of any file or folder with the columns of TRL.

    Args:
        path: A run folder, or what `anyprefer.data.rows.read_rows` reads: the split `train` where there are several.
        include_exhausted: Of a run folder, also the best pairs of tasks whose rounds ran out.

    Raises:
        DataError: A row is no pair; names the row and the column.
        ConfigError: Reading it needs an extra.
    """
    if RunDir(path).records.is_file():
        for record in RecordFile(RunDir(path).records):
            if is_exported(record, include_exhausted=include_exhausted):
                yield _from_record(record)
        return
    for number, (where, row) in enumerate(read_rows(data_file(path), "train")):
        yield read_preference(where, row, number)


def read_preference(where: str, row: Mapping[str, Any], number: int = 0) -> Preference:
    """Make a pair of a row.

    Args:
        where: The row's place, for messages.
        row: Its columns.
        number: Its number, which names it where it has no id.

    Raises:
        DataError: It is no pair.
    """
    name = next((name for name in PROMPTS if row.get(name) is not None), None)
    sides = (_turns(where, "chosen", row.get("chosen")), _turns(where, "rejected", row.get("rejected")))
    prompt, chosen, rejected = _split(where, *sides) if name is None else _join(where, _turns(where, name, row[name]), *sides)
    try:
        return Preference(
            id=str(row.get("task_id") or row.get("id") or number),
            prompt=tuple(_message(one) for one in _as_messages(prompt, "user")),
            chosen=Reply(messages=tuple(_message(one) for one in _as_messages(chosen, "assistant"))),
            rejected=Reply(messages=tuple(_message(one) for one in _as_messages(rejected, "assistant"))),
            turns={"prompt": prompt, "chosen": chosen, "rejected": rejected},
            columns={key: value for key, value in row.items() if key not in (name, "chosen", "rejected")},
        )
    except (ValidationError, AttributeError, TypeError) as error:
        problem = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise DataError(
            f"{where}: prompt, chosen or rejected is no conversation ({problem}): write "
            '[{"role": "user" or "assistant", "content": text}, ...]'
        ) from None


def _from_record(record: PreferenceRecord) -> Preference:
    pair, best = record.pair, record.best
    assert pair is not None  # noqa: S101 - is_exported says so
    assert best is not None  # noqa: S101
    turns: dict[PartName, Iterable[Message]] = {
        "prompt": record.task.messages, "chosen": pair.chosen.output.messages, "rejected": pair.rejected.output.messages,
    }  # fmt: skip
    columns = {
        "task_id": record.task.id, "chosen_score": pair.chosen.score, "rejected_score": pair.rejected.score,
        "margin": pair.margin, "certainty": pair.certainty, "reward": best.critique.score, "reference": record.task.answer,
        "chosen_origin": pair.chosen.origin.kind, "rejected_origin": pair.rejected.origin.kind,
        "images": [image.sha256 for image in record.task.images],
    }  # fmt: skip
    return Preference(
        record.task.id, record.task.messages, pair.chosen.output, pair.rejected.output,
        {name: [{"role": message.role, "content": message.text} for message in messages] for name, messages in turns.items()},
        columns,
    )  # fmt: skip


def data_file(path: Path) -> Path:
    """The file with an export's rows; any other path as it is."""
    return next((path / name for name in DATA_FILES.values() if (path / name).is_file()), path)


def _turns(where: str, name: str, value: Any) -> Turns:
    """A column's value, without the keys that Arrow gives every message because another one has them."""
    if isinstance(value, str):
        return value
    if value is None or not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        problem = "missing" if value is None else "neither text nor a list of messages"
        raise DataError(
            f"{where}: {name} is {problem}: preference data has the columns prompt, chosen and rejected, as exports do"
        )
    known = ({key: item for key, item in message.items() if item is not None} for message in value)
    return [message if "content" in message else {**message, "content": ""} for message in known]


def _split(where: str, chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """The prompt that two texts or conversations share, and what is left of each (TRL's implicit prompt)."""
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise DataError(f"{where}: no prompt, and one side is text and the other messages: give the prompt in a column")
    shared = sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
    if isinstance(chosen, str):
        shared -= shared > 0 and chosen[shared - 1] == " "
    else:
        shared = min(shared, len(chosen) - 1, len(rejected) - 1)
    if shared < 1:
        raise DataError(
            f"{where} has no prompt, and chosen and rejected begin with nothing in common: give the prompt in a column"
        )
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        _check_answer(where, name, side[shared:])
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _join(where: str, prompt: Turns, chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """Prompt and sides with the prompt in the first alone, all as text or all as messages."""
    if isinstance(prompt, str) and isinstance(chosen, str) and isinstance(rejected, str):
        return prompt, chosen, rejected
    asked = _as_messages(prompt, "user")
    sides = {"chosen": _as_messages(chosen, "assistant"), "rejected": _as_messages(rejected, "assistant")}
    leads = {name: _lead(asked, side) for name, side in sides.items()}
    whole = max((asked, *leads.values()), key=len)
    for name, side in sides.items():
        if leads[name] not in ([], asked, whole):
            raise DataError(f"{where}: chosen and rejected answer different conversations: give both the same prompt")
        sides[name] = side[len(leads[name]) :]
        _check_answer(where, name, sides[name])
    return whole, sides["chosen"], sides["rejected"]


def _lead(prompt: Messages, side: Messages) -> Messages:
    """How far a side repeats its prompt: with what stands before it there, such as a system message; empty where it does not."""
    if not side or side[0].get("role") not in ("system", "developer", "user"):
        return []
    wanted = [_said(message) for message in prompt]
    for end in range(len(prompt), len(side)):
        if [_said(message) for message in side[end - len(prompt) : end]] == wanted:
            return side[:end]
    return []


def _said(message: Mapping[str, Any]) -> tuple[Any, Any]:
    content = message.get("content")
    return message.get("role"), content.strip() if isinstance(content, str) else content


def _check_answer(where: str, name: str, side: Turns) -> None:
    if isinstance(side, list) and side and side[0].get("role") not in ("assistant", "tool"):
        raise DataError(
            f"{where}: {name} goes on with a message of the role {side[0].get('role')!r}, which is not the prompt: give "
            "the answer alone, or the very prompt in front of it"
        )


def _as_messages(value: Turns, role: str) -> Messages:
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def _message(given: Mapping[str, Any]) -> Message:
    """A row's message as a value, to read; a model's inline thoughts are set apart."""
    role, content = given.get("role"), given.get("content") or ()
    if not isinstance(content, str | list | tuple):
        raise TypeError(f"the content of a message is neither text nor a list of parts: {str(content)[:80]!r}")
    text = content if isinstance(content, str) else "\n\n".join(map(_part, content))
    if role != "assistant":
        return Message.model_validate({"role": role, "content": text})
    thought, answer, _ = split_thoughts(text)
    thoughts = [thought, *(given[name] for name in THOUGHTS if isinstance(given.get(name), str))]
    parts: list[Any] = [Reasoning(text=one) for one in thoughts if one.strip()]
    parts += [Text(text=answer)] * bool(answer)
    return Message(role="assistant", content=(*parts, *map(_call, given.get("tool_calls") or ())) or "")


def _part(item: Any) -> str:
    if isinstance(item, Mapping):
        return str(item["text"]) if isinstance(item.get("text"), str) else f"[{item.get('type', 'part')}]"
    return str(item)


def _call(given: Mapping[str, Any]) -> ToolUse:
    function = given.get("function", given)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = {"arguments": arguments}
    return ToolUse(
        name=str(function.get("name", "")), args=arguments if isinstance(arguments, dict) else {"arguments": arguments}
    )
