"""The review page in a real browser: decisions by keys and by touch, what goes wrong on the way, and the records afterwards."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from chromium import CHROMIUM, PHONE, broken_rules, launched
from loopback import LoopbackModel, recipe_data

from anyprefer.data.records import RecordFile
from anyprefer.review.web import ACTIONS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"), pytest.mark.timeout(240),
    pytest.mark.filterwarnings("default"),
]  # fmt: skip
NUM_TASKS = 12
SCREENSHOT = os.environ.get("ANYPREFER_SCREENSHOT")
"""Where a picture of the page goes, if it is wanted."""

RESPONSES = (
    "17 sheep and 5 more are 22 sheep.", "17 + 5 = 23, so there are 23 sheep.", "The farmer has 22 sheep now.",
    "There are 17 sheep.", "Twenty-two sheep: 17 and 5.",
)  # fmt: skip
UNBROKEN = f"return {'a_name_without_a_gap' * 20}; see https://example.org/{'path/' * 60}"
REFUSED = "Failed to load resource"
"""How the browser logs an answer that is no success, or none at all."""


def start_run(folder: Path, num_tasks: int = NUM_TASKS, prompt: str = "How many sheep?") -> None:
    """A run whose pairs all wait for a review."""
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: RESPONSES[choice]
        recipe = recipe_data(model.url, review={"mode": "all"}, tools={"names": ["calculator"], "choose": "always"})
        recipe["aggregator"] = {"enabled": False}
        (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
        rows = ({"id": f"t{i:02}", "prompt": f"A farmer has 17 sheep and buys 5 more. {prompt}"} for i in range(num_tasks))
        (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        anyprefer(folder, "run", "recipe.toml", "--tasks", "tasks.jsonl", "--out", "run")


def anyprefer(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "anyprefer.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@contextmanager
def reviewing(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The command that serves the page, and the page's address."""
    command = [sys.executable, "-m", "anyprefer.cli", "review", "run"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = re.search(r"http://\S+", server.stderr.readline())
            assert address is not None
            yield server, address[0]
        finally:
            server.kill()


@contextmanager
def opened(address: str, *, fails: bool = False, **options: Any) -> Iterator[Any]:
    """The page; nothing may go wrong in it, unless the test wants that, and nothing may be asked for elsewhere."""
    problems: list[str] = []
    hosts: set[str] = set()
    with launched() as browser:
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(address)
        playwright.expect(page.locator("#item h2")).to_be_visible()
        yield page
    assert [problem for problem in problems if not (fails and problem.startswith(REFUSED))] == []
    assert len(hosts) == 1, hosts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    start_run(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with three pairs, one after another's tests: each test starts with nothing decided and takes its own back."""
    folder = tmp_path_factory.mktemp("desk")
    start_run(folder, 3, UNBROKEN)
    with reviewing(folder) as (_, address):
        yield address


def button(page: Any, name: str) -> Any:
    return page.locator(f"[data-action={name}]")


def expect_progress(page: Any, expected: str) -> None:
    """Wait until the page takes the next decision, and for the words."""
    playwright.expect(page.locator("#actions[aria-busy]")).to_have_count(0)
    playwright.expect(page.locator("#progress")).to_contain_text(expected)


def work_through(page: Any) -> None:
    """Ten decisions by keyboard, with an undo and a reload among them."""

    def press(key: str, expected: str) -> None:
        page.keyboard.press(key)
        expect_progress(page, expected)

    playwright.expect(page.locator("#item h2")).to_contain_text("1 of 12: t00")
    assert page.locator("mark").count() > 0
    if SCREENSHOT:
        page.screenshot(path=SCREENSHOT)
    press("a", "1 of 12 decided")
    press("s", "2 of 12 decided")
    press("a", "3 of 12 decided")
    press("u", "2 of 12 decided; this one: undecided")
    press("s", "3 of 12 decided")
    page.keyboard.press("r")
    playwright.expect(page.locator("#reason")).to_be_focused()
    page.keyboard.type("both are wrong")
    press("Enter", "4 of 12 decided")
    page.reload()
    expect_progress(page, "4 of 12 decided")
    playwright.expect(page.locator("#item h2")).to_be_visible()
    page.keyboard.press("e")
    page.locator("#chosen").fill("22 sheep.")
    press("Control+Enter", "5 of 12 decided")
    for number in range(6, 11):
        press("a", f"{number} of 12 decided")
    press("k", "10 of 12 decided; this one: accept")
    press("n", "10 of 12 decided; this one: undecided")
    page.keyboard.press("q")
    playwright.expect(page.locator("#ask-text")).to_have_text(
        "10 decided pairs will be recorded, 2 will wait for the next review."
    )
    page.keyboard.press("Enter")
    playwright.expect(page.locator("body")).to_contain_text("10 decisions are being applied")


def test_ten_decisions_by_keyboard(run: Path) -> None:
    with reviewing(run) as (server, address):
        with opened(address) as page:
            work_through(page)
        output, errors = server.communicate(timeout=60)
    assert "10 decisions applied" in errors
    assert "10 reviewed: 6 accept, 1 edit, 1 reject, 2 swap" in output
    records = {record.task.id: record for record in RecordFile(run / "run" / "records.jsonl")}
    decisions = {name: record.review.decision for name, record in records.items() if record.review}
    expected = ["accept", "swap", "swap", "reject", "edit", *["accept"] * 5]
    assert decisions == {f"t{i:02}": decision for i, decision in enumerate(expected)}
    assert records["t03"].status == "rejected"
    assert records["t04"].pair is not None
    assert records["t04"].pair.chosen.text == "22 sheep."
    assert (records["t04"].pair.chosen.origin.kind, records["t04"].pair.rejected.origin.kind) == ("person", "candidate")
    assert records["t04"].review.rejected is None, "a side that was left as it is was not sent"
    assert "9 pairs" in anyprefer(run, "export", "run", "--to", "pairs")


def test_every_pair_by_touch_on_a_phone(run: Path) -> None:
    with reviewing(run) as (server, address):
        with opened(address, **PHONE) as page:
            for number, name in enumerate(("accept", "swap", "reject", "edit", *["accept"] * 8), 1):
                button(page, name).tap()
                if name == "reject":
                    page.locator("#reason").fill("both are wrong")
                    page.locator("#ok").tap()
                elif name == "edit":
                    page.locator("#rejected").fill("7 sheep.")
                    page.locator("#ok").tap()
                expect_progress(page, f"{number} of 12 decided")
                page.wait_for_timeout(600)  # as a person would: two quick taps on one place count as one
            playwright.expect(page.locator("#done-title")).to_have_text("All 12 pairs decided")
            playwright.expect(page.locator("#done-text")).to_contain_text("9 accept, 1 swap, 1 reject, 1 edit.")
            playwright.expect(button(page, "skip")).to_have_attribute("aria-disabled", "true")
            button(page, "undo").tap()
            expect_progress(page, "11 of 12 decided; this one: undecided")
            playwright.expect(page.locator("#done")).to_be_hidden()
            button(page, "previous").tap()
            expect_progress(page, "11 of 12 decided; this one: accept")
            playwright.expect(button(page, "accept")).to_have_attribute("aria-pressed", "true")
            button(page, "skip").tap()
            expect_progress(page, "11 of 12 decided; this one: undecided")
            button(page, "swap").tap()
            expect_progress(page, "12 of 12 decided")
            button(page, "finish").tap()
            playwright.expect(page.locator("main")).to_contain_text("12 decisions are being applied")
        output, _ = server.communicate(timeout=60)
    assert "12 reviewed: 8 accept, 1 edit, 1 reject, 2 swap" in output


@pytest.mark.parametrize("size", [(360, 640), (390, 844), (844, 390), (320, 256)])
def test_a_small_screen_has_all_buttons_large_and_no_sideways_scrolling(address: str, size: tuple[int, int]) -> None:
    with opened(address, **{**PHONE, "viewport": {"width": size[0], "height": size[1]}}) as page:
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [size[0], size[0]]
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        boxes = [button(page, action.name).bounding_box() for action in ACTIONS]
        assert min(box["height"] for box in boxes) >= 44
        assert min(box["width"] for box in boxes) >= 44
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in boxes)
        assert page.locator("#actions button").evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)")
        end_of_text, bar = page.locator(".help").bounding_box(), page.locator(".dock").bounding_box()
        assert end_of_text["y"] + end_of_text["height"] <= bar["y"], "the last text can be scrolled free of the bar"
        chosen, rejected = (page.locator(f".pair .{name}").bounding_box() for name in ("chosen", "rejected"))
        assert (chosen["y"] + chosen["height"] <= rejected["y"]) is (size[0] < 768)
        for name in ("reject", "edit"):
            button(page, name).tap()
            fields = page.locator("#ask :is(input, textarea)")
            sizes = fields.evaluate_all("all => all.map((one) => getComputedStyle(one).fontSize)")
            assert set(sizes) == {"16px"}, "a smaller one makes an iPhone zoom in"
            assert page.evaluate("document.documentElement.scrollWidth") == size[0]
            page.locator("#cancel").tap()
            playwright.expect(page.locator("#ask")).to_be_hidden()


