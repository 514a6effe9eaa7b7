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
NODES = [(path, node) for path in FILES for node in ast.walk(ast.parse(path.read_text()))]
FUNCTIONS = [(path, node) for path, node in NODES if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
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


def names_in(expression):
    """The names, the attributes and the text keys that a comparison or a match looks at."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield node.slice.value


def asks_for_the_application(node):
    """Whether a node branches on which application, or which kind of output, it has before it."""
    if isinstance(node, ast.Compare):
        is_named = "application" in {*names_in(node.left), *(name for one in node.comparators for name in names_in(one))}
        return is_named and not any(isinstance(one, ast.Constant) and one.value is None for one in node.comparators)
    if isinstance(node, ast.Match):
        return "application" in names_in(node.subject)
    is_check = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass")
    return is_check and not {"Trajectory", "Application"}.isdisjoint(names_in(node.args[1]))


def looks_up_by_words(node):
    """Whether a node compares an output or its words with another expression, as a search for whose it is does."""
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    sides = (node.left, *node.comparators)
    is_output = any(isinstance(side, ast.Attribute) and side.attr in ("answer", "output", "text") for side in sides)
    return is_output and not any(isinstance(side, ast.Constant) for side in sides)


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


def test_the_median_file_is_at_most_120_lines():
    assert median(line_counts().values()) <= 120


def test_functions_are_at_most_40_lines():
    sizes = {f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": num_lines(node) for path, node in FUNCTIONS}
    assert not {name: count for name, count in sizes.items() if count > 40}


def test_the_median_function_is_at_most_8_lines():
    assert median(num_lines(node) for path, node in FUNCTIONS) <= 8


def test_graph_nodes_are_at_most_15_statements():
    sizes = {node.name: num_statements(node) for path, node in FUNCTIONS if path == ROOT / "graph/nodes.py"}
    assert sizes
    assert not {name: count for name, count in sizes.items() if count > 15}


def test_only_applications_know_which_application_they_are():
    own = (ROOT / "anyprefer" / "applications", ROOT / "anyprefer" / "types")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in NODES
        if path.parent not in own and asks_for_the_application(node)
    ]
    assert not found, "ask the application instead: a method of the protocol in anyprefer/applications/base.py"


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("task.application == 'vision'", True),
        ("'text' != recipe.application", True),
        ("row['application'] in ('text', 'vision')", True),
        ("application.name == 'text'", True),
        ("isinstance(candidate.output, Trajectory)", True),
        ("application in registry", True),
        ("application is None", False),
        ("applications.by_name(task.application).show(output)", False),
        ("count == 3", False),
    ],
)
def test_a_question_for_the_application_is_recognised(code, is_found):
    assert any(asks_for_the_application(node) for node in ast.walk(ast.parse(code))) is is_found


def test_no_output_is_looked_up_by_its_words():
    converter = ROOT / "anyprefer" / "data" / "old_records.py"  # what it reads knew no other way
    found = [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in NODES if path != converter and looks_up_by_words(node)]
    assert not found, "a side knows its origin: ask the attempt or the record for what belongs to it"


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("candidate.text == text", True),
        ("pair.chosen == candidate.output", True),
        ("item.answer != other.answer", True),
        ("token.text == '+'", False),
        ("candidate.index == side.origin.candidate", False),
        ("same_output(a.output, b.output)", False),
    ],
)
def test_a_lookup_by_words_is_recognised(code, is_found):
    assert any(looks_up_by_words(node) for node in ast.walk(ast.parse(code))) is is_found


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
