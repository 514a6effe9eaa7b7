"""JSON Lines: one file that any program reads."""

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from anyprefer.data.pairs import DATA_FILES
from anyprefer.training.formats.base import Row, Shape

logger = logging.getLogger(__name__)

_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T][\d:.+Z-]*)?\Z")


class JsonLines:
    """`train.jsonl`."""

    packages: tuple[str, ...] = ()
    data_file: str | None = DATA_FILES["jsonl"]
    files = re.compile(r"train\.jsonl")
    load = 'from datasets import load_dataset\npairs = load_dataset("path/to/this/folder", split="train")'

    def write(self, rows: Iterable[Row], folder: Path, shape: Shape) -> None:
        """See `ExportFormat.write`; warns of columns that `datasets` would take for timestamps."""
        dates = {name for name, kind in shape.kinds.items() if kind in ("messages", "string")}
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
