"""All findings about one dataset, for programs, for a terminal and for a dataset card."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import ClassVar

from anyprefer.analysis.calibration import Calibration
from anyprefer.analysis.difficulty import Difficulty
from anyprefer.analysis.diversity import Diversity
from anyprefer.analysis.diversity_table import format_markdown, tabulate_coverage, tabulate_measures
from anyprefer.analysis.duplicates import Duplicates
from anyprefer.analysis.findings import Finding
from anyprefer.analysis.flags import Flags
from anyprefer.analysis.leakage import Leakage
from anyprefer.analysis.length import LengthBias
from anyprefer.analysis.quality import QualitySample
from anyprefer.analysis.references import ReferenceAgreement
from anyprefer.analysis.separability import Separability

Fact = tuple[str, str]
"""What was measured, and what came out."""


class Analysis(Finding):
    """What `anyprefer analyze` found; the content of `analysis.json`."""

    NAMES: ClassVar[dict[str, str]] = {
        "duplicates": "Duplicates", "length": "Length", "separability": "Shallow features", "calibration": "Scores",
        "difficulty": "Difficulty", "references": "References", "flags": "Flags", "leakage": "Leakage",
        "quality": "Quality by a model", "diversity": "Diversity",
    }  # fmt: skip
    """Check -> its title."""

    name: str
    """Of the dataset."""
    pairs: int
    """Pairs looked at."""
    digest: str
    """Names the pairs (`PairDigest`)."""
    version: str
    """Of anyprefer."""
    duplicates: Duplicates
    length: LengthBias
    separability: Separability | None
    calibration: Calibration | None
    """None where the pairs have neither scores nor rewards."""
    difficulty: Difficulty
    references: ReferenceAgreement | None
    """None where no pair has a reference."""
    flags: Flags
    leakage: tuple[Leakage, ...] = ()
    """One for each benchmark given."""
    quality: QualitySample | None = None
    """None where no judge was given."""
    diversity: Diversity | None = None
    """None where it was not wanted."""

    def warned(self) -> Iterator[tuple[str, str]]:
        """Title of the check and what it warns of."""
        for check, title in self.NAMES.items():
            found = getattr(self, check)
            for one in found if isinstance(found, tuple) else (found,):
                for warning in one.warnings if one is not None else ():
                    yield title, warning

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings."""
        return tuple(warning for _, warning in self.warned())

    def facts(self) -> Iterator[Fact]:
        """The key figures."""
        yield "Pairs", f"{self.pairs:,}"
        repeated = self.duplicates
        yield "Repeated", f"{repeated.pairs.surplus:,} pairs, {repeated.prompts.surplus:,} prompts (exact or near)"
        yield "Longer response chosen", str(self.length.longer_chosen)
        if self.separability:
            yield "Told apart by shallow features", str(self.separability.accuracy)
        yield from self._score_facts()
        yield "Difficulty", ", ".join(f"{grade} {100 * share:.0f} %" for grade, share in self.difficulty.shares.items())
        if self.references and self.references.agreeing:
            yield (
                "Chosen right and rejected wrong",
                f"{self.references.agreeing} of {self.references.decided:,} decided by a reference",
            )
        if self.references and self.references.overlap:
            yield "Chosen closer to the reference", f"{self.references.overlap.closer} ({self.references.overlap.measure})"
        for leak in self.leakage:
            yield (
                f"Leaked from {leak.benchmark}",
                f"{leak.leaked_items:,} of {leak.items:,} items, in {leak.leaked_pairs:,} pairs",
            )
        if self.quality:
            yield "Quality by a model", self.quality.line()
        yield from self._diversity_facts()

    def _score_facts(self) -> Iterator[Fact]:
        for name, use in (("Margin", self.calibration.margin), ("Reward", self.calibration.reward)) if self.calibration else ():
            if use:
                yield name, f"mean {use.spread.mean:.2f}, median {use.spread.median:.2f}"

    def _diversity_facts(self) -> Iterator[Fact]:
        own = self.diversity.datasets[0] if self.diversity else None
        for view in own.views if own else ():
            if view.view == "pair":
                yield "Vendi score", f"{view.vendi} of at most {view.n:,}"
                yield "Condition number", f"{view.condition_number} (n = {view.n:,}, d = {view.d:,}, rank {view.rank:,})"

    def lines(self) -> list[str]:
        """For a terminal."""
        width = max(len(label) for label, _ in self.facts())
        lines = [f"{label:{width}}  {value}" for label, value in self.facts()]
        if self.diversity and len(self.diversity.datasets) > 1:
            lines += [
                "",
                format_markdown(tabulate_measures(self.diversity)),
                "",
                format_markdown(tabulate_coverage(self.diversity)),
            ]
        return [*lines, *(f"warning: {title}: {text}" for title, text in self.warned())]


def card_section(found: Analysis, map_name: str | None) -> str:
    """The findings as a section of a dataset card.

    Args:
        found: Of the card's dataset.
        map_name: The map's file beside the card, where there is one.
    """
    lines = ["## Quality and diversity", "", "Measured by `anyprefer analyze`; intervals are 95 %.", ""]
    lines += _markdown(("What", "Value"), found.facts())
    if found.diversity and found.diversity.size:
        lines += ["", *_markdown(*tabulate_measures(found.diversity))]
    if warned := [f"- {_cell(title)}: {_cell(text)}" for title, text in found.warned()]:
        lines += ["", "Warnings:", "", *warned]
    if map_name:
        lines += ["", f"![t-SNE map of the pairs]({map_name})"]
    return "\n".join(lines) + "\n"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows))]


def _cell(text: str) -> str:
    """Text of data on one line that Markdown and HTML show as it is."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", escape(plain, quote=False))
