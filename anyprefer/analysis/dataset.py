"""The pairs that are analysed, from a run folder or from any preference dataset, as plain text."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.data.pair_digest import PairDigest
from anyprefer.data.records import RecordFile
from anyprefer.data.tasks import read_rows
from anyprefer.errors import DataError
from anyprefer.training.rows import is_exported
from anyprefer.types import PreferenceRecord

REFERENCES = ("reference", "answer")
"""Columns that hold a trusted answer."""

Messages = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Preference:
    """One pair.

    Attributes:
        id: Of its task, or the row's number.
        prompt: As text; a conversation has its roles in front, `[user]` and so on, unless it is one message.
        chosen: The preferred response.
        rejected: The other.
        chosen_score: The judge's, 1 to 10, where the data has one.
        rejected_score: Likewise.
        reward: The critic's, 1 to 10, where the data has one.
        reference: A trusted answer to the prompt, where the data has one.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str
    chosen_score: float | None = None
    rejected_score: float | None = None
    reward: float | None = None
    reference: str | None = None

    @property
    def margin(self) -> float | None:
        """Chosen score minus rejected score."""
        if self.chosen_score is None or self.rejected_score is None:
            return None
        return self.chosen_score - self.rejected_score


@dataclass(frozen=True)
class Dataset:
    """Pairs with the name that tables and charts call them by."""

    name: str
    pairs: tuple[Preference, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def digest(self) -> str:
        """Names the pairs, whatever their order."""
        digest = PairDigest()
        for pair in self.pairs:
            digest.add(pair.id, pair.chosen, pair.rejected)
        return digest.hexdigest()


def load_dataset(path: Path, *, name: str = "", include_exhausted: bool = False, limit: int | None = None) -> Dataset:
    """Read the pairs of a run folder, of an export, or of any file or folder with TRL's columns.

    Args:
        path: A run folder; a `.jsonl`, `.csv` or `.parquet` file; or a folder that `datasets` loads.
        name: What tables call it; the path's last part by default.
        include_exhausted: Of a run folder, also the best pairs of tasks whose rounds ran out.
        limit: Most pairs to read.

    Raises:
        DataError: It cannot be read, or has no pair.
        ConfigError: Reading it needs an extra.
    """
    if (path / "records.jsonl").is_file():
        found = _from_records(RecordFile(path / "records.jsonl"), include_exhausted=include_exhausted)
        advice = "give --include-exhausted for the pairs below the threshold, or run more tasks"
    else:
        found = _from_rows(path)
        advice = "give a run folder, or data with the columns prompt, chosen and rejected"
    pairs = tuple(itertools.islice(found, limit))
    if not pairs:
        raise DataError(f"{str(path)!r} has no pair to look at: {advice}")
    return Dataset(name or path.resolve().name, pairs)


def _from_records(records: RecordFile, *, include_exhausted: bool) -> Iterator[Preference]:
    for record in records:
        if is_exported(record, include_exhausted=include_exhausted):
            yield _from_record(record)


def _from_record(record: PreferenceRecord) -> Preference:
    pair, best = record.pair, record.best
    assert pair is not None  # noqa: S101 - is_exported says so
    assert best is not None  # noqa: S101
    return Preference(
        id=record.task.id, prompt=record.task.text, chosen=pair.chosen, rejected=pair.rejected, chosen_score=pair.chosen_score,
        rejected_score=pair.rejected_score, reward=best.critique.score, reference=record.task.reference,
    )  # fmt: skip


def _from_rows(path: Path) -> Iterator[Preference]:
    source = path / "train.jsonl" if (path / "train.jsonl").is_file() else path
    for number, (where, row) in enumerate(read_rows(source)):
        prompt, chosen, rejected = _texts(where, row)
        yield Preference(
            id=str(row.get("task_id") or row.get("id") or number),
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            chosen_score=_number(row.get("chosen_score")),
            rejected_score=_number(row.get("rejected_score")),
            reward=_number(row.get("reward")),
            reference=next((row[name] for name in REFERENCES if isinstance(row.get(name), str)), None),
        )


def _texts(where: str, row: Mapping[str, Any]) -> tuple[str, str, str]:
    chosen, rejected, prompt = (row.get(name) for name in ("chosen", "rejected", "prompt"))
    if prompt is None and isinstance(chosen, list) and isinstance(rejected, list):
        prompt, chosen, rejected = _split(chosen, rejected)
    texts = [_text(value) for value in (prompt, chosen, rejected)]
    for name, text in zip(("prompt", "chosen", "rejected"), texts, strict=True):
        if text is None:
            raise DataError(
                f"{where}: {name} is {'missing' if row.get(name) is None else 'neither text nor a list of messages'}: preference "
                "data has the columns prompt, chosen and rejected"
            )
    return texts[0] or "", texts[1] or "", texts[2] or ""


def _split(chosen: Messages, rejected: Messages) -> tuple[Messages, Messages, Messages]:
    """The prompt that two conversations share, and what is left of each (TRL's implicit prompt)."""
    shared = sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        return None
    parts = [(str(message.get("role", "")), str(message.get("content") or "")) for message in value]
    return parts[0][1] if len(parts) == 1 else "\n\n".join(f"[{role}]\n{content}" for role, content in parts)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
