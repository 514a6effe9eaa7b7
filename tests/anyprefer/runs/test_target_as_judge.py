"""A role whose model is `target`: it is the target, whichever model that is, and keeps how it works."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.changes import compare_recipes
from anyprefer.runs.doctor import check_models
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.types import Task

TARGET = {
    "model": "openai:t", "base_url": "http://t/v1", "api_key_env": "T_KEY", "timeout_seconds": 7.0, "context_tokens": 2048,
    "temperature": 0.8, "max_tokens": 77,
}  # fmt: skip


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def recipe(**sections: Any) -> Recipe:
    return parse_recipe({"name": "x", "target": TARGET, **sections})


@pytest.mark.parametrize("role", ["judge", "critic", "rewriter", "aggregator"])
def test_a_role_is_reached_as_the_target_is_and_works_as_itself(role: str) -> None:
    other = {} if role == "judge" else {"judge": {"model": "openai:j", "base_url": "http://j/v1", "api_key_env": "J_KEY"}}
    found = recipe(**other, **{role: {"model": "target", "max_tokens": 5}}).role(role)
    assert (found.model, found.base_url, found.api_key_env, found.timeout_seconds, found.context_tokens) == (
        "openai:t", "http://t/v1", "T_KEY", 7.0, 2048,
    )  # fmt: skip
    assert (found.max_tokens, found.temperature) == (5, 0.0)


def test_who_borrows_from_such_a_judge_is_the_target_too() -> None:
    found = recipe(judge={"model": "target", "panel": [{"model": "openai:p"}, {"model": "target"}]})
    assert {name: config.model for name, config in found.members().items()} == {
        "target": "openai:t", "judge": "openai:t", "aggregator": "openai:t", "critic": "openai:t", "rewriter": "openai:t",
        "judge.panel.0": "openai:p", "judge.panel.1": "openai:t",
    }  # fmt: skip
    assert found.role("critic").api_key_env == "T_KEY"


def test_the_targets_key_goes_to_no_other_endpoint() -> None:
    found = recipe(judge={"model": "target", "base_url": "http://else/v1"}).role("judge")
    assert (found.base_url, found.api_key_env) == ("http://else/v1", "OPENAI_API_KEY")


@pytest.mark.parametrize("sections", [
    {"target": {"model": "target"}}, {"sampling": {"generators": [{"model": "target"}]}},
])  # fmt: skip
def test_what_samples_needs_a_name(sections: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is for roles that are the target: name a model"):
        recipe(**{"judge": {"model": "openai:j"}, **sections})


def test_another_target_is_another_judge() -> None:
    """So every record depends on it in which either had a part."""
    judge = {"model": "openai:j", "panel": [{"model": "target"}]}
    old = RunDir("x").lock_of(recipe(judge={"model": "target"}), "digest", {})
    change = compare_recipes(old, recipe(target={**TARGET, "model": "openai:u"}, judge={"model": "target"}), {})
    assert change is not None
    assert change.roles == {"target", "judge", "critic", "rewriter", "aggregator"}
    old = RunDir("x").lock_of(recipe(judge=judge), "digest", {})
    change = compare_recipes(old, recipe(target={**TARGET, "model": "openai:u"}, judge=judge), {})
    assert change is not None
    assert change.roles == {"target", "judge"}


def test_a_run_asks_one_endpoint_and_records_name_its_model(model: LoopbackModel, tmp_path: Path) -> None:
    data = recipe_data(model.url, target={"max_tokens": 50}, judge={"model": "target", "base_url": None, "max_tokens": 60})
    session = Session(parse_recipe(data), (Task(id="t", prompt="question"),), tmp_path)
    asyncio.run(run_session(session, Progress(Console(quiet=True))))
    assert {body["model"] for body in model.requests} == {"m"}
    limits = {
        bool(body.get("response_format")): body.get("max_tokens", body.get("max_completion_tokens")) for body in model.requests
        if body.get("response_format") is None or body["response_format"]["json_schema"]["schema"]["title"] == "ScoreSheet"
    }  # fmt: skip
    assert limits == {False: 50, True: 60}
    (record,) = RecordFile(RunDir(tmp_path).records)
    assert set(record.models.values()) == {f"openai:m@{model.url}"}


def test_the_doctor_tries_the_model_behind_the_word(model: LoopbackModel) -> None:
    lines, well = asyncio.run(check_models(parse_recipe(recipe_data(model.url, judge={"model": "target", "base_url": None}))))
    assert well
    assert f"openai:m@{model.url}" in "\n".join(lines)
    assert {body["model"] for body in model.probes} == {"m"}
