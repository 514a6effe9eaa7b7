"""What can be seen of a response without reading it: length, layout, phrases. A preference that these predict can be gamed."""

import re
from collections.abc import Callable, Mapping

from anyprefer.analysis.patterns import is_cut_off
from anyprefer.analysis.phrases import DISCLOSURE, REFUSAL
from anyprefer.wording import words

_LIST_ITEM = re.compile(r"^\s{0,12}(?:[-*•+]|\d{1,3}[.)])\s", re.MULTILINE)
_MARKDOWN = re.compile(r"\*\*|__|`|^#{1,6}\s|^[ \t]{0,12}\|", re.MULTILINE)
_FORMULA = re.compile(r"\$[^$\n]{1,200}\$|\\[([a-z]{2,}|[0-9)]\s?[=+*/^]\s?[(0-9]")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_HEDGE = re.compile(r"\b(?:might|may|perhaps|maybe|could|possibly|probably|seems?|likely)\b", re.IGNORECASE)
_POLITE = re.compile(r"\b(?:sorry|apologi[sz]e|please|thank|happy to|certainly|of course|sure|great question)\b", re.IGNORECASE)


def describe(response: str, prompt: str) -> dict[str, float]:
    """Feature name -> value; every feature is about the response alone, but for its overlap with the prompt."""
    found, asked = words(response), frozenset(words(prompt))
    chars, count = max(1, len(response)), max(1, len(found))
    letters = max(1, sum(map(str.isalpha, response)))
    shares = {
        "share of digits": sum(map(str.isdigit, response)) / chars,
        "share of capitals": sum(map(str.isupper, response)) / letters,
        "share of punctuation": sum(not letter.isalnum() and not letter.isspace() for letter in response) / chars,
        "different words per word": len(set(found)) / count,
        "letters per word": sum(map(len, found)) / count,
        "words from the prompt": sum(word in asked for word in found) / count,
    }
    counts = {
        "characters": len(response), "words": len(found), "lines": response.count("\n") + 1,
        "sentences": len(_SENTENCE_END.findall(response)), "numbers": sum(word.isdigit() for word in found),
    }  # fmt: skip
    return {
        **{name: float(value) for name, value in counts.items()},
        **shares,
        **{name: test(response) for name, test in _MARKS.items()},
    }


def _number_of(pattern: re.Pattern[str]) -> Callable[[str], float]:
    return lambda text: float(len(pattern.findall(text)))


_MARKS: Mapping[str, Callable[[str], float]] = {
    "list items": _number_of(_LIST_ITEM),
    "Markdown marks": _number_of(_MARKDOWN),
    "formulas": _number_of(_FORMULA),
    "code blocks": lambda text: float(text.count("```") // 2),
    "question marks": lambda text: float(text.count("?")),
    "exclamation marks": lambda text: float(text.count("!")),
    "hedging words": _number_of(_HEDGE),
    "polite phrases": _number_of(_POLITE),
    "ends with punctuation": lambda text: float(text.rstrip().endswith((".", "!", "?", '"', ")", "`", "”"))),
    "cut off": lambda text: float(is_cut_off(text)),
    "refuses": lambda text: float(REFUSAL.search(text[:400]) is not None),
    "names itself an AI": lambda text: float(DISCLOSURE.search(text) is not None),
    "starts with a capital": lambda text: float(text.lstrip()[:1].isupper()),
}

FEATURES: tuple[str, ...] = tuple(describe("", ""))
"""Their names, in the order of `describe`."""
