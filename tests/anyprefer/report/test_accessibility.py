"""The whole page by the rules of axe-core, in light and in dark, with a record open."""

from pathlib import Path

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data
from typer.testing import CliRunner

from anyprefer.cli import app

axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
pytest.importorskip("matplotlib", reason="needs the extra report")
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]
RULES = "axe.run({rules: {'color-contrast': {enabled: false}}})"
"""axe cannot see the background of an SVG's text; test_browser.py computes the contrasts."""


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
        data = recipe_data(model.url, tools={"names": ["calculator"], "choose": "always"}, aggregator={"enabled": False})
        (folder / "recipe.toml").write_text(tomli_w.dumps(data))
        (folder / "tasks.jsonl").write_text("".join(f'{{"prompt": "question {number}"}}\n' for number in range(12)))
        arguments = ("--tasks", folder / "tasks.jsonl", "--out", folder / "run")
        for verb in (("run", folder / "recipe.toml", *arguments), ("report", folder / "run")):
            done = CliRunner().invoke(app, [str(part) for part in verb])
            assert done.exit_code == 0, done.output
    return (folder / "run" / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken(address, chromium, scheme):  # a run needs the event loop that Chromium takes
    page = chromium.new_page(color_scheme=scheme)
    page.goto(address)
    page.locator("#pairs-rows tr").first.click()
    page.locator("#pairs-record").wait_for()
    (script,) = Path(axe.__file__).parent.rglob("axe.min.js")
    page.evaluate(script.read_text(encoding="utf-8"))
    found = page.evaluate(RULES)
    assert len(found["passes"]) > 30
    assert not [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]]
    page.close()
