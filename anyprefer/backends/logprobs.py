"""Digits and their alternatives: what a server's token log-probabilities say about the numbers in a reply.

A small judge writes the same score for almost everything, but how sure it was of each digit still tells the responses apart.
Only the digits of a reply are kept: the rest of the distribution is large and of no use here.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

TOP = 20
"""Alternatives asked for at each token; the most that the OpenAI protocol allows."""

LEAST_MASS = 0.05
"""Least share of probability on digits for their distribution to mean anything."""

Digits = list[tuple[int, dict[str, float]]]
"""For each token that is one digit: its place in the reply in UTF-8 bytes, and digit -> log-probability."""


def find_digits(text: str, content: Sequence[Mapping[str, Any]] | None) -> Digits:
    """Pick the one-digit tokens out of a reply's log-probabilities.

    Args:
        text: The reply. Servers may have cut the code fence around it that its tokens still show.
        content: The protocol's `logprobs.content`: one entry for each token, with its alternatives.
    """
    tokens = [_token_bytes(entry) for entry in content or ()]
    start = b"".join(tokens).find(text.encode("utf-8", "replace"))
    if start < 0:
        return []
    place, found = -start, []
    for entry, token in zip(content or (), tokens, strict=True):
        place += len(token)
        if re.fullmatch(rb"\s*[0-9]", token):
            others = {str(other["token"]).strip(): float(other["logprob"]) for other in reversed(entry["top_logprobs"])}
            found.append((place - 1, {digit: value for digit, value in others.items() if re.fullmatch(r"[0-9]", digit)}))
    return found


def _token_bytes(entry: Mapping[str, Any]) -> bytes:
    return bytes(entry["bytes"]) if entry.get("bytes") else str(entry["token"]).encode("utf-8", "replace")


def expected_digits(text: str, key: str, digits: Digits) -> list[float] | None:
    """The expected value of each digit that stands under a key of a JSON reply, in the order in which they stand there.

    Args:
        text: The reply: a JSON object whose last occurrence of `key` holds one digit, or a list of digits.
        key: Such as "score".
        digits: Of the same reply, from `find_digits`.

    Returns:
        Values from 0 to 9, or None where the server gave no usable distribution.
    """
    places = _digit_places(text, key)
    known = dict(digits)
    values = [_expectation(known.get(place, {})) for place in places]
    return [value for value in values if value is not None] if values and None not in values else None


def _digit_places(text: str, key: str) -> list[int]:
    found = list(re.finditer(rf'(?<!\\)"{re.escape(key)}"\s*:\s*(\[[\s0-9,]*\]|[0-9])', text))
    if not found:
        return []
    start = found[-1].start(1)
    before = len(text[:start].encode("utf-8"))
    return [before + match.start() for match in re.finditer(r"[0-9]", found[-1][1])]


def _expectation(logprobs: Mapping[str, float]) -> float | None:
    weights = {int(digit): math.exp(value) for digit, value in logprobs.items()}
    mass = sum(weights.values())
    return sum(digit * weight for digit, weight in weights.items()) / mass if mass >= LEAST_MASS else None
