"""One self-contained HTML page about a run: nothing in it is loaded from anywhere, and nothing that a model wrote is markup.

The records are streamed twice, once for the numbers and once for the archive that the page's browser reads, so a run may be
larger than memory.
"""

import itertools
import tomllib
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from anyprefer import __version__
from anyprefer.analysis.diversity_table import tabulate_coverage, tabulate_measures
from anyprefer.data.records import RecordFile
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.report.archive import write_archive
from anyprefer.report.assets import read_script, read_style, script_source
from anyprefer.report.cases import Case
from anyprefer.report.costs import read_calls
from anyprefer.report.facts import RunFacts
from anyprefer.report.failures import by_count
from anyprefer.report.figures import rewrite_charts, round_charts, score_charts, tool_charts
from anyprefer.report.tool_effects import ToolEffect
from anyprefer.runs.live import read_picture
from anyprefer.training.findings import FOLDER, RESULT
from anyprefer.types import Attempt, Evidence, RoleUsage

if TYPE_CHECKING:
    from anyprefer.report.quality import Quality

SECTIONS = (
    ("summary", "Summary"), ("rounds", "Rounds and scores"), ("tools", "Tools"), ("prompts", "Rewritten prompts"),
    ("calls", "Calls"), ("failures", "Failures"), ("quality", "Dataset quality"), ("cases", "Case studies"),
    ("pairs", "All records"),
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
    lock = _read_lock(run_dir)
    records = RecordFile(run_dir / "records.jsonl")
    facts = RunFacts()
    for record in records:
        facts.add(record)
    if not facts.total:
        raise DataError(f"{str(run_dir)!r} has no finished task yet: run `anyprefer run` into it first")
    cases = list(facts.cases.cases())
    quality = _read_quality(run_dir, facts)
    to = to or run_dir / "report.html"
    page = _render(run_dir, lock, facts, cases, quality)
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


def _read_lock(run_dir: Path) -> str:
    path = run_dir / "recipe.lock.toml"
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        found = sorted(run_dir.glob("*/recipe.lock.toml")) + sorted(run_dir.glob("*/*/recipe.lock.toml"))
        hint = f"give one of its run folders, such as {str(found[0].parent)!r}" if found else "give the --out of `anyprefer run`"
        raise RunFolderError(f"{str(run_dir)!r} is no run folder (it has no {path.name}): {hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"cannot read {str(path)!r}: {error}; run the recipe again into another folder") from error


def _render(run_dir: Path, lock: str, facts: RunFacts, cases: Sequence[Case], quality: "Quality | None") -> str:
    """The page up to the archive; its last elements follow as they are written."""
    recipe = tomllib.loads(lock)
    head = recipe.pop("lock", {})
    return str(
        _environment()
        .get_template("page.html")
        .render(
            version=__version__,
            policy=POLICY.format(script=script_source()),
            css=read_style(),
            name=recipe.get("name") or run_dir.name,
            recipe=recipe,
            recipe_text=lock,
            digest=str(head.get("digest", "")),
            sections=[section for section in SECTIONS if quality or section[0] != "quality"],
            facts=facts,
            figures=_figures(run_dir, facts),
            roles=_roles(facts),
            charts_of={
                "rounds": [*round_charts(facts), *score_charts(facts)],
                "tools": [*tool_charts(facts)],
                "rewrites": [*rewrite_charts(facts)],
            },
            stored=read_calls(run_dir),
            failures={name: by_count(getattr(facts.failures, name)) for name in ("tasks", "rounds", "tools")},
            quality=quality,
            cases=cases,
        )
    )


def _read_quality(run_dir: Path, facts: RunFacts) -> "Quality | None":
    if not (run_dir / FOLDER / RESULT).exists():
        return None
    from anyprefer.report.quality import read_quality

    return read_quality(run_dir, facts.pairs.hexdigest())


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
        about=_about,
        marked=marked,
        tabulate_measures=tabulate_measures,
        tabulate_coverage=tabulate_coverage,
    )
    return environment


def _figures(run_dir: Path, facts: RunFacts) -> list[tuple[str, str]]:
    """The cards beside the outcomes."""
    whole = sum(facts.usage.values(), RoleUsage())
    cost = "unknown" if whole.cost_usd is None else f"${whole.cost_usd:,.2f}"
    figures = [
        ("Model calls", f"{whole.calls:,}"),
        ("Tokens", f"{whole.prompt_tokens + whole.completion_tokens:,}"),
        ("Cost", cost),
    ]
    with suppress(RunFolderError):
        figures.append(("Minutes", f"{read_picture(run_dir)[0].seconds / 60:,.1f}"))
    if facts.rewards:
        figures.append(("Mean reward", f"{sum(facts.rewards) / len(facts.rewards):.2f}"))
    if facts.margins:
        figures.append(("Mean margin", f"{sum(facts.margins) / len(facts.margins):.2f}"))
    if facts.decisions:
        figures.append(("Reviewed", ", ".join(f"{count:,} {name}" for name, count in facts.decisions.most_common())))
    return figures


def _roles(facts: RunFacts) -> list[tuple[str, str, RoleUsage | None]]:
    names = dict.fromkeys([*facts.models, *facts.usage])
    return [(role, ", ".join(sorted(facts.models.get(role, ()))), facts.usage.get(role)) for role in names]


def _share(part: int, whole: int) -> str:
    return f"({100 * part / whole:.0f} %)" if whole else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _sided(effect: ToolEffect) -> str:
    if not effect.sided:
        return "no pair"
    return ", ".join(f"{name} {effect.sided[name]:,}" for name in ("chosen", "rejected", "neither") if effect.sided[name])


def _about(attempt: Attempt, text: str) -> list[Evidence]:
    """What was found of the candidate with a text."""
    indices = {candidate.index for candidate in attempt.candidates if candidate.text == text}
    return [found for found in attempt.evidence if found.candidate in indices]
