"""Scores against a task's reference."""

import pytest

from anyprefer.agents.judges.scorers import scorer_of
from anyprefer.errors import ConfigError
from anyprefer.types import Task

OPTIONS = "Which is a metal?\n\nA. wood\nB. iron\nC. water"


@pytest.mark.parametrize(
    ("name", "answer", "prompt", "reference", "expected"),
    [
        ("gsm8k", "48 / 2 = 24, and 48 + 24 = 72.\nAnswer: 72", "How many?", "So 48+24 = 72\n#### 72", 1),
        ("gsm8k", "Answer: 72.0", "How many?", "72", 1),
        ("gsm8k", "Answer: $1,200", "How much?", "#### 1200", 1),
        ("gsm8k", "Answer: 27", "How many?", "72", 0),
        ("gsm8k", "I do not know.", "How many?", "72", 0),
        ("arc_easy", "B", OPTIONS, "B", 1),
        ("arc_easy", "B. iron", OPTIONS, "B", 1),
        ("arc_challenge", "Answer: B", OPTIONS, "B", 1),
        ("arc_easy", "A", OPTIONS, "B", 0),
        ("arc_easy", "", OPTIONS, "B", 0),
        ("exact", "  dark  Matter", "Name it.", "Dark matter", 1),
        ("exact", '"Dark matter."', "Name it.", "Dark matter", 1),
        ("exact", "It is dark matter", "Name it.", "Dark matter", 0),
    ],
)
def test_scores(name: str, answer: str, prompt: str, reference: str, expected: float) -> None:
    assert scorer_of(name)(answer, Task(prompt=prompt, reference=reference)) == expected


def test_a_scorer_of_your_own() -> None:
    assert scorer_of("loopback:half")("x", Task(prompt="p")) == 0.5


@pytest.mark.parametrize(("name", "words"), [("gsm9k", "no benchmark 'gsm9k'"), ("loopback:nothing", "cannot import the scorer")])
def test_what_is_no_scorer_is_named(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        scorer_of(name)
