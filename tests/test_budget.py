"""The size budget and the rules of the tree that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in ("agents", "anyprefer", "graph", "tools", "training")
    for path in (ROOT / folder).rglob("*.py")
    if not any(parent.is_symlink() for parent in path.parents)
)
FUNCTIONS = [
    (path, node)
    for path in FILES
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]
FOREIGN = re.compile(
    # In two halves each, so that this file does not match itself.
    b"|".join(re.escape(b"".join(halves)) for halves in [
        (b"/wo", b"rk/"), (b"/tmp", b"/w/"), (b"/ro", b"ot/"),
        (b"py", b"pi.org"), (b"files.python", b"hosted.org"), (b"registry.np", b"mjs.org"),
    ])
)  # fmt: skip


def docstring_of(function):
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return first if is_docstring else None


def num_lines(function):
    docstring = docstring_of(function)
    inside = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return function.end_lineno - function.lineno + 1 - inside


def num_statements(function):
    docstring = docstring_of(function)
    nodes = (node for child in function.body if child is not docstring for node in ast.walk(child))
    return sum(isinstance(node, ast.stmt) for node in nodes)


def line_counts():
    return {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}


def files_in_git():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def test_files_are_at_most_400_lines():
    assert not {name: count for name, count in line_counts().items() if count > 400}


def test_the_median_file_is_at_most_200_lines():
    assert median(line_counts().values()) <= 200


def test_functions_are_at_most_40_lines():
    sizes = {f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": num_lines(node) for path, node in FUNCTIONS}
    assert not {name: count for name, count in sizes.items() if count > 40}


def test_graph_nodes_are_at_most_15_statements():
    sizes = {node.name: num_statements(node) for path, node in FUNCTIONS if path == ROOT / "graph/nodes.py"}
    assert sizes
    assert not {name: count for name, count in sizes.items() if count > 15}


def test_no_module_is_named_after_nothing():
    assert not [
        path for path in FILES if {path.stem, path.parent.name} & {"utils", "util", "helpers", "helper", "common", "misc"}
    ]


@pytest.mark.parametrize(("name", "limit"), [("AGENTS.md", 60), ("README.md", 150)])
def test_guides_stay_short(name, limit):
    assert len((ROOT / name).read_text().splitlines()) <= limit


def test_no_file_names_a_machine_or_a_package_index():
    found = {
        str(path.relative_to(ROOT)): match[0].decode() for path in files_in_git() if (match := FOREIGN.search(path.read_bytes()))
    }
    assert not found
