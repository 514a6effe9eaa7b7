"""The browser of records in Chromium, from a file: search, filters, order, pages, addresses, keys, print, colours."""

import re

import pytest
from report_page import expect_count, expect_open, opened, write_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]


def ids(page):
    return page.locator("#pairs-rows .id").all_inner_texts()


def test_all_words_must_occur_in_any_case(page):
    expect_count(page, 139)
    page.fill("#pairs-q", "APPLES 77")
    expect_count(page, 2)  # 76 apples cost one euro less, which is its rejected response
    page.fill("#pairs-q", "t77")
    expect_count(page, 1)
    page.fill("#pairs-q", '"do 7 apples"')
    expect_count(page, 1)
    page.fill("#pairs-q", "nothing like it")
    expect_count(page, 0)
    page.fill("#pairs-q", "")
    expect_count(page, 139)


@pytest.mark.parametrize(
    ("name", "choice", "expected"),
    [
        ("status", "exhausted", 1), ("status", "rejected", 1), ("tool", "-", 67), ("rounds", "0", 1), ("difficulty", "hard", 20),
        ("failure", "ModelCallError", 1), ("failure", "no pair", 1),
    ],
)  # fmt: skip
def test_filters_keep_what_fits(page, name, choice, expected):
    page.select_option(f"#pairs-{name}", choice)
    expect_count(page, expected)
    page.click("#pairs-reset")
    expect_count(page, 139)


def test_ranges_leave_out_what_has_no_value(page):
    page.fill("#pairs-reward-min", "10")
    expect_count(page, 13)
    page.fill("#pairs-reward-min", "")
    page.fill("#pairs-margin-max", "9")
    expect_count(page, 136)
    page.select_option("#pairs-rounds", "1")
    page.fill("#pairs-margin-max", "1")
    expect_count(page, 9)


def test_order_by_heading_and_by_choice(page):
    page.click("[data-sort=reward]")
    playwright.expect(page.locator("th[aria-sort=descending]")).to_contain_text("Reward")
    assert ids(page)[:2] == ["t9", "t19"]
    page.click("[data-sort=reward]")
    playwright.expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Reward")
    assert ids(page)[:2] == ["t0", "t10"]
    page.select_option("#pairs-sort", "id")
    playwright.expect(page.locator("#pairs-rows .id").nth(1)).to_have_text("edit")
    page.click("[data-page=last]")
    page.select_option("#pairs-sort", "-margin")
    page.click("[data-page=last]")
    playwright.expect(page.locator("#pairs-rows .id").last).to_have_text("edit")


def test_missing_scores_and_turned_margins_are_listed_filtered_and_ordered(chromium, lineages):
    with opened(chromium, lineages) as page:
        playwright.expect(page.locator("#pairs-count")).to_have_text(re.compile("^8 of 8 records"))
        cells = {line.locator(".id").inner_text(): line.inner_text() for line in page.locator("#pairs-rows tr").all()}
        assert "\u2013 : 2" in cells["reference"]
        assert "2 : 9" in cells["swapped"]
        page.select_option("#pairs-sort", "margin")
        playwright.expect(page.locator("#pairs-rows .id").first).to_have_text("swapped")
        page.fill("#pairs-margin-max", "-1")
        playwright.expect(page.locator("#pairs-count")).to_have_text(re.compile("^1 of 8 records"))


def test_pages_of_fifty(page):
    assert len(ids(page)) == 50
    page.click("[data-page=next]")
    playwright.expect(page.locator("#pairs-page")).to_have_text("Page 2 of 3")
    playwright.expect(page.locator("#pairs-rows .id").first).to_have_text("t50")
    page.click("[data-page=last]")
    playwright.expect(page.locator("[data-page=next]")).to_have_attribute("aria-disabled", "true")
    assert len(ids(page)) == 39
    page.click("[data-page=next]", force=True)
    playwright.expect(page.locator("#pairs-page")).to_have_text("Page 3 of 3")


def test_an_address_restores_filters_and_record_and_back_goes_back(page, chromium):
    before = page.evaluate("history.length")
    page.select_option("#pairs-rounds", "2")
    page.fill("#pairs-q", "apples")
    playwright.expect(page).to_have_url(re.compile("q=apples"))
    expect_count(page, 50)
    assert page.evaluate("history.length") == before, "a filter is no step to go back to"
    page.click("#pairs-rows a >> nth=1")
    expect_open(page, "t4")
    page.click("#pairs-next")
    expect_open(page, "t7")
    page.go_back()
    expect_open(page, "t4")
    with opened(chromium, page.url) as other:
        expect_count(other, 50)
        expect_open(other, "t4")
        assert other.input_value("#pairs-q") == "apples"
        assert other.input_value("#pairs-rounds") == "2"
    page.go_back()
    playwright.expect(page.locator("#pairs-record")).to_be_hidden()
    expect_count(page, 50)
    page.click("nav.sections a")
    expect_count(page, 50)
    page.click("#case")
    expect_open(page, "t77")
    expect_count(page, 139)
    playwright.expect(page.locator("#pairs-page")).to_have_text("Page 2 of 3")
    playwright.expect(page.locator("tr[aria-current] .id")).to_have_text("t77")


