"""The numbers of a diversity as tables."""

from anyprefer.analysis.diversity import Diversity
from anyprefer.analysis.subsampling import Estimate

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows."""


def tabulate_measures(found: Diversity) -> Table:
    """One row for each view of each dataset, views together."""
    head = (
        "View", "Dataset", "n", "d", "Rank", "Condition (non-zero)", "Condition (shrunk)", "Condition (rows)",
        "Condition (plain)", "Effective rank", "Vendi", "Mean distance", "Nearest", "Near duplicates", "Distinct-1/2/3",
    )  # fmt: skip
    rows = [
        (
            view.view, dataset.name, str(view.n), str(view.d), str(view.rank), _cell(view.condition_number),
            _cell(view.shrunk_condition_number), _number(view.row_condition_number), _number(view.plain_condition_number),
            _cell(view.effective_rank), _cell(view.vendi), _cell(view.mean_distance), _cell(view.nearest_distance),
            _cell(view.near_duplicates), " / ".join(f"{share:.2f}" for share in view.distinct),
        )
        for dataset in found.datasets
        for view in dataset.views
    ]  # fmt: skip
    order = list(dict.fromkeys(row[0] for row in rows))
    return head, sorted(rows, key=lambda row: order.index(row[0]))


def tabulate_coverage(found: Diversity) -> Table:
    """One row for each view and each ordered pair of datasets."""
    head = ("View", "Covering", "Covered", "Share", "Expected of equals")
    return head, [(item.view, item.covering, item.covered, _cell(item.share), f"{item.expected:.3f}") for item in found.coverage]


def format_markdown(table: Table) -> str:
    """A table as Markdown; a `|` of a name stays in its cell."""
    head, rows = table
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _cell(value: Estimate | None) -> str:
    return "infinite" if value is None else str(value)


def _number(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.0f}" if value < 1e6 else f"{value:.0e}"
