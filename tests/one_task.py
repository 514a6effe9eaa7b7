"""The loop on one task, without a run folder."""

import asyncio
from typing import Any

from loopback import LoopbackModel, recipe_data

from anyprefer.agents.team import Team, build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.recipes import parse_recipe
from anyprefer.types import PreferenceRecord, Task


def run_task(server: LoopbackModel, task: Task, **sections: Any) -> tuple[PreferenceRecord, list[str]]:
    """Synthesise one task; returns its record and the nodes that ran, in order."""

    async def main() -> tuple[PreferenceRecord, list[str]]:
        recipe = parse_recipe(recipe_data(server.url, **sections))
        async with Backends(recipe) as backends:
            team: Team = build_team(recipe, backends, MemoryCalls())
            graph = build_graph(team).compile()
            nodes, record = [], None
            config = {"recursion_limit": recursion_limit(recipe)}
            async for update in graph.astream({"task": task}, config, stream_mode="updates"):
                for node, change in update.items():
                    nodes.append(node)
                    record = (change or {}).get("record") or record
            assert record is not None
            return record, nodes

    return asyncio.run(main())
