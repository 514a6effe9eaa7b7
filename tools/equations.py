"""Find the equations that a text states and judge those without variables.

A false alarm misleads the judge more than a miss does, so an equation counts as wrong only where no other reading makes it
right: rounding, a running total ("5 * 3 = 15 + 2 = 17"), a percent sign used as a label, a dash used as punctuation. Where
the text around it casts doubt (dates, ranges, unit conversions, "3 + 4 is not = 8"), it is skipped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anyprefer.tools.arithmetic import (
    ArithmeticSyntaxError,
    Expression,
    ExpressionTooLargeError,
    Node,
    evaluate,
    names_of,
    operations_of,
    parse_expression,
    starts_operand,
)
from anyprefer.tools.tokens import Token, plain_text, scan

MAX_EQUATIONS = 200
"""Equations of one response that are checked; a longer list says nothing more about it."""
MAX_SNIPPET = 120
"""Longest quotation of an equation's side in characters."""

Status = Literal["right", "rounded", "running", "wrong", "skipped"]

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")
_ROUGHLY = frozenset({"about", "approximately", "approx", "roughly", "around", "nearly", "almost"})
_DENIALS = frozenset(
    "not isn't doesn't don't never wrong incorrect incorrectly false instead error mistake mistakenly mistaken if suppose "
    "supposing assume assuming mod modulo binary base hex hexadecimal octal try guess claims claimed cannot can't".split()
)
_OPERATOR_WORDS = frozenset(
    "twice half double triple thrice quarter third root squared cubed average mean product difference quotient factorial sum "
    "log ln sin cos tan sqrt max min negative".split()
)
_LINKING_WORDS = frozenset("of and by than from to over less more per".split())
_TIMES = frozenset("second sec minute min hour hr h day week month year".split())
_DIMENSIONS = (
    _TIMES,
    frozenset("mm millimeter cm centimeter m meter metre km kilometer inch inche in foot feet ft yard mile mi".split()),
    frozenset("mg g gram kg kilogram ounce oz pound lb ton tonne".split()),
    frozenset("ml milliliter l liter litre cup pint quart gallon tablespoon tbsp teaspoon tsp".split()),
    frozenset("dollar cent penny pennie nickel dime".split()),
)
_SCALES = frozenset("hundred thousand million billion trillion dozen".split())


@dataclass(frozen=True, slots=True)
class Equation:
    """Two expressions joined by a relation, with the tokens of the text they stand in."""

    text: str
    tokens: list[Token]
    left: Expression
    relation: str
    right: Expression
    heads: bool
    """Whether the left side begins the chain, rather than standing between two relations."""
    continues: bool
    """Whether another relation follows the right side."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables of both sides, sorted."""
        return tuple(sorted(names_of(self.left.node) | names_of(self.right.node)))

    @property
    def quotation(self) -> str:
        """The equation as it stands in the text."""
        return f"{self.quote(self.left)} {self.relation} {self.quote(self.right)}"

    def quote(self, side: Expression) -> str:
        """One side as it stands in the text, white space folded."""
        last = side.end - 1
        while last > side.start and (self.tokens[last].kind == "word" or self.tokens[last].text == "/"):
            last -= 1
        snippet = " ".join(self.text[self.tokens[side.start].start : self.tokens[last].end].split())
        return snippet if len(snippet) <= MAX_SNIPPET else f"{snippet[:MAX_SNIPPET]}..."


@dataclass(frozen=True, slots=True)
class Judgement:
    """What exact arithmetic says about an equation without variables."""

    equation: Equation
    status: Status
    left: Any = None
    """Exact value of the left side, a sympy Rational; None where the equation was not computed."""
    right: Any = None


