"""Read expressions of arithmetic out of prose and compute them exactly.

One pattern, linear in the text, finds them together with the units between their numbers. Python's own grammar then parses the
signs, with a name in place of each number, and fractions do the rest. Nothing in the text is ever executed, and what could grow
without bound (length, depth, digits, powers) has a limit. Mixed numbers, roots, functions and dates are no expressions here: a
place that contains them is not read.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

MAX_SIDE = 400
"""Characters of one expression; no calculation that a person writes on a line is longer."""
MAX_SNIPPET = 120
"""Longest quotation of an expression in characters."""
MAX_BITS = 4096
"""Size of any numerator or denominator on the way; 2**1000 fits, 9**9**9 is refused unseen."""

CURRENCY = "$€£¥₹"

_SIGNS = str.maketrans(
    {**dict.fromkeys("×∙⋅·∗✕✖", "*"), **dict.fromkeys("÷∕⁄", "/"), **dict.fromkeys("−–‒", "-"), "’": "'", "²": "^2", "³": "^3",
     "≤": "<=", "≥": ">=", "≠": "!=", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "[": "(", "]": ")",
     **dict.fromkeys("\r\v\f\u2028\u2029", "\n")}
)  # fmt: skip
_REWRITES = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"```(?s:.*?)(?:```|\Z)|`[^`\n]*`", " @ "),
        (r"\\(?:text|textbf|mathrm|mathbf|boxed)\{([^{}]*)\}", r" \1 "),
        (r"\\(?:times|cdot)(?![a-zA-Z])", "*"),
        (r"\\div(?![a-zA-Z])", "/"),
        (r"\\approx(?![a-zA-Z])", "≈"),
        (r"\\(?:begin|end)\{[a-zA-Z*]++\}|\\\\", "\n"),
        (r"\\([$%])", r"\1"),
        (r"\{,\}", ","),
        (r"\\[,;:! ()\[\]]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|&", " "),
        (r"(?<![0-9])\\[dt]?frac\{([\w.,$]*)\}\{([\w.,$]*)\}", r"(\1/\2)"),
        (r"(?<![0-9])\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))"),
        (r"^[ \t]*(?:[*+•-]|\(?[0-9a-z]{1,2}[.)])[ \t]+", ""),
        (r"(?<=[\w)])\*\*(?=[\w(-])|(?<= )\*\*(?= )", "^"),
        (r"\*\*|(?<=[0-9])-(?=[^\W\d_]{2})", " "),
        (r"[^\S\n]++|(?<!\s)\s++(?=[=≈])", " "),
    )
]  # fmt: skip
"""LaTeX, list marks and Markdown as plain arithmetic; code follows other rules and goes."""

_NUMBER = r"(?:(?!0[0-9])(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?+|\.[0-9]++)"
_NAME = r"[a-zA-Z](?![\w'])"
_CROSS = r"[xX](?= ?[$(0-9.])"
_OF = r"of(?= [$(0-9])"
_CLAUSE = (
    "and|or|so|then|thus|hence|therefore|the|he|she|it|they|we|you|is|are|was|were|be|has|have|had|that|which|who|for|to|gives|"
    "makes|because|if|but|while|when|than|more|less|twice|half|not|from|with|get|gets|total|times|plus|minus|equals"
)
"""Words with which a new clause begins, so that they are no unit."""
_LETTERS = r"(?:[^\W\d_](?:[^\W\d_]|')++(?!\w)|a\b)(?: ?\^ ?[0-9](?![0-9]))?+"
_UNITS = rf"(?:(?: ?/ ?{_LETTERS}| (?!(?:{_CLAUSE})\b|{_CROSS}){_LETTERS}){{1,5}}+(?= ?(?:[-+*/^=≈<>!)]|{_CROSS})))?+"
_VALUE = rf"(?:{_NUMBER}(?![0-9_]|[.,:][0-9]|[^\W\d_]{{2}})%?+(?: ?[{CURRENCY}](?! ?[0-9]))?+{_UNITS}|{_NAME})"
_OPERAND = rf"(?:[-({CURRENCY}] ?){{0,30}}+{_VALUE}(?:(?: ?\))++{_UNITS})?+"
_SIGN = rf"(?: ?[-+*/^] ?| ?{_CROSS} ?|(?:(?<=[%)])|(?<=/[0-9])|(?<=/[0-9]{{2}})|(?<=/[0-9]{{3}})) {_OF} |(?=\()| ?(?={_NAME}))"
_SIDE = rf"{_OPERAND}(?:{_SIGN}{_OPERAND})*+"
_ROUGHLY = r"(?:(?:about|approximately|approx|roughly|around|nearly|almost)\b ?)?+"
_RELATION = rf" ?(?<![-+*/:^=<>!])(?:[<>!]=|==?|[<>≈])(?![=<>]) ?{_ROUGHLY}"

CHAIN = re.compile(rf"(?<![\w.])(?<![0-9][,:]){_SIDE}(?:{_RELATION}{_SIDE})*+")
"""One side or more, as in a = b = c."""
RELATION = re.compile(f"({_RELATION})")
_PART = re.compile(
    rf"(?P<number>{_NUMBER})(?P<percent>%?)|(?P<product>{_CROSS}|{_OF})"
    rf"|(?P<name>{_NAME}(?!(?<=a) [^\W\d_]))|(?P<word>(?:/ ?)?{_LETTERS})|(?P<sign>[-+*/^()])"
)
_BRACES = str.maketrans("{}", "()")
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ComputeError(ValueError):
    """Raised where an expression has no value that this module computes; callers skip the equation."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a text."""

    text: str
    """As it stands there, without a currency sign before it."""
    code: ast.expr
    """n0 stands for the first number, and the variables for themselves."""
    numbers: tuple[tuple[str, bool], ...]
    """Each number as it stands there, and whether it has a percent sign."""
    names: frozenset[str]
    """Its variables."""
    words: tuple[str, ...]
    """What stands behind its numbers: units, in lower case."""

    @property
    def is_calculation(self) -> bool:
        """Whether it has an operation; a bare or negated number has none."""
        return any(isinstance(node, ast.BinOp) for node in ast.walk(self.code))

    def values(self, unknown: Fraction | None = None) -> list[Fraction]:
        """What it may be worth: a percent sign divides by 100, or only labels its number.

        Raises:
            ComputeError: Division by zero, a power that is no small integer, a variable without a value, or a limit exceeded.
        """
        values = [self.compute(self.code, percent, unknown) for percent in (100, 1)]
        return values[:1] if values[0] == values[1] else values

    def compute(self, node: ast.expr, percent: int = 100, unknown: Fraction | None = None) -> Fraction:
        """Compute a part of the expression.

        Args:
            node: The part's code.
            percent: What a percent sign divides by.
            unknown: The value of the variable.

        Raises:
            ComputeError: See `values`.
        """
        if isinstance(node, ast.Name) and node.id[1:]:
            digits, is_percentage = self.numbers[int(node.id[1:])]
            return Fraction(digits.replace(",", "")) / (percent if is_percentage else 1)
        if isinstance(node, ast.Name) and unknown is not None:
            return unknown
        if isinstance(node, ast.UnaryOp):
            value = self.compute(node.operand, percent, unknown)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            return _apply(node.op, self.compute(node.left, percent, unknown), self.compute(node.right, percent, unknown))
        raise ComputeError("this is no arithmetic, or a variable without a value")


