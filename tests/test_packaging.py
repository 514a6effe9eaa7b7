"""The installed package holds what the tree holds: setuptools copies only packages that pyproject.toml names."""

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module, metadata
from pathlib import Path

import pytest

import anyprefer

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINKED = ("agents", "graph", "tools", "training")


def packages_in_tree():
    own = {path.parent.relative_to(ROOT) for path in (ROOT / "anyprefer").rglob("__init__.py")}
    linked = {"anyprefer" / path.parent.relative_to(ROOT) for name in LINKED for path in (ROOT / name).rglob("__init__.py")}
    return {".".join(path.parts) for path in own | linked}


def folder_of(package):
    mapped = PYPROJECT["tool"]["setuptools"]["package-dir"]
    return ROOT / mapped.get(package, package.replace(".", "/"))


def test_every_package_of_the_tree_is_named_in_pyproject():
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(packages_in_tree())


def test_every_named_package_is_mapped_to_its_folder():
    missing = [name for name in PYPROJECT["tool"]["setuptools"]["packages"] if not (folder_of(name) / "__init__.py").is_file()]
    assert not missing


def test_every_prompt_is_package_data():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["anyprefer.agents"]
    shipped = {path for pattern in patterns for path in (ROOT / "agents").glob(pattern)}
    assert shipped == set((ROOT / "agents").rglob("*.md")) != set()


@pytest.mark.parametrize("name", LINKED)
def test_symlink_points_at_the_folder_beside_the_package(name):
    assert (ROOT / "anyprefer" / name).readlink() == Path("..") / name


def test_installed_version_is_the_code_version():
    assert metadata.version("anyprefer") == anyprefer.__version__


def test_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = PYPROJECT["project"]["dependencies"] + [
        line for name in ("local", "tools", "parquet", "dev") for line in extras[name]
    ]
    assert {line.partition(">=")[0].partition("[")[0] for line in wanted} <= pinned


def test_langgraph_json_names_a_graph_that_loads(monkeypatch):
    monkeypatch.chdir(ROOT)  # as `langgraph dev` does
    entry = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["anyprefer"]["path"]
    module, _, name = entry.partition(":")
    assert hasattr(import_module(module), name)


@pytest.mark.slow
@pytest.mark.parametrize("with_symlinks", [True, False])
def test_wheel_installs_whole_from_a_checkout(tmp_path, with_symlinks):
    source, target = tmp_path / "source", tmp_path / "target"
    leave_out = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
    keep_runs_package = ROOT / "anyprefer"
    shutil.copytree(
        ROOT,
        source,
        symlinks=True,
        ignore=lambda folder, names: leave_out(folder, names) - ({"runs"} if Path(folder) == keep_runs_package else set()),
    )
    if not with_symlinks:
        for name in LINKED:
            (source / "anyprefer" / name).unlink()
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = {str(Path(name).parent).replace("/", ".") for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    assert inside == packages_in_tree()
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True)
    check = (
        "import sys; sys.path.insert(0, sys.argv[1]); import anyprefer.graph, anyprefer.agents; "
        "from pathlib import Path; home = Path(anyprefer.agents.__file__).parent; "
        "print(home, len(list(home.glob('prompts/*.md'))), (Path(anyprefer.__file__).parent / 'py.typed').is_file())"
    )
    printed = subprocess.run([sys.executable, "-I", "-c", check, target], check=True, capture_output=True, text=True).stdout
    num_prompts = len(list((ROOT / "agents/prompts").glob("*.md")))
    assert printed.split() == [str(target / "anyprefer/agents"), str(num_prompts), "True"]