def find_equations(text: str) -> Iterator[Equation]:
    """Yield the equations of a text in order, those of <<...>> annotations after the others, at most `MAX_EQUATIONS`."""
    annotations = _ANNOTATION.findall(text)
    count = 0
    for part in (_ANNOTATION.sub("", text), "\n".join(annotations)):
        for equation in _find_in_part(plain_text(part)):
            yield equation
            count += 1
            if count == MAX_EQUATIONS:
                return


def _find_in_part(text: str) -> Iterator[Equation]:
    tokens = scan(text)
    previous: Expression | None = None
    before: Expression | None = None
    pending: tuple[Expression, str, Expression, bool] | None = None
    for side in _find_expressions(tokens):
        relation = None if previous is None else _relation_between(tokens, previous, side)
        if pending is not None:
            yield Equation(text, tokens, *pending, continues=relation is not None)
        pending = None
        if previous is not None and relation is not None:
            pending = (previous, relation, side, before is None)
        before, previous = (previous if relation is not None else None), side
    if pending is not None:
        yield Equation(text, tokens, *pending, continues=False)


def _find_expressions(tokens: list[Token]) -> Iterator[Expression]:
    """Yield the longest expressions from left to right, none overlapping."""
    index = 0
    while index < len(tokens):
        if starts_operand(tokens, index):
            try:
                expression = parse_expression(tokens, index)
            except ExpressionTooLargeError:
                index = _next_line(tokens, index)
                continue
            except ArithmeticSyntaxError:
                index += 1
                continue
            yield expression
            index = expression.end
        else:
            index += 1


def _next_line(tokens: list[Token], index: int) -> int:
    return next((at for at in range(index, len(tokens)) if tokens[at].kind == "newline"), len(tokens))


def _relation_between(tokens: list[Token], left: Expression, right: Expression) -> str | None:
    """The relation that joins two expressions, "≈" where the text says "= about"; None where they do not touch one."""
    gap = tokens[left.end : right.start]
    if not gap or gap[0].kind != "relation" or len(gap) > 2:
        return None
    if len(gap) == 2:
        return "≈" if gap[1].text.lower() in _ROUGHLY else None
    return {"==": "="}.get(gap[0].text, gap[0].text)


def judge_equation(equation: Equation) -> Judgement:
    """Compare both sides exactly, giving every doubt to the author."""
    if is_cut_off(equation) or not _has_operations(equation):
        return Judgement(equation, "skipped")
    try:
        lefts, rights = _readings(equation.left), _readings(equation.right)
    except ArithmeticSyntaxError:
        return Judgement(equation, "skipped")
    return Judgement(equation, _compare(equation, lefts, rights), lefts[0], rights[0])


def _compare(equation: Equation, lefts: list[Any], rights: list[Any]) -> Status:
    if any(_holds(equation.relation, left, right) for left in lefts for right in rights):
        return "right"
    if equation.relation in ("=", "≈"):
        if any(_is_rounding(equation, left, right) for left in lefts for right in rights):
            return "rounded"
        if _is_running_total(equation, lefts) or _is_right_behind_dash(equation, rights):
            return "running"
    return "skipped" if is_doubtful(equation) else "wrong"


def _has_operations(equation: Equation) -> bool:
    return operations_of(equation.left.node) + operations_of(equation.right.node) > 0


def _readings(side: Expression) -> list[Any]:
    """The values a side may have: a percent sign divides by 100 or only labels the number."""
    values = [evaluate(side.node, percent=percent) for percent in (100, 1)]
    return values[:1] if values[0] == values[1] else values


