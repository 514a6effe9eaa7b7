"""A model's opinion of a sample, on a real server."""

import asyncio
import json
import re
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, review

from anyprefer.analysis.dataset import Dataset, TextPair, load_dataset
from anyprefer.analysis.quality import QualitySample, score_quality
from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe


@pytest.fixture
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as model:
        yield model


def pairs(number: int, **extra: Any) -> Dataset:
    return Dataset("d", tuple(TextPair(f"t{i}", f"question {i}", f"good {i}", f"bad {i}", **extra) for i in range(number)))


def score(server: LoopbackModel, data: Dataset, sample: int = 50, seed: int = 0, **sections: Any) -> QualitySample:
    recipe = parse_recipe(recipe_data(server.url, **sections))
    return asyncio.run(score_quality(data, recipe, MemoryCalls(), sample=sample, seed=seed))


def test_every_pair_is_scored_with_the_loops_own_question(server: LoopbackModel) -> None:
    server.replies["PairReview"] = lambda body, choice: review(3 if "question 1\n" in prompt_of(body) else 9)(body, choice)
    found = score(server, pairs(4))
    assert (found.mean, found.histogram[9], found.histogram[3], found.sampled) == (7.5, 3, 1, 4)
    assert found.low is not None
    assert found.low < 7.5
    assert (found.scores[0].id, found.scores[0].score) == ("t1", 3)
    assert found.scores[0].analysis.startswith("Preferred: good")
    assert all("Is everything that the preferred response states true" in prompt_of(body) for body in server.requests)
    assert any("good 0" in prompt_of(body) for body in server.requests)
    assert found.line().startswith("7.5 [")


def test_a_critic_of_sides_scores_in_its_own_way(server: LoopbackModel) -> None:
    server.replies["SideReview"] = lambda body, choice: {"analysis": "x", "grade": 9 if "good 0" in prompt_of(body) else 4}
    found = score(server, pairs(2), critic={"method": "sides"})
    rewards = {item.id: item.score for item in found.scores}
    assert rewards == pytest.approx({"t0": 1 + 9 * sqrt(8 / 9 * 6 / 9), "t1": 1 + 9 * sqrt(3 / 9 * 6 / 9)})
    assert (found.histogram[8], found.histogram[5], sum(found.histogram.values())) == (1, 1, 2)
    assert len(server.requests) == 4


def test_sample_depends_on_the_seed_alone(server: LoopbackModel) -> None:
    first, again, other = (score(server, pairs(40), sample=5, seed=seed) for seed in (1, 1, 2))
    assert len(first.scores) == 5
    assert first == again
    assert {item.id for item in first.scores} != {item.id for item in other.scores}


def test_reply_that_cannot_be_read_is_a_failure_and_no_score(server: LoopbackModel) -> None:
    good = review(8)
    server.replies["PairReview"] = lambda body, choice: "11 of 10" if "question 2\n" in prompt_of(body) else good(body, choice)
    found = score(server, pairs(4))
    assert (found.mean, list(found.failed), sum(found.histogram.values())) == (8, ["t2"], 3)
    assert "1 of 4 sampled pairs could not be scored" in found.warnings[0]


def test_pair_without_a_contrast_is_not_sent(server: LoopbackModel) -> None:
    data = Dataset("d", (TextPair("same", "p", "text", "text"), TextPair("void", " ", "a", "b"), TextPair("empty", "p", "", "b")))
    found = score(server, data)
    assert (found.mean, found.low, len(found.failed), server.requests) == (None, None, 3, [])
    assert found.failed["same"] == "not sent: a preference pair needs two different texts"
    assert found.line() == f"no pair of 3 could be scored by openai:m@{server.url}"


def test_a_pair_with_pictures_is_not_sent(server: LoopbackModel, tmp_path: Path) -> None:
    pictures = {"one": {"image": "a.png"}, "two": {"images": ["a.png"]}, "none": {"images": []}}
    rows = ({"id": name, "prompt": "What?", "chosen": "cat", "rejected": "dog", **seen} for name, seen in pictures.items())
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = score(server, load_dataset(tmp_path / "d.jsonl"))
    assert found.failed == dict.fromkeys(("one", "two"), "not sent: it has pictures, which no critic can be shown")
    assert ([one.id for one in found.scores], len(server.requests)) == (["none"], 1)


def test_another_model_scores_where_the_recipe_names_one(server: LoopbackModel) -> None:
    found = score(server, pairs(2), critic={"model": "openai:other", "base_url": server.url})
    assert found.model.startswith("openai:other@")
    assert {body["model"] for body in server.requests} == {"other"}


def test_scores_are_compared_with_the_runs_rewards(server: LoopbackModel) -> None:
    def by_number(body: dict[str, Any], choice: int) -> Any:
        return review(1 + int(re.findall(r"question (\d+)", prompt_of(body))[0]))(body, choice)

    server.replies["PairReview"] = by_number
    rewarded = tuple(TextPair(f"t{i}", f"question {i}", "a", "b", 10 - i, 1.0, float(i + 1)) for i in range(8))
    found = score(server, Dataset("d", rewarded))
    assert found.reward_correlation == pytest.approx(1)
    assert found.margin_correlation == pytest.approx(-1)
    assert "5 of 8 sampled pairs score 5 or less (t0, t1, t2; mean 4.5)" in found.warnings[0]
    assert score(server, pairs(8)).reward_correlation is None


def test_empty_sample_is_refused(server: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match="quality sample = 0"):
        score(server, pairs(2), sample=0)