def plain_text(text: str) -> str:
    """Rewrite unicode signs, LaTeX and Markdown as plain arithmetic."""
    text = text.translate(_SIGNS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.translate(_BRACES)


def parse_expression(text: str) -> Expression | None:
    """Parse a text that is one expression, units included; None where it is not."""
    if len(text) > MAX_SIDE:
        return None
    signs, numbers, names, words, end = list[str](), list[tuple[str, bool]](), set[str](), list[str](), 0
    for match in _PART.finditer(text):
        sign = match["sign"] or ("*" if match["product"] else match["name"])
        if match["number"]:
            sign = f"n{len(numbers)}"
            numbers.append((match["number"], bool(match["percent"])))
        elif match["word"]:
            words.append(match["word"].strip("/ ").lower())
            continue
        if signs and (match["name"] or sign == "(") and signs[-1] not in "+-*/^(":
            signs.append("*")
        if match["name"]:
            names.add(sign)
        signs.append(sign)
        end = match.end()
    try:
        code = ast.parse(" ".join(signs).replace("^", "**"), mode="eval").body
    except (SyntaxError, MemoryError, RecursionError):
        return None
    snippet = text[:end].lstrip(f"{CURRENCY} ")
    shown = snippet if len(snippet) <= MAX_SNIPPET else f"{snippet[:MAX_SNIPPET]}..."
    return Expression(shown, code, tuple(numbers), frozenset(names), tuple(words))


def _apply(sign: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    """Apply one operation after checking that its result stays small."""
    if (isinstance(sign, ast.Div) and right == 0) or (isinstance(sign, ast.Pow) and left == 0 and right < 0):
        raise ComputeError("division by zero")
    if isinstance(sign, ast.Pow):
        if right.denominator > 1 or abs(right) * _bits(left) > MAX_BITS:
            raise ComputeError("the power is no integer or too large")
        return Fraction(left ** int(right))
    if _bits(left) + _bits(right) > MAX_BITS:
        raise ComputeError("the result is too large")
    return _OPERATORS[type(sign)](left, right)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
