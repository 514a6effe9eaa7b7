"""The few of many things that rank highest, without keeping the others."""

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Shortlist(Generic[T]):
    """Keeps the `size` items of the highest rank; of equal ones, those that came first."""

    size: int
    _heap: list[tuple[float, int, T]] = field(default_factory=list)
    _counter: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, rank: float, item: T) -> None:
        """Keep an item if it ranks among the highest."""
        entry = (rank, -next(self._counter), item)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> list[T]:
        """The highest first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
