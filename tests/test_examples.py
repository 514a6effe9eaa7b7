"""Every example runs as its first lines say, against a real server."""

import ast
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, free_text, recipe_data

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


@pytest.fixture
def recipe(model: LoopbackModel, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(tomli_w.dumps(recipe_data(model.url)))
    return path


def run(name: str, *arguments: str | Path) -> str:
    environment = {**os.environ, "OPENAI_API_KEY": "x", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(EXAMPLES / name / "main.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_a_test_for_every_example() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {
        "agent_tool", "library", "mcp_tool", "own_tool", "server", "subgraph"
    }  # fmt: skip


def test_subgraph(recipe: Path) -> None:
    output = run("subgraph", "--recipe", recipe, "What is a?", "What is b?")
    assert "2 pairs for 2 questions" in output
    assert output.count("chosen:   'Answer") == 2


def test_agent_tool(model: LoopbackModel, recipe: Path) -> None:
    pytest.importorskip("langchain", reason="needs langchain")

    def agent(body: dict[str, Any], choice: int) -> Any:
        if "tools" not in body:
            return free_text(body, choice)
        if body["messages"][-1]["role"] == "tool":
            return "Here is your pair: " + json.loads(body["messages"][-1]["content"])["chosen"]
        name = body["tools"][0]["function"]["name"]
        call = {"name": name, "arguments": json.dumps({"prompt": "What is 12 * 12?"})}
        return {"tool_calls": [{"id": "1", "type": "function", "function": call}]}

    model.replies[None] = agent
    output = run("agent_tool", "--recipe", recipe, "--model", "m", "--base-url", model.url)
    assert "ai: make_preference_pair({'prompt': 'What is 12 * 12?'})" in output
    assert 'tool: {"status": "accepted"' in output
    assert "ai: Here is your pair: Answer" in output


def test_own_tool(model: LoopbackModel, recipe: Path) -> None:
    model.replies[None] = lambda body, choice: f"It goes 240 {'km' if choice else 'miles'}, try {choice}."
    model.replies["names_unit_args"] = lambda body, choice: {"unit": "km"}
    output = run("own_tool", "--recipe", recipe)
    assert "How far does it go?: accepted" in output
    assert "names_unit on response 1: False\n  names_unit on response 2: True\n" in output


def test_library(recipe: Path) -> None:
    output = run("library", "--recipe", recipe)
    assert "What is 12 * 12?: accepted" in output
    assert "Name a prime between 20 and 30.: accepted" in output


def test_notebook(recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As IPython runs it: cells share their names, and may await."""
    monkeypatch.setenv("ANYPREFER_RECIPE", str(recipe))
    notebook = json.loads((EXAMPLES / "library" / "notebook.ipynb").read_text())
    names: dict[str, Any] = {}

    async def main() -> None:
        for cell in (one for one in notebook["cells"] if one["cell_type"] == "code"):
            code = compile("".join(cell["source"]), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            found = eval(code, names)
            if asyncio.iscoroutine(found):
                await found

    asyncio.run(main())
    assert "What is 12 * 12? accepted" in capsys.readouterr().out
    assert names["records"][0].pair
