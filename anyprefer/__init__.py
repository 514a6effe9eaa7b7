"""Synthesise preference data with tools, a judge and a reward critic.

The public names load on first use, so that `anyprefer --help` does not pay for LangGraph.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyprefer.agents.judges.registry import register_judge
    from anyprefer.api import (
        aanalyze,
        aestimate,
        aexport,
        analyze,
        arounds,
        arun,
        atrain,
        awrite_report,
        estimate,
        export,
        rounds,
        run,
        train,
        write_report,
    )
    from anyprefer.applications.registry import register_application
    from anyprefer.backends.registry import register_provider
    from anyprefer.config import Recipe
    from anyprefer.data.records import RecordFile
    from anyprefer.data.tasks import load_tasks
    from anyprefer.graph.builder import build_graph
    from anyprefer.recipes import load_recipe
    from anyprefer.runs.in_memory import synthesize
    from anyprefer.runs.tool import preference_tool
    from anyprefer.tools.base import Case, Tool
    from anyprefer.tools.function import tool
    from anyprefer.tools.registry import register as register_tool
    from anyprefer.training.formats.base import register_format
    from anyprefer.types import Candidate, Finding, PreferenceRecord, Task

__version__ = "0.1.0"
__all__ = [
    "Candidate", "Case", "Finding", "PreferenceRecord", "Recipe", "RecordFile", "Task", "Tool", "aanalyze", "aestimate",
    "aexport", "analyze", "arounds", "arun", "atrain", "awrite_report", "build_graph", "estimate", "export", "load_recipe",
    "load_tasks", "preference_tool", "register_application", "register_format", "register_judge",
    "register_provider", "register_tool", "rounds", "run", "synthesize", "tool", "train", "write_report",
]  # fmt: skip

_HOMES = {
    "agents.judges.registry": "register_judge",
    "api": "aanalyze aestimate aexport analyze arounds arun atrain awrite_report estimate export rounds run train write_report",
    "applications.registry": "register_application",
    "backends.registry": "register_provider",
    "config": "Recipe",
    "data.records": "RecordFile",
    "data.tasks": "load_tasks",
    "graph.builder": "build_graph",
    "recipes": "load_recipe",
    "runs.in_memory": "synthesize",
    "runs.tool": "preference_tool",
    "tools.base": "Case Tool",
    "tools.function": "tool",
    "tools.registry": "register_tool:register",
    "training.formats.base": "register_format",
    "types": "Candidate Finding PreferenceRecord Task",
}
"""Module -> the public names that it has; one that is called otherwise there stands behind a colon."""

_PLACES = {
    public: (module, own or public)
    for module, names in _HOMES.items()
    for public, _, own in (name.partition(":") for name in names.split())
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        module, attribute = _PLACES[name]
        return getattr(import_module(f"anyprefer.{module}"), attribute)
    raise AttributeError(f"module 'anyprefer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
