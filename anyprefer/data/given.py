"""Pairs that are there already, offered to the judge instead of sampled responses."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyprefer.data.blobs import BlobStore
from anyprefer.data.columns import sort_columns
from anyprefer.data.conversations import as_turns
from anyprefer.data.pairs import Preference, read_preference
from anyprefer.data.tasks import ReadTask, has_id
from anyprefer.errors import DataError
from anyprefer.types import Task

SIDES = ("chosen", "rejected")

LABEL = "given_chosen"
"""In the metadata of such a task: which of its outputs, 0 or 1, the file calls the chosen one. No model sees it."""


def read_given(read: ReadTask) -> ReadTask:
    """A reader of pairs, in any layout of TRL's: its tasks have the two responses, in an order that does not tell which is which.

    Args:
        read: Makes a task of what both responses answer, and of the other columns.

    Raises:
        DataError: A row is no pair.
    """

    def read_pair(where: str, row: Mapping[str, Any], folder: Path, blobs: BlobStore | None = None) -> Task:
        pair, rest = split_pair(where, row)
        if not (pair.chosen.text.strip() and pair.rejected.text.strip()):
            raise DataError(f"{where}: chosen or rejected is empty: there is nothing to compare; remove the row")
        return _offer(where, read(where, rest, folder, blobs), pair, named=has_id(row))

    return read_pair


def split_pair(where: str, row: Mapping[str, Any]) -> tuple[Preference, dict[str, Any]]:
    """The pair of a row; and the row without its sides, with a prompt that is all that both sides answer.

    Raises:
        DataError: The row is no pair.
    """
    roles = sort_columns(where, {name: value for name, value in row.items() if value is not None}).roles
    asked = roles.get("prompt") or roles.get("input", {})
    cells = {part: found for part, found in (("prompt", asked), *((side, roles.get(side)) for side in SIDES)) if found}
    pair = read_preference(where, {part: as_turns(where, *next(iter(found.items()))) for part, found in cells.items()})
    if pair.prompt and pair.prompt[-1].role == "assistant":  # it would be read as a question with its answer
        raise DataError(f"{where}: the prompt ends with the assistant: both responses must answer the user or a tool")
    taken = {name for found in cells.values() for name in found}
    return pair, {**{name: value for name, value in row.items() if name not in taken}, "prompt": pair.turns["prompt"]}


def _offer(where: str, task: Task, pair: Preference, *, named: bool) -> Task:
    if LABEL in task.metadata:
        raise DataError(f"{where}: the name {LABEL!r} is taken for which response the file prefers: rename that column")
    digest = hashlib.sha256(f"{task.id}\0{pair.chosen.text}\0{pair.rejected.text}".encode("utf-8", "surrogatepass")).digest()
    place = digest[0] % 2
    given = (pair.chosen, pair.rejected) if place == 0 else (pair.rejected, pair.chosen)
    return Task(
        id=task.id if named else "", prompt=task.prompt, tools=task.tools, reference=task.reference, given=given,
        application=task.application, metadata={**task.metadata, LABEL: place},
    )  # fmt: skip
