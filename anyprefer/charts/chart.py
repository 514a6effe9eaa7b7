"""A chart with the table of its data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chart:
    """A picture that needs no script, and everything that it shows in words and numbers.

    Attributes:
        title: What it shows.
        summary: What it says, in a sentence, for whoever does not see it.
        svg: An `<svg>` element without prolog or script; lines and text have the colour of the text around it.
        head: Column names of the table.
        rows: Its cells.
    """

    title: str
    summary: str
    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