def test_a_long_text_keeps_the_name_of_its_side_in_sight(address: str) -> None:
    with opened(address, **PHONE) as page:
        page.locator(".rejected .output").evaluate("(text) => { text.textContent += ' and so on'.repeat(1000); }")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight - 2000)")
        heading = page.locator(".rejected h3").bounding_box()
        assert 0 <= heading["y"] < 10
        assert "rejected" in page.locator(".rejected h3").inner_text().lower()


def test_a_lost_connection_is_said_at_the_buttons_and_costs_no_decision(address: str) -> None:
    with opened(address, fails=True, **PHONE) as page:
        page.route("**/decide", lambda route: route.abort())
        button(page, "accept").tap()
        playwright.expect(page.locator("#problem")).to_contain_text("No answer: is this device connected")
        playwright.expect(page.locator("#problem")).to_be_in_viewport()
        expect_progress(page, "0 of 3 decided; this one: undecided")
        button(page, "reject").tap()
        page.locator("#reason").fill("typed with a thumb")
        page.locator("#ok").tap()
        playwright.expect(page.locator("#ask-problem")).to_contain_text("No answer")
        assert page.locator("#reason").input_value() == "typed with a thumb"
        page.unroute("**/decide")
        page.locator("#ok").tap()
        expect_progress(page, "1 of 3 decided")
        playwright.expect(page.locator("#problem")).to_be_empty()
        page.route("**/decide", lambda route: route.abort())
        button(page, "undo").tap()
        playwright.expect(page.locator("#problem")).to_contain_text("No answer")
        page.unroute("**/decide")
        button(page, "undo").tap()
        expect_progress(page, "0 of 3 decided; this one: undecided")


