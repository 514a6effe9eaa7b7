"""The page's own style and script, to be put inside it."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

SCRIPTS = (
    "dom.js", "archive.js", "differences.js", "values.js", "record.js", "rounds.js", "list.js", "found.js", "browser.js",
    "page.js",
)  # fmt: skip
"""In this order they are one script: each uses what those before it define."""


def read_style() -> str:
    """The style sheet, for a `<style>` element."""
    return _read("report.css")


@cache  # the policy is written before the archive and the script behind it, perhaps minutes later: one text for both
def read_script() -> str:
    """The script, for one `<script>` element behind everything that it works on."""
    return "".join(_read(name) for name in SCRIPTS)


def script_source() -> str:
    """What a Content-Security-Policy's `script-src` calls the script: it allows this text and no other."""
    digest = hashlib.sha256(read_script().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _read(name: str) -> str:
    return (files("anyprefer.report") / "static" / name).read_text(encoding="utf-8")
