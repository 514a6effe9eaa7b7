"""The loop inside a larger graph, which has a state and a context of its own.

python examples/subgraph/main.py [--recipe recipes/text/quickstart.toml] [QUESTION ...]
"""

import argparse
import asyncio
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send
from typing_extensions import TypedDict

from anyprefer import Task, build_graph, load_recipe
from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import recursion_limit


class Lesson(TypedDict):
    """The parent's state."""

    questions: list[str]
    pairs: Annotated[list[tuple[str, str, str]], operator.add]


class OneQuestion(TypedDict):
    """What one branch gets."""

    question: str


@dataclass
class Style:
    """The parent's context."""

    prefix: str


async def main(recipe_path: Path, questions: list[str]) -> None:
    """Make a pair for every question, side by side."""
    recipe = load_recipe(recipe_path)
    async with Backends(recipe) as backends:
        loop = build_graph(build_team(recipe, backends, MemoryCalls())).compile(name="anyprefer")

        async def make_pair(branch: OneQuestion, runtime: Runtime[Style]) -> dict[str, list[tuple[str, str, str]]]:
            task = Task(prompt=f"{runtime.context.prefix} {branch['question']}")
            found = await loop.ainvoke({"task": task}, {"recursion_limit": recursion_limit(recipe)})
            pair = found["record"].pair
            return {"pairs": [(branch["question"], pair.chosen.text, pair.rejected.text)] if pair else []}

        parent = StateGraph(Lesson, context_schema=Style)
        parent.add_node("make_pair", make_pair)
        parent.add_conditional_edges(
            START, lambda state: [Send("make_pair", {"question": one}) for one in state["questions"]], ["make_pair"]
        )
        parent.add_edge("make_pair", END)
        result = await parent.compile().ainvoke({"questions": questions, "pairs": []}, context=Style(prefix="Answer briefly:"))
    for question, chosen, rejected in result["pairs"]:
        print(f"{question}\n  chosen:   {chosen!r}\n  rejected: {rejected!r}")
    print(f"{len(result['pairs'])} pairs for {len(questions)} questions")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/text/quickstart.toml"))
    parser.add_argument("questions", nargs="*", default=["What is 12 * 12?", "What is 7 + 15?"])
    given = parser.parse_args()
    asyncio.run(main(given.recipe, given.questions))
