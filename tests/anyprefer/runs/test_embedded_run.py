"""The whole loop on a real model: grammar-held replies, a record per task, every sampled token counted."""

import asyncio
from pathlib import Path

import pytest
from rich.console import Console

from anyprefer.backends.weights import resolve_weights
from anyprefer.data.records import RecordFile
from anyprefer.errors import ModelFetchError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session

NAME = "smollm2-135m"


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return resolve_weights(NAME)
    except ModelFetchError as error:
        pytest.skip(f"no weights of {NAME}: {error}")


@pytest.mark.embedded
def test_loop_on_the_smallest_model_ends_in_a_record(weights: Path, tmp_path: Path) -> None:
    role = {"model": f"llamacpp:{weights}", "timeout_seconds": 200.0, "max_tokens": 500}
    sections = {
        "target": {**role, "max_tokens": 30},
        "judge": {**role, "max_tokens": 1200, "analysis_chars": 40},
        # A token for each character that the grammar allows: a model this small may go round in circles to the very end.
        "aggregator": {"knowledge_chars": 200},
        "critic": {"analysis_chars": 100},
        "rewriter": {"max_tokens": 2000},
        "tools": {"names": ["calculator"]},
        "sampling": {"num_candidates": 3},
        "loop": {"max_rounds": 1, "threshold": 8},
    }
    recipe = parse_recipe({"name": "embedded", **sections})
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"id": "sum", "prompt": "What is 12 + 30? Answer with one equation."}\n')
    summary = asyncio.run(run_session(Session(recipe, tasks, tmp_path / "out"), Progress(Console(quiet=True))))
    (record,) = RecordFile(tmp_path / "out" / "records.jsonl")
    assert record.task.id == "sum"
    assert summary.failed == 0, record.error
    attempt = record.attempts[0]
    whole = [candidate for candidate in attempt.candidates if candidate.is_whole()]
    assert 2 <= len(whole) <= 3
    assert all(1 <= verdict.score <= 10 for verdict in attempt.verdicts)
    characters = sum(len(candidate.text) for candidate in attempt.candidates)
    assert summary.usage["target"].completion_tokens >= characters / 8, "tokens of some choices were not counted"
