"""Read structured replies: leniently once, as models write them, then validated strictly.

Thoughts are set apart before. What is left may have a code fence around the JSON, prose before and after it, and comments and
trailing commas within it.
"""

import json
import re
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Form = TypeVar("Form", bound=BaseModel)

MAX_STARTS = 2000
"""Opening braces that are tried; a reply with more before its JSON is no reply to a question."""

_STRING = r'("(?:\\.|[^"\\\n])*")'
_COMMENTS = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMAS = re.compile(rf"{_STRING}|,(?=\s*[}}\]])")


def read_form(text: str, schema: type[Form]) -> Form:
    """The last whole JSON object of a reply that fits a schema.

    Raises:
        ValidationError: None does; says what is wrong with the last one, or with the reply where it has none.
    """
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        problem = error
    last = None
    for found in _candidates(text):
        try:
            return schema.model_validate_json(found)
        except ValidationError as error:
            last = last or error
    raise last or problem


def _candidates(text: str) -> Iterator[str]:
    """The objects of a reply, the last one first; then those that it has without comments and trailing commas."""
    yield from reversed(list(_find_forms(text)))
    if (tidy := _tidy(text)) != text:
        yield from reversed(list(_find_forms(tidy)))


def _tidy(text: str) -> str:
    for pattern in (_COMMENTS, _TRAILING_COMMAS):
        text = pattern.sub(lambda found: found[1] or "", text)
    return text


def has_form(text: str, schema: type[BaseModel]) -> bool:
    """Whether a reply holds a JSON object with the keys of a schema: an endpoint that is held to one gives no other."""
    wanted = {field.alias or name for name, field in schema.model_fields.items() if field.is_required()}
    return any(wanted <= json.loads(found).keys() for found in _candidates(text))


def _find_forms(text: str) -> Iterator[str]:
    """The objects of a reply, and what small models fill in where they copy the schema: its `properties`."""
    for found in find_objects(text):
        filled = json.loads(found).get("properties")
        if isinstance(filled, dict):
            yield json.dumps(filled)
        yield found


def find_objects(text: str) -> Iterator[str]:
    """The whole JSON objects of a text, in their order; those within another one are not listed."""
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(MAX_STARTS):
        if start < 0:
            return
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield text[start:end]
        start = text.find("{", end)
