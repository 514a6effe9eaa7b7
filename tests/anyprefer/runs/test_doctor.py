"""What the models of a recipe can do, as `anyprefer doctor --recipe` says it; against a real server."""

import asyncio
from typing import Any

from loopback import Body, LoopbackModel, recipe_data

from anyprefer.backends.capabilities import Capabilities
from anyprefer.recipes import parse_recipe
from anyprefer.runs.doctor import check_models, describe_capabilities


def check(url: str, **sections: Any) -> tuple[str, bool]:
    lines, is_well = asyncio.run(check_models(parse_recipe(recipe_data(url, **sections))))
    return "\n".join(lines), is_well


def test_what_a_model_does_not_take_stands_with_its_reason() -> None:
    def before(body: Body) -> tuple[int, str] | None:
        name = next((name for name in ("response_format", "seed") if name in body), None)
        return (400, f"{name} is not supported \x1b[2J") if name else None

    with LoopbackModel() as model:
        model.counts_probes, model.before = True, before
        model.listed = [{"id": "m", "max_model_len": 8000}]
        text, is_well = check(model.url, tools={"names": ["calculator"]})
    assert is_well
    assert text.count("openai:m@") == 1, "roles of one model stand together"
    assert "target, judge, aggregator, critic, rewriter: openai:m@" in text
    assert "replies: schema in the prompt (response_format is not supported)" in text
    assert "seed: left out (seed is not supported)" in text
    assert "log-probabilities: not tried" in text
    assert "tools of a task: not tried" in text
    assert "choices in a request: any number" in text
    assert "context: 8,000 tokens" in text
    assert "usage: counted" in text


def test_what_a_class_cannot_do_is_known_without_a_try() -> None:
    lines = list(describe_capabilities(Capabilities(max_n=1, top_logprobs=0, tools=False, omit=("seed",)), frozenset()))
    assert {"choices in a request: 1", "log-probabilities: none", "tools of a task: not taken", "seed: left out"} < set(lines)
    assert "top_p: not tried" in lines


def test_a_role_that_cannot_work_is_named_and_the_others_are_tried() -> None:
    with LoopbackModel() as model:
        model.counts_probes = True
        model.before = lambda body: (404, "no such model") if body["model"] == "other" else None
        text, is_well = check(model.url, judge={"model": "openai:other"})
    assert not is_well
    assert "judge: judge model 'openai:other@" in text
    assert "404: no such model" in text
    assert "target: openai:m@" in text
