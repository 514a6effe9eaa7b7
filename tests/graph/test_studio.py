"""The graph of LangGraph's server: what a person fills in, what is seen on the way, and settings per run."""

import asyncio
import importlib
from collections.abc import Awaitable, Iterator
from types import ModuleType
from typing import Any

import pytest
import tomli_w
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from loopback import LoopbackModel, recipe_data, review

from anyprefer.errors import ConfigError
from anyprefer.graph.state import state_serializer

THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


@pytest.fixture
def studio(model: LoopbackModel, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = tmp_path / "recipe.toml"
    path.write_text(tomli_w.dumps(recipe_data(model.url, loop={"max_rounds": 1})))
    monkeypatch.setenv("ANYPREFER_RECIPE", str(path))
    monkeypatch.delenv("ANYPREFER_RUN", raising=False)
    return importlib.reload(importlib.import_module("anyprefer.graph.studio"))


def run(studio: ModuleType, work: Awaitable[Any]) -> Any:
    async def main() -> Any:
        try:
            return await work
        finally:
            await studio.workshop.aclose()

    return asyncio.run(main())


def test_the_form_asks_for_what_a_person_types(studio: ModuleType) -> None:
    schema = studio.graph.get_input_jsonschema()
    assert set(schema["properties"]) == {"prompt", "reference"}
    assert schema["required"] == ["prompt"]
    context = studio.graph.get_context_jsonschema()
    assert context["properties"]["threshold"]["default"] == 7
    assert context["properties"]["max_rounds"]["default"] == 1
    assert "required" not in context
    assert studio.graph.get_graph().nodes["score_candidates"].metadata == {"role": "judge"}


def test_updates_and_events_show_every_step(studio: ModuleType, model: LoopbackModel) -> None:
    async def main() -> tuple[list[str], list[dict[str, Any]], Any]:
        nodes, events, record = [], [], None
        async for mode, part in studio.graph.astream({"prompt": "Hello?"}, stream_mode=["updates", "custom"]):
            if mode == "custom":
                events.append(part)
            else:
                for node, update in part.items():
                    nodes.append(node)
                    record = (update or {}).get("record") or record
        return nodes, events, record

    nodes, events, record = run(studio, main())
    assert nodes == ["read_task", "sample_candidates", "score_candidates", "form_pair", "critique_pair", "record_preference"]
    assert [event["node"] for event in events] == nodes[1:]
    assert events[0] == {"node": "sample_candidates", "round": 1, "says": "5 responses"}
    assert events[-1]["says"] == "recorded: accepted"
    assert record.task.prompt == "Hello?"


def test_the_context_changes_a_run_and_no_other(studio: ModuleType, model: LoopbackModel) -> None:
    model.replies["PairReview"] = review(8)

    async def main() -> list[str]:
        strict = await studio.graph.ainvoke({"prompt": "a"}, context={"threshold": 9, "num_candidates": 3})
        plain = await studio.graph.ainvoke({"prompt": "a"})
        assert (len(strict["candidates"]), len(plain["candidates"])) == (3, 5)
        assert (len(strict["attempts"]), len(plain["attempts"])) == (2, 1)
        return [state["record"].status for state in (strict, plain)]

    assert run(studio, main()) == ["exhausted", "accepted"]
    with pytest.raises(ConfigError, match=r"loop\.feedback"):
        run(studio, studio.graph.ainvoke({"prompt": "a"}, context={"feedback": "sometimes"}))


def test_a_thread_can_be_used_again(studio: ModuleType, model: LoopbackModel) -> None:
    async def main() -> list[Any]:
        graph = studio._build().compile(checkpointer=InMemorySaver(serde=state_serializer()))
        first = await graph.ainvoke({"prompt": "a"}, THREAD, context={"review": "all"})
        assert first["__interrupt__"][0].value["reasons"] == ("every pair is reviewed",)
        decided = await graph.ainvoke(Command(resume={"decision": "swap"}), THREAD, context={"review": "all"})
        again = await graph.ainvoke({"prompt": "b"}, THREAD)
        return [decided["record"], again["record"]]

    decided, again = run(studio, main())
    assert decided.review.decision == "swap"
    assert (again.task.prompt, again.review, len(again.attempts)) == ("b", None, 1)


def test_nothing_of_a_threads_last_task_gets_into_the_next(studio: ModuleType, model: LoopbackModel) -> None:
    """Neither its reference nor a pair that the critic could not score."""
    model.replies["SideReview"] = model.replies["PairReview"] = lambda body, choice: {"grade": "none"}

    async def main() -> list[Any]:
        graph = studio._build().compile(checkpointer=InMemorySaver(serde=state_serializer()))
        first = await graph.ainvoke({"prompt": "a", "reference": "x"}, THREAD)
        model.replies[None] = lambda body, choice: ""
        again = await graph.ainvoke({"prompt": "b"}, THREAD)
        return [first["record"], again["record"]]

    first, again = run(studio, main())
    assert (first.error.node, first.pair is None) == ("critique_pair", False)
    assert (again.status, again.attempts, again.task.reference) == ("failed", (), None)


def test_what_findings_must_say_can_be_set(studio: ModuleType) -> None:
    recipe = studio.recipe_for(studio.StudioContext(require="none", min_certainty=0.8, ask="always"))
    assert (recipe.pair.require, recipe.pair.min_certainty, recipe.judge.ask) == ("none", 0.8, "always")
    assert studio.recipe_for(studio.StudioContext()).pair.require is None


def test_a_failure_becomes_a_record(studio: ModuleType, model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": [], "scores": []}
    record = run(studio, studio.graph.ainvoke({"prompt": "a"}))["record"]
    assert (record.status, record.error.node) == ("failed", "score_candidates")


def test_a_recipe_has_the_same_digest_in_the_server_as_everywhere(studio: ModuleType) -> None:
    from anyprefer.agents.library import load_prompts, prompt_hashes
    from anyprefer.recipes import digest_of

    nodes = run(studio, studio.workshop.nodes(None))
    prompts = prompt_hashes(load_prompts(studio.RECIPE))
    assert nodes.team.recipe_digest == digest_of(studio.RECIPE, {"prompts": prompts})
