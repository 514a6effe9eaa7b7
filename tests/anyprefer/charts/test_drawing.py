"""Charts and their tables."""

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib", reason="needs the extra report")

from anyprefer.charts.drawing import Plan, bar_chart, histogram
from anyprefer.charts.palette import INK

PLAN = Plan("first", "Title", "What it says.", "Round", "Pairs", 1)
EVIL = "</text><script>alert(1)</script> $x^2$"


def test_bars_give_a_table_with_a_column_for_each_series():
    chart = bar_chart(PLAN, ["one", "two"], {"a": [1, 2.25], "b": [None, 4]})
    assert chart.head == ("Round", "a", "b")
    assert chart.rows == (("one", "1.0", ""), ("two", "2.2", "4.0"))


def test_bins_hold_their_lower_edge_and_the_last_both():
    chart = histogram(PLAN, [1, 2, 3], {"a": [1, 1.9, 2, 3, 99, -5]})
    assert chart.rows == (("1 to below 2", "3.0"), ("2 to 3", "3.0"))
    shares = histogram(PLAN, [1, 2, 3], {"a": [1, 2, 2, 2], "b": []}, share=True)
    assert shares.rows == (("1 to below 2", "25.0", "0.0"), ("2 to 3", "75.0", "0.0"))


def test_stacked_bars_stand_on_each_other():
    tall, flat = (bar_chart(PLAN, ["x"], {"a": [5], "b": [5]}, stacked=stacked) for stacked in (True, False))
    assert tall.rows == flat.rows
    assert tall.svg != flat.svg


@pytest.mark.parametrize("kind", ["bars", "histogram"])
def test_texts_from_data_stay_text_and_ink_follows_the_page(kind):
    svg = (
        bar_chart(PLAN, [EVIL], {EVIL: [1], "b": [2]}) if kind == "bars" else histogram(PLAN, [0, 1], {EVIL: [1], "b": [0]})
    ).svg
    root = ET.fromstring(svg)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert "</text><scri" in "".join(root.itertext())
    assert INK not in svg
    assert "currentColor" in svg


def test_charts_with_other_keys_share_no_ids():
    def ids(key):
        svg = bar_chart(Plan(key, "T", "S", "x", "y"), ["a"], {"s": [1]}).svg
        return {element.get("id") for element in ET.fromstring(svg).iter() if element.get("id")}

    assert ids("one")
    assert not ids("one") & ids("two")
    assert bar_chart(PLAN, ["a"], {"s": [1]}).svg == bar_chart(PLAN, ["a"], {"s": [1]}).svg
