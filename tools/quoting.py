"""Somebody else's words in a finding of our own."""

from anyprefer.remarks import leave_out_remarks

MAX_QUOTE = 200
"""Characters of foreign text that one sentence of evidence quotes."""


def quote(text: str) -> str:
    """Foreign text in one line of bounded length, without what it says to the judge: it would stand among our own words."""
    kept = leave_out_remarks(text[: 10 * MAX_QUOTE])
    shown = " ".join((kept if kept or not text else "(a remark to the judge)").split())
    return shown if len(shown) <= MAX_QUOTE else f"{shown[:MAX_QUOTE]}..."
