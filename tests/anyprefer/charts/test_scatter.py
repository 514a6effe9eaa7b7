"""Pictures that stand in any page."""

import re
import struct
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from anyprefer.charts.palette import COLOURS, HATCHES, INK, MARKERS, new_figure
from anyprefer.charts.scatter import MANY_POINTS, scatter_map, write_png
from anyprefer.charts.svg import to_svg

NASTY = 'a $x$ <b> & "c" id="q" \u4e2d'


def points(count, at=0.0, seed=0):
    return np.random.default_rng(seed).normal(at, 1, size=(count, 2))


def bars(key="k", label="bars"):
    figure, axes = new_figure(4, 3)
    axes.bar([0, 1], [2e7, 3], hatch=HATCHES[1], facecolor=COLOURS[0], edgecolor=INK)
    axes.set_xticks([0, 1], [NASTY, "plain"])
    axes.set_ylabel(f"label {INK}")
    return to_svg(figure, key=key, label=label)


def test_every_line_and_text_takes_the_colour_of_the_page():
    svg = bars()
    tags = " ".join(re.findall(r"<[^>]*>", svg))
    assert set(re.findall(r"#[0-9a-f]{6}\b", tags)) == {COLOURS[0]}
    texts = re.findall(r"<text[^>]*>", svg)
    assert texts
    assert all("fill: currentColor" in tag for tag in texts)
    assert INK in svg  # where it is a word of a label


def test_text_from_data_stays_text():
    root = ET.fromstring(bars(label=NASTY))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert NASTY in words
    assert root[0].text == NASTY
    assert (root.get("role"), root.get("aria-labelledby"), root[0].get("id")) == ("img", "k-title", "k-title")


def test_there_is_nothing_but_the_element():
    svg = bars()
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>\n")
    assert not re.search(r"<\?xml|<!DOCTYPE|<metadata|<style|<script|DejaVu", svg)


def test_the_background_is_the_pages():
    patch = re.search(r'<g id="k-patch_1">.*?style="([^"]*)"', bars(), re.DOTALL)
    assert patch is not None
    assert patch[1] == "fill: none"


def test_charts_of_one_page_share_no_id():
    first, second = (ET.fromstring(bars(key)) for key in ("one", "two"))
    ids = [[element.get("id") for element in root.iter() if element.get("id")] for root in (first, second)]
    assert not set(ids[0]) & set(ids[1])
    assert len(set(ids[0])) == len(ids[0])
    used = set(re.findall(r'(?:url\(|href=")#([^)"]*)', bars("one")))
    assert used
    assert used <= set(ids[0])


def test_the_same_data_give_the_same_bytes():
    groups = {"a": points(30), "b": points(30, 2, seed=1)}
    assert scatter_map("t", "s", groups).svg == scatter_map("t", "s", groups).svg


@pytest.mark.parametrize("key", ["", "1a", 'a"', "a b"])
def test_a_key_begins_an_id(key):
    with pytest.raises(ValueError, match="a chart's key is a letter"):
        bars(key)


def test_groups_differ_in_colour_and_in_shape():
    svg = scatter_map("t", "s", {f"g{i}": points(5, i, seed=i) for i in range(3)}).svg
    shapes = re.findall(r'<path id="[^"]*" d="([^"]*)"', svg)
    assert len(set(shapes)) >= 3
    assert all(colour in svg for colour in COLOURS[:3])
    assert len(set(COLOURS)) == len(COLOURS) == len(MARKERS) == len(HATCHES)


def test_the_chart_has_its_groups_in_words_and_numbers():
    chart = scatter_map("Map", "Two groups.", {NASTY: points(50), "far": points(40, 9, seed=1), "none": points(0)})
    assert [row[:2] for row in chart.rows] == [(NASTY, "50"), ("far", "40")]
    assert float(chart.rows[1][2]) == pytest.approx(9, abs=0.5)
    assert {len(row) for row in chart.rows} == {len(chart.head)}
    assert ET.fromstring(chart.svg)[0].text == "Map. Two groups."


def test_very_many_points_become_one_picture():
    few, many = (scatter_map("t", "s", {"a": points(count)}).svg for count in (MANY_POINTS, MANY_POINTS + 1))
    assert "data:image/png" in many
    assert "data:image/png" not in few
    assert len(many) < len(few)


def test_a_png_is_white_and_sharp(tmp_path):
    path = tmp_path / "map.png"
    write_png(path, "Costs $3 or $4", {NASTY[:5]: points(20)})
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1050, 750)
    from matplotlib.image import imread

    assert imread(path)[0, 0].tolist() == [1, 1, 1, 1]


def test_more_groups_than_colours_still_differ():
    svg = scatter_map("t", "s", {f"g{i}": points(3, i, seed=i) for i in range(len(COLOURS) + 1)}).svg
    assert len(set(re.findall(r'<path id="[^"]*" d="([^"]*)"', svg))) >= len(MARKERS)
