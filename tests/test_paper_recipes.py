"""The paper's recipes say what the paper says, and its loop runs from a task to an exported pair with all its parts."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, responses_in, review, title_of
from loopback_web import LoopbackWeb

import anyprefer
from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.recipes import load_recipe, tracked_values
from anyprefer.tools.reward_model import RewardOptions

FOLDER = Path(__file__).parents[1] / "recipes" / "text" / "paper"
BASE = load_recipe(FOLDER / "anyprefer.toml")

ALONE = {"tools.names": [], "critic.enabled": False, "loop.feedback": "none"}
"""What a method leaves out in which nobody but the target has a say."""
ITSELF = {
    "judge.model": "target",
    "judge.method": "pointwise",
    "judge.temperature": 0.7,
    "judge.top_p": 0.9,
    "judge.analysis_chars": 600,
}
DIFFERENCES: dict[str, dict[str, Any]] = {
    "no_feedback": {"loop.feedback": "none"},
    "no_tools_no_feedback": {"loop.feedback": "none", "tools.names": []},
    "target_only": {"loop.feedback": "target_only"},
    "judge_only": {"loop.feedback": "judge_only"},
    "independent": {"loop.feedback": "independent"},
    "rank_3_5": {"pair.chosen_rank": 3, "pair.rejected_rank": 5},
    "rank_3_1": {"pair.rejected_rank": 3},
    "self_rewarding": {**ALONE, **ITSELF},
    "self_rewarding_reference": {**ALONE, **ITSELF, "pair.chosen": "reference"},
    "meta_rewarding": {**ALONE, **ITSELF, "judge.combine": "meta"},
}
"""Recipe -> what its row of the paper's tables changes; the texts of a method's own judge are left out."""
OWN_TEXTS = ("judge.principles", "judge.panel")


def test_every_recipe_of_the_folder_is_a_row() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {"anyprefer", *DIFFERENCES}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_row_differs_only_in_what_its_table_says(name: str) -> None:
    recipe = load_recipe(FOLDER / f"{name}.toml")
    before, after = tracked_values(BASE), tracked_values(recipe)
    changed = {key: after[key] for key in after if before.get(key) != after[key] and not key.startswith(OWN_TEXTS)}
    assert changed == DIFFERENCES[name]
    assert not before.keys() - after.keys()
    assert (recipe.training, recipe.rounds, recipe.tasks) == (BASE.training, BASE.rounds, BASE.tasks)


def test_the_base_has_the_papers_values() -> None:
    """Section 2.2, section 3.1, table 3, appendix A.1 and figure 3."""
    assert BASE.target.model == "vllm:meta-llama/Llama-2-7b-chat-hf"
    assert {BASE.role(name).model for name in ("judge", "aggregator", "critic", "rewriter")} == {"openai:gpt-4o"}
    assert (BASE.sampling.num_candidates, BASE.judge.method, BASE.judge.ask, BASE.tools.choose) == (
        5,
        "listwise",
        "always",
        "judge",
    )
    assert BASE.judge.analysis_chars
    assert (BASE.aggregator.enabled, BASE.critic.method, BASE.pair.require, BASE.loop.feedback) == (
        True,
        "paper",
        "none",
        "joint",
    )
    assert set(BASE.tools.names) == {"web_search", "reward_model"}
    assert RewardOptions().model.endswith("/FsfairX-LLaMA3-RM-v0.1")
    training = BASE.training
    assert (training.lora.rank, training.lora.alpha, training.lora.targets) == (128, 256, "all-linear")
    assert (training.batch_size, training.learning_rate, training.max_length, training.epochs) == (1, 1e-7, 1024, 3)
    assert BASE.rounds.count == 3


@pytest.mark.parametrize("name", ["self_rewarding", "self_rewarding_reference", "meta_rewarding"])
@pytest.mark.parametrize("folder", ["paper", "methods"])
def test_a_judge_that_rewards_itself_is_any_target(folder: str, name: str) -> None:
    recipe = load_recipe(FOLDER.parent / folder / f"{name}.toml", ["target.model=openai:another"])
    assert {config.model for role, config in recipe.members().items() if role.startswith("judge")} == {"openai:another"}


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


@pytest.fixture
def judge() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        names = ("web_search", "reward_model")
        args = {"web_search": {"query": "six legs", "num_results": 2}, "reward_model": {}}
        server.replies["ToolChoice"] = lambda body, choice: {
            "calls": [{"tool": name, "why": "to see", "args": args[name]} for name in names]
        }
        yield server


@pytest.fixture
def web() -> Iterator[LoopbackWeb]:
    with LoopbackWeb() as server:
        yield server


def elsewhere(name: str, target: LoopbackModel, judge: LoopbackModel, *more: str) -> Recipe:
    """A recipe as it is, but for where its models are; a judge that is the target is left where it is."""
    recipe = load_recipe(FOLDER / f"{name}.toml")
    places = [f"target.base_url={target.url}", *more]
    places += [] if recipe.judge.model == "target" else [f"judge.base_url={judge.url}"]
    return load_recipe(FOLDER / f"{name}.toml", places)


def run(recipe: Recipe, folder: Path) -> list[Any]:
    anyprefer.run(recipe, None, folder, limit=2)
    return list(RecordFile(RunDir(folder).records))


def test_the_whole_loop_from_a_task_to_exported_pairs(
    model: LoopbackModel, judge: LoopbackModel, web: LoopbackWeb, tmp_path: Path
) -> None:
    """The judge chooses tools, knowledge is aggregated, a poor reward rewrites both prompts, a good one accepts the pair."""
    pytest.importorskip("torch", reason="the reward model runs with torch")
    pytest.importorskip("transformers", reason="the reward model is a transformers model")
    pytest.importorskip("ddgs", reason="web_search needs the extra tools")
    from tiny_model import save_tiny_reward_model

    rewards = cycle((3, 9))
    judge.replies["PairReview"] = lambda body, choice: review(next(rewards))(body, choice)  # noqa: PLW0108 - a score for each call
    options = "tools.options"
    recipe = elsewhere(
        "anyprefer", model, judge, f"{options}.reward_model.model={save_tiny_reward_model(tmp_path / 'reward')}",
        f"{options}.web_search.endpoint={web.search_url}", f"{options}.web_search.cache={tmp_path / 'cache.sqlite'}",
        f"{options}.web_search.spacing_seconds=0.0", "run.concurrency=1",
    )  # fmt: skip
    records = run(recipe, tmp_path / "run")

    assert {body["model"] for body in model.requests} == {"meta-llama/Llama-2-7b-chat-hf"}
    assert {body["model"] for body in judge.requests} == {"gpt-4o"}
    assert set(model.titles()) == {None}
    asked = Counter(judge.titles())
    assert asked == {"ToolChoice": 4, "Notes": 4, "ScoreSheet": 4, "PairReview": 4, "JointRewrite": 2}
    assert web.queries == ["six legs"]
    sheet = next(body for body in judge.requests if title_of(body) == "ScoreSheet")
    assert len(responses_in(sheet)) == 5
    assert "notes" in prompt_of(sheet)  # the aggregator's
    told = next(body for body in judge.requests if title_of(body) == "Notes")
    assert "Ants are insects with six legs." in prompt_of(told)
    assert "The reward model gives this response" in prompt_of(told)
    guided = Counter(title_of(body) for body in judge.requests if "Look at the numbers." in prompt_of(body))
    assert guided == {"ToolChoice": 2, "Notes": 2, "ScoreSheet": 2}  # p_j, in the second round
    for record in records:
        assert (record.status, len(record.attempts)) == ("accepted", 2)
        assert {item.tool for item in record.attempts[0].evidence} == {"web_search", "reward_model"}
        assert record.best.critique.score == 9
    found = anyprefer.export(tmp_path / "run", tmp_path / "data", "jsonl")
    assert found.num_rows == 2


def test_self_rewarding_asks_nobody_but_the_target(model: LoopbackModel, judge: LoopbackModel, tmp_path: Path) -> None:
    """Three evaluations of each of five responses, each sampled for itself; their mean ranks."""
    records = run(elsewhere("self_rewarding", model, judge), tmp_path / "run")
    assert not judge.requests
    scored = [body for body in model.requests if title_of(body) == "Score"]
    assert len(scored) == 3 * 5 * 2
    assert {(body["model"], body["temperature"], body["top_p"]) for body in scored} == {
        ("meta-llama/Llama-2-7b-chat-hf", 0.7, 0.9)
    }
    assert len({body["seed"] for body in scored}) == len(scored)
    assert "expert knowledge" in prompt_of(scored[0])
    assert all(len(verdict.scores) == 3 for record in records for verdict in record.attempts[0].verdicts)


def test_the_starred_row_teaches_the_reference_without_calculator_marks(
    model: LoopbackModel, judge: LoopbackModel, tmp_path: Path
) -> None:
    records = run(elsewhere("self_rewarding_reference", model, judge), tmp_path / "run")
    pairs = [record.best.pair for record in records if record.best]
    assert pairs
    for record in records:
        assert record.best.pair.chosen.text == record.task.answer
        assert "\n#### " in record.task.answer
    assert "<<" not in (FOLDER.parent / "data" / "gsm8k_24.jsonl").read_text(encoding="utf-8")


def test_meta_rewarding_keeps_the_judgement_that_the_target_prefers(
    model: LoopbackModel, judge: LoopbackModel, tmp_path: Path
) -> None:
    run(elsewhere("meta_rewarding", model, judge), tmp_path / "run")
    assert not judge.requests
    asked = Counter(model.titles())
    assert (asked["Score"], asked["MetaVerdict"]) == (3 * 5 * 2, 2 * 2)
