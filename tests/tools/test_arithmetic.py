"""The parser agrees with exact fractions, and refuses at once what would not end."""

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anyprefer.tools.arithmetic import (
    MAX_BITS,
    ArithmeticSyntaxError,
    ExpressionTooLargeError,
    evaluate,
    names_of,
    operations_of,
    parse_expression,
)
from anyprefer.tools.tokens import plain_text, scan


def compute(text, *names, percent=100):
    tokens = scan(plain_text(text))
    expression = parse_expression(tokens, 0)
    assert expression.end == len(tokens), f"read only {expression.end} of {len(tokens)} tokens"
    return evaluate(expression.node, names, percent)


def as_fraction(value):
    return Fraction(int(value.p), int(value.q))


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


@settings(deadline=None)  # machines under load are slow
@given(st.recursive(decimals(), combine, max_leaves=12))
def test_random_trees_have_their_exact_value(tree):
    text, value = tree
    assert as_fraction(compute(text)) == value


@settings(deadline=None)  # machines under load are slow
@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 999)), min_size=1, max_size=15), st.integers(0, 999))
def test_precedence_agrees_with_python(steps, first):
    text = str(first) + "".join(f" {sign} {number}" for sign, number in steps)
    assert as_fraction(compute(text)) == eval(text)  # digits and signs that this test made


@settings(deadline=None)  # machines under load are slow
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    tokens = scan(plain_text(text))
    for index in range(len(tokens)):
        try:
            expression = parse_expression(tokens, index)
            evaluate(expression.node, sorted(names_of(expression.node)))
        except ArithmeticSyntaxError:
            continue
        assert index < expression.end <= len(tokens)


@settings(deadline=None)  # machines under load are slow
@given(st.text(alphabet="0123456789.,+-*/^()x%$={}\\frac \n<>", max_size=200))
def test_arithmetic_noise_is_read_or_refused(text):
    tokens = scan(plain_text(text))
    for index in range(len(tokens)):
        try:
            expression = parse_expression(tokens, index)
            evaluate(expression.node, sorted(names_of(expression.node)))
        except ArithmeticSyntaxError:
            continue
        assert index < expression.end <= len(tokens)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80,000*1.5", "120000"), (".5 + .25", "3/4"), ("20% of 50", "10"), ("3/4 of 100", "75"), ("2 1/2 * 4", "10"),
        ("3(4+5)", "27"), ("(2)(3)", "6"), ("5 x 3", "15"), ("5x3", "15"), ("$5.50 x 2", "11"), ("12 ÷ 4 \u2212 1", "2"),
        ("2·3", "6"), ("2³", "8"), ("2**3", "8"), ("2^-2", "1/4"), ("2^3^2", "512"), ("-2 + 3", "1"), ("½ * 4", "2"),
        (r"\frac{3}{4} \times 8", "6"), (r"2\frac{1}{2} \cdot 2", "5"), (r"10 \div \left(2 + 3\right)", "2"),
        ("4 ft * 6 ft * 3", "72"), ("6 times 7 minus 2", "40"), ("1.05^2", "441/400"), ("100 - 30 - 15 - 5", "50"), ("0^0", "1"),
    ],
)  # fmt: skip
def test_notations(text, value):
    assert as_fraction(compute(text)) == Fraction(value)


def test_percent_sign_can_be_a_label():
    assert compute("5%", percent=1) == 5


def test_polynomials_are_exact():
    assert compute("(x + 1)^2 - x^2 - 2x", "x").as_expr() == 1


def test_letters_beside_words_are_no_variables():
    assert [token.kind for token in scan("a day")] == ["word", "word"]
    assert [token.kind for token in scan("a + 3")] == ["name", "op", "number"]


def test_operations_are_counted():
    tokens = scan("-3")
    assert operations_of(parse_expression(tokens, 0).node) == 0
    assert operations_of(parse_expression(scan("1 + 2 * 3"), 0).node) == 2


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "9^9^9^9", "2**100000", "2^(10^9)", "1^99999999999999999999", "(9^999)^999", "10^-99999", "9" * 41,
        "1/0", "1/(3-3)", "0^-1", "2^(1/2)", "2^0.5", "0.5^(1/3)",
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_at_once(text):
    tokens = scan(plain_text(text))
    start = time.perf_counter()
    with pytest.raises(ArithmeticSyntaxError):
        evaluate(parse_expression(tokens, 0).node)
    assert time.perf_counter() - start < 30  # at once; working any of them out takes hours


@pytest.mark.parametrize("text", ["(x+y+z+1)^9", "((x+1)^8)^8", "x^8 * x", "a*b*c*d + 1", "1/x", "2^x"])
def test_polynomials_that_do_not_fit_are_refused(text):
    tokens = scan(text)
    node = parse_expression(tokens, 0).node
    with pytest.raises(ArithmeticSyntaxError):
        evaluate(node, sorted(names_of(node)))


@pytest.mark.parametrize("text", ["(" * 40 + "1" + ")" * 40, "-" * 40 + "1", "2^" * 40 + "1", "1" + "+1" * 200])
def test_long_and_deep_expressions_are_refused(text):
    with pytest.raises(ExpressionTooLargeError):
        parse_expression(scan(text), 0)


def test_products_stay_under_the_size_limit():
    factor = "9" * 40
    tokens = scan("*".join([factor] * (MAX_BITS // 100)))
    with pytest.raises(ArithmeticSyntaxError, match="too large"):
        evaluate(parse_expression(tokens, 0).node)


def test_code_is_not_arithmetic():
    assert "3 + 4" not in plain_text("`3 + 4 = 8`")
    assert "3 + 4" not in plain_text("```\n3 + 4 = 8\n")


@pytest.mark.parametrize("text", ["1.2.3", "007", "8:30", "3,4", "1e5", "x_1", "5th"])
def test_odd_numbers_are_not_operands(text):
    assert "other" in [token.kind for token in scan(text)]
