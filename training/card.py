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
from typing import Any, Literal

from anyprefer.data.pair_digest import PairDigest
from anyprefer.data.records import record_line
from anyprefer.training.findings import wrap_section
from anyprefer.training.rows import PreferenceRow, columns
from anyprefer.types import PreferenceRecord

Format = Literal["jsonl", "parquet", "hf"]

DATA_FILES: dict[str, str] = {"jsonl": "train.jsonl", "parquet": "data/train-00000-of-00001.parquet"}
"""Format -> the data file in the folder. `hf` is the layout of `Dataset.save_to_disk`, which has names of its own."""

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

## Distribution

{distribution}

{findings}

## Columns

{columns}

## Caution

Models wrote the responses, the critiques and the knowledge; scores and rewards are models' opinions. None of it was checked by a
person: it may be wrong, biased or offensive. Prompts come from the task file. Check the licences of the models and of the
tasks before you publish this dataset or train on it.
"""


@dataclass
class Survey:
    """What a card says about the records, gathered one record at a time."""

    statuses: Counter[str] = field(default_factory=Counter)
    num_rows: int = 0
    rewards: Counter[int] = field(default_factory=Counter)
    margins: Counter[int] = field(default_factory=Counter)
    """Whole points, rounded down; a margin of 9, the greatest, counts as 8."""
    tools: Counter[str] = field(default_factory=Counter)
    """Tool -> pairs with its evidence."""
    models: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    with_images: bool = False
    digest: str = ""
    """Over the exported records; names the content."""
    pairs: PairDigest = field(default_factory=PairDigest)
    """Over the exported pairs; tells whether an analysis of the run is about these."""

    def add(self, record: PreferenceRecord, *, exported: bool) -> None:
        """Count a record, and its pair where that is exported."""
        self.statuses[record.status] += 1
        if not exported or record.best is None or record.pair is None:
            return
        self.digest = hashlib.sha256(self.digest.encode() + record_line(record)).hexdigest()
        self.num_rows += 1
        self.pairs.add(record.task.id, record.pair.chosen, record.pair.rejected)
        if record.best.critique.score is not None:
            self.rewards[record.best.critique.score] += 1
        self.margins[min(int(record.pair.margin), 8)] += 1
        self.tools.update({found.tool for found in record.best.evidence if found.ok})
        self.with_images = self.with_images or bool(record.task.images)
        for role, model in record.models.items():
            self.models[role].add(model)


def card_text(survey: Survey, lock: Mapping[str, Any], layout: Format, findings: str = "") -> str:
    """The card of an export.

    Args:
        survey: Of the records behind it.
        lock: The run's `recipe.lock.toml`.
        layout: The export's format.
        findings: What an analysis of these pairs says, as Markdown.
    """
    return _CARD.format(
        front_matter=_front_matter(survey, lock, layout),
        mark=MARK,
        name=_escape(lock.get("name", "")),
        num_rows=f"{survey.num_rows:,}",
        description=f" {_escape(lock.get('description', ''))}".rstrip(),
        method=_method(lock),
        load=_load(layout),
        origin=_origin(survey, lock),
        distribution=_distribution(survey),
        findings=wrap_section(findings),
        columns=_columns(survey),
    )


def _front_matter(survey: Survey, lock: Mapping[str, Any], layout: Format) -> str:
    size = next(name for limit, name in _SIZES if survey.num_rows < limit)
    lines = [f"pretty_name: {_quote(lock.get('name', ''))}", "tags:"]
    lines += [f"- {tag}" for tag in ("preference", "dpo", "trl", "synthetic", "anyprefer")]
    lines += ["size_categories:", f"- {size}"]
    if layout in DATA_FILES:
        lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train", f"    path: {DATA_FILES[layout]}"]
        # datasets names its cache after this front matter, not after the data: without it, a folder of the same name that was
        # loaded earlier would be handed out again.
        lines.append(f"  description: content {survey.digest[:16]}")
    lines += ["dataset_info:", "  features:"]
    for name, kind in columns(with_images=survey.with_images).items():
        lines += [f"  - name: {name}", *_feature(kind)]
    return "\n".join(lines)


def _feature(kind: str) -> list[str]:
    if kind == "messages":
        parts = ((f"    - name: {name}", "      dtype: string") for name in ("role", "content"))
        return ["    list:", *(line for part in parts for line in part)]
    return ["    list: string"] if kind == "strings" else [f"    dtype: {kind}"]


def _method(lock: Mapping[str, Any]) -> str:
    pair, tools = lock.get("pair", {}), lock.get("tools", {}).get("names")
    ranks = [str(pair.get(f"{side}_rank") or default) for side, default in (("chosen", "first"), ("rejected", "last"))]
    chosen = "the task's reference answer" if pair.get("chosen") == "reference" else f"the answer ranked {ranks[0]}"
    judge = "judge with tools" if tools else "judge"
    critic = (
        "A critic rewarded the pair; where the reward fell short and the recipe allowed it, guidance in the\n"
        "prompts was rewritten and the task tried again."
    )
    return (
        f"A target model answered each prompt and a {judge} scored the answers. Chosen is {chosen}, rejected the answer ranked\n"
        f"{ranks[1]}. {critic if lock.get('critic', {}).get('enabled', True) else 'No critic was asked.'}"
    )


def _load(layout: Format) -> str:
    function = "load_from_disk" if layout == "hf" else "load_dataset"
    split = "" if layout == "hf" else ', split="train"'
    return f'from datasets import {function}\npairs = {function}("path/to/this/folder"{split})'


def _origin(survey: Survey, lock: Mapping[str, Any]) -> str:
    tools = ", ".join(f"{_escape(name)} ({count:,} pairs)" for name, count in sorted(survey.tools.items()))
    facts = [
        ("Recipe", _escape(lock.get("name", ""))),
        ("Recipe digest", _escape(lock.get("lock", {}).get("digest", ""))),
        ("Tasks by outcome", ", ".join(f"{count:,} {status}" for status, count in sorted(survey.statuses.items()))),
        *((f"Model: {_escape(role)}", ", ".join(map(_escape, sorted(names)))) for role, names in sorted(survey.models.items())),
        ("Tools", tools or "none"),
    ]
    return _table(("What", "Value"), facts)


def _distribution(survey: Survey) -> str:
    rewards = [(str(reward), f"{count:,}") for reward, count in sorted(survey.rewards.items())]
    margins = [(f"{margin} to {margin + 1}", f"{count:,}") for margin, count in sorted(survey.margins.items())]
    tables = [_table(("Reward", "Pairs"), rewards)] if rewards else []
    return "\n\n".join([*tables, _table(("Margin", "Pairs"), margins)])


def _columns(survey: Survey) -> str:
    kinds = columns(with_images=survey.with_images)
    rows = ((f"`{name}`", kind, PreferenceRow.model_fields[name].description or "") for name, kind in kinds.items())
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
