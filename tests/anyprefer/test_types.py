"""Tasks are checked and named when they are made."""

import pytest
from lineage import side
from pydantic import ValidationError

from anyprefer.types import (
    PERSON,
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Finding,
    Image,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Review,
    Task,
    Text,
    ToolCall,
    ToolResult,
    ToolUse,
    Verdict,
    text_of,
)

CAT, DOG = (Image(sha256=letter * 64, media_type="image/png") for letter in "cd")


def test_id_is_a_content_hash_when_the_input_names_none() -> None:
    assert Task(prompt="a").id == Task(prompt="a").id != Task(prompt="b").id
    ids = [Task(prompt=(Message(role="user", content=(*images, Text(text="a"))),)).id for images in ((), (CAT,), (DOG,))]
    assert len({*ids, Task(prompt="a", tools=({"name": "f"},)).id, Task(prompt="a").id}) == 5
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


def test_a_text_alone_is_the_same_message_however_it_is_given() -> None:
    given = ({"role": "user", "content": "Hi"}, {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": None})
    assert {Message.model_validate(one) for one in given} == {Message(role="user", content="Hi")}
    assert Message.model_validate({"role": "developer", "content": "Be brief"}) == Message(role="system", content="Be brief")


def test_calls_and_results_are_read_as_the_protocol_writes_them() -> None:
    task = Task.model_validate({
        "prompt": [
            {"role": "user", "content": "Weather in Rome?"},
            {
                "role": "assistant", "content": None, "reasoning_content": "I must look.", "refusal": None,
                "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "18 C"},
            {"role": "user", "content": "And Paris?"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather"}}],
    })  # fmt: skip
    call, result = task.messages[1], task.messages[2]
    assert call.parts[1] == ToolUse(id="c1", name="weather", args={"city": "Rome"})
    assert result.parts == (ToolResult(id="c1", content="18 C"),)
    assert "I must look." not in task.text
    assert 'calls weather with {"city": "Rome"}' in task.text
    assert "18 C" in task.text


@pytest.mark.parametrize("message", [
    {"role": "user", "content": [{"type": "tool_call", "id": "", "name": "f", "args": {}}]},
    {"role": "system", "content": [{"type": "image", "sha256": "0" * 64, "media_type": "image/png"}]},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
    {"role": "user", "content": "x", "path": "/etc/passwd"},
    {"role": "user", "content": [{"type": "image", "sha256": "cat.png", "media_type": "image/png"}]},
])  # fmt: skip
def test_messages_that_no_model_could_have_said_are_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Message.model_validate(message)


def test_a_conversation_has_one_text() -> None:
    asked, told = Message(role="user", content=(CAT, Text(text="What is it?"))), Message(role="assistant", content="A cat")
    assert text_of([asked]) == "[picture cccccccccccc]\n\nWhat is it?"
    assert text_of([asked, told]).endswith("[assistant]\nA cat")
    assert Reply.of("4", reasoning="2 + 2").answer == "4"


def test_a_failed_call_says_nothing_of_its_candidate() -> None:
    with pytest.raises(ValidationError, match="failed call"):
        Evidence(call=ToolCall(tool="x", candidate=0), finding=Finding(content="no", supports=False), ok=False, seconds=0)
    with pytest.raises(ValidationError, match="votes"):
        Finding(content="x", votes=(3, 2))


def record(review: Review | None) -> PreferenceRecord:
    """Two generators wrote three responses; the first against the second is the pair."""
    written = (("A good", 9, "openai:big"), ("B bad", 2, "openai:small"), ("C mid", 5, "openai:small"))
    attempt = Attempt(
        round=0, prompts=Prompts(), critique=Critique(analysis="x", score=8),
        candidates=tuple(Candidate(index=i, output=text, model=model) for i, (text, _, model) in enumerate(written)),
        verdicts=tuple(Verdict(candidate=i, analysis="", score=score) for i, (_, score, _) in enumerate(written)),
        evidence=(Evidence(call=ToolCall(tool="t", candidate=1), finding=Finding(content="wrong", supports=False), seconds=0),),
        pair=PreferencePair(chosen=side(0, "A good", 9), rejected=side(1, "B bad", 2)),
    )  # fmt: skip
    return PreferenceRecord(task=Task(prompt="q"), status="accepted", attempts=(attempt,), best_attempt=0, review=review)


def lineage(found: PreferenceRecord) -> list[tuple[str, str | None, float | None]]:
    pair = found.pair
    assert pair is not None
    return [(str(one.origin), found.model_of(one), one.score) for one in (pair.chosen, pair.rejected)]


BIG, SMALL = ("candidate 0 of round 0", "openai:big", 9), ("candidate 1 of round 0", "openai:small", 2)


@pytest.mark.parametrize(("review", "sides"), [
    (None, [BIG, SMALL]),
    (Review(decision="accept"), [BIG, SMALL]),
    (Review(decision="swap"), [SMALL, BIG]),
    (Review(decision="edit", chosen="A better"), [("person", None, None), SMALL]),
    (Review(decision="edit", chosen=" A  good", rejected="worse"), [BIG, ("person", None, None)]),
    (Review(decision="edit", chosen="B bad", rejected="A good"), [SMALL, BIG]),
    (Review(decision="edit", chosen="B bad\n", rejected="worse"), [SMALL, ("person", None, None)]),
])  # fmt: skip
def test_each_side_keeps_who_wrote_it_and_its_own_score(review: Review | None, sides: list[object]) -> None:
    assert lineage(record(review)) == sides


@pytest.mark.parametrize(("review", "certainty"), [
    (Review(decision="accept"), 0.8),
    (Review(decision="edit", chosen="A good\n"), 0.8),
    (Review(decision="edit", chosen="A better"), None),
    (Review(decision="edit", rejected="worse"), None),
    (Review(decision="swap"), None),
])  # fmt: skip
def test_votes_stand_behind_the_sides_that_they_were_about(review: Review, certainty: float | None) -> None:
    pair = PreferencePair(chosen=side(0, "A good", 9), rejected=side(1, "B bad", 2), certainty=0.8)
    applied = review.apply(pair)
    assert applied is not None
    assert applied.certainty == certainty


def test_what_a_person_wrote_has_neither_verdict_nor_findings() -> None:
    found = record(Review(decision="edit", rejected="worse"))
    assert found.pair is not None
    assert found.best is not None
    assert found.pair.rejected.origin == PERSON
    assert found.best.verdict_of(found.pair.rejected) is None
    assert found.best.evidence_of(found.pair.rejected) == ()
    assert [one.finding.supports for one in found.best.evidence_of(found.best.pair.rejected)] == [False]  # type: ignore[union-attr]
