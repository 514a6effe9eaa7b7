r"""Read arithmetic out of prose and compute it exactly.

Tokens (`anyprefer.tools.tokens`) become expression trees (`parse_expression`), trees become sympy values (`evaluate`).
Nothing in the text is ever executed: the parser is a recursive descent over its own tokens, and every step that could grow
without bound (length, depth, digits, powers, degree) has a limit and raises `ArithmeticSyntaxError` beyond it.

Covered: decimals and thousands separators, + - * / ^ and their unicode and LaTeX forms, \frac, percentages, "20% of 50",
mixed numbers, implicit products (2x, 3(4+5)), one-letter variables, units between the numbers. Not covered: roots,
factorials, functions, irrational constants; a text around such signs counts as unreadable, not as wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anyprefer.tools.tokens import Kind, Token

MAX_TOKENS = 120
"""Tokens of one expression; no calculation that a person writes on a line is longer."""
MAX_DEPTH = 30
"""Nesting of brackets, signs and powers, far below Python's recursion limit."""
MAX_DIGITS = 40
"""Digits of one number."""
MAX_BITS = 4096
"""Size of any numerator, denominator or coefficient on the way; 2**1000 fits, 2**100000 and 9**9**9 are refused unseen."""
MAX_DEGREE = 8
"""Total degree of a polynomial."""
MAX_VARIABLES = 3
"""Variables of one equation; together with the degree this bounds a polynomial to 165 terms."""

_CLAUSE_WORDS = frozenset(
    "and or so then thus hence therefore the he she it they we you i is are was were be has have had that which who for to "
    "gives makes if but while when than more less twice half not from with get gets total times".split()
)
"""Words that show that a new clause began, where a unit was expected."""


class ArithmeticSyntaxError(ValueError):
    """Raised where tokens are no expression that this module supports; callers skip the place."""


class ExpressionTooLargeError(ArithmeticSyntaxError):
    """Raised where an expression is too long or too deep to be parsed; callers skip the line, which bounds their work."""


@dataclass(frozen=True, slots=True)
class Node:
    """An expression tree: `op` is an operator, or "number", "name" or "percent" for the leaves and their sign."""

    op: str
    args: tuple["Node", ...] = ()
    text: str = ""


@dataclass(slots=True)
class Expression:
    """An expression together with what a reader needs to know before calling it wrong."""

    node: Node
    start: int
    end: int
    """Token indices, the end excluded; units after the last number belong to the expression."""
    doubts: set[str] = field(default_factory=set)
    """Reasons to believe that the text is no plain arithmetic."""
    units: list[str] = field(default_factory=list)
    """Words that follow the numbers, lower case."""


def starts_operand(tokens: Sequence[Token], index: int) -> bool:
    """Whether an operand can begin at this token."""
    if index >= len(tokens):
        return False
    token = tokens[index]
    return token.kind in ("number", "name", "open", "frac") or (token.kind == "op" and token.text in "+-")


def parse_expression(tokens: Sequence[Token], start: int) -> Expression:
    """Parse the longest expression that begins at `start`.

    Raises:
        ArithmeticSyntaxError: The tokens are no supported expression.
        ExpressionTooLargeError: The expression is too long or too deep.
    """
    parser = _Parser(tokens, start)
    node = parser.parse_sum(0)
    return Expression(node, start, parser.pos, parser.doubts, parser.units)


