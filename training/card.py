"""The dataset card: what an exported folder holds, where it came from and how to load it.

The card is also read by programs: its front matter tells `datasets.load_dataset` which file is the data, and its schema.
"""

import hashlib
import html
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyprefer.agents.pooling import evidence_behind
from anyprefer.agents.references import ReferenceReader
from anyprefer.applications.base import Application, Column, Kind
from anyprefer.data.pair_digest import PairDigest
from anyprefer.data.records import record_line
from anyprefer.data.run_dir import Lock
from anyprefer.runs.certainty import CertaintyBands
from anyprefer.runs.naming import name_contrast, name_parts, name_reason, name_silent_references
from anyprefer.runs.rewards import find_common, opinions_of
from anyprefer.training.findings import wrap_section
from anyprefer.training.formats.base import ExportFormat
from anyprefer.training.rows import FIELD, PreferenceRow, Thoughts, columns, grade_of, message_fields, thinking
from anyprefer.types import PreferencePair, PreferenceRecord, Reason, Side

MARK = "<!-- Written by `anyprefer export`, which replaces the whole folder when it is run again. -->"
"""Tells an export of ours from any other folder."""

_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (math.inf, "10M<n<100M"),
)  # fmt: skip

_CARD = """\
---
{front_matter}
---
{mark}

# Preference pairs: {name}

{num_rows} preference pairs for DPO, synthesised by anyprefer.{description}

{method}

## Load

```python
{load}
```

Train on it with TRL:

```python
from trl import DPOConfig, DPOTrainer
DPOTrainer(model="MODEL", args=DPOConfig(output_dir="out"), train_dataset=pairs).train()
```

## Origin

{origin}

{references}## Distribution

{distribution}

{findings}

## Columns

{columns}

## Caution

{caution}
"""


@dataclass
class Survey:
    """What a card says about the records, gathered one record at a time."""

    application: Application
    reasoning: Thoughts = "none"
    """What becomes of thoughts in this export."""
    reader: ReferenceReader = field(default_factory=ReferenceReader)
    """Compares pairs with references."""
    bands: CertaintyBands = field(default_factory=CertaintyBands)
    """Pairs by certainty, with what references say of them."""
    shortfalls: Counter[Reason] = field(default_factory=Counter)
    """What stood in the way first -> tasks without any pair."""
    differing: int = 0
    """Pairs that differ in criteria of a rubric."""
    grades: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0]))
    """Chosen or rejected -> sum and number of the critic's grades."""
    statuses: Counter[str] = field(default_factory=Counter)
    least_certainty: float | None = None
    """What every exported pair has at least; None where any will do."""
    uncertain: int = 0
    """Pairs left out with less."""
    unverified: int = 0
    """Pairs left out with none."""
    num_rows: int = 0
    rewards: Counter[int] = field(default_factory=Counter)
    opinions: Counter[float] = field(default_factory=Counter)
    """Rewards that are a critic's opinion, to three digits -> rounds of the exported pairs' tasks."""
    margins: Counter[int] = field(default_factory=Counter)
    """Whole points, rounded down; a margin of 9, the greatest, counts as 8. Pairs without one are not in it."""
    decisions: Counter[str] = field(default_factory=Counter)
    """Of reviewers, over exported pairs."""
    writers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(chosen or rejected, who wrote it) -> pairs."""
    unscored: Counter[str] = field(default_factory=Counter)
    """Chosen or rejected -> pairs whose side no judge saw."""
    shortened: int = 0
    """Pairs whose judge or critic saw a shortened text."""
    shortened_parts: Counter[str] = field(default_factory=Counter)
    """Who saw what shortened -> pairs."""
    thoughts: Counter[str] = field(default_factory=Counter)
    """On how many sides thoughts are known ("none", "one", "both") -> pairs."""
    tools: Counter[str] = field(default_factory=Counter)
    """Tool -> pairs with its evidence."""
    models: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    with_images: bool = False
    own: dict[str, Column] = field(default_factory=dict)
    """The application's own columns, as its last record has them."""
    digest: str = ""
    """Over the exported records; names the content."""
    pairs: PairDigest = field(default_factory=PairDigest)
    """Over the exported pairs; tells whether an analysis of the run is about these."""

    def add(self, record: PreferenceRecord, *, exported: bool) -> None:
        """Count a record, and its pair where that is exported."""
        self.statuses[record.status] += 1
        pair = record.pair
        if record.best is None and record.attempts and (why := record.attempts[-1].shortfall):
            self.shortfalls[why.reasons[0]] += 1
        if not exported or record.best is None or pair is None:
            return
        self.digest = hashlib.sha256(f"{self.digest}{self.reasoning}".encode() + record_line(record)).hexdigest()
        self.num_rows += 1
        self.pairs.add(record.task.id, pair.chosen.text, pair.rejected.text)
        if record.best.critique.score is not None:
            self.rewards[round(record.best.critique.score)] += 1
        self.opinions.update(opinions_of(record))
        if pair.margin is not None:
            self.margins[min(math.floor(pair.margin), 8)] += 1
        self.bands.add(pair.certainty, self.reader.read_pair(record.task, pair))
        self.differing += bool(pair.differences)
        self.shortened += bool(record.best.shortened)
        self.shortened_parts.update(record.best.shortened)
        self._add_lineage(record, pair)
        self.thoughts[thinking(pair)] += 1
        self.tools.update({found.tool for found in evidence_behind(record.attempts, record.best) if found.ok})
        self.with_images = self.with_images or bool(record.task.images)
        self.own.update(self.application.columns(record))
        for role, model in record.models.items():
            self.models[role].add(model)

    def kinds(self) -> dict[str, Kind]:
        """The columns of the export in their order, with what they hold."""
        return columns(with_images=self.with_images) | {name: column.kind for name, column in self.own.items()}

    def _add_lineage(self, record: PreferenceRecord, pair: PreferencePair) -> None:
        if record.review is not None:
            self.decisions[record.review.decision] += 1
        for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            self.writers[name, _writer(record, side)] += 1
            self.unscored[name] += side.score is None
            if (grade := grade_of(record, side)) is not None:
                self.grades[name][0] += grade
                self.grades[name][1] += 1


