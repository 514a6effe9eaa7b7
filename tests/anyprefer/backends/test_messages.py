"""Thoughts stand apart from answers, wherever a server puts them; what ended badly is never called complete."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration

from anyprefer.backends.messages import finish_reason_of, reply_of, to_langchain
from anyprefer.errors import DataError
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Image, Message, Reasoning, Reply, Task, Text, ToolResult, ToolUse, ending_of

_QUOTES = ("`", "'", '"', "\u201c", "\u201d", "\u2018", "\u2019")


@pytest.mark.parametrize(
    ("text", "thought", "answer", "closed"),
    [
        ("<think>plan</think>Answer", "plan", "Answer", True),
        ("\n<think>\nplan\n</think>\n\nAnswer", "plan", "Answer", True),
        ("plan\n</think>\n\nAnswer", "plan", "Answer", True),
        ("<think></think>\n\nAnswer", "", "Answer", True),
        ("<think>one</think><think>two</think>Answer", "one\n\ntwo", "Answer", True),
        ("<THINK>plan</Think> Answer", "plan", "Answer", True),
        ("[THINK]plan[/THINK]Answer", "plan", "Answer", True),
        ("<seed:think>plan</seed:think>Answer", "plan", "Answer", True),
        ("<think>plan that hits the limit", "plan that hits the limit", "", False),
        ("<think>one</think><think>two", "one\n\ntwo", "", False),
        ("No thought at all", "", "No thought at all", True),
        ("  Layout stays\n", "", "  Layout stays\n", True),
        ("Write `</think>` to end it", "", "Write `</think>` to end it", True),
        ("Use <think>x</think> for that", "", "Use <think>x</think> for that", True),
        ('We get "4"</think>4', 'We get "4"', "4", True),
        ("It is `x`.</think>`x`", "It is `x`.", "`x`", True),
        ('<think>end = "</think>" here</think>Answer', 'end = "</think>" here', "Answer", True),
        ('<think>They say "4"</think>"4"', 'They say "4"', '"4"', True),
        ("<think>split('</think>')", "split('</think>')", "", False),
    ],
)
def test_inline_thoughts_are_set_apart(text: str, thought: str, answer: str, closed: bool) -> None:
    assert split_thoughts(text) == (thought, answer, closed)


@given(st.text(), st.text())
def test_any_thought_comes_apart_from_any_answer(thought: str, answer: str) -> None:
    plain = [part for part in (thought, answer) if "think" in part.lower() or "thought" in part.lower()]
    is_quoted = thought[-1:] in _QUOTES and answer[:1] in _QUOTES
    if not plain and answer.strip() and "</" not in thought and not is_quoted:
        assert split_thoughts(f"<think>{thought}</think>{answer}") == (thought.strip(), answer.lstrip(), True)


def test_thoughts_of_all_forms_give_the_same_reply() -> None:
    wanted = Reply.of("Four", reasoning="2 and 2")
    found = [
        AIMessage("<think>2 and 2</think>Four"),
        AIMessage("Four", additional_kwargs={"reasoning_content": "2 and 2"}, response_metadata={"model_provider": "openai"}),
        AIMessage([{"type": "reasoning", "reasoning": "2 and 2"}, {"type": "text", "text": "Four"}]),
        AIMessage([{"type": "thinking", "thinking": [{"type": "text", "text": "2 and 2"}]}, {"type": "text", "text": "Four"}]),
    ]
    assert [reply_of(message, "stop") for message in found] == [(wanted, "complete")] * 4


def test_an_answer_in_several_blocks_is_read_as_it_was_said() -> None:
    blocks = [{"type": "text", "text": text} for text in ("<think>2 and", " 2</think>", "Fo", "ur", " point five")]
    assert reply_of(AIMessage(list(blocks)), "stop") == (Reply.of("Four point five", reasoning="2 and 2"), "complete")


def test_a_thought_without_an_end_is_cut_off_whatever_the_server_says() -> None:
    reply, ending = reply_of(AIMessage("<think>hm"), "stop")
    assert (reply.answer, reply.reasoning, ending) == ("", "hm", "cut")


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (None, "complete"), ("stop", "complete"), ("STOP", "complete"), ("end_turn", "complete"), ("tool_calls", "complete"),
        ("length", "cut"), ("max_tokens", "cut"), ("content_filter", "filtered"), ("SAFETY", "filtered"),
        ("error", "failed"), ("abort", "failed"), ("insufficient_system_resource", "failed"), ("pause_turn", "failed"),
        ("model_context_window_exceeded", "cut"), ("COMPLETE", "complete"), ("guardrail_intervened", "filtered"),
    ],
)  # fmt: skip
def test_good_endings_are_a_list_of_known_words(reason: str | None, ending: str) -> None:
    assert ending_of(reason) == ending


@pytest.mark.parametrize(
    ("info", "metadata", "reason"),
    [
        ({"finish_reason": "stop"}, {"stop_reason": "max_tokens"}, "stop"),
        (None, {"stop_reason": "max_tokens"}, "max_tokens"),
        ({"logprobs": None}, {"stopReason": "end_turn"}, "end_turn"),
        ({"done_reason": "length"}, {}, "length"),
        ({"finish_reason": None}, {}, None),
        (None, {"prompt_feedback": {"block_reason": "OTHER"}}, "content_filter"),
        (None, {}, None),
    ],
)
def test_the_word_for_an_ending_is_found_wherever_a_provider_keeps_it(info: Any, metadata: Any, reason: str | None) -> None:
    assert finish_reason_of(ChatGeneration(message=AIMessage("x", response_metadata=metadata), generation_info=info)) == reason


def test_a_reply_whose_call_cannot_be_read_has_not_ended_well() -> None:
    broken = {"type": "invalid_tool_call", "id": "c", "name": "f", "args": "{", "error": "no JSON"}
    assert reply_of(AIMessage("Let me look.", invalid_tool_calls=[broken]), "tool_calls")[1] == "failed"
    assert reply_of(AIMessage("Let me look.", invalid_tool_calls=[broken]), "length")[1] == "cut"


def test_calls_survive_the_way_there_and_back() -> None:
    call = ToolUse(id="c1", name="weather", args={"city": "Rome"})
    said = Message(role="assistant", content=(Reasoning(text="I must look."), Text(text="Let me see."), call))
    result = Message(role="tool", content=(ToolResult(id="c1", content="18 C"),), name="weather")
    system, asked, told, found = to_langchain((
        Message(role="system", content="Be brief"), Message(role="user", content="Rome?", name="ann"), said, result,
    ))  # fmt: skip
    assert isinstance(system, SystemMessage)
    assert (type(asked), asked.name) == (HumanMessage, "ann")
    assert isinstance(told, AIMessage)
    assert (told.content, told.tool_calls[0]["args"]) == ("Let me see.", {"city": "Rome"})
    assert isinstance(found, ToolMessage)
    assert (found.content, found.tool_call_id) == ("18 C", "c1")
    assert reply_of(told, "tool_calls")[0].calls == (call,)


def test_calls_without_ids_are_paired_with_their_results_in_their_order() -> None:
    calls = (ToolUse(name="a"), ToolUse(id="call_1", name="b"), ToolUse(name="c"))
    results = (ToolResult(content="of a"), ToolResult(id="call_1", content="of b"))
    asked, of_a, of_b, of_c = to_langchain((
        Message(role="assistant", content=calls), Message(role="tool", content=results), Message(role="tool", content="of c"),
    ))  # fmt: skip
    assert isinstance(asked, AIMessage)
    assert [call["id"] for call in asked.tool_calls] == ["call_2", "call_1", "call_3"]
    assert [one.tool_call_id for one in (of_a, of_b, of_c) if isinstance(one, ToolMessage)] == ["call_2", "call_1", "call_3"]


def test_pictures_are_refused_not_dropped() -> None:
    task = Task(prompt=(Message(role="user", content=(Image(sha256="0" * 64, media_type="image/png"), Text(text="What?"))),))
    with pytest.raises(DataError, match="pictures"):
        to_langchain(task.messages)
