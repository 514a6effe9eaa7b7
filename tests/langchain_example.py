"""LangChain tools for tests, of every kind that a recipe may name."""

import warnings
from typing import Annotated, Any, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, Tool, ToolException, tool
from pydantic import BaseModel, Field

warnings.warn("this package is old", DeprecationWarning, stacklevel=1)


@tool
def look_up(query: Annotated[str, "What to look up."], limit: int = 3) -> str:
    """Looks facts up in a small encyclopedia; use it when responses state facts."""
    return f"{limit} facts about {query[:40]}: ants have six legs"


@tool
def choose(query: str, kind: Literal["web", "book"], secret: Annotated[str, InjectedToolArg] = "x") -> str:
    """Chooses."""
    return f"{kind}: {query}"


@tool
def fail(query: str) -> str:
    """Fails."""
    raise ToolException(f"no luck with {query}")


@tool
def crash(query: str) -> str:
    """Crashes."""
    return str(1 / 0)


@tool
def count_words(text: str) -> str:
    """Counts the words of a text."""
    return f"{len(text.split())} words"


@tool
def show_picture(query: str) -> list[Any]:
    """Shows a picture."""
    return [{"type": "text", "text": "before"}, {"type": "image", "base64": "AAAA"}, "after"]


@tool
def tell_numbers(query: str) -> dict[str, Any]:
    """Tells numbers."""
    return {"ä": [1, 2.5, None], "bad": "\ud800"}


plain = Tool("plain", lambda text: f"heard {text}", "A plain function of one text.")


async def _later(query: str) -> str:
    return f"later {query}"


only_async = StructuredTool.from_function(coroutine=_later, name="later", description="Async only.")
by_schema = StructuredTool.from_function(
    func=lambda **given: str(sorted(given.items())),
    name="by_schema",
    description="Described by a JSON schema.\nWith a second line.",
    args_schema={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What", "maxLength": 20},
            "max-results": {"type": ["integer", "null"], "minimum": 1},
            "schema": {"type": "string"},
            "where": {"$ref": "#/$defs/Place"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        },
        "required": ["query"],
        "$defs": {"Place": {"type": "object", "properties": {"x": {"type": "number"}, "next": {"$ref": "#/$defs/Place"}}}},
    },
)


class ShoutArgs(BaseModel):
    text: str = Field(description="What to shout.")


class Shout(BaseTool):
    name: str = "shout"
    description: str = "Shouts a text."
    args_schema: type[BaseModel] = ShoutArgs
    times: int = 1

    def _run(self, text: str) -> str:
        return text.upper() * self.times


def make_shout(times: int = 2) -> BaseTool:
    return Shout(times=times)


def make_nothing() -> str:
    return "nothing"


NUMBER = 3
