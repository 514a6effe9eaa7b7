"""The judge's ways of scoring, on a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.errors import ConfigError, DataError, MalformedReplyError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Evidence, Prompts, Task, ToolCall, Verdict

TASK = Task(id="t", prompt="What is 2 + 2?")
CANDIDATES = tuple(Candidate(index=i, text=f"Response text {i}") for i in range(3))


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def judge(
    server: LoopbackModel, evidence: tuple[Evidence, ...] = (), rounds: int = 1, task: Task = TASK, **options: Any
) -> tuple[Verdict, ...]:
    async def main() -> tuple[Verdict, ...]:
        recipe = parse_recipe(recipe_data(server.url, judge=options))
        async with Backends(recipe) as backends:
            team = build_team(recipe, backends, MemoryCalls())
            for round_ in range(rounds):
                verdicts = await team.judge.score(task, CANDIDATES, evidence, None, Prompts(judge="Mind the units."), round_)
            return verdicts

    return asyncio.run(main())


def test_pointwise_shows_each_response_alone_with_its_own_evidence(model: LoopbackModel) -> None:
    found = tuple(Evidence(tool="calculator", candidate=i, content=f"finding {i}", seconds=0) for i in range(3))
    verdicts = judge(model, found, method="pointwise")
    requests = sorted(model.requests, key=responses_in)
    assert [responses_in(body) for body in requests] == [[item.text] for item in CANDIDATES]
    for i, body in enumerate(requests):
        assert [f"finding {k}" in prompt_of(body) for k in range(3)] == [k == i for k in range(3)]
        assert "Mind the units." in prompt_of(body)
    assert len({verdict.score for verdict in verdicts}) > 1


@pytest.mark.parametrize("method", ["pointwise", "listwise"])
def test_expected_score_weighs_the_digits_by_their_chances(model: LoopbackModel, method: str) -> None:
    model.replies["Score"] = lambda body, choice: {"score": 8}
    model.replies["ScoreSheet"] = lambda body, choice: {"scores": [8, 4, 0]}
    verdicts = judge(model, method=method, expected_score=True, analysis_chars=0)
    expected = [5.0, 3.0, 1.0] if method == "listwise" else [5.0, 5.0, 5.0]
    assert [verdict.score for verdict in verdicts] == pytest.approx(expected)
    assert "from 0 to 9" in prompt_of(model.requests[0])


def test_without_log_probabilities_the_written_score_counts(model: LoopbackModel, caplog: pytest.LogCaptureFixture) -> None:
    model.logprobs = False
    model.replies["Score"] = lambda body, choice: {"score": 8}
    assert [verdict.score for verdict in judge(model, method="pointwise", expected_score=True, analysis_chars=0)] == [9, 9, 9]
    assert "gives no log-probabilities" in caplog.text


def test_panel_is_averaged_and_every_score_is_kept(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": [body["model"]] * 3, "scores": [9, 5, 1] if body["model"] == "m" else [3, 5, 9]
    }  # fmt: skip
    verdicts = judge(model, panel=[{"model": "openai:other", "base_url": model.url}])
    assert [verdict.scores for verdict in verdicts] == [(9, 3), (5, 5), (1, 9)]
    assert [verdict.score for verdict in verdicts] == [6, 5, 5]
    assert verdicts[0].analysis == "m\n\nother"


def test_meta_judge_keeps_the_judgement_it_prefers(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": ["x"] * 3, "scores": [9, 5, 1] if responses_in(body)[0] == CANDIDATES[0].text else [2, 2, 8]
    }  # fmt: skip
    verdicts = judge(model, permutations=2, combine="meta")
    assert [verdict.score for verdict in verdicts] == [8, 2, 2]
    assert [verdict.scores for verdict in verdicts] == [(9, 8), (5, 2), (1, 2)]
    model.replies["MetaVerdict"] = lambda body, choice: {"analysis": "x", "better": "A"}
    assert [verdict.score for verdict in judge(model, permutations=2, combine="meta")] == [9, 5, 1]


def test_aspects_are_judged_one_by_one_and_averaged(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": ["x"] * 3, "scores": [10, 4, 1] if "honesty: says" in prompt_of(body) else [4, 6, 1]
    }  # fmt: skip
    verdicts = judge(model, aspects={"honesty": "says what it does not know", "helpfulness": "does the task"})
    assert len(model.requests) == 2
    assert [verdict.score for verdict in verdicts] == [7, 5, 1]


def test_principles_stand_in_every_judgement(model: LoopbackModel) -> None:
    judge(model, principles=["Prefer SI units."], method="pointwise")
    assert all("- Prefer SI units." in prompt_of(body) for body in model.requests)


def test_own_answer_is_worked_out_once_for_all_rounds(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: "I get 4."
    judge(model, self_reference=True, rounds=2)
    assert model.titles() == [None, "ScoreSheet", "ScoreSheet"]
    assert all("I get 4." in prompt_of(body) for body in model.requests[1:])
    assert not any(item.text in prompt_of(model.requests[0]) for item in CANDIDATES)


def test_the_reference_judges_without_a_model(model: LoopbackModel) -> None:
    verdicts = judge(model, task=TASK.model_copy(update={"reference": "response TEXT 1"}), reference="exact")
    assert [verdict.score for verdict in verdicts] == [1, 10, 1]
    graded = judge(model, task=TASK.model_copy(update={"reference": "x"}), reference="loopback:half")
    assert [verdict.score for verdict in graded] == [5.5] * 3
    assert not model.requests
    with pytest.raises(DataError, match="task 't' has no reference to judge by"):
        judge(model, reference="exact")
    with pytest.raises(ConfigError, match="cannot import the scorer 'nowhere:f'"):
        judge(model, reference="nowhere:f")


def test_judge_fills_in_arguments_and_every_tool_is_called(model: LoopbackModel, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Two and two make four.")
    model.replies["Args"] = lambda body, choice: {"query": "sums", "num_results": 2}
    tools = {
        "names": ["calculator", "corpus_search"], "choose": "arguments", "options": {"corpus_search": {"path": str(corpus)}}
    }  # fmt: skip

    async def main() -> tuple[ToolCall, ...]:
        async with Backends(parse_recipe(recipe_data(model.url, tools=tools))) as backends:
            return await build_team(backends.recipe, backends, MemoryCalls()).judge.choose_tools(TASK, CANDIDATES, 0)

    calls = asyncio.run(main())
    assert [(call.tool, call.candidate) for call in calls] == [("calculator", i) for i in range(3)] + [("corpus_search", None)]
    assert calls[-1].args == {"query": "sums", "num_results": 2}
    prompt = prompt_of(model.requests[0])
    assert "  - query: " in prompt
    assert not any(item.text in prompt for item in CANDIDATES)


@pytest.mark.parametrize("asked", [2, 3])
def test_more_calls_than_allowed_are_no_choice(model: LoopbackModel, asked: int) -> None:
    call = {"tool": "calculator", "why": "sums", "args": {}}
    model.replies["ToolChoice"] = lambda body, choice: {"calls": [call] * asked}
    tools = {"names": ["calculator"], "max_calls": 2}

    async def main() -> tuple[ToolCall, ...]:
        async with Backends(parse_recipe(recipe_data(model.url, tools=tools))) as backends:
            return await build_team(backends.recipe, backends, MemoryCalls()).judge.choose_tools(TASK, CANDIDATES, 0)

    if asked > 2:
        with pytest.raises(MalformedReplyError):
            asyncio.run(main())
    else:
        assert len(asyncio.run(main())) == len(CANDIDATES)
    assert "Choose at most 2 calls" in prompt_of(model.requests[0])
    assert model.requests[0]["response_format"]["json_schema"]["schema"]["properties"]["calls"]["maxItems"] == 2


def test_sampled_arguments_are_joined_and_unreadable_ones_left_out(model: LoopbackModel) -> None:
    programs = ["print(4)", "print(2 + 2)"]
    model.replies["Args"] = lambda body, choice: {"programs": [programs[choice]], "tests": ""} if choice < 2 else "nonsense"
    tools = {"names": ["python"], "choose": "arguments", "samples": 3, "sample_temperature": 0.9}

    async def main() -> tuple[ToolCall, ...]:
        async with Backends(parse_recipe(recipe_data(model.url, tools=tools))) as backends:
            return await build_team(backends.recipe, backends, MemoryCalls()).judge.choose_tools(TASK, CANDIDATES, 0)

    calls = asyncio.run(main())
    assert calls[0].args == {"programs": programs, "tests": ""}
    (body,) = model.requests
    assert (body["n"], body["temperature"]) == (3, 0.9)
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pointwise", "permutations": 2}, "judge.permutations"),
        ({"combine": "meta"}, "judge.combine = 'meta'"),
        ({"panel": [{"temperature": 0.5}]}, "needs a model"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(model: LoopbackModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(model, **options)
