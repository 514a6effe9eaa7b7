"""Columns under other names than the usual ones: a recipe's `[columns]` and `--map` say what they mean."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anyprefer.config import ColumnsConfig
from anyprefer.data.cells import as_text, read_metadata
from anyprefer.data.columns import EVERY, ROLES, SEVERAL, is_empty, role_of
from anyprefer.data.quoting import brief, map_flag
from anyprefer.errors import ConfigError, DataError


class ColumnMap:
    """Gives columns the names that their meaning has, so that whoever reads rows needs to know no others.

    Args:
        config: Which columns mean what.

    Raises:
        ConfigError: A column is to mean two things.
    """

    def __init__(self, config: ColumnsConfig) -> None:
        self._roles: dict[str, str] = {}
        for role in ROLES:
            for column in getattr(config, role):
                if self._roles.setdefault(column, role) != role:
                    raise ConfigError(f"the column {column!r} is mapped to {self._roles[column]} and to {role}: give it one role")
        self._keeps_rest = self._roles.pop(EVERY, None) is not None
        self._unseen = set(self._roles)

    def rename(self, where: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row under the usual names.

        Raises:
            DataError: It has a column of a usual name beside one that was mapped to the same.
        """
        if not self._roles and not self._keeps_rest:
            return dict(row)
        self._unseen -= row.keys()
        others = {name: value for name, value in row.items() if name not in self._roles}
        self._refuse_seconds(where, others)
        rest = others if self._keeps_rest else {}
        kept = {name: value for name, value in rest.items() if role_of(name) is None and value is not None}
        mapped = {name: row[name] for name in self._roles if row.get(name) is not None}
        found = {name: value for name, value in others.items() if name not in kept}
        found |= {_usual_name(role, mapped[name]): mapped[name] for name, role in self._of(mapped) if role not in SEVERAL}
        contexts = [mapped[name] for name, role in self._of(mapped) if role == "context"]
        if contexts := [as_text(value) for value in (found.get("context"), *contexts) if not is_empty(value)]:
            found["context"] = contexts[0] if len(contexts) == 1 else contexts
        if kept := kept | {name: mapped[name] for name, role in self._of(mapped) if role == "metadata"}:
            found["metadata"] = {**read_metadata(where, found.get("metadata")), **kept}
        return found

    def _of(self, columns: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Columns that were mapped, with their roles, in the order of the map."""
        return [(name, role) for name, role in self._roles.items() if name in columns]

    def check_all_seen(self, path: Path) -> None:
        """See that every mapped column was in some row.

        Raises:
            DataError: One was in none, so that its name is wrong.
        """
        if self._unseen:
            name = min(self._unseen)
            raise DataError(f"{path} has no column {name!r}, which is mapped to {self._roles[name]}: correct the name")

    def _refuse_seconds(self, where: str, others: Mapping[str, Any]) -> None:
        for name, value in others.items():
            role = role_of(name)
            mapped = next((column for column, wanted in self._roles.items() if wanted == role and role not in SEVERAL), None)
            if mapped is not None and not is_empty(value):
                raise DataError(
                    f"{where}: {mapped!r} is mapped to {role}, and there is a column {name!r}, which means the same: add "
                    f"{map_flag(('metadata', name))}, or leave it out"
                )


def _usual_name(role: str, value: Any) -> str:
    if role == "prompt" and (isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("["))):
        return "messages"
    return "image" if role == "images" and not isinstance(value, list) else role


def read_columns(given: ColumnsConfig | Mapping[str, Any]) -> ColumnsConfig:
    """A map of columns, checked.

    Raises:
        ConfigError: There is no such role, or it has too many columns.
    """
    if isinstance(given, ColumnsConfig):
        return given
    try:
        return ColumnsConfig.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        role = str(problem["loc"][0]) if problem["loc"] else ""
        said = f"the roles are {', '.join(ROLES)}" if role not in ROLES else problem["msg"]
        raise ConfigError(f"columns: {role} = {brief(problem['input'])}: {said}") from None


def parse_map(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What `--map` says: `role=column`, several with commas between them, several columns of a role with plus signs.

    Raises:
        ConfigError: There is no such role, or no column behind it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for piece in (piece for text in texts for piece in re.split(r",(?=\s*\w+\s*=)", text)):
        role, _, name = (part.strip() for part in piece.partition("="))
        if role not in ROLES or not name:
            close = difflib.get_close_matches(role, ROLES, n=1, cutoff=0.75)
            hint = f"did you mean {close[0]!r}?" if close and role not in ROLES else f"the roles are {', '.join(ROLES)}"
            raise ConfigError(f"--map {brief(piece)} is not role=column: {hint}")
        columns = name.split("+") if all(name.split("+")) else [name]
        found[role] = (*found.get(role, ()), *(column.strip() for column in columns))
    return found
