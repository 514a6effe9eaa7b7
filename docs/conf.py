"""The documentation site: `make docs`."""

import re

from anyprefer import __version__

project = "anyprefer"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"anyprefer {version}"
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_default_options = {"exclude-members": "model_config, model_post_init", "member-order": "bysource"}
suppress_warnings = ["misc.highlighting_failure"]  # mermaid drawings are shown as text
linkcheck_ignore = [r"https?://"]  # other people's sites are down at times; our own pages and files must be there
exclude_patterns = ["_build"]

REPOSITORY_LINKS = {
    "../benchmarks/RESULTS.md": "results.md",
    "../anyprefer/config": "reference.md",
    "../anyprefer/config/training.py": "reference.md",
}
"""Links that lead to files where the pages are read in the repository, and to pages here."""


def _relink(app: object, name: str, source: list[str]) -> None:
    def replace(found: re.Match[str]) -> str:
        text, target = found.groups()
        if target in REPOSITORY_LINKS:
            return f"[{text}]({REPOSITORY_LINKS[target]})"
        return f"`{target.removeprefix('../')}`"

    source[0] = re.sub(r"\[([^\]]+)\]\((\.\./[^)]+)\)", replace, source[0])


def _double_backticks(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written as Markdown; Sphinx reads reStructuredText."""
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", lambda found: f"``{' '.join(found[1].split())}``", "\n".join(lines))
    text = re.sub(r"^( *)Example:\n((?:\1 +.*\n|\s*\n)+)", _literal, text + "\n", flags=re.MULTILINE)
    lines[:] = text.split("\n")
    _attributes[name] = list(lines)


def _literal(found: re.Match[str]) -> str:
    """An example is code, not a paragraph."""
    code = "".join(f"    {line}\n" if line.strip() else "\n" for line in found[2].splitlines())
    return f"{found[1]}Example:\n{found[1]}    ::\n\n{code}\n"


def _whole_attributes(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in an attribute's first line for its type: undo that."""
    if what == "attribute":
        lines[:] = _attributes[name]


_attributes: dict[str, list[str]] = {}


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _relink)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _double_backticks, priority=400)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _whole_attributes, priority=600)  # type: ignore[attr-defined]
