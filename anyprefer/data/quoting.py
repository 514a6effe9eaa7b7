"""How values and columns of a row are quoted in messages."""

import shlex
from collections.abc import Iterable
from typing import Any

LIMIT = 80


def brief(value: Any) -> str:
    """A value of a row on one line, short enough for a message."""
    text = repr(value[:200] if isinstance(value, str | list | tuple | bytes) else value).replace("\n", " ")
    return text if len(text) <= LIMIT else f"{text[:LIMIT]}... ({len(text) - LIMIT} more characters)"


def name_columns(names: Iterable[object]) -> str:
    """Columns by name, as far as there is room."""
    listed = ", ".join(_printable(name) for name in names) or "none"
    return listed if len(listed) <= 4 * LIMIT else f"{listed[: 4 * LIMIT]}..."


def map_flag(*assignments: tuple[str, object]) -> str:
    """The flag that gives columns a role, as it is typed in a shell."""
    return f"--map {shlex.quote(','.join(f'{role}={_printable(name)}' for role, name in assignments))}"


def _printable(name: object) -> str:
    return str(name) if str(name).isprintable() else repr(name)
