"""A real distribution with entry points on the path, for tests of what other packages add."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(patch: pytest.MonkeyPatch, folder: Path, name: str, source: str, group: str, points: Mapping[str, str]) -> None:
    """Write a package of one module and its metadata, as an installer leaves them."""
    site = folder / f"site_{name}"
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()))
    (site / f"{name}.py").write_text(source)
    patch.syspath_prepend(site)
    patch.delitem(sys.modules, name, raising=False)