def test_an_unknown_record_is_said(chromium, report):
    with opened(chromium, f"{report}#record=t9999") as page:
        playwright.expect(page.locator("#pairs-problem")).to_contain_text('no record "t9999"')
        page.evaluate("location.hash = 'record=t1'")
        expect_open(page, "t1")
        playwright.expect(page.locator("#pairs-problem")).to_be_hidden()


def test_everything_by_keyboard(page):
    page.keyboard.press("j")
    page.keyboard.press("/")
    playwright.expect(page.locator("#pairs-record")).to_be_hidden()
    playwright.expect(page.locator("#pairs-q")).to_be_focused()
    page.keyboard.type("apples jk/")
    expect_count(page, 0)
    page.fill("#pairs-q", "apples")
    expect_count(page, 137)
    page.locator("#pairs-rows a").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect_open(page, "t1")
    playwright.expect(page.locator("#pairs-record-title")).to_be_focused()
    for key, name in (("j", "t2"), ("j", "t3"), ("k", "t2")):
        page.keyboard.press(key)
        expect_open(page, name)
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#pairs-record")).to_be_hidden()
    playwright.expect(page.locator("#pairs-rows a").nth(2)).to_be_focused()
    page.uncheck("#pairs-keys")
    page.locator("#pairs-rows a").first.focus()
    page.keyboard.press("j")
    playwright.expect(page.locator("#pairs-record")).to_be_hidden()


def test_the_next_record_turns_the_page_of_the_list(page):
    page.evaluate("location.hash = 'record=t49'")
    expect_open(page, "t49")
    page.keyboard.press("j")
    expect_open(page, "t50")
    playwright.expect(page.locator("#pairs-page")).to_have_text("Page 2 of 3")


def test_an_open_record_prints_whole(page):
    page.evaluate("location.hash = 'record=t2'")
    expect_open(page, "t2")
    assert page.locator("details.round[open]").count() == 1
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.round[open]").count() == 3
    for hidden in (".controls", "#pairs-list", ".pager", "nav.sections", "#pairs-close", "#theme"):
        playwright.expect(page.locator(hidden)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.round[open]").count() == 1


def test_the_theme_button_goes_round(chromium, report):
    background = "getComputedStyle(document.documentElement).backgroundColor"
    with opened(chromium, report, color_scheme="dark") as page:
        dark = page.evaluate(background)
        seen = []
        for _ in range(3):
            page.click("#theme")
            seen.append((page.inner_text("#theme"), page.evaluate(background) == dark))
        assert seen == [("Theme: light", False), ("Theme: dark", True), ("Theme: auto", True)]


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (name) => {
    canvas.fillStyle = getComputedStyle(probe).getPropertyValue(name);
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const probe = document.createElement("p");
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const ratio = (one, two) => {
    const [a, b] = [one, two].map((name) => { probe.style.setProperty("--probe", colour(name)); return light("--probe"); });
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const inks = ["--ink", "--muted", "--accent", "--good", "--bad"];
  const found = inks.flatMap((ink) => ["--paper", "--surface"].map((ground) => [ink, ground, ratio(ink, ground)]));
  return [...found, ...["--mark", "--gone", "--new"].map((ground) => ["--ink", ground, ratio("--ink", ground)])];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(chromium, report, scheme):
    with opened(chromium, report, color_scheme=scheme) as page:
        found = page.evaluate(CONTRAST)
        assert len(found) == 13
        assert [pair for pair in found if pair[2] < 4.5] == []


def test_a_narrow_window_needs_no_sideways_scrolling(chromium, report):
    with opened(chromium, f"{report}#record=t5") as page:
        page.set_viewport_size({"width": 360, "height": 740})
        expect_open(page, "t5")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_every_control_has_a_name(page):
    page.evaluate("location.hash = 'record=t5'")
    expect_open(page, "t5")
    tree = page.locator("#pairs").aria_snapshot()
    assert 'searchbox "Search prompts, responses, references and ids"' in tree
    assert re.findall(r"^\s*- (?:combobox|button|spinbutton|checkbox|link|region|article)(?=:|$)", tree, re.MULTILINE) == []


def test_a_browser_that_cannot_unpack_is_told(chromium, report):
    page = chromium.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(report)
    playwright.expect(page.locator("#pairs-problem")).to_contain_text("use a current Firefox, Chrome, Edge or Safari")
    page.close()


def test_without_javascript_the_page_says_so(chromium, report):
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(report)
    playwright.expect(page.locator("noscript p")).to_be_visible()
    playwright.expect(page.locator("#pairs-browser")).to_be_hidden()
    page.context.close()


def test_a_run_without_records_says_so(chromium, tmp_path):
    write_page(tmp_path / "empty.html", [])
    with opened(chromium, (tmp_path / "empty.html").as_uri()) as page:
        playwright.expect(page.locator("#pairs-count")).to_have_text("0 of 0 records match")
