"""A task with three responses, and judges over a loopback server, for tests."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from loopback import LoopbackModel, recipe_data

from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, Material
from anyprefer.agents.judges.builder import build_judge
from anyprefer.agents.library import load_prompts
from anyprefer.agents.material import Show, show_text
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Evidence, Finding, Task, ToolCall

TASK = Task(id="t", prompt="What is 2 + 2?", reference="response TEXT 1")
TEXTS = tuple(f"Response text {i}" for i in range(3))
MATERIAL = Material(task=TASK, evidence=(), knowledge=None, guidance="Mind the units.", round=0)
CANDIDATES = tuple(Candidate(index=i, output=text) for i, text in enumerate(TEXTS))


def found(tool: str, content: str, candidate: int | None = None, *, ok: bool = True) -> Evidence:
    return Evidence(call=ToolCall(tool=tool, candidate=candidate), finding=Finding(content=content), ok=ok, seconds=0)


def judge(
    server: LoopbackModel, material: Material = MATERIAL, *, candidates: Sequence[Candidate] = CANDIDATES,
    make: Callable[[JudgeSetup], Judge] | None = None, show: Show = show_text, calls: MemoryCalls | None = None, **options: Any,
) -> Judgement:  # fmt: skip
    """Score the candidates, by default with the judge that the options build.

    Args:
        server: The model.
        material: What the judge goes by.
        candidates: What is scored.
        make: Makes the judge of its setup instead.
        show: How the judge sees an output.
        calls: Keeps the calls.
        options: Of the recipe's `[judge]`.
    """

    async def main() -> Judgement:
        recipe = parse_recipe(recipe_data(server.url, judge=options))
        store = MemoryCalls() if calls is None else calls
        async with Backends(recipe) as backends:
            setup = JudgeSetup(
                model=backends.client("judge", store),
                config=recipe.judge,
                prompts=load_prompts(recipe),
                field=recipe.field,
                show=show,
            )
            built = make(setup) if make else build_judge(setup, backends.panel(store), backends.stronger_judge(store))
            return await built.score(material, candidates)

    return asyncio.run(main())


def scores(judgement: Judgement) -> list[float]:
    return [verdict.score for verdict in judgement]