def _writer(record: PreferenceRecord, side: Side) -> str:
    """Who wrote a side, for a person."""
    if side.origin.kind == "candidate":
        return record.model_of(side) or "a model that the run does not name"
    return {"given": "given with the task", "reference": "the task's reference", "person": "a reviewer"}[side.origin.kind]


def card_text(survey: Survey, lock: Lock, layout: ExportFormat, findings: str = "") -> str:
    """The card of an export.

    Args:
        survey: Of the records behind it.
        lock: The run's.
        layout: The export's format.
        findings: What an analysis of these pairs says, as Markdown.
    """
    return _CARD.format(
        front_matter=_front_matter(survey, lock, layout),
        mark=MARK,
        name=_escape(lock.tables.get("name", "")),
        num_rows=f"{survey.num_rows:,}",
        description=f" {_escape(lock.tables.get('description', ''))}".rstrip(),
        method=_method(lock.tables),
        load=layout.load,
        origin=_origin(survey, lock),
        references=_references(survey),
        distribution=_distribution(survey),
        findings=wrap_section(findings),
        columns=_columns(survey),
        caution=_caution(survey),
    )


def _front_matter(survey: Survey, lock: Lock, layout: ExportFormat) -> str:
    size = next(name for limit, name in _SIZES if survey.num_rows < limit)
    lines = [f"pretty_name: {_quote(lock.tables.get('name', ''))}", "tags:"]
    lines += [f"- {tag}" for tag in ("preference", "dpo", "trl", "synthetic", "anyprefer")]
    lines += ["size_categories:", f"- {size}"]
    if layout.data_file is not None:
        lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train", f"    path: {layout.data_file}"]
        # datasets names its cache after this front matter, not after the data: without it, a folder of the same name that was
        # loaded earlier would be handed out again.
        lines.append(f"  description: content {survey.digest[:16]}")
    lines += ["dataset_info:", "  features:"]
    for name, kind in survey.kinds().items():
        lines += [f"  - name: {name}", *_feature(kind, message_fields(survey.reasoning))]
    return "\n".join(lines)


