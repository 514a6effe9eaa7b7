"""Rows of judge benchmarks, in their own spellings, as rows of preference datasets.

LLMBar keeps its responses in `output_1` and `output_2` with a `label` of 1 or 2, JudgeBench in `response_A` and `response_B` with
"A>B" or "B>A".
"""

from collections.abc import Mapping
from typing import Any

from anyprefer.data.columns import fold

SIDES = tuple((stem, f"{stem}_{first}", f"{stem}_{second}") for stem in ("output", "response") for first, second in ("12", "ab"))
"""What names of columns begin with that are about the responses, and those of the two responses."""


def name_sides(row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A row with its better response under `chosen` and the other under `rejected`; any row of another spelling as it is.

    What else is said of the responses, such as `response_model`, goes with their old names: it may betray which one is better.

    Returns:
        The row, and why it has no sides where its label names none.
    """
    names = {fold(name): name for name in row if row[name] is not None}
    found = next((parts for parts in SIDES if {*parts[1:], "label"} <= names.keys()), None)
    if found is None:
        return dict(row), ""
    stem, *sides = found
    about = {name for folded, name in names.items() if folded == "label" or folded.startswith(f"{stem}_")}
    rest = {name: value for name, value in row.items() if name not in about}
    first, second = (row[names[side]] for side in sides)
    better = _read_label(row[names["label"]], *(side.rpartition("_")[2] for side in sides))
    if isinstance(better, str):
        return rest, better
    return {**rest, "chosen": (first, second)[better], "rejected": (second, first)[better]}, ""


def _read_label(label: Any, first: str, second: str) -> int | str:
    """The place of the response that a label prefers, 0 or 1; or why it prefers none."""
    said = "".join(str(label).split()).casefold()
    for place, (one, other) in enumerate(((first, second), (second, first))):
        if said in (one, f"{one}>{other}", f"{other}<{one}"):
            return place
    if said in (f"{first}={second}", "tie"):
        return f"label {label!r} prefers neither response"
    one, other = first.upper(), second.upper()
    return f"label {label!r} names no response: write {one!r} or '{one}>{other}' for the first, {other!r} or '{other}>{one}'"
