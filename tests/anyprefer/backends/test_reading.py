"""Structured replies as models really write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from anyprefer.backends.reading import find_objects, has_form, read_form


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: int


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 7}',
        '```json\n{"score": 7}\n```',
        '```\n{"score": 7}\n```\nI hope that helps!',
        'Sure, here it is: {"score": 7}',
        'A draft: {"score": 3}. On second thoughts:\n\n{"score": 7}',
        '{"score": 7}\n\nNote that {"unit": "points"} is implied.',
        'Sets such as {1, 2} do not count. {"score": 7}',
        '\ufeff  {"score": 7}\n',
        '{"score": 7,}',
        '```json\n{\n  // out of ten\n  "score": 7, /* fair */\n}\n```',
        '{"type": "object", "properties": {"score": 7}, "required": ["score"]}',
    ],
)
def test_the_last_whole_object_that_fits_is_read(text: str) -> None:
    assert read_form(text, Form).score == 7


@pytest.mark.parametrize(
    "text", ["", "7", "[7]", '{"score": 7', '{"score": "high"}', '{"score": 7, "why": ""}', '{"x": {"score": 7}}']
)
def test_what_does_not_fit_is_an_error(text: str) -> None:
    with pytest.raises(ValidationError):
        read_form(text, Form)


def test_only_what_is_no_text_is_tidied() -> None:
    class Note(BaseModel):
        why: str

    assert read_form('{"why": "see http://x.y, [1,] /* and */ \\"//\\"",}', Note).why == 'see http://x.y, [1,] /* and */ "//"'


def test_the_error_is_about_the_last_object() -> None:
    with pytest.raises(ValidationError, match="score"):
        read_form('First {"other": 1}, then {"score": "high"}', Form)


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=4), st.text("ab {}[]\"'\\`\n", max_size=30)
)
def test_an_object_is_found_behind_any_prose(value: dict[str, int | str], prose: str) -> None:
    found = list(find_objects(f"{prose.replace('{', '')}\n{json.dumps(value)}"))
    assert json.loads(found[-1]) == value


@pytest.mark.parametrize("text", ["{" * 50_000, '{"a":' * 50_000, '{"a":[' * 20_000 + "]}" * 20_000])
def test_deep_nesting_is_no_object(text: str) -> None:
    with pytest.raises(ValidationError):
        read_form(text, Form)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ('see {"score": 12, "more": 1}', True),
        ('{"other": 4} {"score": "x"}', True),
        ('{"is_right": true}', False),
        ("I will not {say}", False),
    ],
)
def test_whether_there_is_an_object_with_the_keys_of_the_form(text: str, has: bool) -> None:
    assert has_form(text, Form) is has
