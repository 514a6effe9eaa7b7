"""The target always sees the task word for word, however the server takes requests."""

import asyncio
from typing import Any

from loopback import LoopbackModel, recipe_data

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Message, Prompts, Task

CHAT = Task(
    prompt=(
        Message(role="system", content="Be terse."),
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello."),
        Message(role="user", content="{{guidance}} and {x}?"),
    )
)


def sample(model: LoopbackModel, task: Task, prompts: Prompts, **target: Any) -> tuple[Candidate, ...]:
    async def main() -> tuple[Candidate, ...]:
        recipe = parse_recipe(recipe_data(model.url, target=target))
        async with Backends(recipe) as backends:
            return await build_team(recipe, backends, MemoryCalls()).sampler.sample(task, prompts, 0)

    return asyncio.run(main())


def test_without_guidance_the_prompt_is_the_task_itself() -> None:
    with LoopbackModel() as model:
        sample(model, CHAT, Prompts())
        assert model.requests[0]["messages"] == [message.model_dump() for message in CHAT.messages]


def test_guidance_joins_the_system_message_and_leaves_the_rest() -> None:
    with LoopbackModel() as model:
        sample(model, CHAT, Prompts(target="Count slowly.", version=1))
        system, *rest = model.requests[0]["messages"]
        assert system["role"] == "system"
        assert system["content"].startswith("Be terse.")
        assert "Count slowly." in system["content"]
        assert rest == [message.model_dump() for message in CHAT.messages[1:]]


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
