"""Paths in a recipe: which values are some, and what relative ones are relative to."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_T = TypeVar("_T")


class _FileOrHubMark:
    """Marks a text that is a path unless it names a dataset of the hub."""


_FILE_OR_HUB = _FileOrHubMark()
_HUB_PREFIX = "hf:"

FileOrHub = Annotated[_T, _FILE_OR_HUB]
"""A text that is a path, or `hf:...` for a dataset of the hub. Every other path of a recipe is a `Path`."""


def anchor_paths(value: _T, folder: Path) -> _T:
    """Make every `Path` in a value absolute, relative ones being relative to `folder`; the rest of the value stays as it is."""
    found: Any = _anchor(value, folder)
    return found  # type: ignore[no-any-return]  # of the same type as what came in


def _anchor(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return (folder / value.expanduser()).resolve()
    if isinstance(value, BaseModel):
        found = {name: _anchor_field(field, getattr(value, name), folder) for name, field in type(value).model_fields.items()}
        changes = {name: item for name, item in found.items() if item != getattr(value, name)}
        return value.model_copy(update=changes) if changes else value
    if isinstance(value, dict):
        return {key: _anchor(item, folder) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_anchor(item, folder) for item in value)
    return value


def _anchor_field(field: FieldInfo, value: Any, folder: Path) -> Any:
    if _FILE_OR_HUB in field.metadata and isinstance(value, str):
        return value if value.startswith(_HUB_PREFIX) else str(_anchor(Path(value), folder))
    return _anchor(value, folder)
