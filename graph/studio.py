"""The graph that `langgraph.json` names: compiled without a checkpointer, which the server brings itself.

The recipe comes from the environment variable ANYPREFER_RECIPE, by default the embedded quickstart. Nothing is loaded or
started on import; models connect when the first task comes in.
"""

import os
from pathlib import Path

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.recipes import load_recipe

DEFAULT_RECIPE = Path("recipes/text/quickstart.toml")

_recipe = load_recipe(os.environ.get("ANYPREFER_RECIPE", DEFAULT_RECIPE))
_team = build_team(_recipe, Backends(_recipe), MemoryCalls())
graph = build_graph(_team).compile(name="anyprefer").with_config(recursion_limit=recursion_limit(_recipe))
