"""One self-contained HTML page about a run: nothing in it is loaded from anywhere, and nothing that a model wrote is markup.

The records are streamed twice, once for the numbers and once for the archive that the page's browser reads, so a run may be
larger than memory.
"""

import itertools
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from anyprefer import __version__
from anyprefer.agents.pooling import evidence_about, evidence_behind, verdict_about
from anyprefer.agents.references import ReferenceReader
from anyprefer.analysis.diversity_table import tabulate_coverage, tabulate_measures
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import Lock, RunDir
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.redaction import quote
from anyprefer.report.archive import write_archive
from anyprefer.report.assets import read_script, read_style, script_source
from anyprefer.report.cases import Case
from anyprefer.report.costs import read_calls
from anyprefer.report.facts import RunFacts
from anyprefer.report.failures import by_count
from anyprefer.report.figures import rewrite_charts, round_charts, score_charts, tool_charts
from anyprefer.report.tool_effects import SIDES, ToolEffect
from anyprefer.runs.live import read_picture
from anyprefer.runs.naming import (
    ENDINGS,
    name_certainty,
    name_contrast,
    name_difference,
    name_finding,
    name_parts,
    name_rates,
    name_reason,
    name_reasons,
    name_reward,
    name_score,
    name_side,
    name_silent_references,
)
from anyprefer.runs.progress import count_tasks, describe_passing
from anyprefer.runs.rewards import find_common
from anyprefer.runs.summary import measure_yields, read_summary
from anyprefer.training.findings import RESULT
from anyprefer.types import Evidence, PreferenceRecord, RoleUsage, Side, Verdict

if TYPE_CHECKING:
    from anyprefer.report.quality import Quality

SECTIONS = (
    ("accepted", "Accepted pairs"), ("summary", "Numbers"), ("rounds", "Rounds and scores"), ("tools", "Tools"),
    ("prompts", "Rewritten prompts"), ("failures", "Failures"), ("calls", "Calls"), ("quality", "Dataset quality"),
    ("cases", "Case studies"), ("settings", "Settings"), ("pairs", "All records"),
)  # fmt: skip
"""Ids and titles, in their order on the page."""


POLICY = "default-src 'none'; script-src {script}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page may run its own script and nothing else, and load nothing at all."""