def _holds(relation: str, left: Any, right: Any) -> bool:
    outcomes = {
        "=": left == right,
        "≈": abs(left - right) * 20 <= abs(left),
        "!=": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return bool(outcomes[relation])


def _is_rounding(equation: Equation, left: Any, right: Any) -> bool:
    """Whether one side is the other, rounded or cut to the decimals that it shows, or both carry rounded numbers."""
    if abs(left - right) * 10**12 <= abs(left):
        return True
    for side, stated, exact in ((equation.right, right, left), (equation.left, left, right)):
        if not operations_of(side.node):
            return bool(abs(stated - exact) < _last_place(equation, side, stated))
    spelt = equation.tokens[equation.left.start : equation.right.end]
    has_decimals = any(token.kind == "number" and "." in token.text for token in spelt)
    return has_decimals and bool(abs(left - right) * 500 <= abs(left))


def _last_place(equation: Equation, side: Expression, value: Any) -> Any:
    """One unit in the last decimal of a lone number, a hundredth of it where the number is read as a percentage."""
    import sympy

    number = next(token.text for token in equation.tokens[side.start : side.end] if token.kind == "number")
    label = evaluate(side.node, percent=1)
    return sympy.Rational(1, 10 ** len(number.partition(".")[2])) * (value / label if label else 1)


def _is_running_total(equation: Equation, lefts: list[Any]) -> bool:
    """Whether the right side begins with the left side's value, as in "5 * 3 = 15 + 2 = 17" or "= 15 - that is enough"."""
    if not operations_of(equation.left.node) or not operations_of(equation.right.node):
        return False
    lead = equation.right.node
    while lead.args and lead.op not in ("neg", "percent"):
        lead = lead.args[0]
        if not names_of(lead) and any(abs(evaluate(lead) - left) * 500 <= abs(left) for left in lefts):
            return True
    return False


def _is_right_behind_dash(equation: Equation, rights: list[Any]) -> bool:
    """Whether the equation is right from an early dash on that may be punctuation: "Step 1 - 3 + 4 = 7", "- 3 + 4 = 7"."""
    if not equation.heads:
        return False
    for index in range(equation.left.start, min(equation.left.end - 1, equation.left.start + 6)):
        if equation.tokens[index].text != "-" or not starts_operand(equation.tokens, index + 1):
            continue
        try:
            tail = parse_expression(equation.tokens, index + 1)
            value = evaluate(tail.node)
        except ArithmeticSyntaxError:
            continue
        agrees = any(_holds(equation.relation, value, right) or _is_rounding(equation, value, right) for right in rights)
        if agrees and tail.end == equation.left.end and operations_of(tail.node):
            return True
    return False


def is_cut_off(equation: Equation) -> bool:
    """Whether signs touch the equation that this package cannot read, so that its sides may be longer than they look."""
    start, end = equation.left.start, equation.right.end
    return _blocks_start(equation.tokens, start) or _blocks_end(equation.tokens, end)


def _blocks_start(tokens: list[Token], start: int) -> bool:
    if start == 0:
        return False
    before = tokens[start - 1]
    if tokens[start].kind == "op" and (before.kind == "word" or before.text == "!"):
        return True
    return before.kind in ("op", "number", "name", "close", "other", "percent", "frac")


def _blocks_end(tokens: list[Token], end: int) -> bool:
    if end >= len(tokens):
        return False
    last, after = tokens[end - 1], tokens[end]
    is_spaced = last.end < after.start
    if after.kind == "op":
        is_rate = after.text == "/" and end + 1 < len(tokens) and tokens[end + 1].kind == "word"
        return not is_rate and not (after.text == "-" and is_spaced)
    return after.kind in ("number", "other", "frac") or after.text == "!" or (after.kind == "open" and not is_spaced)


def is_doubtful(equation: Equation) -> bool:
    """Whether the text gives a reason to read a wrong equation as something else."""
    if equation.left.doubts or equation.right.doubts or (equation.left.units and not operations_of(equation.left.node)):
        return True
    start, end = equation.left.start, equation.right.end
    before = equation.tokens[max(0, start - 6) : start][::-1]
    after = equation.tokens[end : end + 6]
    nearby = {token.text.lower().replace("’", "'") for token in (*_until(before, ".,;!?"), *_until(after[:4], ".;!?"))}
    if nearby & _DENIALS or any(token.text == "?" for token in after[:4]) or _extends_to_left(before):
        return True
    if not equation.names and (_lost_exponent(equation) or _is_part_of_whole(equation)):
        return True
    return _mixes_units(equation, [token.text.lower() for token in _until(after, ".,;!?")])


def _until(tokens: list[Token], stops: str) -> list[Token]:
    """The tokens up to the end of the clause or line."""
    ends = (index for index, token in enumerate(tokens) if token.kind == "newline" or token.text in stops)
    return tokens[: next(ends, len(tokens))]


def _extends_to_left(before: list[Token]) -> bool:
    """Whether words in front of an equation may operate on it: "half of 16 + 4", "the product of 3 and 4 + 2"."""
    words = [token.text.lower() for token in before[:5]]
    if not words or words[0] in _OPERATOR_WORDS:
        return bool(words)
    if words[0] not in _LINKING_WORDS or words[:2] in (["of", "total"], ["to", "equal"]):
        return False
    return bool(_OPERATOR_WORDS.intersection(words)) or any(token.kind == "number" for token in before[:5])


def _mixes_units(equation: Equation, after: list[str]) -> bool:
    """Whether units of one dimension differ, as in "3 * 1 hour = 180 minutes", or a word scales a number."""
    first, last = equation.tokens[equation.left.start].start, equation.tokens[equation.right.end - 1].end
    signs = ["dollar" for sign in "$€£¥₹" if sign in equation.text[max(0, first - 2) : last]]
    target = {_singular(word) for word in (*equation.right.units, *after[:2])}
    units = {_singular(word) for word in (*equation.left.units, *signs)} | target
    if not _SCALES.isdisjoint(units):
        return True
    clashes = [dimension for dimension in _DIMENSIONS if len(units & dimension) > 1]
    if clashes == [_TIMES] and _is_product(equation.left.node):
        stated = target & _TIMES
        return not stated <= {_singular(word) for word in equation.left.units}
    return bool(clashes)


def _singular(word: str) -> str:
    return word.rstrip("s") if len(word) > 2 else word


def _is_product(node: Node) -> bool:
    """Whether a side only multiplies and divides, so that its units may cancel: 50 weeks * 5 days = 250 days."""
    return node.op in ("*", "/", "number", "percent") and all(map(_is_product, node.args))


def _lost_exponent(equation: Equation) -> bool:
    """Whether a lone number is a power whose raised digit was flattened, as in "103 = 10 * 10 * 10"."""
    for side, other in ((equation.left, equation.right), (equation.right, equation.left)):
        digits = side.node.text
        is_power = len(digits) > 1 and digits.isdecimal() and digits[-1] > "1" and int(digits[:-1]) > 1  # nobody raises 1
        if side.node.op == "number" and is_power and other.node.op not in ("+", "-"):  # a power is a product
            return bool(evaluate(other.node) == int(digits[:-1]) ** int(digits[-1]))
    return False


def _is_part_of_whole(equation: Equation) -> bool:
    """Whether a proper fraction names a share, as in "2/5 = 40 students" or "3/4 cup = 12 tablespoons"."""
    for side, other in ((equation.left, equation.right), (equation.right, equation.left)):
        parts = side.node.args
        is_fraction = side.node.op == "/" and all(part.op == "number" for part in parts)
        if is_fraction and not operations_of(other.node):
            value = evaluate(side.node)
            return bool(value < 1 and (evaluate(other.node) > 1 or side.units))
    return False


def show(value: Any) -> str:
    """Write a rational number briefly: exactly where few digits do, else its first digits and dots."""
    numerator, denominator = int(value.p), int(value.q)
    if max(abs(numerator), denominator) >= 10**15:
        return f"about {value.evalf(6)}"
    if denominator == 1:
        return str(numerator)
    short = f"{numerator / denominator:.6f}".rstrip("0") if 10**6 % denominator == 0 else ""
    return short or f"{numerator / denominator:.6g}..."