def _feature(kind: str, in_message: Iterable[str]) -> list[str]:
    if kind == "messages":
        parts = ((f"    - name: {name}", "      dtype: string") for name in in_message)
        return ["    list:", *(line for part in parts for line in part)]
    return ["    list: string"] if kind == "strings" else [f"    dtype: {kind}"]


def _method(recipe: Mapping[str, Any]) -> str:
    pair, tools = recipe.get("pair", {}), recipe.get("tools", {}).get("names")
    ranks = [str(pair.get(f"{side}_rank") or default) for side, default in (("chosen", "first"), ("rejected", "last"))]
    chosen = "the task's reference answer" if pair.get("chosen") == "reference" else f"the answer ranked {ranks[0]}"
    reference = "the task's reference, where it has one" if recipe.get("judge", {}).get("reference") else ""
    found = "what tools found" if tools and pair.get("require") != "none" else ""
    ranked = "a judge with tools scored the answers" if tools else "a judge scored the answers"
    if first := " and ".join(filter(None, (reference, found))):
        ranked = f"the answers were ranked by {first}, then by a judge's scores"
    critic = (
        "A critic rewarded the pair; where the reward fell short and the recipe allowed it, guidance in the\n"
        "prompts was rewritten and the task tried again."
    )
    given = recipe.get("sampling", {}).get("existing")
    answered = "The task file had two answers to each prompt" if given else "A target model answered each prompt"
    return (
        f"{answered} and {ranked}. Chosen is {chosen}, rejected the answer ranked\n"
        f"{ranks[1]}. {critic if recipe.get('critic', {}).get('enabled', True) else 'No critic was asked.'}"
    )


def _origin(survey: Survey, lock: Lock) -> str:
    tools = ", ".join(f"{_escape(name)} ({count:,} pairs)" for name, count in sorted(survey.tools.items()))
    facts = [
        ("Recipe", _escape(lock.tables.get("name", ""))),
        ("Recipe digest", _escape(lock.digest)),
        ("Tasks by outcome", ", ".join(f"{count:,} {status}" for status, count in sorted(survey.statuses.items()))),
        *((f"Model: {_escape(role)}", ", ".join(map(_escape, sorted(names)))) for role, names in sorted(survey.models.items())),
        *_least_certainty(survey),
        ("Chosen responses written by", _writers(survey, "chosen")),
        ("Rejected responses written by", _writers(survey, "rejected")),
        ("Looked at by a person", _reviews(survey)),
        *([("Judged on a shortened text", _shortened(survey))] if survey.shortened else []),
        *_opinions(survey),
        ("Thoughts", _thoughts(survey)),
        ("Tools", tools or "none"),
    ]
    return _table(("What", "Value"), facts)


def _least_certainty(survey: Survey) -> list[tuple[str, str]]:
    if survey.least_certainty is None:
        return []
    left_out = f"{survey.uncertain:,} less certain pairs and {survey.unverified:,} that nobody voted on"
    return [("Least certainty", f"{survey.least_certainty:.3g}; {left_out} are left out")]


def _writers(survey: Survey, side: str) -> str:
    found = sorted((-count, writer) for (name, writer), count in survey.writers.items() if name == side)
    return ", ".join(f"{_escape(writer)} ({-count:,})" for count, writer in found)


def _reviews(survey: Survey) -> str:
    if not survey.decisions:
        return "no pair"
    decisions = ", ".join(f"{decision} {count:,}" for decision, count in sorted(survey.decisions.items()))
    return f"{survey.decisions.total():,} of {survey.num_rows:,} pairs ({decisions})"


def _shortened(survey: Survey) -> str:
    return f"{survey.shortened:,} of {survey.num_rows:,} pairs ({_escape(name_parts(survey.shortened_parts))})"


def _thoughts(survey: Survey) -> str:
    both, one = survey.thoughts["both"], survey.thoughts["one"]
    if survey.reasoning == "none":
        return "left out" if both or one else "none known"
    where = f"in `{FIELD}`" if survey.reasoning == "field" else "before the answers, in `<think>`"
    return f"{where}, of both sides of {both:,} pairs; left out where one side alone has any ({one:,} pairs)"


