"""The small verbs, and what a user sees when something is wrong."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def anyprefer(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ANYPREFER_CACHE": str(tmp_path / "cache"), "ANYPREFER_MODELS": str(tmp_path / "models")}
    command = [sys.executable, "-m", "anyprefer.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_doctor_says_what_is_here_and_how_to_get_the_rest(tmp_path: Path) -> None:
    done = anyprefer(tmp_path, "doctor")
    assert done.returncode == 0
    assert "anyprefer models fetch smollm2-135m" in done.stdout
    assert "tools    calculator, consensus, corpus_search" in done.stdout
    optional = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert all(f"extra    {extra}: " in done.stdout for extra in optional if extra != "dev")


def test_models_list_is_machine_readable(tmp_path: Path) -> None:
    models = {model["name"]: model["installed"] for model in json.loads(anyprefer(tmp_path, "models", "list", "--json").stdout)}
    assert models == {"smollm2-135m": False, "qwen2.5-coder-0.5b": False, "qwen2.5-coder-1.5b": False}


def test_tool_can_be_tried(tmp_path: Path) -> None:
    assert "3 * 7 = 22 is wrong: 3 * 7 = 21" in anyprefer(tmp_path, "tools", "try", "calculator", "3 * 7 = 22").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "none.toml"), "no recipe at 'none.toml'"),
        (("tools", "try", "calculatr", "x"), "did you mean 'calculator'?"),
        (("models", "fetch", "smollm"), "smollm2-135m"),
        (("export", "none"), "none"),
        (("run",), "Missing argument"),
    ],
)
def test_mistake_is_one_message_and_exit_code_two(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = anyprefer(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
