"""Draw the loop from the graph itself into docs/architecture.md; `--check` only says whether the drawing is current."""

import sys
from pathlib import Path

from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.graph.builder import build_graph
from anyprefer.recipes import parse_recipe

PAGE = Path(__file__).with_name("architecture.md")
START, END = "<!-- graph -->\n", "<!-- /graph -->\n"


def drawing() -> str:
    """The graph as a fenced Mermaid block."""
    url = "http://127.0.0.1:9/v1"
    recipe = parse_recipe({"name": "drawing", **{role: {"model": "openai:any", "base_url": url} for role in ("target", "judge")}})
    graph = build_graph(build_team(recipe, Backends(recipe), MemoryCalls())).compile()
    return f"```mermaid\n{graph.get_graph().draw_mermaid().strip()}\n```\n"


def main() -> int:
    """Rewrite the page, or with `--check` compare it."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    fresh = head + START + drawing() + END + rest.split(END)[1]
    if "--check" in sys.argv:
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
