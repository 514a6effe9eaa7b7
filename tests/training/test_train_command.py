"""`anyprefer train` as a user runs it: killed with SIGKILL, run again, and refused in words."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra train")

from tiny_model import save_tiny_model

RECIPE = """
name = "t"
[target]
model = "openai:m"
[judge]
model = "openai:m"
[training]
model = "model"
learning_rate = 1e-3
batch_size = 2
epochs = 8
save_steps = 5
eval_share = 0
lora = { rank = 4, alpha = 8 }
"""


def command(folder: Path, out: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "anyprefer.cli", "train", "recipe.toml", "--data", "pairs.jsonl", "--out", out, *more]


def start(folder: Path, out: str, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        command(folder, out, *more), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny_model(tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    rows = [{"prompt": f"What is {i} + 1?", "chosen": f" {i + 1}", "rejected": f" {i + 2}, maybe"} for i in range(24)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.mark.timeout(280)
def test_sigkill_in_the_middle_and_the_same_command_again(folder: Path) -> None:
    whole = start(folder, "whole", "--merge")
    output, errors = whole.communicate(timeout=120)
    assert whole.returncode == 0, errors
    assert "adapter -> whole/adapter" in output
    assert "of the adapted weights changed" in output
    killed = start(folder, "killed")
    deadline = time.monotonic() + 120
    while not list((folder / "killed" / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert time.monotonic() < deadline, "no checkpoint in two minutes"
        assert killed.poll() is None, killed.stderr.read() if killed.stderr else ""
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "killed" / "adapter").exists()
    again = start(folder, "killed")
    assert again.communicate(timeout=120)[0] == "adapter -> killed/adapter\n"
    first, second = (folder / name / "adapter" / "adapter_model.safetensors" for name in ("whole", "killed"))
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_trained_is_said_in_a_line(folder: Path) -> None:
    (folder / "pairs.jsonl").write_text(json.dumps({"prompt": "p", "chosen": "a", "rejected": "a"}) + "\n")
    refused = start(folder, "out")
    output, errors = refused.communicate(timeout=120)
    assert (refused.returncode, output) == (2, "")
    assert "error: 1 of 1 pairs in 'pairs.jsonl' have two equal responses (row 0 first)" in errors
    assert "Traceback" not in errors
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("rows", "settings", "words"),
    [
        (None, (), "there is no data at 'pairs.jsonl'"),
        ("", (), "'pairs.jsonl' is empty: no pair to learn from"),
        ('{"prompt": "p", "chosen"\n', (), "pairs.jsonl line 1 is not JSON"),
        ('{"question": "p", "answer": "a"}\n', (), "pairs.jsonl line 1: chosen is missing"),
        ('{"prompt": "p", "chosen": "a", "rejected": "a"}\n', (), "have two equal responses"),
        ('{"prompt": "p", "chosen": "a", "rejected": "b"}\n', ("pair_weight=reward",), "needs the column 'reward'"),
    ],
)
def test_data_is_checked_before_the_model_is_looked_for(
    tmp_path: Path, rows: str | None, settings: tuple[str, ...], words: str
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    if rows is not None:
        (tmp_path / "pairs.jsonl").write_text(rows)
    more = [part for setting in settings for part in ("--set", f"training.{setting}")]
    script = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); from anyprefer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *command(tmp_path, "out", *more)[3:]], cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_model_is_said_after_the_data(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    refused = start(tmp_path, "out")
    output, errors = refused.communicate(timeout=120)
    assert (refused.returncode, output) == (2, "")
    assert "error: no model at 'model'" in errors
