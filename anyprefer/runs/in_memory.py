"""The loop as an async iterator: tasks in, records out, nothing on disk."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.runs.synthesizer import Synthesizer
from anyprefer.types import PreferenceRecord, Task

Queue = asyncio.Queue[PreferenceRecord | None]


async def synthesize(tasks: Iterable[Task], recipe: Recipe) -> AsyncIterator[PreferenceRecord]:
    """Yield one record per task as each finishes, `recipe.run.concurrency` at a time.

    What goes wrong with one task ends that task alone, as in a run folder: with the best pair made so far, or as failed.

    Example:
        async for record in synthesize([Task(prompt="What is 12 * 12?")], load_recipe("my.toml")):
            print(record.status)

    Raises:
        ConfigError: The recipe cannot work here; raised before the first task.
        StopRunError: An endpoint is down for good, or rejects the key; no further task could be done.
    """
    if recipe.review.mode != "none":
        raise ConfigError(
            "synthesize() keeps nothing that a reviewer could come back to: set review.mode = 'none', or use a run folder"
        )
    async with Backends(recipe) as backends:
        calls = MemoryCalls()
        team = build_team(recipe, backends, calls)
        queue: Queue = asyncio.Queue(maxsize=recipe.run.concurrency)
        workers = asyncio.create_task(_work_all(iter(tasks), Synthesizer(team), calls, queue))
        try:
            while (record := await queue.get()) is not None:
                yield record
            await workers
        finally:
            workers.cancel()
            await asyncio.gather(workers, return_exceptions=True)
            await team.toolbox.aclose()


async def _work_all(source: Iterable[Task], synthesizer: Synthesizer, calls: MemoryCalls, queue: Queue) -> None:
    async def work() -> None:
        for task in source:
            record = await synthesizer.synthesize(task)
            calls.forget(task.id)
            await queue.put(record)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(synthesizer.team.recipe.run.concurrency):
                group.create_task(work())
    except* Exception as errors:
        await queue.put(None)
        raise errors.exceptions[0] from errors
    else:
        await queue.put(None)
