"""Split prose into the tokens of arithmetic: unicode signs and LaTeX included, code left out.

A token's kind says what its neighbours imply as well: "x" is a sign in "3 x 4" and a variable in "2x + 3", "a" is an article
in "8 hours a day". Signs that this package cannot compute with, such as roots, dates and times of day, get the kind "other".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Kind = Literal["number", "name", "op", "open", "close", "frac", "percent", "relation", "word", "mark", "newline", "other"]


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the text; `start` and `end` are offsets into the text given to `scan`."""

    kind: Kind
    text: str
    start: int
    end: int


_SIGNS = str.maketrans(
    {
        **dict.fromkeys("×∙⋅·∗✕✖", "*"), **dict.fromkeys("÷∕⁄", "/"), **dict.fromkeys("−–‒", "-"), "²": "^2", "³": "^3",
        "≤": "<=", "≥": ">=", "≠": "!=", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}", "\u00a0": " ", "\u202f": " ", "\r": "\n", "\v": "\n", "\f": "\n", "\u2028": "\n", "\u2029": "\n",
    }
)  # fmt: skip
_LATEX = (
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|boxed)\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\approx(?![a-zA-Z])"), "≈"),
    (re.compile(r"\\(?:leq?|leqslant)(?![a-zA-Z])"), "<="),
    (re.compile(r"\\(?:geq?|geqslant)(?![a-zA-Z])"), ">="),
    (re.compile(r"\\neq?(?![a-zA-Z])"), "!="),
    (re.compile(r"\\(?:begin|end)\{[a-zA-Z*]++\}|\\\\"), "\n"),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[,;:! ()\[\]]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|&"), " "),
    (re.compile(r"\{,\}"), ","),
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_LIST_MARK = re.compile(r"^[ \t]*(?:[*+•]|\(?[0-9a-z]{1,2}[.)])[ \t]+", re.MULTILINE)
_TOKEN = re.compile(
    r"""
    (?P<space>[^\S\n]++|[$€£¥₹]|(?<=[0-9])-(?=[^\W\d_]{2}))
    |(?P<newline>\n\s*+)
    |(?P<clock>[0-9]++(?::[0-9]++)++)
    |(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++)
    |(?P<arrow>={3,}+|[-=]{1,5}>|<-+|[-+*/:^]=)
    |(?P<relation>==|<=|>=|!=|[=<>≈])
    |(?P<power>(?<=[\w)])\*\*(?=[\w(-])|(?<=\ )\*\*(?=\ )|\^)
    |(?P<bold>\*\*)
    |(?P<times>(?<=[0-9)])[xX](?=[0-9.$]))
    |(?P<op>[-+*/])
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<frac>\\[dt]?frac(?=\{))
    |(?P<percent>%)
    |(?P<word>[^\W\d_][\w'’]*+)
    |(?P<mark>[,.;:!?"“”'‘’…—#|])
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD_OPERATORS = {"times": "*", "plus": "+", "minus": "-", "equals": "="}
_ATTACHED_UNITS = frozenset(
    "kg mg lb lbs oz km cm mm ft in yd mi ml hr hrs min mins sec secs mph kph kwh usd eur cents hours days miles".split()
)


def plain_text(text: str) -> str:
    """Rewrite unicode signs and LaTeX as ASCII arithmetic, without list marks and code, which follows other rules."""
    text = _LIST_MARK.sub("", _CODE.sub(" @ ", text)).translate(_SIGNS)
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    return text


def scan(text: str) -> list[Token]:
    """Split text that went through `plain_text` into tokens, in linear time."""
    return _classify(list(_raw_tokens(text)))


def _raw_tokens(text: str) -> Iterator[Token]:
    kinds: dict[str, Kind] = {"clock": "other", "arrow": "other", "power": "op", "times": "op"}
    texts = {"power": "^", "times": "*"}
    for match in _TOKEN.finditer(text):
        group = match.lastgroup or "other"
        if group in ("space", "bold"):
            continue
        kind: Kind = kinds.get(group, group)  # type: ignore[arg-type]
        yield Token(kind, texts.get(group, match[0]), match.start(), match.end())


def _classify(raw: list[Token]) -> list[Token]:
    """Give words, letters and unusual numbers the kind that their neighbours imply."""
    tokens: list[Token] = []
    for index, token in enumerate(raw):
        after = raw[index + 1] if index + 1 < len(raw) else None
        if token.kind == "newline" and after is not None and after.kind == "relation":
            continue
        if token.kind == "word":
            tokens.append(_read_word(token, tokens[-1] if tokens else None, after))
        elif token.kind == "number" and _is_odd_number(token, raw, index):
            tokens.append(Token("other", token.text, token.start, token.end))
        else:
            tokens.append(token)
    return tokens


def _is_odd_number(token: Token, raw: list[Token], index: int) -> bool:
    """Whether a number belongs to a version, a date, a code or a list such as 1.2.3, 007 or 3,4."""
    if len(token.text) > 1 and token.text[0] == "0" and token.text[1] != ".":
        return True
    for step in (-1, 1):
        near = [raw[index + step * k] for k in (1, 2) if 0 <= index + step * k < len(raw)]
        touching = [token, *near] if step == 1 else [*reversed(near), token]
        joined = all(left.end == right.start for left, right in pairwise(touching))
        if len(near) == 2 and joined and near[0].text in ",." and near[1].kind == "number":
            return True
        if near and near[0].kind == "number" and (token.end == near[0].start or near[0].end == token.start):
            return True
    return False


def _read_word(token: Token, before: Token | None, after: Token | None) -> Token:
    lower = token.text.lower()
    follows_value = before is not None and (before.kind in ("number", "close", "percent"))
    precedes_value = after is not None and after.kind in ("number", "open", "frac")
    follows_unit = before is not None and before.kind == "word" and before.end < token.start
    if lower == "x" and precedes_value and (follows_value or follows_unit):
        return Token("op", "*", token.start, token.end)
    if lower in _WORD_OPERATORS and follows_value and precedes_value:
        sign = _WORD_OPERATORS[lower]
        return Token("relation" if sign == "=" else "op", sign, token.start, token.end)
    attached = before is not None and before.kind == "number" and before.end == token.start
    if len(token.text) == 1:
        return Token(_letter_kind(token, before, after), token.text, token.start, token.end)
    if not token.text.replace("'", "").replace("’", "").isalpha() or (attached and lower not in _ATTACHED_UNITS):
        return Token("other", token.text, token.start, token.end)
    return token


def _letter_kind(token: Token, before: Token | None, after: Token | None) -> Kind:
    """A lone letter is a variable only where its neighbours are arithmetic; "a day" has an article."""
    if not token.text.isascii():
        return "other"
    if after is not None and after.kind == "open" and after.start == token.end and token.text not in "xyz":
        return "other"
    attached = before is not None and before.kind == "number" and before.end == token.start
    if attached or (after is not None and after.kind in ("op", "relation", "close")):
        return "name"
    return "name" if before is not None and before.kind in ("op", "relation", "open") else "word"
