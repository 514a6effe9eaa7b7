"""Make a tool's argument model from a JSON schema, as LangChain tools and MCP servers describe theirs.

Only what a judge needs is taken over: types, limits, choices, defaults and descriptions. What has no counterpart becomes
looser, never stricter, since the tool checks its arguments itself.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.shortening import shorten
from anyprefer.tools.base import ToolArgs

MAX_DESCRIPTION_CHARS = 300
"""Longest description of a tool or an argument; it stands in every prompt that offers the tool."""
_MAX_DEPTH = 8
_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_LIMITS = {
    "minLength": "min_length", "maxLength": "max_length", "minItems": "min_length", "maxItems": "max_length",
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt",
}  # fmt: skip
_APPLIES = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}
_NUMBER_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

Schema = Mapping[str, Any]


class ForeignArgs(ToolArgs):
    """Base of argument models made from a schema; dumps use the tool's own argument names."""

    model_config = ConfigDict(serialize_by_alias=True, protected_namespaces=())


def make_args(name: str, schema: Schema, without: str | None = None) -> type[ForeignArgs]:
    """Build the model.

    Args:
        name: The tool's full name, which becomes the class name as far as it is one.
        schema: A JSON schema of type `object`.
        without: An argument that the judge does not fill in.
    """
    fields = _fields_of(schema, schema.get("$defs") or schema.get("definitions") or {}, without)
    return create_model(safe_name(f"{name}_args"), __base__=ForeignArgs, __doc__=f"Arguments of {name}.", **fields)


def safe_name(text: str) -> str:
    """A text as an identifier, for class names that end up in schemas."""
    return re.sub(r"\W", "_", text, flags=re.ASCII)


def one_line(text: str, limit: int = MAX_DESCRIPTION_CHARS) -> str:
    """A foreign description as one line of bounded length."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shorten(flat, limit)


def sendable(args: ToolArgs) -> dict[str, Any]:
    """The arguments to send: an optional one that is None was left out, and tools tell the two apart."""
    kept = {}
    for name, field in type(args).model_fields.items():
        if getattr(args, name) is not None or field.is_required() or field.default is not None:
            kept[name] = True
    return args.model_dump(mode="json", include=set(kept), by_alias=True)


def required_text(schema: Schema, without: str | None = None) -> tuple[str, int | None] | None:
    """The name and longest length of the only required argument if it is free text; "" where nothing is required.

    Returns:
        None where a call needs more than a text.
    """
    required = [name for name in schema.get("required", ()) if name != without]
    if not required:
        return "", None
    rule = (schema.get("properties") or {}).get(required[0], {})
    is_text = rule.get("type") == "string" and not {"enum", "const", "pattern", "format"} & set(rule)
    return (required[0], rule.get("maxLength")) if is_text and len(required) == 1 else None


def _fields_of(schema: Schema, definitions: Schema, without: str | None = None, depth: int = 0) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    required = set(schema.get("required", ()))
    for number, (key, rule) in enumerate((schema.get("properties") or {}).items()):
        if key == without:
            continue
        known = rule if isinstance(rule, Mapping) else {}
        kind = _type_of(known, definitions, depth + 1)
        description = one_line(str(known.get("description") or known.get("title") or key))
        default: Any = ... if key in required else known.get("default")
        if default is None:
            kind = Union[kind, None]  # noqa: UP007 - built at run time
        is_plain = key.isidentifier() and not key.startswith("_") and not hasattr(BaseModel, key)
        alias = None if is_plain else key
        fields[key if is_plain else f"argument_{number}"] = (kind, Field(default, alias=alias, description=description))
    return fields


def _type_of(rule: Schema, definitions: Schema, depth: int) -> Any:
    """The type for one rule; Any where it is unknown or nested too deep, as in a recursive schema."""
    if depth > _MAX_DEPTH:
        return Any
    if "$ref" in rule:
        target = definitions.get(str(rule["$ref"]).rpartition("/")[2])
        return _type_of(target, definitions, depth + 1) if isinstance(target, Mapping) else Any
    if "const" in rule or "enum" in rule:
        choices = [rule["const"]] if "const" in rule else rule["enum"]
        simple = choices and all(choice is None or isinstance(choice, str | int | bool) for choice in choices)
        return Literal[tuple(choices)] if simple else Any
    options = rule.get("anyOf") or rule.get("oneOf")
    if isinstance(rule.get("type"), list):
        options = [{**rule, "type": kind} for kind in rule["type"]]
    if options:
        parts = tuple(_type_of(option, definitions, depth + 1) for option in options if isinstance(option, Mapping))
        return Union[parts] if parts else Any  # noqa: UP007 - built at run time
    return _single_type(rule, definitions, depth)


def _single_type(rule: Schema, definitions: Schema, depth: int) -> Any:
    kind = rule.get("type")
    if kind == "array":
        items = rule.get("items")
        found: Any = list[_type_of(items if isinstance(items, Mapping) else {}, definitions, depth + 1)]  # type: ignore[misc]
    elif kind == "object" or (kind is None and "properties" in rule):
        if not rule.get("properties"):
            return dict[str, Any]
        title = safe_name(str(rule.get("title") or "Nested"))
        return create_model(title, __base__=ForeignArgs, **_fields_of(rule, definitions, depth=depth))
    elif kind in _TYPES:
        found = _TYPES[kind]
    else:
        return Any
    keys = _APPLIES.get(kind, _NUMBER_LIMITS if kind in ("integer", "number") else ())
    limits = {_LIMITS[key]: rule[key] for key in keys if isinstance(rule.get(key), int | float)}
    return Annotated[found, Field(**limits)] if limits else found
