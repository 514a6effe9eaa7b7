"""Tools of one's own for tests: functions with the decorator."""

import asyncio

from anyprefer.tools.function import tool
from anyprefer.types import Candidate, Task


@tool
def look_up(query: str, limit: int = 3) -> str:
    """Looks facts up in a small encyclopedia; use it when responses state facts.

    Args:
        query: What to look up.
        limit: How many facts.
    """
    return f"{limit} facts about {query[:40]}: ants have six legs"


@tool
def names_unit(candidate: Candidate, unit: str = "km") -> bool:
    """Checks that a response names a unit; use it when the task asks for a quantity.

    Args:
        unit: The unit to look for.
    """
    return unit in candidate.text


@tool
async def count_words(task: Task, candidate: Candidate) -> float:
    """Counts how many of the task's words a response has; use it when the task gives key words."""
    await asyncio.sleep(0)
    return len(set(task.text.split()) & set(candidate.text.split()))