class _Parser:
    """Recursive descent: sum > product > sign > power > primary."""

    def __init__(self, tokens: Sequence[Token], start: int) -> None:
        self.tokens, self.start, self.pos = tokens, start, start
        self.doubts: set[str] = set()
        self.units: list[str] = []

    def parse_sum(self, depth: int) -> Node:
        left = self.parse_product(depth)
        while self._at_operator("+-"):
            sign = self._take()
            right = self.parse_product(depth)
            if _is_percentage(left) != _is_percentage(right):
                self.doubts.add("percent of a sum")
            if sign.text == "-" and self._is_range(left, right, sign):
                self.doubts.add("range")
            left = Node(sign.text, (left, right))
        return left

    def parse_product(self, depth: int) -> Node:
        left = self.parse_sign(depth)
        while True:
            if self._at_operator("*/"):
                left = Node(self._take().text, (left, self.parse_sign(depth)))
            elif self._at_of():
                self._take()
                left = Node("*", (left, self.parse_sign(depth)))
            elif self._at_implicit():
                if left.op == "/":
                    self.doubts.add("implicit product after a division")
                left = Node("*", (left, self.parse_power(depth)))
            else:
                return left

    def parse_sign(self, depth: int) -> Node:
        self._check_depth(depth)
        if self._at_operator("+-"):
            sign = self._take().text
            operand = self.parse_sign(depth + 1)
            if operand.op == "^":
                self.doubts.add("sign before a power")
            return Node("neg", (operand,)) if sign == "-" else operand
        return self.parse_power(depth)

    def parse_power(self, depth: int) -> Node:
        base = self.parse_primary(depth)
        if self._at_operator("^"):
            self._take()
            return Node("^", (base, self.parse_sign(depth + 1)))
        return base

    def parse_primary(self, depth: int) -> Node:
        self._check_depth(depth)
        token = self._take()
        if token.kind == "number":
            node = self._parse_mixed(token)
        elif token.kind == "name":
            return Node("name", text=token.text)
        elif token.kind == "frac":
            node = Node("/", (self._parse_group(depth), self._parse_group(depth)))
        elif token.kind == "open":
            self.pos -= 1
            node = self._parse_group(depth)
        else:
            raise ArithmeticSyntaxError(f"{token.text!r} is no operand")
        if self._kind() == "percent":
            self._take()
            node = Node("percent", (node,))
        self._skip_units()
        return node

    def _parse_group(self, depth: int) -> Node:
        if self._take().kind != "open":
            raise ArithmeticSyntaxError("expected an opening bracket")
        node = self.parse_sum(depth + 1)
        if self._kind() != "close":
            raise ArithmeticSyntaxError("expected a closing bracket")
        self._take()
        return node

    def _parse_mixed(self, token: Token) -> Node:
        r"""Read "2 1/2" and 2\frac{1}{2} as 2 + 1/2; any other number stands for itself."""
        whole = Node("number", text=token.text)
        near = self.tokens[self.pos : self.pos + 3]
        kinds = [part.kind for part in near]
        if kinds == ["number", "op", "number"] and near[1].text == "/" and near[0].end == near[1].start:
            self.pos += 3
            self.doubts.add("mixed number")
            return Node("+", (whole, Node("/", (Node("number", text=near[0].text), Node("number", text=near[2].text)))))
        if kinds[:1] == ["frac"]:
            self._take()
            self.doubts.add("mixed number")
            return Node("+", (whole, Node("/", (self._parse_group(MAX_DEPTH - 2), self._parse_group(MAX_DEPTH - 2)))))
        return whole

    def _skip_units(self) -> None:
        """Pass over the words after a number where arithmetic goes on behind them, as in "4 ft * 6 ft = 24"."""
        end, words = self.pos, list[str]()
        while end < len(self.tokens) and len(words) < 6:
            token, following = self.tokens[end], self.tokens[end + 1 : end + 2]
            is_power = bool(words) and token.text == "^" and bool(following) and following[0].kind == "number"
            is_rate = token.text == "/" and bool(following) and following[0].kind == "word"
            if token.kind == "word" and not self._at_of(end):
                words.append(token.text.lower())
            elif not is_power and not is_rate:
                break
            end += 2 if is_power else 1
        stops = end < len(self.tokens) and self.tokens[end].kind in ("op", "relation", "close")
        if words and stops:
            self.pos = end
            self.units.extend(words)
            if len(words) > 4 or not _CLAUSE_WORDS.isdisjoint(words):
                self.doubts.add("clause between numbers")

    def _is_range(self, left: Node, right: Node, sign: Token) -> bool:
        """Whether "5-10" without spaces may mean "5 to 10"."""
        if left.op != "number" or right.op != "number":
            return False
        tight = any(token.end == sign.start for token in self.tokens[max(self.start, self.pos - 12) : self.pos])
        return tight and float(left.text.replace(",", "")) < float(right.text.replace(",", ""))

    def _at_operator(self, signs: str) -> bool:
        token = self.tokens[self.pos] if self.pos < len(self.tokens) else None
        return token is not None and token.kind == "op" and token.text in signs and starts_operand(self.tokens, self.pos + 1)

    def _at_of(self, index: int | None = None) -> bool:
        """Whether "of" means a product: after a percentage or a fraction, before a number."""
        at = self.pos if index is None else index
        if at >= len(self.tokens) or self.tokens[at].text != "of" or not starts_operand(self.tokens, at + 1):
            return False
        before = self.tokens[max(self.start, at - 2) : at]
        is_fraction = len(before) == 2 and before[0].text == "/" and before[1].kind == "number"
        return before[-1].kind == "percent" or before[-1].text == "}" or is_fraction

    def _at_implicit(self) -> bool:
        """Whether a product follows without a sign: 2x, 2 x, 3(4 + 5), (2)(3)."""
        if not 0 < self.pos < len(self.tokens):
            return False
        before, token = self.tokens[self.pos - 1], self.tokens[self.pos]
        if before.kind not in ("number", "close", "name") or before.text == "}":
            return False
        touching = before.end == token.start
        return (token.kind == "name" and (touching or before.kind == "number")) or (token.text == "(" and touching)

    def _kind(self) -> Kind | None:
        return self.tokens[self.pos].kind if self.pos < len(self.tokens) else None

    def _take(self) -> Token:
        if self.pos >= len(self.tokens):
            raise ArithmeticSyntaxError("the expression ends too early")
        if self.pos - self.start >= MAX_TOKENS:
            raise ExpressionTooLargeError(f"the expression has more than {MAX_TOKENS} tokens")
        self.pos += 1
        return self.tokens[self.pos - 1]

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionTooLargeError(f"the expression nests deeper than {MAX_DEPTH}")


