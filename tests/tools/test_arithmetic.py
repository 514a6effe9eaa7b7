"""Expressions have the value that exact fractions give them, and what would not end is refused at once."""

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anyprefer.tools.arithmetic.expressions import CHAIN, MAX_BITS, MAX_SIDE, ComputeError, parse_expression, plain_text


def compute(text, unknown=None):
    plain = plain_text(text).strip()
    assert CHAIN.match(plain)[0] == plain, "it is read only in part"
    return parse_expression(plain).values(unknown)[0]


def decimals():
    return st.tuples(st.integers(0, 99_999), st.integers(0, 3)).map(write_decimal)


def write_decimal(parts):
    digits, places = parts
    value = Fraction(digits, 10**places)
    return (f"{digits // 10**places}.{digits % 10**places:0{places}d}" if places else str(digits)), value


def combine(children):
    signs = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__, "/": Fraction.__truediv__}

    def join(left, sign, right):
        assume(sign != "/" or right[1] != 0)
        return f"({left[0]} {sign} {right[0]})", signs[sign](left[1], right[1])

    return st.builds(join, children, st.sampled_from(sorted(signs)), children)


@given(st.recursive(decimals(), combine, max_leaves=12))
def test_random_trees_have_their_exact_value(tree):
    text, value = tree
    assert compute(text) == value


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 999)), min_size=1, max_size=15), st.integers(0, 999))
def test_precedence_agrees_with_python(steps, first):
    text = str(first) + "".join(f" {sign} {number}" for sign, number in steps)
    assert compute(text) == eval(text)  # digits and signs that this test made


@given(st.one_of(st.text(max_size=300), st.text(alphabet="0123456789.,+-*/^()x%$={}\\frac \n<>", max_size=200)))
def test_any_text_is_read_or_refused(text):
    plain = plain_text(text)
    for part in (plain, *(match[0] for match in CHAIN.finditer(plain))):
        if (expression := parse_expression(part)) is not None:
            try:
                assert all(isinstance(value, Fraction) for value in expression.values(Fraction(1)))
            except ComputeError:
                continue


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80,000*1.5", "120000"), (".5 + .25", "3/4"), ("20% of 50", "10"), ("3/4 of 100", "75"), ("3(4+5)", "27"),
        ("5 x 3", "15"), ("5x3", "15"), ("$5.50 x 2", "11"), ("12 ÷ 4 \u2212 1", "2"), ("2·3", "6"), ("2³", "8"), ("2**3", "8"),
        ("2^-2", "1/4"), ("2^3^2", "512"), ("-2 + 3", "1"), ("½ * 4", "2"), (r"\frac{3}{4} \times 8", "6"), ("0.1 + 0.2", "3/10"),
        (r"\frac{2 + 4}{3}", "2"), (r"10 \div \left(2 + 3\right)", "2"), ("4 ft * 6 ft * 3", "72"), ("[1 + 2] * 3", "9"),
        ("3 pairs * $2.50/pair + 1", "17/2"), ("1.05^2", "441/400"), ("100 - 30 - 15 - 5", "50"), ("0^0", "1"),
        ("10^{-2}", "1/100"), ("(2)(3)", "6"),
    ],
)  # fmt: skip
def test_notations(text, value):
    assert compute(text) == Fraction(value)


def test_percent_sign_can_be_a_label():
    assert parse_expression("5%").values() == [Fraction(1, 20), 5]


def test_a_variable_takes_a_value():
    assert compute("(x + 1)^2 - 2x", Fraction(3)) == 10
    with pytest.raises(ComputeError):
        compute("x + 1")


def test_letters_beside_words_are_no_variables():
    assert parse_expression("8 hours a day * 5").names == set()
    assert parse_expression("a + 3").names == {"a"}


def test_units_are_no_part_of_the_calculation():
    expression = parse_expression("3 pairs * $2.50/pair")
    assert (expression.words, expression.text, expression.values()) == (("pairs", "pair"), "3 pairs * $2.50", [Fraction(15, 2)])


def test_a_lone_number_is_no_calculation():
    assert not parse_expression("-3").is_calculation
    assert parse_expression("1 + 2 * 3").is_calculation


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "9^9^9^9", "2**100000", "2^(10^9)", "1^99999999999999999999", "(9^999)^999", "10^-99999",
        "1/0", "1/(3-3)", "0^-1", "2^(1/2)", "2^0.5", "0.5^(1/3)", "2^x^x", "*".join(["9" * 40] * 9 * (MAX_BITS // 4096)) + "^99",
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ComputeError):
        compute(text, Fraction(99))
    assert time.perf_counter() - start < 30  # at once; working any of them out takes hours


@pytest.mark.parametrize("text", ["1" + "+1" * MAX_SIDE, "(" * 199 + "1", "1-(" * 100 + "1" + ")" * 99, "1 2", "3 +", ""])
def test_what_is_no_expression_is_refused(text):
    assert parse_expression(text) is None


def test_code_is_not_arithmetic():
    assert "3 + 4" not in plain_text("`3 + 4 = 8`")
    assert "3 + 4" not in plain_text("```\n3 + 4 = 8\n")


@pytest.mark.parametrize("text", ["1.2.3", "007", "8:30", "3,4", "5th", "x_1"])
def test_odd_numbers_are_not_operands(text):
    assert CHAIN.fullmatch(text) is None
