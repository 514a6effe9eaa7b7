"""The review page in a real browser: decisions by keyboard, undo, a reload in the middle, and the records afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data

from anyprefer.data.records import RecordFile

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
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


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: RESPONSES[choice]
        recipe = recipe_data(model.url, review={"mode": "all"}, tools={"names": ["calculator"], "choose": "always"})
        recipe["aggregator"] = {"enabled": False}
        (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe))
        rows = ({"id": f"t{i:02}", "prompt": "A farmer has 17 sheep and buys 5 more. How many sheep?"} for i in range(NUM_TASKS))
        (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        anyprefer(tmp_path, "run", "recipe.toml", "--tasks", "tasks.jsonl", "--out", "run")
        yield tmp_path


def anyprefer(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "anyprefer.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def work_through(page: Any) -> None:
    """Ten decisions by keyboard, with an undo and a reload among them."""
    progress = page.locator("#progress")

    def press(key: str, expected: str) -> None:
        page.keyboard.press(key)
        playwright.expect(progress).to_contain_text(expected)

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
    playwright.expect(progress).to_contain_text("4 of 12 decided")
    page.keyboard.press("e")
    page.locator("#chosen").fill("22 sheep.")
    press("Control+Enter", "5 of 12 decided")
    for number in range(6, 11):
        press("a", f"{number} of 12 decided")
    press("k", "10 of 12 decided; this one: accept")
    press("n", "10 of 12 decided; this one: undecided")
    page.keyboard.press("q")
    playwright.expect(page.locator("body")).to_contain_text("10 decisions are being applied")


def browse(address: str) -> None:
    """Open the page and work; nothing may go wrong in it, and nothing may be asked for elsewhere."""
    problems: list[str] = []
    hosts: set[str] = set()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(address)
        work_through(page)
        browser.close()
    assert not problems
    assert len(hosts) == 1, hosts


def test_ten_decisions_by_keyboard(run: Path) -> None:
    command = [sys.executable, "-m", "anyprefer.cli", "review", "run"]
    with subprocess.Popen(command, cwd=run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = re.search(r"http://\S+", server.stderr.readline())
            assert address is not None
            browse(address[0])
            output, errors = server.communicate(timeout=60)
        finally:
            server.kill()
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
