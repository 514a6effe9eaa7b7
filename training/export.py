"""Export: a run folder's pairs as a dataset folder that TRL and `datasets` load as it is.

Records are streamed twice, once for the card and the schema and once for the data, so a run may be larger than memory. The
folder appears at once or not at all.
"""

import importlib.util
import itertools
import json
import logging
import re
import shutil
import tempfile
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from anyprefer.data.records import RecordFile
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.training.card import DATA_FILES, MARK, Format, Survey, card_text
from anyprefer.training.findings import MAP, CardFindings, read_findings
from anyprefer.training.rows import Kind, columns, is_exported, preference_row

logger = logging.getLogger(__name__)

Row = dict[str, Any]

_ROWS_PER_GROUP = 500
_PACKAGES: dict[Format, tuple[str, ...]] = {"jsonl": (), "parquet": ("pyarrow",), "hf": ("pyarrow", "datasets")}
_OURS = re.compile(
    r"README\.md|analysis\.json|card\.md|map\.png|train\.jsonl|data(/train-[\w-]+\.parquet)?|data-[\w-]+\.arrow|dataset_info\.json|state\.json"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T][\d:.+Z-]*)?\Z")


class ExportSummary(BaseModel):
    """What an export wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    format: Format
    num_rows: int
    statuses: dict[str, int]
    """Status -> records in the run folder."""


def export_pairs(
    run_dir: str | Path,
    to: str | Path,
    format: str = "jsonl",  # noqa: A002 - the name of the flag
    *,
    include_exhausted: bool = False,
    min_reward: float = 0,
) -> ExportSummary:
    """Write the pairs of a run as a dataset folder with a card.

    Args:
        run_dir: A run folder, finished or not.
        to: The dataset folder; an earlier export there is replaced, anything else refused.
        format: `jsonl`, `parquet`, or `hf` for the layout of `Dataset.save_to_disk`.
        include_exhausted: Take the best pair of tasks whose rounds ran out, too.
        min_reward: Least reward, 1 to 10, of any pair.

    Raises:
        ConfigError: An unknown format, a missing extra, or a target folder with other things in it.
        DataError: There is no pair to export.
        RunFolderError: The run folder cannot be read, or the dataset cannot be written.
    """
    run_dir, to = Path(run_dir), Path(to).resolve()
    layout = _check_format(format)
    _check_target(to)
    lock = _read_lock(run_dir)
    records = RecordFile(run_dir / "records.jsonl")
    survey = Survey()
    for record in records:
        survey.add(record, exported=is_exported(record, include_exhausted=include_exhausted, min_reward=min_reward))
    if not survey.num_rows:
        raise DataError(_explain_nothing(run_dir, survey, include_exhausted=include_exhausted, min_reward=min_reward))
    rows = (
        preference_row(record, with_images=survey.with_images)
        for record in itertools.islice(records, survey.statuses.total())  # not what a run has added since
        if is_exported(record, include_exhausted=include_exhausted, min_reward=min_reward)
    )
    try:
        _write_folder(to, rows, survey, lock, layout, read_findings(run_dir, survey.pairs.hexdigest()))
    except OSError as error:
        raise RunFolderError(
            f"cannot write dataset {str(to)!r}: {error.strerror or error}; free space or give another --to"
        ) from error
    return ExportSummary(path=to, format=layout, num_rows=survey.num_rows, statuses=dict(survey.statuses))


def _check_format(name: str) -> Format:
    layout = next((known for known in _PACKAGES if known == name), None)
    if layout is None:
        raise ConfigError(f"unknown export format {name!r}: give one of {', '.join(_PACKAGES)}")
    for package in _PACKAGES[layout]:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"format {name!r} needs {package}: pip install 'anyprefer[parquet]', or use --format jsonl")
    return layout


def _check_target(to: Path) -> None:
    if not to.exists():
        return
    if not to.is_dir():
        raise ConfigError(f"cannot export to {str(to)!r}: it is a file; give a folder")
    files = [path.relative_to(to).as_posix() for path in to.rglob("*")]
    card = to / "README.md"
    if files and not (card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")):
        raise ConfigError(f"cannot export to {str(to)!r}: it is neither empty nor an earlier export; give another --to")
    if foreign := sorted(name for name in files if not _OURS.fullmatch(name)):
        raise ConfigError(f"cannot export to {str(to)!r}: {foreign[0]!r} in it is not ours and would be lost; move it away")


def _read_lock(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "recipe.lock.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"{str(run_dir)!r} is no run folder (it has no {path.name}): give the --out folder of `anyprefer run`"
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(f"cannot read {str(path)!r}: {error}; run the recipe again into another folder") from error


def _explain_nothing(run_dir: Path, survey: Survey, *, include_exhausted: bool, min_reward: float) -> str:
    shown = ["accepted", "exhausted", *(["rejected"] if survey.statuses["rejected"] else []), "failed"]
    counts = ", ".join(f"{survey.statuses[status]} {status}" for status in shown)
    advice = []
    if min_reward > 0:
        advice.append(f"lower the least reward {min_reward:g}")
    if survey.statuses["exhausted"] and not include_exhausted:
        advice.append("take pairs below the threshold with --include-exhausted, or raise loop.max_rounds for the next run")
    if survey.statuses["failed"]:
        advice.append("see why tasks failed in records.jsonl and run again with --retry-failed")
    return f"no pair to export from {str(run_dir)!r} ({counts}): {'; '.join(advice) or 'run some tasks first'}"


def _write_folder(
    to: Path, rows: Iterable[Row], survey: Survey, lock: dict[str, Any], layout: Format, findings: CardFindings
) -> None:
    write = {"jsonl": _write_jsonl, "parquet": _write_parquet, "hf": _write_hf}[layout]
    scratch = to.with_name(f".{to.name}.{uuid.uuid4().hex}.tmp")
    try:
        scratch.mkdir(parents=True)
        write(rows, scratch, columns(with_images=survey.with_images))
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


def _write_jsonl(rows: Iterable[Row], folder: Path, kinds: dict[str, Kind]) -> None:
    dates = {name for name, kind in kinds.items() if kind in ("messages", "string")}
    with (folder / DATA_FILES["jsonl"]).open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            dates -= {name for name in dates if not _is_all_dates(row[name])}
    if dates:
        logger.warning(
            "every text of %s looks like a date: datasets reads such JSON as timestamps and changes it; use --format parquet",
            ", ".join(sorted(dates)),
        )


def _is_all_dates(value: str | list[dict[str, str]]) -> bool:
    texts = [value] if isinstance(value, str) else [message["content"] for message in value]
    return all(_DATE.match(text) for text in texts)


def _write_parquet(rows: Iterable[Row], folder: Path, kinds: dict[str, Kind]) -> None:
    import pyarrow
    import pyarrow.parquet

    path = folder / DATA_FILES["parquet"]
    path.parent.mkdir()
    schema = _arrow_schema(kinds)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(iter(rows)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _write_hf(rows: Iterable[Row], folder: Path, kinds: dict[str, Kind]) -> None:
    import datasets

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as scratch:
        _write_parquet(rows, Path(scratch), kinds)
        try:
            dataset = datasets.Dataset.from_parquet(str(Path(scratch, DATA_FILES["parquet"])), cache_dir=scratch)
            dataset.save_to_disk(folder)
        except datasets.exceptions.DatasetsError as error:
            raise OSError(str(error)) from error


def _arrow_schema(kinds: dict[str, Kind]) -> Any:
    import pyarrow

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    types = {
        "messages": pyarrow.list_(message),
        "strings": pyarrow.list_(pyarrow.string()),
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(itertools.islice(rows, _ROWS_PER_GROUP)):
        yield group
