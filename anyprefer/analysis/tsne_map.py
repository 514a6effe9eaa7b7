"""One map of several datasets: t-SNE of all their pairs together, so that near pairs lie near whatever set they come from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer.charts.chart import Chart
from anyprefer.charts.scatter import scatter_map, write_png
from anyprefer.errors import ConfigError
from anyprefer.types import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE = "Map of the pairs"
MIN_POINTS = 20
"""Fewer make no map: t-SNE shows neighbourhoods, and there would be none."""
PERPLEXITY = 30.0
"""Neighbours that a point is placed by; openTSNE's default, less where there are few points."""
_COMPONENTS = 50
"""Principal components that t-SNE sees, as its authors do: quicker, and hardly any neighbour changes."""


class MapGroup(Value):
    """The points of one dataset."""

    name: str
    ids: tuple[str, ...]
    """Of the pairs, in the order of the points."""
    x: tuple[float, ...]
    y: tuple[float, ...]


class TsneMap(Value):
    """Points of several datasets in one plane. Only who is near whom means something: not axes, sizes or gaps."""

    view: str
    perplexity: float
    seed: int
    groups: tuple[MapGroup, ...]


def make_map(
    names: Sequence[str],
    ids: "Sequence[Sequence[str]]",
    vectors: "Sequence[NDArray[np.float64]]",
    *,
    view: str = "pair",
    seed: int = 0,
) -> TsneMap | None:
    """Place the pairs of all datasets by openTSNE (Policar et al. 2024); the same input gives the same map.

    Args:
        names: Of the datasets.
        ids: Of each dataset's pairs.
        vectors: `[n, d]` for each dataset, rows of length 1; the same n, or a large set would fill the map.
        view: What the vectors are of.
        seed: Of the descent.

    Returns:
        The map, or None with fewer than `MIN_POINTS` points.

    Raises:
        ConfigError: openTSNE is missing.
    """
    if sum(map(len, vectors)) < MIN_POINTS:
        return None
    try:
        import numpy as np
        import openTSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ConfigError(f"the map needs openTSNE ({error}): pip install 'anyprefer[analyze]'") from error
    rows = np.concatenate(vectors)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    # One thread: threads add up in another order each time, and descent turns the last bit into another map.
    with threadpool_limits(1):
        tsne = openTSNE.TSNE(
            perplexity=perplexity,
            metric="euclidean",
            neighbors="exact",
            negative_gradient_method="bh",
            random_state=seed,
            n_jobs=1,
        )
        points = np.asarray(tsne.fit(_principal(rows)), dtype=np.float64).round(3)
    ends = np.cumsum([len(part) for part in vectors])
    groups = [
        MapGroup(name=name, ids=tuple(own), x=tuple(part[:, 0].tolist()), y=tuple(part[:, 1].tolist()))
        for name, own, part in zip(names, ids, np.split(points, ends[:-1]), strict=True)
    ]
    return TsneMap(view=view, perplexity=perplexity, seed=seed, groups=tuple(groups))


def chart_map(found: TsneMap) -> Chart:
    """Draw a map."""
    names = ", ".join(f"{group.name} ({len(group.ids)})" for group in found.groups)
    summary = (
        f"t-SNE of the {found.view} vectors of {names}, perplexity {found.perplexity:.0f}. Points near each other are alike; "
        "positions, sizes and gaps mean nothing."
    )
    return scatter_map(TITLE, summary, _points(found), key="map")


def write_map(path: Path, found: TsneMap) -> None:
    """Write a map as a PNG, for a dataset card."""
    write_png(path, f"{TITLE} (t-SNE)", _points(found))


def _points(found: TsneMap) -> "dict[str, NDArray[np.float64]]":
    import numpy as np

    return {group.name: np.column_stack([group.x, group.y]).astype(float) for group in found.groups}


def _principal(rows: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The first principal components with signs that do not depend on the machine, `[n, min(50, n, d)]`."""
    import numpy as np

    left, values, right = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    kept = min(_COMPONENTS, len(values))
    signs = np.sign(right[np.arange(kept), np.abs(right[:kept]).argmax(axis=1)])
    return np.asarray(left[:, :kept] * values[:kept] * signs, dtype=np.float64)
