"""Tasks are checked and named when they are made."""

import pytest
from pydantic import ValidationError

from anyprefer.types import Message, Task


def test_id_is_a_content_hash_when_the_input_names_none() -> None:
    assert Task(prompt="a").id == Task(prompt="a").id != Task(prompt="b").id
    assert Task(prompt="a", images=("x.png",)).id != Task(prompt="a").id
    assert Task(id="mine", prompt="a").id == "mine"


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ((Message(role="user", content="x"), Message(role="assistant", content="y")), "must be 'user'"),
    ],
)
def test_prompt_that_cannot_be_answered_is_refused(prompt: str | tuple[Message, ...], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Task(prompt=prompt)


def test_reference_is_not_in_the_text_that_models_see() -> None:
    assert "secret" not in Task(prompt="q", reference="secret", metadata={"k": "secret"}).text
