"""Prompts keep within a known context, and stay as they are where it is not known or large enough."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anyprefer.agents.material import LEAST_CHARS, RESPONSE_CHARS, TASK_CHARS, lay_out, response_blocks, task_block
from anyprefer.shortening import most_tokens, watch_cuts
from anyprefer.types import Candidate, Cut, Evidence, Finding, Message, Task, ToolCall

NONCE = "0123456789"
WORDS = "The river cut a deep canyon into the plateau over many million years. "


@dataclass(frozen=True)
class Sheet:
    """A task, responses and findings on one sheet."""

    task: str = "What is a canyon?"
    responses: tuple[str, ...] = ("A cleft.", "A river.")
    evidence: tuple[Evidence, ...] = ()

    def fill(self) -> tuple[Message, ...]:
        candidates = [Candidate(index=i, output=text) for i, text in enumerate(self.responses)]
        blocks = (task_block(Task(prompt=self.task), NONCE), response_blocks(candidates, NONCE, self.evidence))
        return (Message(role="system", content="Rate."), Message(role="user", content="\n\n".join(blocks)))


def shown(sheet: Sheet, context_tokens: int | None, max_tokens: int = 1024) -> tuple[str, list[Cut]]:
    model: Any = SimpleNamespace(role="judge", context_tokens=context_tokens, max_tokens=max_tokens)
    with watch_cuts() as cuts:
        messages = lay_out(cast(Any, model), sheet.fill)
    return messages[-1].content if isinstance(messages[-1].content, str) else "", cuts


@pytest.mark.parametrize("context_tokens", [None, 4096, 32_000])
def test_what_fits_stays_as_it_is(context_tokens: int | None) -> None:
    sheet = Sheet(WORDS * 20, tuple(f"{i}: {WORDS * 15}" for i in range(5)))
    assert shown(sheet, context_tokens) == (sheet.fill()[-1].content, [])


def test_without_a_known_context_each_text_has_its_own_limit() -> None:
    sheet = Sheet("t" * 30_000, ("a" * 9000, "b" * RESPONSE_CHARS))
    prompt, cuts = shown(sheet, None)
    assert [(cut.role, cut.what) for cut in cuts] == [("judge", "task"), ("judge", "response 1")]
    assert "b" * RESPONSE_CHARS in prompt
    assert len(prompt) < TASK_CHARS + 2 * RESPONSE_CHARS + 200
    assert shown(sheet, 100_000) == (prompt, cuts), "a large context raises no limit"


def test_a_small_context_shortens_the_longest_texts_to_one_length_and_leaves_the_rest() -> None:
    sheet = Sheet(WORDS * 300 + "Question: how old is it?", (WORDS * 100, "Ten million years.", WORDS * 90))
    prompt, cuts = shown(sheet, 4096)
    assert [(cut.role, cut.what) for cut in cuts] == [("judge", "task"), ("judge", "response 1"), ("judge", "response 3")]
    assert "Question: how old is it?" in prompt
    assert "Ten million years." in prompt
    lengths = {
        len(text) - cut.chars for text, cut in zip((sheet.task, sheet.responses[0], sheet.responses[2]), cuts, strict=True)
    }
    assert len(lengths) == 1
    assert 0.9 * 3072 < most_tokens(prompt) <= 3072, "no more goes than has to"


def test_a_reply_that_needs_the_whole_context_leaves_the_prompt_a_quarter() -> None:
    prompt, _ = shown(Sheet(WORDS * 300), 4096, max_tokens=8192)
    assert 0.9 * 1024 < most_tokens(prompt) <= 1024


def test_findings_are_shortened_as_well_and_called_by_the_candidate_not_by_its_place() -> None:
    call = ToolCall(tool="search", candidate=1)
    found = Evidence(call=call, finding=Finding(content="f" * 3000), seconds=0)
    candidates = [Candidate(index=1, output="r" * 9000), Candidate(index=0, output="short")]
    with watch_cuts("judge") as cuts:
        text = response_blocks(candidates, NONCE, [found])
    assert [cut.what for cut in cuts] == ["response 2", "search on response 2"]
    assert "<<search on response 1>>" in text


def test_no_text_is_made_shorter_than_its_least_length_for_a_context_that_nothing_fits() -> None:
    prompt, cuts = shown(Sheet(responses=tuple(f"{i}{WORDS * 10}" for i in range(26))), 300, max_tokens=200)
    assert len(cuts) == 26
    assert len(prompt) > 26 * (LEAST_CHARS - 50)
