"""The graph that `langgraph.json` names, for LangGraph's server and Studio: one task at a time, every setting at hand.

A person types a prompt; the recipe's main settings are the run's context, with the recipe's values as defaults. The recipe comes
from the environment: ANYPREFER_RECIPE names a file, ANYPREFER_RUN a run folder, whose recipe and threads are then the server's
(`anyprefer.graph.checkpointer`). Nothing is started on import; models connect when the first task comes in.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from typing_extensions import TypedDict

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.data.run_dir import RunDir
from anyprefer.graph.builder import NODES, add_loop, recursion_limit
from anyprefer.graph.nodes import Nodes, Update
from anyprefer.graph.routing import Routes
from anyprefer.graph.state import SynthesisState
from anyprefer.recipes import load_recipe, parse_recipe
from anyprefer.types import Prompts, Reply, Task

DEFAULT_RECIPE = Path("recipes/text/quickstart.toml")

MAX_ROUNDS = 20
"""Of the context; the server's limit of steps is made for it."""


def _recipe() -> Recipe:
    if run := os.environ.get("ANYPREFER_RUN"):
        return RunDir(run).read_recipe()
    return load_recipe(os.environ.get("ANYPREFER_RECIPE", DEFAULT_RECIPE))


RECIPE = _recipe()


class StudioInput(TypedDict):
    """A task, as a person types it."""

    prompt: str
    """What the target model is asked."""
    reference: NotRequired[str]
    """A trusted answer, if there is one."""


class StudioState(SynthesisState):
    """The loop's state and what a person typed."""

    prompt: str
    reference: NotRequired[str]


def _setting(default: Any, description: str, *nodes: str) -> Any:
    extra = {"langgraph_nodes": list(nodes)} if nodes else {}
    metadata = {"description": description, "json_schema_extra": extra}
    if isinstance(default, tuple):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class StudioContext:
    """The recipe's settings that are worth turning while one watches."""

    target_model: str = _setting(RECIPE.target.model, "The model whose responses are compared.", "sample_candidates")
    num_candidates: int = _setting(RECIPE.sampling.num_candidates, "Responses per round.", "sample_candidates")
    judge_model: str = _setting(RECIPE.judge.model, "The model that chooses tools and scores.", "score_candidates")
    tools: list[str] = _setting(RECIPE.tools.names, "Tools that the judge may use.", "select_tools")  # noqa: RUF009 - gives a field
    ask: Literal["undecided", "always"] = _setting(
        RECIPE.judge.ask, "Whether responses are scored where findings decide already.", "score_candidates"
    )
    require: Literal["verified", "consistent", "none"] | None = _setting(
        RECIPE.pair.require, "What findings must say of a pair; unset goes by the tools.", "form_pair"
    )
    min_certainty: float = _setting(RECIPE.pair.min_certainty, "Least share of the votes behind a pair, 0 to 1.", "form_pair")
    threshold: float = _setting(RECIPE.loop.threshold, "Least reward of an accepted pair, 1 to 10.", "critique_pair")
    max_rounds: int = _setting(RECIPE.loop.max_rounds, "Rewrites of the prompts before the task is given up.", "rewrite_prompts")
    feedback: str = _setting(
        RECIPE.loop.feedback,
        "Which prompts a critique may rewrite: none, target, judge, independent or joint.",
        "rewrite_prompts",
    )
    review: Literal["none", "all", "uncertain", "sampled"] = _setting(
        RECIPE.review.mode, "Which pairs wait for a person's decision.", "review_pair"
    )


def recipe_for(context: StudioContext) -> Recipe:
    """The recipe with a context's settings.

    Raises:
        ConfigError: A setting has no such value.
    """
    data = RECIPE.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    changes: dict[str, dict[str, Any]] = {
        "target": {"model": context.target_model}, "judge": {"model": context.judge_model, "ask": context.ask},
        "sampling": {"num_candidates": context.num_candidates}, "tools": {"names": context.tools},
        "pair": {"require": context.require, "min_certainty": context.min_certainty},
        "loop": {
            "threshold": context.threshold, "max_rounds": min(context.max_rounds, MAX_ROUNDS), "feedback": context.feedback
        },
        "review": {"mode": context.review},
    }  # fmt: skip
    for section, values in changes.items():
        data[section] = {**data.get(section, {}), **values}
    return parse_recipe(data, "the context")


