"""What every measurement of a role needs: a journal to resume from, the cost of each arm, and items side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from anyprefer.backends.calls import CallStore, StoredCall
from anyprefer.runs.journal import Journal
from anyprefer.types import RoleUsage

Say = Callable[[str], None]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def open_journal(out: Path) -> Journal:
    """The journal of a measurement; its folder is made where there is none."""
    out.mkdir(parents=True, exist_ok=True)
    return Journal(out / "journal.sqlite")


@dataclass
class Meter:
    """A call store that adds up what passes through it: also what was paid before, but each call once."""

    inner: CallStore
    total: RoleUsage = field(default_factory=RoleUsage)
    counted: set[str] = field(default_factory=set)
    """Keys of the calls that are in the total."""

    async def get(self, key: str) -> StoredCall | None:
        """See `CallStore.get`."""
        call = await self.inner.get(key)
        self._add(call)
        return call

    async def put(self, call: StoredCall) -> None:
        """See `CallStore.put`."""
        await self.inner.put(call)
        self._add(call)

    async def mark_bad(self, key: str) -> None:
        """See `CallStore.mark_bad`."""
        await self.inner.mark_bad(key)

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """See `CallStore.usage`."""
        return await self.inner.usage(task_id)

    def _add(self, call: StoredCall | None) -> None:
        if call is not None and call.key not in self.counted:
            self.counted.add(call.key)
            self.total += call.usage if call.kind == "model" else RoleUsage(seconds=call.seconds)


async def measure_all(
    items: Sequence[_Item], measure: Callable[[_Item], Awaitable[_Result]], concurrency: int, progress: Callable[[int], None]
) -> list[_Result]:
    """Measure every item, a number of them at a time.

    Args:
        items: What to measure.
        measure: Measures one.
        concurrency: How many at a time.
        progress: Told how many are done.
    """
    limit, done = asyncio.Semaphore(concurrency), 0

    async def take(item: _Item) -> _Result:
        nonlocal done
        async with limit:
            result = await measure(item)
        done += 1
        progress(done)
        return result

    return await asyncio.gather(*map(take, items))
