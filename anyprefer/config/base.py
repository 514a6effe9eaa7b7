"""The base of all recipe sections, and what a field can say about itself."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict

_T = TypeVar("_T")


class Section(BaseModel):
    """Base of all recipe sections: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class _UntrackedMark:
    """Marks a field that is no part of a recipe's digest."""


_UNTRACKED = _UntrackedMark()

Untracked = Annotated[_T, _UNTRACKED]
"""A field, or a whole section, that changes how a run goes but not what it makes; a resume may change it."""


def drop_untracked(value: object, dumped: Any) -> Any:
    """Take every `Untracked` field out of a value's JSON form, wherever in the value it stands.

    Args:
        value: A section, or what a field of one holds.
        dumped: Its JSON form, which is left as it is.
    """
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        kept = (name for name, field in fields if _UNTRACKED not in field.metadata)
        return {name: drop_untracked(getattr(value, name), dumped[name]) for name in kept}
    if isinstance(value, Mapping):
        return {key: drop_untracked(item, dumped[key]) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [drop_untracked(item, other) for item, other in zip(value, dumped, strict=True)]
    return dumped
