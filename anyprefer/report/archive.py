"""Every record of a run inside one page, compressed: script elements that a browser keeps as text and never runs.

Three kinds of blocks, each gzip in base64 around lines: the index, one JSON object for each record with what lists and filters
need; the texts that a search reads, folded; and the records themselves. The page unpacks the index when it opens, the texts at
the first search, and a block of records when one of them is opened. Base64 has no `<`, so no text can end its element.
"""

import base64
import gzip
import io
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Literal, TextIO

from pydantic_core import PydanticSerializationError, to_json

from anyprefer.data.records import record_line
from anyprefer.runs.naming import name_reason
from anyprefer.types import PreferenceRecord

Kind = Literal["index", "texts", "records"]

MOST_LINES: Mapping[Kind, int] = {"index": 4096, "texts": 1024, "records": 64}
"""How many records a block holds: few where one record is wanted at a time, as many as compress well where all are read."""

MOST_CHARACTERS = 1 << 20
"""A block is closed at this size whatever it holds, so that huge records cost no more memory than small ones."""

PROMPT_START = 160
"""Characters of a prompt in the list."""

NO_PAIR = "no pair"
"""What the index calls the failure of a record that has neither an error nor a pair; the reason follows where it is known."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def write_archive(records: Iterable[PreferenceRecord], file: TextIO, *, classes: Mapping[str, str] | None = None) -> None:
    """Write the script elements, with one block of each kind in memory at a time.

    The blocks wait in temporary files, because the index must come first in the page and is known last.

    Args:
        records: Read once.
        file: Open for writing text; the caller writes the page around.
        classes: Task id -> class of difficulty, for a filter.
    """
    known = classes or {}
    with ExitStack() as stack:
        spools: dict[Kind, _Spool] = {
            kind: _Spool(kind, stack.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))) for kind in MOST_LINES
        }
        for given in records:
            record, line = _stored(given)
            spools["index"].add(to_json(index_row(record, known.get(record.task.id))).decode())
            spools["texts"].add(fold(_searched(record)))
            spools["records"].add(line.decode())
        for spool in spools.values():
            spool.copy_to(file)


def index_row(record: PreferenceRecord, difficulty: str | None = None) -> dict[str, Any]:
    """What lists and filters need of a record; what it lacks is left out."""
    best = record.best
    pair = record.pair or (best.pair if best else None)
    tools = {
        *(call.tool for attempt in record.attempts for call in attempt.tool_calls),
        *(found.tool for attempt in record.attempts for found in attempt.evidence),
    }
    row = {
        "id": record.task.id,
        "status": record.status,
        "prompt": _start(record.task.messages[-1].text),
        "rounds": len(record.attempts),
        "tools": sorted(tools),
        "reward": best.critique.score if best else None,
        "chosen": pair.chosen.score if pair else None,
        "rejected": pair.rejected.score if pair else None,
        "margin": None if pair is None or pair.margin is None else round(pair.margin, 4),
        "certainty": None if pair is None or pair.certainty is None else round(100 * pair.certainty, 1),
        "failure": record.error.kind if record.error else None if pair else _name_shortfall(record),
        "class": difficulty,
    }
    return {name: value for name, value in row.items() if value is not None}


def _name_shortfall(record: PreferenceRecord) -> str:
    why = record.attempts[-1].shortfall if record.attempts else None
    return NO_PAIR if why is None else f"{NO_PAIR}: {name_reason(why.reasons[0])}"


def fold(text: str) -> str:
    """One line in lower case, for a search that ignores case and layout; the page folds what is searched for likewise."""
    return " ".join(unicodedata.normalize("NFC", text.lower()).split())


def unpack(packed: str) -> list[str]:
    """The lines of a block, as the page reads them."""
    return gzip.decompress(base64.b64decode(packed, validate=True)).decode().split("\n")


def _start(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text[: 4 * PROMPT_START]).split())[:PROMPT_START]


def _searched(record: PreferenceRecord) -> str:
    pair = record.pair or (record.best.pair if record.best else None)
    sides = (pair.chosen.text, pair.rejected.text) if pair else ()
    return "\n".join((record.task.id, record.task.text, record.task.answer, *sides))


def _stored(record: PreferenceRecord) -> tuple[PreferenceRecord, bytes]:
    try:
        return record, record.model_dump_json().encode()
    except PydanticSerializationError:  # lone surrogates, which only a record that was never stored can hold
        line = record_line(record).removesuffix(b"\n")
        return PreferenceRecord.model_validate_json(line), line


class _Spool:
    """Blocks of one kind, in a temporary file until their turn in the page comes."""

    def __init__(self, kind: Kind, file: TextIO) -> None:
        self.num_lines = 0
        self._kind = kind
        self._file = file
        self._lines: list[str] = []
        self._characters = 0

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._characters += len(line)
        self.num_lines += 1
        if len(self._lines) >= MOST_LINES[self._kind] or self._characters >= MOST_CHARACTERS:
            self._close_block()

    def copy_to(self, file: TextIO) -> None:
        """Write all blocks."""
        if self._lines:
            self._close_block()
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, io.DEFAULT_BUFFER_SIZE * 16)

    def _close_block(self) -> None:
        first = self.num_lines - len(self._lines)
        # A fixed time stamp: the same records make the same page.
        packed = base64.b64encode(gzip.compress("\n".join(self._lines).encode(), 6, mtime=0)).decode("ascii")
        self._file.write(f'<script type="text/plain" data-archive="{self._kind}" data-first="{first}">{packed}</script>\n')
        self._lines, self._characters = [], 0
