"""Find the equations that a text states, and the reasons in the text around them not to take them at their word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from anyprefer.tools.arithmetic.expressions import CHAIN, CURRENCY, RELATION, Expression, parse_expression, plain_text

MAX_EQUATIONS = 200
"""Equations of one response that are checked; a longer list says nothing more about it."""
MAX_NEAR = 80
"""Characters before and after an equation that are looked at."""

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")
_PLAIN = r"\w\s.,:;?\"'“”‘…—#|=<>≈$€£¥₹"
_CUT_BEFORE = re.compile(
    rf"(?:[^{_PLAIN}!(]|[0-9_]|[-+*/:^=<>!][=>]|(?<![\w'])[b-hj-zB-HJ-Z]|[^\W\d_a-zA-Z]|[-+*/^] ?[aAI]) ?[{CURRENCY}]?\Z"
)
_CUT_AFTER = re.compile(rf" ?[^{_PLAIN}()/-]| ?[{CURRENCY}]? ?[0-9_]| ?/(?! ?[^\W\d_]{{2}})|-|\w|\(")
"""Signs that cannot be read, so that a side may be longer than it looks."""
_AMBIGUOUS = re.compile(
    r"/ ?[0-9.,]+ ?(?:\(|[a-zA-Z](?!\w))|(?:^|[-+*/(]) ?- ?[0-9.,]+ ?\^"
    r"|^(?=.*[0-9](?![0-9.,%])).*[-+] ?\$?[0-9.,]+%(?! ?(?:[*/]|of))"
)
"""What may mean something else: 1/2x, -2^2, a percentage of the sum before it."""
_HEADING = re.compile(r"(?:(?:step|part|day|case|example|problem|question) |\n)\Z", re.IGNORECASE)
"""Before a number and a dash that is no minus sign: "Step 1 - 3 + 4 = 7"."""
_DENIALS = frozenset(
    "not isn't doesn't don't never wrong incorrect incorrectly false instead error mistake mistakenly mistaken if suppose "
    "supposing assume assuming mod modulo binary base hex octal try guess claims claimed cannot can't".split()
)
_OPERATIONS = frozenset(
    "twice half double triple thrice quarter third root squared cubed average mean product difference quotient factorial sum "
    "log ln sin cos tan sqrt max min negative times plus minus".split()
)
_LINKS = frozenset("of and by than from to over less more per".split())
_TIMES = frozenset("second sec minute min hour hr day week month year".split())
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
    """Two expressions joined by a relation, and the text around them."""

    left: Expression
    relation: str
    right: Expression
    source: str
    """The equation as it stands in the text, with what `text` leaves out."""
    before: str
    after: str

    @property
    def text(self) -> str:
        """The equation without units and currency at the ends of its sides."""
        return f"{self.left.text} {self.relation} {self.right.text}"

    @property
    def names(self) -> frozenset[str]:
        """The variables of both sides."""
        return self.left.names | self.right.names

    @property
    def has_decimals(self) -> bool:
        """Whether a number in it has decimals, which may be rounded."""
        return any("." in digits for digits, _ in (*self.left.numbers, *self.right.numbers))

    @property
    def is_cut_off(self) -> bool:
        """Whether signs touch it that cannot be read, so that its sides may be longer than they look."""
        is_tail = self.source.startswith("-") and re.search(r"[\w!] ?\Z", self.before)
        return bool(is_tail or _CUT_BEFORE.search(self.before) or _CUT_AFTER.match(self.after))

    @property
    def is_doubtful(self) -> bool:
        """Whether the text gives a reason to read it as something else."""
        before, after = _words(re.split(r"[.,;!?\n]", self.before)[-1])[-6:], _words(re.split(r"[.;!?\n]", self.after)[0])[:4]
        return (
            not _DENIALS.isdisjoint(before + after)
            or re.match(r"[^.;!\n]{0,30}\?", self.after) is not None
            or any(_AMBIGUOUS.search(side.text) or _is_range(side) for side in (self.left, self.right))
            or (bool(self.left.words) and not self.left.is_calculation)
            or (re.match(r"[0-9]{1,2} - ", self.left.text) is not None and _HEADING.search("\n" + self.before) is not None)
            or _extends_to_left(_words(self.before)[:-6:-1])
            or _is_share(self.left, self.right) or _is_share(self.right, self.left)
            or _is_fallen_power(self.left, self.right) or _is_fallen_power(self.right, self.left)
            or self._mixes_units(_words(re.split(r"[.,;!?\n]", self.after)[0])[:2])
        )  # fmt: skip

    def _mixes_units(self, after: list[str]) -> bool:
        """Whether units of one dimension differ, as in "3 * 1 hour = 180 minutes", or a word scales a number."""
        left, target = _units(self.left.words), _units([*self.right.words, *after])
        units = left | target | ({"dollar"} if set(CURRENCY) & set(self.source) else set())
        clashes = [dimension for dimension in _DIMENSIONS if len(units & dimension) > 1]
        if clashes == [_TIMES] and not set("+-") & set(self.left.text):
            return not target & _TIMES <= left  # units may cancel: 50 weeks * 5 days = 250 days
        return bool(clashes) or not _SCALES.isdisjoint(units)


def find_equations(text: str) -> Iterator[Equation]:
    """Yield the equations of a text in order, those of <<...>> annotations after the others, at most `MAX_EQUATIONS`."""
    count = 0
    for part in (_ANNOTATION.sub("", text), "\n".join(_ANNOTATION.findall(text))):
        plain = plain_text(part)
        for match in CHAIN.finditer(plain):
            for equation in _read_chain(plain, *match.span()):
                yield equation
                count += 1
                if count == MAX_EQUATIONS:
                    return


def _read_chain(text: str, start: int, end: int) -> Iterator[Equation]:
    """Yield the equations of a chain: two of a = b = c. Brackets that begin before it or end behind it are left out."""
    parts = RELATION.split(text[start:end], maxsplit=MAX_EQUATIONS)
    if len(parts) < 3:
        return
    while parts[0].startswith("(") and parts[0].count("(") > parts[0].count(")"):
        parts[0], start = parts[0][1:], start + 1
    while parts[-1].endswith(")") and parts[-1].count(")") > parts[-1].count("("):
        parts[-1] = parts[-1][:-1]
    bounds = list(accumulate(map(len, parts), initial=start))
    sides = [parse_expression(part) for part in parts[::2]]
    for index, sign in enumerate(parts[1::2]):
        left, right = sides[index : index + 2]
        if left is not None and right is not None:
            first, last = bounds[2 * index], bounds[2 * index + 3]
            relation = "≈" if sign.strip("=<>!≈ ") else sign.strip().replace("==", "=")
            yield Equation(
                left, relation, right, text[first:last], text[max(0, first - MAX_NEAR) : first], text[last : last + MAX_NEAR]
            )


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+|[-+*/=,.:;!?()]", text.lower())


def _extends_to_left(words: list[str]) -> bool:
    """Whether words in front of an equation, the nearest first, may operate on it: "half of 16 + 4", "the sum of 3 and 4 + 2"."""
    if not words or words[0] in _OPERATIONS:
        return bool(words)
    if words[0] not in _LINKS or words[:2] in (["of", "total"], ["to", "equal"]):
        return False
    return any(word in _OPERATIONS or word.isdigit() for word in words)


def _is_range(side: Expression) -> bool:
    """Whether "5-10" without spaces may mean "5 to 10"."""
    numbers = [float(digits.replace(",", "")) for digits, _ in side.numbers[:2]]
    return re.match(r"\(?[0-9.,]+-[0-9]", side.text) is not None and numbers[0] < numbers[1]


def _is_share(side: Expression, other: Expression) -> bool:
    """Whether a proper fraction names a part of a whole, as in "2/5 = 40 students" or "3/4 cup = 12 tablespoons"."""
    is_fraction = re.fullmatch(r"[0-9]+ ?/ ?[0-9]+", side.text) is not None and not (other.is_calculation or other.names)
    return is_fraction and side.values()[0] < 1 and (other.values()[0] > 1 or bool(side.words))


def _is_fallen_power(side: Expression, other: Expression) -> bool:
    """Whether a number is a power whose raised digit was flattened: "103 = 10 * 10 * 10"."""
    factors = re.split(r" ?\* ?", other.text)
    is_power = len(set(factors)) == 1 < len(factors) and factors[0] != "1"
    return is_power and not side.is_calculation and side.numbers == ((f"{factors[0]}{len(factors)}", False),)


def _units(words: tuple[str, ...] | list[str]) -> set[str]:
    return {word.rstrip("s") if len(word) > 2 else word for word in words}
