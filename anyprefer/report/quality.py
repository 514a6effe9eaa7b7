"""What `anyprefer analyze` found about a run's pairs, as a section of its page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from anyprefer.analysis.calibration import ScoreUse
from anyprefer.analysis.results import Analysis
from anyprefer.analysis.tsne_map import chart_map
from anyprefer.charts.chart import Chart
from anyprefer.charts.drawing import Plan, bar_chart
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError
from anyprefer.training.findings import RESULT


@dataclass(frozen=True)
class Quality:
    """The section's content.

    Attributes:
        analysis: All findings.
        current: Whether they are about the pairs that the run has now.
        charts: In their order.
    """

    analysis: Analysis
    current: bool
    charts: Sequence[Chart] = field(default_factory=tuple)


def read_quality(run_dir: Path, digest: str) -> Quality | None:
    """The findings of a run folder; None where nobody looked.

    Args:
        run_dir: The run folder.
        digest: Of its accepted pairs.

    Raises:
        RunFolderError: They cannot be read.
    """
    path = RunDir(run_dir).analysis / RESULT
    try:
        analysis = Analysis.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RunFolderError(f"cannot read {str(path)!r}: {error}; run `anyprefer analyze` again, or remove it") from error
    return Quality(analysis, analysis.digest == digest, tuple(_charts(analysis)))


def _charts(analysis: Analysis) -> Iterator[Chart]:
    shares = analysis.difficulty.shares
    largest = max(shares, key=lambda grade: shares[grade])
    plan = Plan(
        "difficulty", "Difficulty", f"Most pairs are {largest}. {analysis.difficulty.definition}", "Class", "% of the pairs", 1
    )
    yield bar_chart(plan, list(shares), {"pairs": [100 * share for share in shares.values()]})
    if analysis.separability and analysis.separability.features:
        yield _feature_chart(analysis)
    calibration = analysis.calibration
    for name, use in (("margin", calibration.margin), ("reward", calibration.reward)) if calibration else ():
        if use and use.decided:
            yield _reliability_chart(name, use)
    if analysis.quality:
        histogram = analysis.quality.histogram
        plan = Plan("quality-scores", "Quality by a model", analysis.quality.line(), "Score of the pair", "Pairs")
        yield bar_chart(plan, [str(score) for score in histogram], {"pairs": [float(count) for count in histogram.values()]})
    if analysis.diversity and analysis.diversity.map:
        yield chart_map(analysis.diversity.map)


def _feature_chart(analysis: Analysis) -> Chart:
    assert analysis.separability is not None  # noqa: S101 - asked before
    telling = analysis.separability.features[:6]
    plan = Plan(
        "features", "Telling apart by one shallow feature", f"All features together tell {analysis.separability.accuracy} of the "
        "pairs apart; 50 % is chance.", "Feature", "% of pairs told apart", 1, top=100,
    )  # fmt: skip
    shares = [100 * max(one.chosen_has_more.value, 1 - one.chosen_has_more.value) for one in telling]
    return bar_chart(plan, [one.name for one in telling], {"pairs": shares})


def _reliability_chart(name: str, use: ScoreUse) -> Chart:
    follows = "no rank correlation can be given" if use.correlation is None else f"the rank correlation is {use.correlation:+.2f}"
    plan = Plan(
        f"reliability-{name}", f"Correct pairs by {name}", f"Of {use.decided:,} pairs that a reference decides; {follows}.",
        name.capitalize(), "% correct", 1, top=100,
    )  # fmt: skip
    labels = [f"{one.low:g} to {one.high:g}" for one in use.bins]
    return bar_chart(plan, labels, {"correct": [None if one.right is None else 100 * one.right.value for one in use.bins]})
