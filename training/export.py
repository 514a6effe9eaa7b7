"""Export: a run folder's pairs as a dataset folder that TRL and `datasets` load as it is.

Records are streamed twice, once for the card and the schema and once for the data, so a run may be larger than memory. The
folder appears at once or not at all.
"""

import itertools
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from pydantic import BaseModel, ConfigDict

from anyprefer.agents.references import ReferenceCount, ReferenceReader
from anyprefer.applications.registry import find_application
from anyprefer.data.pairs import is_certain, is_exported
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import Lock, RunDir
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.runs.naming import name_references
from anyprefer.runs.summary import read_summary
from anyprefer.training.card import MARK, Survey, card_text
from anyprefer.training.findings import MAP, CardFindings, read_findings
from anyprefer.training.formats.base import ExportFormat, Row, Shape, find_format, is_of_a_format
from anyprefer.training.rows import PreferenceRow, Thoughts, message_fields, preference_row
from anyprefer.types import PreferenceRecord

_OURS = re.compile(r"README\.md|analysis\.json|card\.md|map\.png")
"""What an export has beside the files of its format."""


class ExportSummary(BaseModel):
    """What an export wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    format: str
    num_rows: int
    statuses: dict[str, int]
    """Status -> records in the run folder."""
    references: ReferenceCount | None = None
    """What the tasks' references say of the exported pairs; None where none of them has one."""
    uncertain: int = 0
    """Pairs left out since their certainty is below the least one."""
    unverified: int = 0
    """Pairs left out since a least certainty was asked for and nobody voted on them."""

    def lines(self) -> list[str]:
        """For a terminal."""
        found = [f"{self.num_rows} pairs -> {self.path}"]
        if self.uncertain or self.unverified:
            found.append(f"left out: {self.uncertain} less certain, {self.unverified} that nobody voted on")
        if self.references is not None:
            found.append(f"by the references: {name_references(self.references)}")
        return found


@dataclass(frozen=True)
class Selection:
    """Which pairs of a run belong into the dataset; see `export_pairs`."""

    include_exhausted: bool
    min_reward: float
    min_certainty: float | None

    def wants(self, record: PreferenceRecord) -> bool:
        """Whether a record's pair is among those to choose from, its certainty apart."""
        return is_exported(record, include_exhausted=self.include_exhausted, min_reward=self.min_reward)

    def takes(self, record: PreferenceRecord) -> bool:
        """Whether a record's pair belongs into the dataset."""
        return self.wants(record) and is_certain(record, self.min_certainty)


def export_pairs(
    run_dir: str | Path,
    to: str | Path,
    format: str = "jsonl",  # noqa: A002 - the name of the flag
    *,
    include_exhausted: bool = False,
    min_reward: float = 0,
    min_certainty: float | None = None,
    reasoning: str = "none",
) -> ExportSummary:
    """Write the pairs of a run as a dataset folder with a card.

    Args:
        run_dir: A run folder, finished or not.
        to: The dataset folder; an earlier export there is replaced, anything else refused.
        format: `jsonl`, `parquet`, `hf` for the layout of `Dataset.save_to_disk`, or a registered one.
        include_exhausted: Take the best pair of tasks whose rounds ran out, too.
        min_reward: Least reward, 1 to 10, of any pair.
        min_certainty: Least certainty, above 0 and up to 1, of any pair; with one, pairs that no verifying tool voted on are left
            out, and counted.
        reasoning: What becomes of thoughts: `none` leaves them out, `field` gives messages a `reasoning_content`, `inline` writes
            them before the answer in `<think>`. A pair with thoughts on one side only keeps none.

    Raises:
        ConfigError: An unknown format or kind of reasoning, a certainty that is no share, a missing extra, a target folder with
            other things in it, or a column of the application's that every export has.
        DataError: There is no pair to export.
        RunFolderError: The run folder cannot be read, or the dataset cannot be written.
    """
    run_dir, to = Path(run_dir), Path(to).resolve()
    layout, thoughts = find_format(format), _check_reasoning(reasoning)
    selection = Selection(include_exhausted, min_reward, _check_certainty(min_certainty))
    _check_target(to)
    folder = RunDir(run_dir)
    lock, records = folder.read_lock(), RecordFile(folder.records)
    application = find_application(lock.recipe.application)
    survey = Survey(application, thoughts, ReferenceReader.of(lock.recipe))
    left_out = _survey_records(records, selection, survey)
    survey.least_certainty, survey.uncertain, survey.unverified = selection.min_certainty, left_out[False], left_out[True]
    if clash := sorted(survey.own.keys() & PreferenceRow.model_fields.keys()):
        name = lock.recipe.application
        raise ConfigError(f"the application {name!r} adds a column {clash[0]!r}, which every export has: rename it there")
    if not survey.num_rows:
        raise DataError(_explain_nothing(run_dir, survey, selection, left_out))
    rows = (
        preference_row(record, application, with_images=survey.with_images, reasoning=thoughts)
        for record in itertools.islice(records, survey.statuses.total())  # not what a run has added since
        if selection.takes(record)
    )
    try:
        _write_folder(to, rows, survey, lock, layout, read_findings(run_dir, survey.pairs.hexdigest()))
    except OSError as error:
        raise RunFolderError(
            f"cannot write dataset {str(to)!r}: {error.strerror or error}; free space or give another --to"
        ) from error
    return ExportSummary(
        path=to, format=format, num_rows=survey.num_rows, statuses=dict(survey.statuses),
        references=survey.bands.references, uncertain=left_out[False], unverified=left_out[True],
    )  # fmt: skip


