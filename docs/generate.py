"""Write into pages what the code itself says: the graph and its nodes, the layers, a run's files, columns, prompts.

Each part stands between two marks. `--check` writes nothing and fails where a page is not what it would write.
"""

import ast
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from anyprefer.agents.feedback import JUDGE_LINES, TARGET_LINES
from anyprefer.agents.library import PLACEHOLDERS
from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config.columns import ColumnsConfig
from anyprefer.data.columns import ROLES
from anyprefer.data.run_dir import RunDir
from anyprefer.graph.builder import NODES, build_graph
from anyprefer.graph.nodes import Nodes
from anyprefer.recipes import parse_recipe
from anyprefer.registry import Registry
from anyprefer.types import REASONS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
CODE = ("agents", "anyprefer", "graph", "tools", "training")


def graph() -> str:
    """The graph as a fenced Mermaid block."""
    url = "http://127.0.0.1:9/v1"
    recipe = parse_recipe({"name": "drawing", **{role: {"model": "openai:any", "base_url": url} for role in ("target", "judge")}})
    compiled = build_graph(build_team(recipe, Backends(recipe), MemoryCalls())).compile()
    return f"```mermaid\n{compiled.get_graph().draw_mermaid().strip()}\n```\n"


def nodes() -> str:
    """Every node, the role that works in it and what its method says that it does."""
    named = {**NODES, Nodes.record_failure.__name__: ""}
    rows = ((f"`{name}`", role or "-", first_line(getattr(Nodes, name).__doc__)) for name, role in named.items())
    return table(("node", "role", "what it does"), rows)


def layers() -> str:
    """Every layer from the top, and what its modules say of themselves."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in pyproject["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    names = ((str(number), name.strip()) for number, layer in enumerate(contract["layers"], 1) for name in layer.split("|"))
    return table(("layer", "module", "what it holds"), ((number, f"`{name}`", says_of_itself(name)) for number, name in names))


def registries() -> str:
    """Every registry: what it holds from the start, and where other packages add to it."""
    rows = (
        (one.kind, ", ".join(f"`{name}`" for name in sorted(one.built_in)), f"`{one.group}`", f"`{path}`")
        for path, one in sorted(find_registries(), key=lambda found: found[1].kind)
    )
    return table(("what", "built in", "entry-point group", "file"), rows)


def find_registries() -> Iterator[tuple[Path, Registry]]:
    """The registries of the code, each with the file that makes it."""
    for path in sorted(path.relative_to(ROOT) for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        is_linked = any((ROOT / parent).is_symlink() for parent in path.parents)
        if is_linked or " = Registry(" not in (ROOT / path).read_text(encoding="utf-8"):
            continue
        parts = path.with_suffix("").parts
        module = import_module(".".join(parts if parts[0] == "anyprefer" else ("anyprefer", *parts)))
        yield from ((path, thing) for thing in vars(module).values() if isinstance(thing, Registry))


def run_folder() -> str:
    """Every file of a run folder, as `RunDir` names it."""
    files = {name: one.fget for name, one in vars(RunDir).items() if isinstance(one, property) and one.fget}
    rows = ((getattr(RunDir(""), name), made.__doc__) for name, made in files.items() if made.__annotations__["return"] is Path)
    return table(("file", "content"), ((f"`{path.name}{'' if path.suffix else '/'}`", first_line(text)) for path, text in rows))


def says_of_itself(name: str) -> str:
    """The first line of a module's docstring, read and not run."""
    home = ROOT.joinpath("anyprefer", *name.split("."))
    source = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
    return first_line(ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))))


def first_line(docstring: str | None) -> str:
    """What a docstring says first, as it stands in a table.

    Raises:
        ValueError: There is none, or its first line is no whole sentence.
    """
    line = (docstring or "").strip().partition("\n")[0]
    if not line.endswith("."):
        raise ValueError(f"a docstring's first line is a whole sentence, not {line!r}: the page is made of it")
    return line.removesuffix(".").replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    body = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}"


def prompts() -> str:
    """Every prompt file with the key that replaces it and the placeholders that it must have."""
    rows = (
        (f"`{role}.prompts.{name}`", f"`agents/prompts/{name}.md`", ", ".join(f"`{{{{{one}}}}}`" for one in sorted(placeholders)))
        for role, names in PLACEHOLDERS.items()
        for name, placeholders in names.items()
    )
    return table(("key", "file", "placeholders"), rows)


def columns() -> str:
    """What a column of a task file may mean, and the names that say so."""
    rows = (
        (f"`{role}`", ", ".join(f"`{name}`" for name in names), str(ColumnsConfig.model_fields[role].description))
        for role, names in ROLES.items()
    )
    return table(("meaning", "names", "what it holds"), rows)


def feedback_lines() -> str:
    """Every known reason, and what is said to whom because of it."""
    rows = (
        (f"`{reason}`", TARGET_LINES.get(reason, "-").replace("{words}", "N"), JUDGE_LINES.get(reason, "-"))
        for reason in REASONS
        if reason in TARGET_LINES or reason in JUDGE_LINES
    )
    return table(("reason", "to the target", "to the judge"), rows)


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "architecture.md": {
        "graph": graph,
        "nodes": nodes,
        "layers": layers,
        "registries": registries,
        "run folder": run_folder,
    },
    "feedback.md": {"lines": feedback_lines},
    "files.md": {"columns": columns},
    "prompts.md": {"prompts": prompts},
}
"""Page -> what stands between its marks."""


def fresh(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """A page with all parts made anew."""
    for name, make in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        head, rest = page.split(start)
        page = head + start + make() + end + rest.split(end)[1]
    return page


def main() -> int:
    """Rewrite the pages, or with `--check` compare them."""
    old = {DOCS / name: (DOCS / name).read_text(encoding="utf-8") for name in PARTS}
    new = {path: fresh(text, PARTS[path.name]) for path, text in old.items()}
    if "--check" in sys.argv:
        return int(old != new)
    for path, text in new.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
