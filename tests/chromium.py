"""Chromium for the tests that look at pages, and what the rules of axe-core say of a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
"""What a page on a phone is opened with."""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def broken_rules(page: Any, *without: str) -> list[tuple[str, str]]:
    """The rules that a page breaks, each with the first element that does."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    (script,) = Path(axe.__file__).parent.rglob("axe.min.js")
    page.evaluate(script.read_text(encoding="utf-8"))
    found = page.evaluate("(rules) => axe.run({ rules })", {name: {"enabled": False} for name in without})
    assert len(found["passes"]) > 20
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]]
