"""What a task brings along for tools and judges, checked before any work starts: a mistake found later has cost its responses."""

from contextlib import suppress
from typing import Any

from anyprefer.agents.judges.criteria import read_rubric
from anyprefer.config import Recipe
from anyprefer.data.tasks import ReadTask
from anyprefer.errors import ConfigError, DataError, ToolError
from anyprefer.tools.base import Tool
from anyprefer.tools.registry import ADAPTERS, load_tool_class
from anyprefer.types import Task


class TaskChecks:
    """Every check that a recipe's tools and judges have for tasks."""

    def __init__(self, recipe: Recipe) -> None:
        """Find the tools; one that cannot be found is explained where tools are made."""
        self._rules_on_criteria = "rubric" in (recipe.judge.method, recipe.judge.require_agreement)
        self._tools: list[type[Tool]] = []
        for name in recipe.tools.names:
            if name.partition(":")[0] not in ADAPTERS:
                with suppress(ConfigError):
                    self._tools.append(load_tool_class(name))

    def check(self, task: Task) -> None:
        """Check one task.

        Raises:
            DataError: It brings along what cannot be used; says what to do.
        """
        if self._rules_on_criteria:
            read_rubric(task)
        for tool in self._tools:
            try:
                tool.check_task(task)
            except ToolError as error:
                raise DataError(f"task {task.id!r}: {error}") from error

    def reader(self, read: ReadTask) -> ReadTask:
        """A reader that checks every task that it makes, and names the row of a mistake."""

        def read_and_check(where: str, *args: Any, **kwargs: Any) -> Task:
            task = read(where, *args, **kwargs)
            try:
                self.check(task)
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
            return task

        return read_and_check
