"""lm-eval on local files with a tiny real model: its own numbers, and a plain command's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="needs the extra evaluate")
pytest.importorskip("torch", reason="needs the extra train")
pytestmark = pytest.mark.filterwarnings("default")  # torch and transformers warn about themselves

from tiny_model import save_tiny_model  # noqa: E402

from anyprefer.errors import ConfigError, DataError  # noqa: E402
from anyprefer.evaluation.lm_harness import HarnessOptions, evaluate_harness  # noqa: E402


def write_arc(path: Path) -> Path:
    rows = [
        {
            "id": f"q{i}", "question": f"What comes after {i}?", "answerKey": "AB"[i % 2],
            "choices": {"label": ["A", "B"], "text": [str(i + 1), "a stone"] if i % 2 == 0 else ["a stone", str(i + 1)]},
        }
        for i in range(12)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.timeout(280)
def test_a_plain_command_gives_the_same_figures(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    report = evaluate_harness(model, None, "arc_easy", write_arc(tmp_path / "arc.jsonl"), tmp_path / "out")
    assert report.items == 12
    assert report.score == report.metrics["acc,none"]
    assert sorted(report.scores()) == sorted(f"q{i}" for i in range(12))
    command = [
        sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--tasks",
        "local_arc_easy", "--include_path", str(tmp_path / "out" / "tasks"), "--batch_size", "8", "--device", "cpu",
        "--output_path", str(tmp_path / "plain"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    (written,) = (tmp_path / "plain").rglob("results_*.json")
    plain = json.loads(written.read_text())["results"]["local_arc_easy"]
    assert {key: plain[key] for key in ("acc,none", "acc_norm,none")} == {
        key: report.metrics[key] for key in ("acc,none", "acc_norm,none")
    }


def test_bad_input_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"question": "q", "answerKey": "A"}) + "\n")
    with pytest.raises(DataError, match="line 1: no 'choices'"):
        evaluate_harness(tmp_path, None, "arc_easy", path, tmp_path / "out")
    with pytest.raises(ConfigError, match="no benchmark 'mmlu' here"):
        evaluate_harness(tmp_path, None, "mmlu", path, tmp_path / "out", HarnessOptions(limit=1))
