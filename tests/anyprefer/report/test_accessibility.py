"""The whole page of a run, as a person at a desk and one with a phone use it, and by the rules of axe-core."""

import json
import re

import pytest
import tomli_w
from chromium import PHONE, broken_rules
from loopback import LoopbackModel, recipe_data
from report_page import opened
from typer.testing import CliRunner

from anyprefer.cli import app

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("matplotlib", reason="needs the extra report")
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]
LONG = "Every sheep is counted once and never again. " * 60
UNBROKEN = "a_name_without_a_gap" * 20


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with LoopbackModel() as model:
        score = {"preferred_analysis": "x", "dispreferred_analysis": "y"}
        model.replies["PairReview"] = lambda body, choice: {**score, "score": 9 if "Be clear" in str(body) else 4}
        model.replies["JointRewrite"] = lambda body, choice: {
            "gradient": "g",
            "target_guidance": "Be clear.",
            "judge_guidance": "Be clear.",
        }
        model.replies[None] = lambda body, choice: (
            f"{LONG * (choice % 2)} 2 + 2 = {4 + choice % 2} {UNBROKEN} {'Be clear' * ('Be clear' in str(body))}"
        )
        data = recipe_data(model.url, tools={"names": ["calculator"], "choose": "always"}, aggregator={"enabled": False})
        (folder / "recipe.toml").write_text(tomli_w.dumps(data))
        rows = ({"id": f"t{number:02}", "prompt": f"question {number}"} for number in range(12))
        (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        arguments = ("--tasks", folder / "tasks.jsonl", "--out", folder / "run")
        for verb in (("run", folder / "recipe.toml", *arguments), ("report", folder / "run")):
            done = CliRunner().invoke(app, [str(part) for part in verb])
            assert done.exit_code == 0, done.output
    return (folder / "run" / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_no_rule_is_broken(address, chromium, scheme, options):  # a run needs the event loop that Chromium takes
    page = chromium.new_page(color_scheme=scheme, **options)
    page.goto(address)
    page.locator(".evidence summary").first.click()
    page.locator("#pairs-rows tr").first.click()
    page.locator("#pairs-record").wait_for()
    # axe cannot see the background of an SVG's text; test_browser.py computes the contrasts.
    assert broken_rules(page, "color-contrast") == []
    page.close()


@pytest.mark.parametrize("size", [(360, 640), (390, 844), (844, 390)])
def test_a_phone_needs_no_sideways_scrolling_and_has_large_buttons(address, chromium, size):
    with opened(chromium, address, **{**PHONE, "viewport": {"width": size[0], "height": size[1]}}) as page:
        playwright.expect(page.locator("#accepted .case").first).to_be_in_viewport()
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        page.locator("#pairs-rows a").first.tap()
        page.locator("#pairs-record").wait_for()
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [size[0], size[0]]
        touched = page.locator("button:visible, summary:visible, select:visible, input:not([type=checkbox]):visible")
        sizes = touched.evaluate_all("all => all.map((one) => [one.textContent, one.getBoundingClientRect().height])")
        assert len(sizes) > 20
        assert [size for size in sizes if size[1] < 44] == []
        fields = page.locator("select, input:not([type=checkbox])")
        sizes = fields.evaluate_all("all => all.map((one) => getComputedStyle(one).fontSize)")
        assert set(sizes) == {"16px"}, "a smaller one makes an iPhone zoom in"


def test_long_texts_unfold_and_evidence_opens_by_touch(address, chromium):
    with opened(chromium, address, **PHONE) as page:
        pair = page.locator("#accepted .case").first
        long = pair.locator(".fold").filter(has_text="Every sheep")
        folded = long.first.bounding_box()["height"]
        button = pair.get_by_role("button", name="Show the whole texts")
        playwright.expect(button).to_have_attribute("aria-expanded", "false")
        button.tap()
        assert long.first.bounding_box()["height"] > 2 * folded
        playwright.expect(pair.locator(".unfold")).to_have_attribute("aria-expanded", "true")
        pair.locator(".unfold").tap()
        assert long.first.bounding_box()["height"] == folded
        playwright.expect(pair.get_by_text("Preferred: x")).to_be_hidden()
        pair.locator(".evidence > summary").tap()
        playwright.expect(pair.get_by_text("Preferred: x")).to_be_visible()
        playwright.expect(pair.locator(".evidence .chosen h5").filter(has_text="calculator")).to_be_visible()


def test_paper_and_pages_without_script_have_the_whole_texts(address, chromium):
    with opened(chromium, address) as page:
        long = page.locator("#accepted .fold").filter(has_text="Every sheep").first
        folded = long.bounding_box()["height"]
        page.emulate_media(media="print")
        assert long.bounding_box()["height"] > folded
        playwright.expect(page.locator(".unfold").first).to_be_hidden()
    without = chromium.new_context(java_script_enabled=False).new_page()
    without.goto(address)
    long = without.locator("#accepted .fold").filter(has_text="Every sheep").first
    assert long.evaluate("(one) => one.scrollHeight - one.clientHeight") == 0
    playwright.expect(without.locator("#accepted .chosen").first).to_be_visible()
    without.context.close()


def test_the_first_pairs_lead_to_the_others_and_to_their_records(address, chromium):
    with opened(chromium, address) as page:
        page.locator("a.to-records").click()
        playwright.expect(page.locator("#pairs-title")).to_be_in_viewport()
        playwright.expect(page.locator("#pairs-count")).to_have_text(re.compile(r"^12 of 12 records match"))
        page.locator("#accepted h3 a").nth(1).click()
        name = page.locator("#accepted h3 a").nth(1).inner_text()
        playwright.expect(page.locator("#pairs-record-title code")).to_have_text(name)
        playwright.expect(page.locator("#pairs-record-title")).to_be_in_viewport()
