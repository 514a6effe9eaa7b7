"""The target always sees the task word for word, however the server takes requests."""

import asyncio
from typing import Any

import pytest
from loopback import LoopbackModel, recipe_data

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.errors import DataError, MalformedReplyError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Image, Message, Prompts, Reply, Task, Text

CHAT = Task(
    prompt=(
        Message(role="system", content="Be terse."),
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello."),
        Message(role="user", content="{{guidance}} and {x}?"),
    )
)


def sample(
    model: LoopbackModel, task: Task, prompts: Prompts, pair: dict[str, Any] | None = None,
    sampling: dict[str, Any] | None = None, **target: Any,
) -> tuple[Candidate, ...]:  # fmt: skip
    async def main() -> tuple[Candidate, ...]:
        recipe = parse_recipe(recipe_data(model.url, target=target, pair=pair or {}, sampling=sampling or {}))
        async with Backends(recipe) as backends:
            return await build_team(recipe, backends, MemoryCalls()).sampler.sample(task, prompts, 0)

    return asyncio.run(main())


def test_without_guidance_the_prompt_is_the_task_itself() -> None:
    with LoopbackModel() as model:
        sample(model, CHAT, Prompts())
        assert model.requests[0]["messages"] == [message.keyed() for message in CHAT.messages]


def test_guidance_joins_the_system_message_and_leaves_the_rest() -> None:
    with LoopbackModel() as model:
        sample(model, CHAT, Prompts(target="Count slowly.", version=1))
        system, *rest = model.requests[0]["messages"]
        assert system["role"] == "system"
        assert system["content"].startswith("Be terse.")
        assert "Count slowly." in system["content"]
        assert rest == [message.keyed() for message in CHAT.messages[1:]]


def test_server_that_refuses_n_gets_single_requests_with_different_seeds() -> None:
    with LoopbackModel() as model:
        candidates = sample(model, CHAT, Prompts(), request_n=False)
        assert len({candidate.text for candidate in candidates}) == 5
        assert [body.get("n") for body in model.requests] == [None] * 5
        assert len({body["seed"] for body in model.requests}) == 5


def test_generators_share_the_candidates_and_sign_them() -> None:
    with LoopbackModel() as model:
        recipe = recipe_data(model.url)
        others = [{"model": f"openai:{name}", "base_url": model.url} for name in ("second", "third")]

        async def main() -> tuple[Candidate, ...]:
            async with Backends(parse_recipe({**recipe, "sampling": {"generators": others}})) as backends:
                return await build_team(backends.recipe, backends, MemoryCalls()).sampler.sample(CHAT, Prompts(), 0)

        candidates = asyncio.run(main())
        asked = sorted((body["model"], body.get("n") or 1) for body in model.requests)
        assert asked == [("m", 2), ("second", 2), ("third", 1)]
        names = [(item.model or "").split("@")[0] for item in candidates]
        assert names == ["openai:m"] * 2 + ["openai:second"] * 2 + ["openai:third"]


def test_equal_answers_count_once_whatever_was_thought() -> None:
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: f"<think>plan {choice}, {body['seed']}</think>\n\nThe answer is 4."
        (candidate,) = sample(model, CHAT, Prompts())
        assert candidate.text == "The answer is 4."
        assert isinstance(candidate.output, Reply)
        assert candidate.output.reasoning.startswith("plan 0")
        assert sum(body.get("n") or 1 for body in model.requests) == 5 + 3 * 4


def test_a_response_that_is_only_a_thought_is_drawn_again_and_kept_behind_the_whole_ones() -> None:
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: "<think>never done" if choice % 2 else f"Answer {choice} {body['seed']}"
        candidates = sample(model, CHAT, Prompts())
        assert [one.index for one in candidates] == list(range(8))
        assert all(one.text.startswith("Answer") and one.ending == "complete" for one in candidates[:5])
        assert {(one.text, one.output.reasoning, one.ending) for one in candidates[5:]} == {("", "never done", "cut")}
        assert [body.get("n") or 1 for body in model.requests] == [5, 2, 1]


@pytest.mark.parametrize(
    ("ending", "allow_truncated", "num_draws"),
    [("length", False, 20), ("length", True, 5), ("content_filter", True, 20), ("oom", False, 20), ("stop", False, 5)],
)
def test_what_may_stand_in_no_pair_is_drawn_again(ending: str, allow_truncated: bool, num_draws: int) -> None:
    with LoopbackModel() as model:
        model.finish = lambda body, choice: ending
        candidates = sample(model, CHAT, Prompts(), pair={"allow_truncated": allow_truncated})
        assert sum(body.get("n") or 1 for body in model.requests) == len(candidates) == num_draws


def test_equal_texts_of_broken_replies_take_no_place_of_a_whole_one() -> None:
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: "The same."
        model.finish = lambda body, choice: "length" if choice == 0 else "stop"
        candidates = sample(model, CHAT, Prompts(), sampling={"num_candidates": 2, "max_resamples": 1})
        assert [one.ending for one in candidates] == ["complete", "cut", "cut"]


@pytest.mark.parametrize(
    ("text", "ending", "says"),
    [
        ("<think>hm", "length", "thought for up to 77 tokens a response and had none left to answer: raise target.max_tokens"),
        ("", "length", "thought for up to 77 tokens a response and had none left to answer: raise target.max_tokens"),
        ("", "content_filter", r"gave no response that says anything \(20 held back by the provider's filter\)"),
        (" ", "stop", "gave only empty responses: check its chat template"),
    ],
)
def test_where_no_response_says_anything_the_error_says_why(text: str, ending: str, says: str) -> None:
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: text
        model.finish = lambda body, choice: ending
        with pytest.raises(MalformedReplyError, match=says) as caught:
            sample(model, CHAT, Prompts(), max_tokens=77)
        assert CHAT.id in str(caught.value)
        assert caught.value.cause
        assert CHAT.id not in caught.value.cause


def test_tools_of_a_task_reach_the_target_and_its_calls_come_back() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: {"tool_calls": [call]} if choice == 0 else f"{choice} degrees"
        candidates = sample(model, Task(prompt="Weather in Rome?", tools=(tool,)), Prompts())
        assert model.requests[0]["tools"] == [tool]
        assert isinstance(candidates[0].output, Reply)
        assert candidates[0].output.calls[0].args == {"city": "Rome"}


def test_pictures_that_the_target_would_not_see_are_refused_before_any_request() -> None:
    picture = Image(sha256="0" * 64, media_type="image/png")
    task = Task(prompt=(Message(role="user", content=(picture, Text(text="What is in the picture?"))),))
    with LoopbackModel() as model, pytest.raises(DataError, match="1 picture, and no role of this recipe can see"):
        sample(model, task, Prompts())
    assert model.requests == []
