"""JSON schemas as OpenAI's strict mode takes them.

The rules are those of "Structured Outputs: supported schemas" in OpenAI's guide (as of February 2026): closed objects whose
every key is required, no `default`, no `oneOf` or `allOf`, a `$ref` alone in its place, no lengths of texts.
"""

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset({
    "type", "title", "description", "enum", "const", "anyOf", "items", "properties", "required", "additionalProperties", "$ref",
    "$defs", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems",
    "maxItems",
})  # fmt: skip
"""Keywords that strict mode knows; what else a schema asks for is checked when the reply is read."""

_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

MOST_KNOWN = 256
"""Schemas whose strict form is kept; a recipe has a dozen."""

MAX_PROPERTIES, MAX_DEPTH, MAX_ENUM_VALUES, MAX_NAME_CHARS = 5000, 10, 1000, 120_000
"""Strict mode's limits: properties in all, levels of objects, values of enumerations, characters of all names and values."""


def to_strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The nearest schema that strict mode takes; a reply that fits it may still break a rule that it leaves out."""
    found: dict[str, Any] = _convert(schema, schema.get("$defs") or {})
    return found


_known: dict[int, tuple[Mapping[str, Any], dict[str, Any], bool]] = {}


def strict_form(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """`to_strict` of a schema and whether strict mode takes that; made once for a schema that is kept."""
    found = _known.get(id(schema))
    if found is None or found[0] is not schema:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        form = to_strict(schema)
        found = _known[id(schema)] = (schema, form, is_strict(form))
    return found[1], found[2]


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether strict mode takes a schema: some ask for objects of any shape, which it cannot express."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    count = _Count()
    return _fits(schema, count) and _depth(schema, schema.get("$defs") or {}, ()) <= MAX_DEPTH and count.within_limits


def _convert(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_convert(item, definitions) for item in node]
    return _convert_one(_flatten(node, definitions), definitions) if isinstance(node, Mapping) else node


def _convert_one(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in node.items() if key in _KEPT}
    if found.get("format") not in _FORMATS:
        found.pop("format", None)
    for key in ("properties", "$defs"):
        if isinstance(found.get(key), Mapping):
            found[key] = {name: _convert(value, definitions) for name, value in found[key].items()}
    for key in ("items", "anyOf"):
        if key in found:
            found[key] = _convert(found[key], definitions)
    if isinstance(found.get("properties"), dict):
        found |= {"type": "object", "required": list(found["properties"]), "additionalProperties": False}
    return found


def _flatten(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write `oneOf` as `anyOf`, a list of types likewise, and put in place what stands beside a reference or in an `allOf`."""
    node = dict(node)
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    for part in node.pop("allOf", ()):
        node = {**part, **node}
    if "$ref" in node and len(node) > 1:
        target = definitions.get(str(node.pop("$ref")).rpartition("/")[2])
        node = {**_flatten(target, definitions), **node} if isinstance(target, Mapping) else node
    return node


class _Count:
    def __init__(self) -> None:
        self.properties = self.values = self.chars = 0

    @property
    def within_limits(self) -> bool:
        return self.properties <= MAX_PROPERTIES and self.values <= MAX_ENUM_VALUES and self.chars <= MAX_NAME_CHARS


def _fits(node: Any, count: _Count) -> bool:
    """Whether every node says what it allows, with keywords of strict mode alone."""
    if not isinstance(node, Mapping) or not set(node) <= _KEPT or ("$ref" in node and len(node) > 1):
        return False
    values = [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]
    names = [*node.get("properties", ()), *node.get("$defs", ())]
    count.properties += len(node.get("properties", ()))
    count.values += len(node.get("enum", ()))
    count.chars += sum(len(str(one)) for one in (*values, *names))
    if not (values or {"$ref", "anyOf", "type"} & set(node)):
        return False
    if node.get("type") == "object" and not _is_closed(node):
        return False
    if node.get("type") == "array" and "items" not in node:
        return False
    children = [*node.get("properties", {}).values(), *node.get("$defs", {}).values(), *node.get("anyOf", ())]
    return all(_fits(child, count) for child in (*children, *([node["items"]] if "items" in node else ())))


def _is_closed(node: Mapping[str, Any]) -> bool:
    return node.get("additionalProperties") is False and set(node.get("required", ())) == set(node.get("properties", {"": None}))


def _depth(node: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> int:
    """Levels of objects; a recursive reference adds none, since strict mode allows it."""
    if not isinstance(node, Mapping):
        return 0
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        return 0 if name in above else _depth(definitions.get(name), definitions, (*above, name))
    children = [*node.get("properties", {}).values(), *node.get("anyOf", ()), node.get("items")]
    return int(node.get("type") == "object") + max((_depth(child, definitions, above) for child in children), default=0)
