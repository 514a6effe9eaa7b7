"""A run on a Ray cluster: an actor pool over blocks of tasks, with Postgres as what the workers share.

The driver puts the tasks into the run's schema in blocks; Ray Data hands block numbers to actors, holds back when they are
busy and starts others where one dies; a worker puts every finished record into the schema, where a task has at most one; the
driver copies new records into the run folder as they come. A block that is done again, because its actor died, finds its
finished records there and its completed calls in the journal.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from anyprefer.agents.team import build_team
from anyprefer.backends.budget import Budget, Cost
from anyprefer.backends.client import complete_all
from anyprefer.backends.providers import Backends
from anyprefer.config import ClusterOptions, Recipe
from anyprefer.data.records import read_record, record_line
from anyprefer.errors import AnypreferError, ConfigError, DataError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.index import Tally
from anyprefer.runs.live import Stop
from anyprefer.runs.postgres import PostgresJournal, PostgresStore, open_schema
from anyprefer.runs.synthesizer import Synthesizer
from anyprefer.types import PreferenceRecord, RoleUsage, Task

POLL_SECONDS = 0.5
"""Time between two looks for new records."""

_TABLES = """
CREATE TABLE IF NOT EXISTS tasks (block INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (block, place));
CREATE TABLE IF NOT EXISTS records (
    id BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE, task_id TEXT PRIMARY KEY, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS control (stop TEXT PRIMARY KEY);
TRUNCATE tasks;
TRUNCATE control;
"""

LOOK_BACK = 2000
"""Records may become visible a little out of order: numbers are given before the transactions that use them end."""


class BlockWorker:
    """A Ray actor: works through blocks of tasks. Its environment needs the keys that the recipe names."""

    def __init__(self, url: str, schema: str, recipe: dict[str, Any], digest: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._open = AsyncExitStack()
        self._recipe = parse_recipe(recipe)
        self._loop.run_until_complete(self._start(url, schema, digest))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
        """Finish the tasks of the batch's blocks; gives how many records each made."""
        blocks = [int(number) for number in batch["id"]]
        return {"block": blocks, "records": [self._loop.run_until_complete(self._work(block)) for block in blocks]}

    async def _start(self, url: str, schema: str, digest: str) -> None:
        """Connect once for all blocks; what is open closes with the process."""
        store = await self._open.enter_async_context(open_schema(url, schema, own=False))
        backends = await self._open.enter_async_context(Backends(self._recipe))
        self._journal = store.journal
        self._synthesizer = Synthesizer(replace(build_team(self._recipe, backends, store.journal), recipe_digest=digest))

    async def _work(self, block: int) -> int:
        tasks = await _unfinished(self._journal, block)
        made = 0

        async def work() -> None:
            nonlocal made
            while tasks and not await self._journal.rows("SELECT stop FROM control"):
                record = await self._synthesizer.synthesize(tasks.pop(0))
                if record is None:  # reviewers are refused on a cluster
                    continue
                try:
                    made += await _put_record(self._journal, record)
                except DataError as error:  # a model or a tool gave what nothing can store
                    made += await _put_record(self._journal, await self._synthesizer.salvage(record, error))

        await complete_all(work() for _ in range(min(self._recipe.run.concurrency, len(tasks))))
        return made


@dataclass
class Driver:
    """Runs a recipe on a cluster and collects its records into a folder.

    Args:
        recipe: What to run.
        folder: Where records go; open.
        store: The run's schema; open.
        url: Of the database, for the workers.
        schema: Its name.
        options: How the work is spread.
        accept: How many accepted records the folder should have in the end.
        budget: Where the run stops; checked every few seconds, so calls in flight may go over it.
    """

    recipe: Recipe
    folder: RunFolder
    store: PostgresStore
    url: str
    schema: str
    options: ClusterOptions
    accept: int | None = None
    budget: Budget | None = None

    def __post_init__(self) -> None:
        self.tally: Tally = self.folder.index.tally()
        self.in_progress = 0
        """Blocks that are not done yet."""
        self._done = self.folder.index.done()
        self._stop: Stop | None = None
        self._last = 0

    def request_drain(self, why: Stop = "interrupted") -> None:
        """Have the workers finish the tasks they are at, and stop."""
        self._stop = self._stop or why

    async def run(self, tasks: Iterable[Task]) -> Stop:
        """Finish every task that has no record yet, or stop at a goal.

        Raises:
            RunFolderError: The folder or the database cannot be written.
            ConfigError: Ray is missing, or there is no cluster.
        """
        for statement in _TABLES.strip().split(";\n"):
            await self.store.journal.rows(statement)
        await self._collect(from_start=True)
        if self._enough():
            return "accepted"
        num_blocks = await self._put_tasks(task for task in tasks if task.id not in self._done)
        if num_blocks:
            await self._drive(num_blocks)
        return self._stop or "finished"

    async def _put_tasks(self, tasks: Iterable[Task]) -> int:
        number = 0
        query = "INSERT INTO tasks VALUES (%s, %s, %s)"
        async with self.store.journal.pool.connection() as connection, connection.cursor() as cursor:
            rows: list[tuple[int, int, str]] = []
            for task in tasks:
                rows.append((*divmod(number, self.options.block_size), json.dumps(task.model_dump(mode="json"))))
                number += 1
                if len(rows) == 1000:
                    await cursor.executemany(query, rows)
                    rows.clear()
            await cursor.executemany(query, rows)
        return -(-number // self.options.block_size)

    async def _drive(self, num_blocks: int) -> None:
        ray = import_ray()
        self.in_progress = num_blocks
        async with _cluster(ray, self.options.address):
            work = asyncio.create_task(asyncio.to_thread(self._consume, ray, num_blocks))
            ticks, told = 0, False
            while not work.done():
                await asyncio.wait([work], timeout=POLL_SECONDS)
                await self._collect()
                await self._check_goals(count_cost=ticks % 10 == 0)
                ticks += 1
                if self._stop and not told:
                    await self.store.journal.rows("INSERT INTO control VALUES (%s) ON CONFLICT DO NOTHING", (self._stop,))
                    told = True
            await self._collect(from_start=True)
            await self.store.journal.refresh()
            try:
                work.result()
            except ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, AnypreferError) else error) from error

    def _consume(self, ray: Any, num_blocks: int) -> None:
        """Let Ray Data run the blocks; one row comes back for each."""
        cpus = int(ray.cluster_resources().get("CPU", 1))
        most = min(self.options.workers or cpus, num_blocks)
        recipe = self.recipe.model_dump(mode="json", exclude_none=True)
        rows = ray.data.range(num_blocks, override_num_blocks=num_blocks).map_batches(
            BlockWorker,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
            fn_constructor_args=(self.url, self.schema, recipe, self.folder.digest),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=-1,
        )
        for _ in rows.iter_rows():
            self.in_progress -= 1

    async def _collect(self, *, from_start: bool = False) -> None:
        """Copy new records into the folder, never more accepted ones than wanted."""
        start = 0 if from_start else self._last - LOOK_BACK
        seen = await self.store.journal.rows("SELECT id, task_id FROM records WHERE id > %s ORDER BY id", (start,))
        new = [row["id"] for row in seen if json.loads(row["task_id"]) not in self._done]
        self._last = max(self._last, seen[-1]["id"]) if seen else self._last
        for i in range(0, len(new), 500):
            rows = await self.store.journal.rows("SELECT body FROM records WHERE id = ANY(%s) ORDER BY id", (new[i : i + 500],))
            for row in rows:
                self._keep(read_record(row["body"].encode()))

    def _keep(self, record: PreferenceRecord) -> None:
        if record.status == "accepted" and self._enough():
            return  # stays in the schema for when more are wanted
        self.folder.index.add(record, self.folder.records.append(record))
        self._done.add(record.task.id)
        self.tally.add(record)

    async def _check_goals(self, *, count_cost: bool) -> None:
        if self._enough():
            self.request_drain("accepted")
        if self.budget is None or not count_cost:
            return
        await self.store.journal.refresh()
        spent = sum((await self.store.journal.totals()).values(), RoleUsage())
        cost = Cost(spent.prompt_tokens + spent.completion_tokens, spent.cost_usd or 0.0)
        if cost.tokens >= (self.budget.max_tokens or math.inf) or cost.usd >= (self.budget.max_usd or math.inf):
            self.request_drain("budget")

    def _enough(self) -> bool:
        return self.accept is not None and self.tally.statuses["accepted"] >= self.accept