def _survey_records(records: RecordFile, selection: Selection, survey: Survey) -> Counter[bool]:
    """Take in every record; gives how many pairs were left out, by whether nobody voted on them."""
    left_out: Counter[bool] = Counter()
    for record in records:
        survey.add(record, exported=selection.takes(record))
        if record.pair is not None and selection.wants(record) and not selection.takes(record):
            left_out[record.pair.certainty is None] += 1
    return left_out


def _check_certainty(least: float | None) -> float | None:
    if least is not None and not 0 < least <= 1:
        raise ConfigError(f"a least certainty of {least:g}: give a share of the votes above 0 and up to 1, such as 0.8")
    return least


def _check_reasoning(name: str) -> Thoughts:
    known = next((one for one in get_args(Thoughts) if one == name), None)
    if known is None:
        raise ConfigError(f"unknown reasoning {name!r}: give one of {', '.join(get_args(Thoughts))}")
    return cast("Thoughts", known)


def _check_target(to: Path) -> None:
    if not to.exists():
        return
    if not to.is_dir():
        raise ConfigError(f"cannot export to {str(to)!r}: it is a file; give a folder")
    files = [path.relative_to(to).as_posix() for path in to.rglob("*")]
    card = to / "README.md"
    if files and not (card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")):
        raise ConfigError(f"cannot export to {str(to)!r}: it is neither empty nor an earlier export; give another --to")
    if foreign := sorted(name for name in files if not (_OURS.fullmatch(name) or is_of_a_format(name))):
        raise ConfigError(f"cannot export to {str(to)!r}: {foreign[0]!r} in it is not ours and would be lost; move it away")


def _explain_nothing(run_dir: Path, survey: Survey, selection: Selection, left_out: Counter[bool]) -> str:
    shown = ["accepted", "exhausted", *(["rejected"] if survey.statuses["rejected"] else []), "failed"]
    counts = ", ".join(f"{survey.statuses[status]} {status}" for status in shown)
    advice = []
    if left_out[False]:
        advice.append(f"lower the least certainty {selection.min_certainty:g}, which {left_out[False]} pairs do not have")
    if left_out[True]:
        advice.append(f"ask for no certainty to have the {left_out[True]} pairs that nobody voted on")
    if selection.min_reward > 0:
        advice.append(f"lower the least reward {selection.min_reward:g}")
    if survey.statuses["exhausted"] and not selection.include_exhausted:
        advice.append("take pairs below the threshold with --include-exhausted, or raise loop.max_rounds for the next run")
    last = None if survey.statuses else read_summary(run_dir)  # which knows nothing of what reviewers have decided since
    if last and last.waiting:
        advice.append(last.name_waiting(run_dir))
    if survey.statuses["failed"]:
        advice.append("see why tasks failed in records.jsonl and run again with --retry-failed")
    return f"no pair to export from {str(run_dir)!r} ({counts}): {'; '.join(advice) or 'run some tasks first'}"


def _write_folder(
    to: Path, rows: Iterable[Row], survey: Survey, lock: Lock, layout: ExportFormat, findings: CardFindings
) -> None:
    shape = Shape(survey.kinds(), message_fields(survey.reasoning))
    scratch = to.with_name(f".{to.name}.{uuid.uuid4().hex}.tmp")
    try:
        scratch.mkdir(parents=True)
        layout.write(rows, scratch, shape)
        (scratch / "README.md").write_text(card_text(survey, lock, layout, findings.section), encoding="utf-8")
        if findings.map:
            shutil.copyfile(findings.map, scratch / MAP)
        _publish(scratch, to)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(scratch: Path, to: Path) -> None:
    if not to.exists():
        scratch.rename(to)
        return
    old = scratch.with_suffix(".old")
    to.rename(old)
    try:
        scratch.rename(to)
    except OSError:
        old.rename(to)
        raise
    shutil.rmtree(old)