class ReportSummary(BaseModel):
    """What was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    records: int
    bytes: int
    cases: int
    """Case studies shown."""


def write_report(run_dir: Path, to: Path | None = None) -> ReportSummary:
    """Write the page of a run, finished or not.

    Args:
        run_dir: A run folder; where `anyprefer analyze` has looked at it, the page has its findings too.
        to: The file; `report.html` in the folder by default. An earlier one is replaced in one step.

    Raises:
        ConfigError: The extra is missing.
        DataError: There is no record yet.
        RunFolderError: The folder cannot be read, or the page cannot be written.
    """
    files = RunDir(run_dir)
    lock = files.read_lock()
    records = RecordFile(files.records)
    facts = RunFacts(reader=ReferenceReader.of(lock.recipe))
    for record in records:
        facts.add(record)
    if not facts.total:
        last = read_summary(files.path)
        why = f" (an endpoint stopped it: {last.stop_cause})" if last and last.stop_cause else ""
        todo = (last and last.name_waiting(run_dir)) or "run `anyprefer run` into it first"
        raise DataError(f"{str(run_dir)!r} has no finished task yet{why}: {todo}")
    cases = list(facts.cases.cases())
    quality = _read_quality(files, facts)
    to = to or files.report
    page = _render(files, lock, facts, cases, quality)
    scratch = to.with_name(f".{to.name}.{uuid.uuid4().hex}.tmp")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(page)
            classes = quality.analysis.difficulty.classes if quality else None
            write_archive(itertools.islice(records, facts.total), file, classes=classes)  # not what a run has added since
            file.write(f"<script>{read_script()}</script>\n</body>\n</html>\n")
        scratch.replace(to)
    except OSError as error:
        raise RunFolderError(f"cannot write {str(to)!r}: {error.strerror or error}; free space or give another --out") from error
    finally:
        scratch.unlink(missing_ok=True)
    return ReportSummary(path=to, records=facts.total, bytes=to.stat().st_size, cases=len(cases))


def _render(files: RunDir, lock: Lock, facts: RunFacts, cases: Sequence[Case], quality: "Quality | None") -> str:
    """The page up to the archive; its last elements follow as they are written."""
    return str(
        _environment()
        .get_template("page.html")
        .render(
            version=__version__,
            policy=POLICY.format(script=script_source()),
            css=read_style(),
            name=lock.tables.get("name") or files.path.name,
            recipe=lock.tables,
            recipe_text=lock.text,
            digest=lock.digest,
            sections=[section for section in SECTIONS if quality or section[0] != "quality"],
            facts=facts,
            figures=_figures(files.path, facts),
            roles=_roles(facts),
            charts_of={
                "rounds": [*round_charts(facts), *score_charts(facts)],
                "tools": [*tool_charts(facts)],
                "rewrites": [*rewrite_charts(facts)],
            },
            stored=read_calls(files.path),
            last=read_summary(files.path),
            failures={name: by_count(getattr(facts.failures, name)) for name in ("tasks", "rounds", "tools")},
            quality=quality,
            cases=cases,
        )
    )


def _read_quality(files: RunDir, facts: RunFacts) -> "Quality | None":
    if not (files.analysis / RESULT).exists():
        return None
    from anyprefer.report.quality import read_quality

    return read_quality(files.path, facts.pairs.hexdigest())


def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        from anyprefer.differences import marked
    except ImportError as error:
        raise ConfigError(f"the report needs {error.name}: pip install 'anyprefer[report]'") from None
    environment = Environment(
        loader=PackageLoader("anyprefer.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        share=_share,
        number=_number,
        sided=_sided,
        evidence_of=_evidence_of,
        evidence_behind=evidence_behind,
        verdict_of=_verdict_of,
        name_side=_name_side,
        name_score=name_score,
        name_reward=name_reward,
        name_reason=name_reason,
        name_reasons=name_reasons,
        name_difference=name_difference,
        name_contrast=name_contrast,
        name_silent_references=name_silent_references,
        name_certainty=name_certainty,
        name_finding=name_finding,
        marked=marked,
        count_tasks=count_tasks,
        describe_passing=describe_passing,
        quote=quote,
        tabulate_measures=tabulate_measures,
        tabulate_coverage=tabulate_coverage,
    )
    return environment


def _figures(run_dir: Path, facts: RunFacts) -> dict[str, str]:
    """The cards beside the outcomes; the line at the top has some of them."""
    whole = sum(facts.usage.values(), RoleUsage())
    tokens = whole.prompt_tokens + whole.completion_tokens
    figures = {"Model calls": f"{whole.calls:,}", "Tokens": f"{tokens:,}", "Cost": _price(whole.cost_usd)}
    last = read_summary(run_dir)
    figures |= _yields(facts, 0 if last and last.reused_calls else tokens)
    with suppress(RunFolderError):
        figures["Minutes"] = f"{read_picture(run_dir)[0].seconds / 60:,.1f}"
    figures |= _means(facts)
    if facts.exhausted_after_error:
        figures["Exhausted after an error"] = f"{facts.exhausted_after_error:,}"
    if facts.shortened:
        figures["Judged on a shortened text"] = f"{facts.shortened:,} ({name_parts(facts.shortened_parts)})"
    if facts.decisions:
        figures["Reviewed"] = ", ".join(f"{count:,} {name}" for name, count in facts.decisions.most_common())
    return figures


def _yields(facts: RunFacts, tokens: int) -> dict[str, str]:
    """What the work brought in."""
    accepted = facts.statuses["accepted"]
    found = measure_yields(facts.total, accepted, tokens, facts.bands.references) if accepted else None
    if found is None:
        return {}
    figures = {"Accepted pairs": name_rates(found.accepted_per_100_tasks, found.accepted_per_1000_tokens)}
    if found.right_per_100_tasks is not None:
        figures["Right against wrong"] = name_rates(found.right_per_100_tasks, found.right_per_1000_tokens)
    return figures


def _means(facts: RunFacts) -> dict[str, str]:
    """What judge, tools and critic said of the pairs, on average."""
    figures = {}
    for label, numbers in (("Mean reward", facts.rewards), ("Mean margin", facts.margins)):
        if numbers:
            figures[label] = f"{fmean(numbers):.2f}"
    if facts.certainties:
        figures["Mean certainty"] = f"{100 * fmean(facts.certainties):.0f} %"
    if facts.grades["chosen"]:
        figures["Mean grades"] = ", ".join(f"{name} {fmean(grades):.2f}" for name, grades in facts.grades.items())
    if (common := find_common(facts.opinions)) and common.warning:
        figures["Rewards alike"] = common.warning
    if facts.differing:
        figures["Differ in criteria"] = f"{facts.differing:,} pairs"
    return figures


def _roles(facts: RunFacts) -> list[tuple[str, str, RoleUsage | None]]:
    names = dict.fromkeys([*facts.models, *facts.usage])
    return [(role, ", ".join(sorted(facts.models.get(role, ()))), facts.usage.get(role)) for role in names]


def _share(part: int, whole: int) -> str:
    return f"({100 * part / whole:.0f} %)" if whole else ""


def _price(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _sided(effect: ToolEffect) -> str:
    if not effect.readable:
        return "said nothing that a program can read"
    if not effect.sided:
        return "was never about both sides"
    return ", ".join(f"{name} {effect.sided[name]:,}" for name in SIDES if effect.sided[name])


def _evidence_of(record: PreferenceRecord, side: Side) -> list[Evidence]:
    return list(evidence_about(record.attempts, record.best, side)) if record.best else []


def _verdict_of(record: PreferenceRecord, side: Side) -> Verdict | None:
    return verdict_about(record.attempts, record.best, side) if record.best else None


def _name_side(record: PreferenceRecord, side: Side) -> str:
    """Where a side comes from, who wrote it, and how it ended where that needs a word."""
    sampled = (attempt.candidate_of(side) for attempt in record.attempts)
    ending = next((ENDINGS[candidate.ending] for candidate in sampled if candidate), "")
    return ", ".join(part for part in (name_side(side, record.model_of(side)), ending) if part)