def import_ray() -> Any:
    """The `ray` package with Ray Data.

    Raises:
        ConfigError: The extra is missing.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("--on ray needs Ray: pip install 'anyprefer[ray,postgres]' on every node") from None
    return ray


@asynccontextmanager
async def _cluster(ray: Any, address: str) -> AsyncIterator[None]:
    """Join the cluster, unless this process has joined one already."""
    joined = ray.is_initialized()
    if not joined:
        try:
            await asyncio.to_thread(ray.init, address=address, log_to_driver=False)
        except ConnectionError as error:
            raise ConfigError(
                f"no Ray cluster at {address!r} ({error}): start one with `ray start --head`, or give --ray-address local"
            ) from error
    try:
        yield
    finally:
        if not joined:
            await asyncio.to_thread(ray.shutdown)


async def _unfinished(journal: PostgresJournal, block: int) -> list[Task]:
    rows = await journal.rows("SELECT body FROM tasks WHERE block = %s ORDER BY place", (block,))
    tasks = [Task.model_validate_json(row["body"]) for row in rows]
    ids = [json.dumps(task.id) for task in tasks]
    done = {row["task_id"] for row in await journal.rows("SELECT task_id FROM records WHERE task_id = ANY(%s)", (ids,))}
    return [task for task, key in zip(tasks, ids, strict=True) if key not in done]


async def _put_record(journal: PostgresJournal, record: PreferenceRecord) -> int:
    """Store a record unless its task has one; gives how many were stored."""
    body = json.dumps(json.loads(record_line(record)))
    query = "INSERT INTO records (task_id, body) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id"
    return len(await journal.rows(query, (json.dumps(record.task.id), body)))
