"""Every schema that is sent with `strict: true` keeps to the published rules of strict mode."""

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from anyprefer.agents.aggregator import notes_schema
from anyprefer.agents.critic import review_schema, side_schema
from anyprefer.agents.judges.listwise import score_sheet
from anyprefer.agents.judges.meta import MetaVerdict
from anyprefer.agents.judges.pointwise import score_reply
from anyprefer.agents.rewriter import JointRewrite, JudgeRewrite, TargetRewrite
from anyprefer.agents.tool_choice import choice_schema
from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.chat import wire_of
from anyprefer.backends.client import strict_schema
from anyprefer.backends.strict import is_strict, to_strict
from anyprefer.tools.registry import available_tools, load_tool_class
from anyprefer.tools.schema_args import make_args
from anyprefer.types import Message

AGENTS = (
    notes_schema(500), review_schema(400), side_schema(400, 0, 9), score_sheet(5, 400, 1, 10), score_reply(400, 1, 10),
    MetaVerdict, JointRewrite, JudgeRewrite, TargetRewrite,
)  # fmt: skip

FOREIGN: dict[str, dict[str, Any]] = {
    "defaults": {"type": "object", "properties": {"q": {"type": "string", "default": "x"}, "k": {"type": "integer"}}},
    "choice of types": {"type": "object", "properties": {"x": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}},
    "nested": {
        "type": "object", "properties": {"where": {"$ref": "#/$defs/Place", "description": "Where."}},
        "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    },
    "list of types": {"type": "object", "properties": {"x": {"type": ["string", "null"], "maxLength": 5, "format": "uri"}}},
}  # fmt: skip
OPEN = {"type": "object", "properties": {"filter": {"type": "object", "additionalProperties": True}}}


def problems_in(node: Any, root: Any) -> list[str]:
    """What OpenAI's guide forbids, written down apart from the code that is tested."""
    if isinstance(node, list):
        return [problem for item in node for problem in problems_in(item, root)]
    if not isinstance(node, dict):
        return []
    found = [
        f"{key} in {json.dumps(node)[:80]}" for key in ("default", "oneOf", "allOf", "not", "if", "discriminator") if key in node
    ]
    found += [f"{key}" for key in ("minLength", "maxLength", "uniqueItems", "patternProperties") if key in node]
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            found.append(f"open object {json.dumps(node)[:80]}")
        if set(node.get("required", [])) != set(node.get("properties", {})):
            found.append(f"optional keys in {json.dumps(node)[:80]}")
    if "$ref" in node and len(node) > 1:
        found.append("a reference beside other keywords")
    named = {"properties", "$defs"}
    return found + [
        problem for key, value in node.items() for problem in problems_in(list(value.values()) if key in named else value, root)
    ]


def sent(schema: type[BaseModel]) -> dict[str, Any]:
    form = strict_schema(schema)
    wire = wire_of(Ask((Message(role="user", content="x"),), schema=form), Capabilities())
    found: dict[str, Any] = wire["response_format"]["json_schema"]
    return found


@pytest.mark.parametrize("schema", AGENTS, ids=lambda schema: schema.__name__)
def test_the_agents_schemas_are_strict(schema: type[BaseModel]) -> None:
    form = sent(schema)
    assert form["strict"] is True
    assert not problems_in(form["schema"], form["schema"])


@pytest.mark.parametrize("name", sorted(available_tools()))
def test_every_registered_tool_can_be_asked_for_strictly(name: str) -> None:
    tool: Any = load_tool_class(name)
    for schema in (choice_schema({name: tool}, 3), tool.Args):
        form = sent(schema)
        assert form["strict"] is True
        assert not problems_in(form["schema"], form["schema"])


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_tools_can_be_asked_for_strictly(name: str) -> None:
    form = sent(make_args("tool", FOREIGN[name]))
    assert form["strict"] is True
    assert not problems_in(form["schema"], form["schema"])


def test_an_open_object_is_not_called_strict() -> None:
    form = sent(make_args("tool", OPEN))
    assert form["strict"] is False
    assert "filter" in form["schema"]["properties"]


def test_servers_of_full_schemas_get_lengths_as_well() -> None:
    form = strict_schema(notes_schema(500))
    wire = wire_of(Ask((Message(role="user", content="x"),), schema=form), Capabilities(full_schemas=True))
    assert wire["response_format"]["json_schema"]["schema"]["properties"]["text"]["maxLength"] == 500


def test_a_recursive_schema_stays_one() -> None:
    class Node(BaseModel):
        model_config = ConfigDict(extra="forbid")

        name: Annotated[str, Field(max_length=5, description="Its name.")]
        kind: Literal["a", "b"] = "a"
        children: "list[Node]" = []

    form = to_strict(Node.model_json_schema())
    assert is_strict(form)
    assert not problems_in(form, form)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"anyOf": [{"type": "object"}]},
        {"type": "object", "properties": {"x": {}}, "required": ["x"], "additionalProperties": False},
        {"type": "object", "properties": {"x": {"type": "array"}}, "required": ["x"], "additionalProperties": False},
        {
            "type": "object", "properties": {"x": {"enum": list(range(1001))}}, "required": ["x"], "additionalProperties": False,
        },
    ],
)  # fmt: skip
def test_what_strict_mode_does_not_take_is_recognised(schema: dict[str, Any]) -> None:
    assert not is_strict(schema)
