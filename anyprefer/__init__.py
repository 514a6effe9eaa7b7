"""Synthesise preference data with tools, a judge and a reward critic.

The public names load on first use, so that `anyprefer --help` does not pay for LangGraph.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyprefer.config import Recipe
    from anyprefer.data.tasks import load_tasks
    from anyprefer.graph.builder import build_graph
    from anyprefer.recipes import load_recipe
    from anyprefer.runs.library import synthesize
    from anyprefer.runs.tool import preference_tool
    from anyprefer.types import PreferenceRecord, Task

__version__ = "0.1.0"
__all__ = ["PreferenceRecord", "Recipe", "Task", "build_graph", "load_recipe", "load_tasks", "preference_tool", "synthesize"]

_HOMES = {
    "PreferenceRecord": "anyprefer.types",
    "Recipe": "anyprefer.config",
    "Task": "anyprefer.types",
    "build_graph": "anyprefer.graph.builder",
    "load_recipe": "anyprefer.recipes",
    "load_tasks": "anyprefer.data.tasks",
    "preference_tool": "anyprefer.runs.tool",
    "synthesize": "anyprefer.runs.library",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anyprefer' has no attribute {name!r}")
