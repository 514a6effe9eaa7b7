"""Which tools the judge calls, and with what, on a real server."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, responses_in

from anyprefer.agents.library import load_prompts
from anyprefer.agents.material import Show, show_text
from anyprefer.agents.tool_choice import ToolChooser, choice_schema, merge_arguments
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.shortening import watch_cuts
from anyprefer.tools.base import Tool, ToolArgs
from anyprefer.tools.python.tool import MAX_VOTES
from anyprefer.tools.registry import build_tools
from anyprefer.types import Candidate, Reply, Task, ToolCall

TASK = Task(id="t", prompt="What is 2 + 2?")
CANDIDATES = tuple(Candidate(index=i, output=f"Response text {i}") for i in range(3))


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def choose(
    server: LoopbackModel, tools: dict[str, Any], candidates: Sequence[Candidate] = CANDIDATES, show: Show = show_text,
    **options: Any,
) -> tuple[ToolCall, ...]:  # fmt: skip
    async def main() -> tuple[ToolCall, ...]:
        recipe = parse_recipe(recipe_data(server.url, tools=tools))
        prompts = load_prompts(recipe)
        async with Backends(recipe) as backends:
            chooser = ToolChooser(
                model=backends.client("judge", MemoryCalls()), choose_prompt=prompts["choose_tools"],
                arguments_prompt=prompts["fill_in_arguments"], config=recipe.tools, tools=build_tools(recipe.tools),
                field=recipe.field, show=show,
            )  # fmt: skip
            return await chooser.choose_tools(TASK, candidates, 0, **options)

    return asyncio.run(main())


def test_a_candidate_tool_becomes_a_call_for_each_candidate_and_no_call_is_made_twice(model: LoopbackModel) -> None:
    call = {"tool": "calculator", "why": "sums", "args": {}}
    model.replies["ToolChoice"] = lambda body, choice: {"calls": [call, {**call, "why": "again"}]}
    found = choose(model, {"names": ["calculator"]})
    assert [(one.tool, one.candidate, one.why) for one in found] == [("calculator", i, "sums") for i in range(3)]


def test_the_judge_sees_both_ends_of_each_response_and_no_thought(model: LoopbackModel) -> None:
    long = [Candidate(index=i, output=Reply.of(f"{i}" * 400 + " so 7", reasoning="a thought")) for i in range(2)]
    with watch_cuts() as cuts:
        choose(model, {"names": ["calculator"]}, long)
    mark = " [... 155 characters left out ...] "
    assert responses_in(model.requests[0]) == [f"{str(i) * 125}{mark}{str(i) * 120} so 7" for i in range(2)]
    assert "a thought" not in prompt_of(model.requests[0])
    assert cuts == [], "an excerpt is no cut: nobody judges by it"


def test_the_judge_sees_a_response_as_the_application_shows_it(model: LoopbackModel) -> None:
    choose(model, {"names": ["calculator"]}, show=lambda output: f"shown {output.text}")
    assert responses_in(model.requests[0]) == [f"shown Response text {i}" for i in range(3)]


def test_every_tool_is_called_with_its_own_arguments_where_the_judge_has_no_choice(model: LoopbackModel) -> None:
    assert [(call.tool, call.candidate) for call in choose(model, {"names": ["calculator"], "choose": "always"})] == [
        ("calculator", i) for i in range(3)
    ]
    assert not model.requests


def test_judge_fills_in_arguments_and_every_tool_is_called(model: LoopbackModel, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Two and two make four.")
    model.replies["Args"] = lambda body, choice: {"query": "sums", "num_results": 2}
    tools = {
        "names": ["calculator", "corpus_search"], "choose": "arguments", "options": {"corpus_search": {"path": str(corpus)}}
    }  # fmt: skip
    calls = choose(model, tools)
    assert [(call.tool, call.candidate) for call in calls] == [("calculator", i) for i in range(3)] + [("corpus_search", None)]
    assert calls[-1].args == {"query": "sums", "num_results": 2}
    prompt = prompt_of(model.requests[0])
    assert "  - query: " in prompt
    assert not any(item.text in prompt for item in CANDIDATES)


def test_sampled_arguments_are_joined_and_unreadable_ones_left_out(model: LoopbackModel) -> None:
    programs = ["print(4)", "print(2 + 2)"]
    model.replies["Args"] = lambda body, choice: {"programs": [programs[choice]], "tests": ""} if choice < 2 else "nonsense"
    calls = choose(model, {"names": ["python"], "choose": "arguments", "samples": 3, "sample_temperature": 0.9})
    assert calls[0].args == {"programs": programs, "tests": ""}
    (body,) = model.requests
    assert (body["n"], body["temperature"]) == (3, 0.9)
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert json.loads(body["messages"][2]["content"])["programs"]


def test_joined_lists_end_where_the_schema_ends() -> None:
    sheet = choice_schema({"first": _tool("first")}, 2)
    sample = sheet.model_validate({"calls": [{"tool": "first", "why": "", "args": {"word": "a"}}]})
    assert len(merge_arguments(sheet, [sample.model_dump()] * 3)["calls"]) == 2


def programs_of(server: LoopbackModel, earlier: Sequence[str], *, samples: int, now: str = "print(4)") -> list[str]:
    """What the tool is called with where the round before had these programs."""
    server.replies["Args"] = lambda body, choice: {"programs": [now], "tests": ""}
    calls = [ToolCall(tool="python", args={"programs": list(earlier), "tests": "old"}, candidate=i) for i in range(2)]
    tools = {"names": ["python"], "choose": "arguments", "samples": samples}
    found = choose(server, tools, earlier=[*calls, ToolCall(tool="calculator", candidate=0)])
    assert [call.candidate for call in found] == [0, 1, 2], "every candidate of the pool is looked at"
    assert all(call.args == found[0].args for call in found)
    assert found[0].args["tests"] == ""
    programs: list[str] = found[0].args["programs"]
    return programs


def test_programs_of_the_round_before_vote_behind_those_of_this_one(model: LoopbackModel) -> None:
    assert programs_of(model, ["print(5)", "print(4)"], samples=2) == ["print(4)", "print(4)", "print(5)", "print(4)"]
    many = [f"print({i})" for i in range(10, 10 + MAX_VOTES)]
    assert programs_of(model, many, samples=2) == ["print(4)"] * 2 + many[:-2], "as many as the tool takes"


def test_a_program_that_is_only_written_again_is_no_second_vote(model: LoopbackModel) -> None:
    assert programs_of(model, ["print(4)", "print(5)"], samples=1) == ["print(4)", "print(5)"]


def test_each_earlier_program_votes_once_however_many_calls_there_are(model: LoopbackModel) -> None:
    """A judge that chooses may call a tool twice a round; what it listed before stands behind one of the calls."""

    def call(*programs: str) -> dict[str, Any]:
        return {"tool": "python", "why": "sums", "args": {"programs": list(programs), "tests": ""}}

    model.replies["ToolChoice"] = lambda body, choice: {"calls": [call("print(1)"), call("print(2)")]}
    earlier = [
        ToolCall(tool="python", args={"programs": list(names)}) for names in (["print(3)", "print(4)"], ["print(5)", "print(4)"])
    ]
    found = choose(model, {"names": ["python"]}, CANDIDATES[:1], earlier=earlier)
    assert [one.args["programs"] for one in found] == [["print(1)", "print(3)", "print(4)", "print(5)"], ["print(2)"]]


def test_what_was_not_chosen_again_does_not_come_back(model: LoopbackModel) -> None:
    model.replies["ToolChoice"] = lambda body, choice: {"calls": [{"tool": "calculator", "why": "sums", "args": {}}]}
    earlier = [ToolCall(tool="python", args={"programs": ["print(4)"], "tests": ""}, candidate=0)]
    assert {call.tool for call in choose(model, {"names": ["calculator", "python"]}, earlier=earlier)} == {"calculator"}


@pytest.mark.parametrize("choose_by", ["judge", "arguments"])
def test_guidance_of_the_judge_enters_and_none_leaves_no_trace(model: LoopbackModel, choose_by: str) -> None:
    model.replies["Args"] = lambda body, choice: {"programs": ["print(4)"], "tests": ""}
    for guidance in ("", "Mind the units."):
        choose(model, {"names": ["python"], "choose": choose_by}, guidance=guidance)
    plain, guided = (body["messages"] for body in model.requests)
    assert guided[0]["content"] == f"{plain[0]['content']}\n\nFurther guidance:\nMind the units."
    assert "guidance" not in str(plain).lower()


def test_a_choice_holds_a_tool_to_its_own_arguments() -> None:
    sheet = choice_schema({"first": _tool("first"), "second": _tool("second")}, 2)
    with pytest.raises(ValueError, match="word"):
        sheet.model_validate({"calls": [{"tool": "second", "why": "", "args": {"query": "a"}}]})
    with pytest.raises(ValueError, match="third"):
        sheet.model_validate({"calls": [{"tool": "third", "why": "", "args": {"word": "a"}}]})


def _tool(label: str) -> Tool:
    class WordArgs(ToolArgs):
        word: str

    class WordTool(Tool[WordArgs]):
        name = label
        description = "Looks up a word."

    return WordTool(WordTool.Options())
