"""Somebody else's words in a finding of our own."""

from anyprefer.remarks import leave_out_remarks
from anyprefer.tools.answers import MAX_ANSWER_CHARS, MAX_ANSWER_WORDS

MAX_QUOTE = 200
"""Characters of foreign text that one sentence of evidence quotes."""


def quote(text: str) -> str:
    """Foreign text in one line of bounded length, without what it says to the judge: it would stand among our own words."""
    kept = leave_out_remarks(text[: 10 * MAX_QUOTE])
    shown = " ".join((kept if kept or not text else "(a remark to the judge)").split())
    return shown if len(shown) <= MAX_QUOTE else f"{shown[:MAX_QUOTE]}..."


def quote_value(text: str) -> str:
    """What a program printed, where it is as short as an answer; of anything longer its size alone.

    A response's own program can print whatever would please its judge, and prose says nothing about what it computes.
    """
    words = text.split()
    if len(words) <= MAX_ANSWER_WORDS and len(" ".join(words)) <= MAX_ANSWER_CHARS:
        return quote(text)
    return f"{len(text)} characters of text"