def _is_percentage(node: Node) -> bool:
    return node.op == "percent" or (node.op in ("+", "-") and all(map(_is_percentage, node.args)))


def names_of(node: Node) -> frozenset[str]:
    """The variables of an expression."""
    return frozenset([node.text]) if node.op == "name" else frozenset().union(*map(names_of, node.args))


def operations_of(node: Node) -> int:
    """How many binary operations an expression has; a bare or negated number has none."""
    return (node.op in ("+", "-", "*", "/", "^")) + sum(map(operations_of, node.args))


def evaluate(node: Node, names: Sequence[str] = (), percent: int = 100) -> Any:
    """Compute a tree exactly.

    Args:
        node: The tree.
        names: The variables to compute with, sorted; a tree that has others is refused.
        percent: What one hundred per cent divides by: 100, or 1 to take the sign as a mere label.

    Returns:
        A sympy Rational where `names` is empty, else a sympy Poly over the rationals in these variables.

    Raises:
        ArithmeticSyntaxError: Division by zero or by a variable, a power that is no small integer, or a limit exceeded.
    """
    import sympy

    if len(names) > MAX_VARIABLES:
        raise ArithmeticSyntaxError(f"more than {MAX_VARIABLES} variables")
    symbols = [sympy.Symbol(name) for name in names]

    def lift(value: Any) -> Any:
        return sympy.Poly(value, *symbols, domain=sympy.QQ) if symbols else value

    def visit(part: Node) -> Any:
        if part.op == "number":
            return lift(_read_number(part.text))
        if part.op == "name":
            if part.text not in names:
                raise ArithmeticSyntaxError(f"unknown variable {part.text!r}")
            return lift(sympy.Symbol(part.text))
        values = [visit(child) for child in part.args]
        if part.op == "neg":
            return -values[0]
        return _apply("/", values[0], lift(sympy.Integer(percent))) if part.op == "percent" else _apply(part.op, *values)

    return visit(node)


def _read_number(text: str) -> Any:
    import sympy

    whole, _, decimals = text.replace(",", "").partition(".")
    if len(whole) + len(decimals) > MAX_DIGITS:
        raise ArithmeticSyntaxError(f"a number has more than {MAX_DIGITS} digits")
    return sympy.Rational(int(whole + decimals), 10 ** len(decimals))


def _apply(op: str, left: Any, right: Any) -> Any:
    """Apply one operation after checking that its result stays small."""
    if op == "^":
        return _raise_power(left, right)
    if _bits(left) + _bits(right) > MAX_BITS or (op == "*" and _degree(left) + _degree(right) > MAX_DEGREE):
        raise ArithmeticSyntaxError("the result is too large")
    if op == "/":
        divisor = _constant(right)
        if divisor == 0:
            raise ArithmeticSyntaxError("division by zero")
        return left * (1 / divisor)
    return left * right if op == "*" else left + right if op == "+" else left - right


def _raise_power(base: Any, power: Any) -> Any:
    exponent = _constant(power)
    size = abs(exponent)
    if not exponent.is_integer or size * max(_bits(base), 1) > MAX_BITS or size * _degree(base) > MAX_DEGREE:
        raise ArithmeticSyntaxError("the power is no integer or too large")
    if exponent < 0:
        inverse = _constant(base)
        if inverse == 0:
            raise ArithmeticSyntaxError("division by zero")
        return _lift_like(base, inverse ** int(exponent))
    return base ** int(exponent)


def _constant(value: Any) -> Any:
    """The number that a value is; a polynomial with variables is refused."""
    if value.is_Poly and not value.is_ground:
        raise ArithmeticSyntaxError("division or power by a variable")
    return value.as_expr() if value.is_Poly else value


def _lift_like(sample: Any, value: Any) -> Any:
    return sample.__class__(value, *sample.gens, domain=sample.domain) if sample.is_Poly else value


def _bits(value: Any) -> int:
    numbers = value.coeffs() if value.is_Poly else [value]
    return max(int(number.p).bit_length() + int(number.q).bit_length() for number in numbers)


def _degree(value: Any) -> int:
    return max(int(value.total_degree()), 0) if value.is_Poly else 0
