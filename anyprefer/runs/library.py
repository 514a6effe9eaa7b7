"""The loop as a library call: tasks in, records out, nothing on disk."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.recipes import digest_of
from anyprefer.types import PreferenceRecord, Task


async def synthesize(tasks: Iterable[Task], recipe: Recipe) -> AsyncIterator[PreferenceRecord]:
    """Yield one record per task as each finishes, `recipe.run.concurrency` at a time.

    Example:
        async for record in synthesize([Task(prompt="What is 12 * 12?")], load_recipe("my.toml")):
            print(record.status)

    Raises:
        ConfigError: The recipe cannot work here; raised before the first task.
    """
    if recipe.review.mode != "none":
        raise ConfigError(
            "synthesize() keeps nothing that a reviewer could come back to: set review.mode = 'none', or use a run folder"
        )
    calls = MemoryCalls()
    async with Backends(recipe) as backends:
        team = build_team(recipe, backends, calls, digest_of(recipe))
        graph = build_graph(team).compile(name="anyprefer").with_config(recursion_limit=recursion_limit(recipe))
        queue: asyncio.Queue[PreferenceRecord | None] = asyncio.Queue(maxsize=recipe.run.concurrency)
        source = iter(tasks)

        async def work(pending: Iterator[Task]) -> None:
            for task in pending:
                record = (await graph.ainvoke({"task": task}))["record"]
                calls.forget(task.id)
                await queue.put(record)

        async def work_all() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(recipe.run.concurrency):
                        group.create_task(work(source))
            finally:
                await queue.put(None)

        workers = asyncio.create_task(work_all())
        try:
            while (record := await queue.get()) is not None:
                yield record
            await workers
        finally:
            workers.cancel()
            await asyncio.gather(workers, return_exceptions=True)
            await team.toolbox.aclose()