def test_a_pair_that_did_not_arrive_is_not_decided(address: str) -> None:
    with opened(address, fails=True) as page:
        page.route("**/items/*", lambda route: route.abort())
        page.keyboard.press("j")
        playwright.expect(page.locator("#problem")).to_contain_text("No answer")
        with page.expect_request("**/decide") as decided:
            page.keyboard.press("a")
        assert decided.value.post_data_json["task_id"] == "t00"
        expect_progress(page, "1 of 3 decided; this one: accept")
        playwright.expect(page.locator("#item h2")).to_contain_text("1 of 3: t00")
        page.unroute("**/items/*")
        page.keyboard.press("u")
        expect_progress(page, "0 of 3 decided")


def test_a_decision_that_does_not_fit_keeps_what_was_typed(address: str) -> None:
    with opened(address, fails=True) as page:
        button(page, "reject").click()
        page.locator("#ok").click()
        playwright.expect(page.locator("#ask-problem")).to_have_text("'reject' takes a reason")
        page.locator("#cancel").click()
        button(page, "edit").click()
        playwright.expect(page.locator("#ask-problem")).to_be_empty()
        for name in ("chosen", "rejected"):
            page.locator(f"#{name}").fill("22 sheep.")
        page.locator("#ok").click()
        playwright.expect(page.locator("#ask-problem")).to_contain_text("two different texts")
        assert page.locator("#chosen").input_value() == "22 sheep."
        page.keyboard.press("Escape")
        expect_progress(page, "0 of 3 decided; this one: undecided")


def test_a_double_tap_a_held_key_and_an_early_key_decide_one_pair(address: str) -> None:
    with opened(address) as page:
        button(page, "accept").click()
        expect_progress(page, "1 of 3 decided; this one: undecided")
        page.mouse.down(click_count=2)
        page.mouse.up(click_count=2)
        expect_progress(page, "1 of 3 decided; this one: undecided")
        page.keyboard.press("u")
        expect_progress(page, "0 of 3 decided")
        for _ in range(3):
            page.keyboard.down("a")
            expect_progress(page, "1 of 3 decided; this one: undecided")
        page.keyboard.up("a")
        page.keyboard.press("u")
        expect_progress(page, "0 of 3 decided")
        page.route("**/items/*", lambda route: (page.wait_for_timeout(300), route.continue_()))
        page.evaluate("for (const key of 'ja') dispatchEvent(new KeyboardEvent('keydown', { key }))")
        playwright.expect(page.locator("#item h2")).to_contain_text("2 of 3")
        expect_progress(page, "0 of 3 decided; this one: undecided")


def test_keys_can_be_turned_off(address: str) -> None:
    with opened(address) as page:
        page.locator(".help summary").click()
        playwright.expect(page.locator(".help dt")).to_have_count(len(ACTIONS))
        page.locator("#keys").uncheck()
        page.keyboard.press("j")
        button(page, "next").click()
        playwright.expect(page.locator("#item h2")).to_contain_text("2 of 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_no_rule_of_accessibility_is_broken(address: str, scheme: str, options: dict[str, Any]) -> None:
    with opened(address, color_scheme=scheme, bypass_csp=True, **options) as page:
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        assert broken_rules(page) == []
        button(page, "edit").click()
        assert broken_rules(page) == []
        page.locator("#cancel").click()


def test_every_button_can_be_reached_by_tab_and_shows_that_it_is(address: str) -> None:
    with opened(address) as page:
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            name = page.evaluate("document.activeElement.dataset.action")
            if name:
                seen.append(name)
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            if name == "finish":
                break
        assert seen == [action.name for action in ACTIONS]