def _opinions(survey: Survey) -> list[tuple[str, str]]:
    """What rubric and critic found, and why other tasks have no pair; nothing where the run has none of it."""
    facts = []
    if survey.differing:
        facts.append(("Differ in criteria of the rubric", f"{survey.differing:,} of {survey.num_rows:,} pairs"))
    if survey.grades:
        means = (f"{side} {total / number:.3g}" for side, (total, number) in survey.grades.items())
        facts.append(("Critic's grades, mean", ", ".join(means)))
    if survey.shortfalls:
        reasons = (f"{name_reason(reason)} {count:,}" for reason, count in survey.shortfalls.most_common())
        facts.append(("Tasks without a pair, by reason", ", ".join(reasons)))
    return facts


def _references(survey: Survey) -> str:
    """How many sides the tasks' references confirm, as a section; empty where no exported pair has one."""
    count = survey.bands.references
    if count is None:
        return ""
    sides = [
        ("chosen", f"{count.chosen_right:,}", f"{count.chosen_wrong:,}", f"{count.chosen_undecided:,}"),
        ("rejected", f"{count.rejected_right:,}", f"{count.rejected_wrong:,}", f"{count.rejected_undecided:,}"),
    ]
    contrast = _escape(name_contrast(count))
    says = [f"Right against wrong: {contrast} (95 % interval) of the pairs that the references decide."] if contrast else []
    says += [f"{note[0].upper()}{note[1:]}." for note in name_silent_references(count)]
    table = _table(("Side", "Right", "Wrong", "Undecided"), sides)
    head = f"{count.pairs:,} of {survey.num_rows:,} pairs are of tasks with a reference."
    return "\n\n".join(["## What the references say", head, table, *says]) + "\n\n"


def _certainties(survey: Survey) -> list[str]:
    """A table of the pairs by certainty; none where nobody voted on any pair."""
    if not survey.bands.voted:
        return []
    rows = [(band, f"{number:,}", _escape(name_contrast(count) or "none decided")) for band, number, count in survey.bands.rows()]
    return [_table(("Certainty", "Pairs", "Right against wrong, by the references"), rows)]


def _distribution(survey: Survey) -> str:
    rewards = [(str(reward), f"{count:,}") for reward, count in sorted(survey.rewards.items())]
    margins = [(f"{margin} to {margin + 1}", f"{count:,}") for margin, count in sorted(survey.margins.items())]
    if unknown := survey.num_rows - survey.margins.total():
        sides = " and ".join(f"{count:,} {side}" for side, count in survey.unscored.items() if count)
        margins.append((f"unknown: no judge saw {sides} responses", f"{unknown:,}"))
    tables = [_table(("Reward, rounded", "Pairs"), rewards)] if rewards else []
    common = find_common(survey.opinions)
    alike = [f"{_escape(common.warning)}."] if common and common.warning else []
    return "\n\n".join([*_certainties(survey), *tables, *alike, _table(("Margin", "Pairs"), margins)])


def _caution(survey: Survey) -> str:
    seen, rows = survey.decisions.total(), survey.num_rows
    checked = "None of it was checked by a\nperson" if not seen else (
        f"A person looked at {seen:,} of the\n{rows:,} pairs" + (", and at none of the others" if seen < rows else "")
    )  # fmt: skip
    return (
        "Who wrote the responses stands under Origin and in each row. Models wrote the critiques and the knowledge; scores and\n"
        f"rewards are models' opinions. {checked}: it may be wrong, biased or offensive. Prompts come from the task file. Check\n"
        "the licences of the models and of the tasks before you publish this dataset or train on it."
    )


def _columns(survey: Survey) -> str:
    meanings = {name: found.description or "" for name, found in PreferenceRow.model_fields.items()}
    meanings |= {name: _escape(column.meaning) for name, column in survey.own.items()}
    rows = ((f"`{name}`", kind, meanings[name]) for name, kind in survey.kinds().items())
    return _table(("Column", "Holds", "Meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))


def _escape(text: object) -> str:
    """Text on one line that Markdown and HTML show as it is."""
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(_printable(text), quote=False))


def _quote(text: object) -> str:
    """Text as a double-quoted YAML scalar."""
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _printable(text: object) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