class Workshop:
    """The nodes of every context that was asked for; teams and their models stay up."""

    def __init__(self) -> None:
        self._nodes: dict[str, Nodes] = {}
        self._backends: list[Backends] = []
        self._lock = asyncio.Lock()

    async def nodes(self, context: StudioContext | None) -> Nodes:
        """The nodes under a context; without one, under the recipe."""
        wanted = context or StudioContext()
        key = repr(astuple(wanted))
        async with self._lock:
            if key not in self._nodes:
                recipe = recipe_for(wanted)
                backends = Backends(recipe)
                self._nodes[key] = Nodes(await asyncio.to_thread(build_team, recipe, backends, MemoryCalls()))
                self._backends.append(backends)
            return self._nodes[key]

    async def aclose(self) -> None:
        """Close what the nodes have opened; the next task opens it again."""
        async with self._lock:
            opened, self._nodes = list(self._nodes.values()), {}
            for nodes in opened:
                await nodes.team.toolbox.aclose()
            await asyncio.gather(*(backends.aclose() for backends in self._backends))
            self._backends.clear()

    def node(self, name: str) -> Callable[..., Any]:
        """A node that works under the run's context and says in a custom event what came of it."""

        async def work(state: StudioState, runtime: Runtime[StudioContext]) -> Update:
            found: Update = await getattr(await self.nodes(runtime.context), name)(state)
            runtime.stream_writer({"node": name, "round": state.get("round", 0) + 1, "says": _says(found)})
            return found

        work.__name__ = name
        work.__doc__ = getattr(Nodes, name).__doc__
        return work

    async def record_failure(self, state: StudioState, error: NodeError, runtime: Runtime[StudioContext]) -> Any:
        """See `Nodes.record_failure`."""
        return await (await self.nodes(runtime.context)).record_failure(state, error)

    async def after_sample_candidates(self, state: StudioState, runtime: Runtime[StudioContext]) -> str:
        """See `Routes`."""
        return Routes((await self.nodes(runtime.context)).team).after_sample_candidates(state)

    async def after_gather_evidence(self, state: StudioState, runtime: Runtime[StudioContext]) -> str:
        """See `Routes`."""
        return Routes((await self.nodes(runtime.context)).team).after_gather_evidence(state)

    async def after_critique_pair(self, state: StudioState, runtime: Runtime[StudioContext]) -> str:
        """See `Routes`."""
        return Routes((await self.nodes(runtime.context)).team).after_critique_pair(state)


def _says(update: Update) -> str:
    """A node's result in a few words."""
    if update.get("record") is not None:
        return f"recorded: {update['record'].status}"
    if update.get("critique") is not None:
        score = update["critique"].score
        return "no reward" if score is None else f"reward {score:.3g}"
    if update.get("pair") is not None:
        margin = update["pair"].margin
        return "a pair" if margin is None else f"a pair with margin {margin:.3g}"
    if update.get("shortfall") is not None:
        return f"no pair: {update['shortfall'].text}"
    words = {"candidates": "responses", "tool_calls": "tool calls", "evidence": "findings", "verdicts": "verdicts"}
    return next((f"{len(update[key])} {word}" for key, word in words.items() if update.get(key)), "done")


async def read_task(state: StudioState) -> Update:
    """Begin a task; whatever the thread held before is cleared."""
    reference = state.get("reference")
    task = Task(prompt=state["prompt"], reference=Reply.of(reference) if reference else None)
    return {
        "task": task, "reference": "", "round": 0, "prompts": Prompts(), "attempts": Overwrite([]), "pair": None,
        "critique": None, "review": None, "record": None,
    }  # fmt: skip


workshop = Workshop()


def _build() -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(StudioState, context_schema=StudioContext, input_schema=StudioInput)
    builder.add_node("read_task", read_task)
    builder.add_edge(START, "read_task")
    builder.add_edge("read_task", "sample_candidates")
    add_loop(builder, {name: workshop.node(name) for name in NODES}, workshop, workshop.record_failure)
    return builder


_limit = recursion_limit(recipe_for(StudioContext(max_rounds=MAX_ROUNDS))) + 1
graph = _build().compile(name="anyprefer").with_config(recursion_limit=_limit)
