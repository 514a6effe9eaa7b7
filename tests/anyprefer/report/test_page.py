"""`anyprefer report`: one page with every section, from real runs, with hostile text in it."""

import html
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="needs the extra report")
pytest.importorskip("matplotlib", reason="needs the extra report")
import tomli_w
from lineage import CARRIED, EDITED, FROM_REFERENCE, SILENT, SWAPPED, TWO_GENERATORS
from loopback import LoopbackModel, recipe_data
from old_folders import copy_folder
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.recipes import parse_recipe
from anyprefer.report.archive import unpack
from anyprefer.report.page import write_report

EVIL = "</script><script>alert(1)</script> {{ 7 * 7 }} & <img src=x onerror=alert(1)>"


def command(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Six tasks: most are rewritten once before the critic is content, and one fails."""
    folder = tmp_path_factory.mktemp("run")

    def review(body, choice):
        rewritten = "shorter and clearer" in json.dumps(body)
        return {
            "preferred_analysis": EVIL,
            "dispreferred_analysis": "x",
            "score": 9 if rewritten or "question 1" in json.dumps(body) else 3,
        }

    with LoopbackModel() as model:
        model.replies[None] = lambda body, choice: (
            f"{EVIL} 2 + 2 = {4 + choice % 2} {choice}. {'shorter and clearer' * ('Be clear' in json.dumps(body))}"
        )
        model.replies["PairReview"] = review
        model.replies["JointRewrite"] = lambda body, choice: {
            "gradient": "g",
            "target_guidance": "Be clear.",
            "judge_guidance": "Be strict.",
        }
        model.before = lambda body: 400 if "question 5" in json.dumps(body) else None
        data = recipe_data(
            model.url,
            tools={"names": ["calculator"], "choose": "always"},
            aggregator={"enabled": False},
            run={"max_failed_share": 1},
        )
        (folder / "recipe.toml").write_text(tomli_w.dumps({**data, "description": EVIL}))
        rows = ({"id": f"t/{i}", "prompt": f"{EVIL} question {i}", "reference": "4"} for i in range(6))
        (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        command("run", folder / "recipe.toml", "--tasks", folder / "tasks.jsonl", "--out", folder / "run")
    return folder / "run"


def page_of(run_dir, tmp_path, *arguments):
    done = command("report", run_dir, "--out", tmp_path / "r.html", *arguments)
    return done, (tmp_path / "r.html").read_text(encoding="utf-8")


def sections(page):
    return dict(re.findall(r'<section id="([\w-]+)".*?>(.*?)(?=<section id=|</main>)', page, re.DOTALL))


def test_every_section_says_what_the_run_came_to(run_dir, tmp_path):
    _, page = page_of(run_dir, tmp_path)
    parts = sections(page)
    assert list(parts) == ["summary", "rounds", "tools", "prompts", "calls", "failures", "cases", "pairs"]
    records = [json.loads(line) for line in (run_dir / "records.jsonl").read_text().splitlines()]
    accepted = sum(record["status"] == "accepted" for record in records)
    assert accepted >= 3
    assert re.search(rf"<dt>accepted</dt><dd>{accepted} ", parts["summary"])
    assert re.search(r"<dt>failed</dt><dd>1 ", parts["summary"])
    assert parts["rounds"].count("<svg") == 4
    assert 'scope="row">calculator</th>' in parts["tools"]
    assert "Be clear." in parts["prompts"]
    assert "Slowest calls" in parts["calls"]
    assert "record_preference" not in parts["failures"]
    assert "t/5" in parts["failures"]
    assert "Largest gain by rewriting" in parts["cases"]
    assert "Guidance of the target, after</h5><pre><mark>Be clear.</mark>" in parts["cases"]
    assert 'href="#record=t%2F' in parts["cases"]


def test_every_chart_has_its_data_and_a_text(run_dir, tmp_path):
    _, page = page_of(run_dir, tmp_path)
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert "<table>" in figure
        assert 'role="img"' in figure
        assert re.search(r"<title id=\"[\w-]+\">.+?</title>", figure, re.DOTALL)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_text_of_models_and_recipes_is_never_markup(run_dir, tmp_path):
    _, page = page_of(run_dir, tmp_path)
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert html.escape(EVIL, quote=False)[:20] in page
    assert "{{ 7 * 7 }}" in page
    assert page.count("<script>") == 1
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    assert html.unescape(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert "http://" not in re.sub(r"http://(www\.w3\.org|127\.0\.0\.1)", "", page)


def test_the_page_carries_every_record(run_dir, tmp_path):
    _, page = page_of(run_dir, tmp_path)
    blocks = re.findall(r'<script type="text/plain" data-archive="records" data-first="\d+">(.*?)</script>', page)
    lines = [line for block in blocks for line in unpack(block)]
    assert lines == (run_dir / "records.jsonl").read_text().splitlines()


def test_the_same_run_makes_the_same_page(run_dir, tmp_path):
    assert page_of(run_dir, tmp_path)[1] == page_of(run_dir, tmp_path)[1]


def test_json_names_file_and_numbers(run_dir, tmp_path):
    done, page = page_of(run_dir, tmp_path, "--json")
    summary = json.loads(done.stdout)
    assert summary["records"] == 6
    assert summary["bytes"] == len(page.encode())
    assert not list(tmp_path.glob(".*tmp"))


def test_a_run_without_journal_or_prices_column_is_reported(run_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    with sqlite3.connect(copy / "journal.sqlite") as db:
        db.execute("ALTER TABLE calls DROP COLUMN cost_usd")
    assert "Slowest calls" in page_of(copy, tmp_path)[1]
    for file in copy.glob("journal.sqlite*"):
        file.unlink()
    assert "journal of this run is in a database" in page_of(copy, tmp_path)[1]


@pytest.mark.parametrize("damage", ["empty", "foreign", "rounds", "broken"])
def test_what_is_no_run_gets_advice(run_dir, tmp_path, damage):
    folder = tmp_path / "x"
    shutil.copytree(run_dir, folder / "round-1" / "run" if damage == "rounds" else folder)
    expected = {
        "empty": "no finished task yet",
        "foreign": "give the --out",
        "rounds": "round-1/run",
        "broken": "line 1 is not a record",
    }
    if damage == "empty":
        (folder / "records.jsonl").write_text("")
    if damage == "foreign":
        (folder / "recipe.lock.toml").unlink()
    if damage == "broken":
        (folder / "records.jsonl").write_text("{}\n")
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert expected[damage] in str(done.exception)
    assert not list(tmp_path.rglob("report.html"))


def test_a_folder_that_cannot_be_written_is_named(run_dir):
    done = CliRunner().invoke(app, ["report", str(run_dir), "--out", "/proc/nowhere/r.html"])
    assert "give another --out" in str(done.exception)


def test_a_run_whose_every_task_failed_has_a_page(tmp_path):
    with LoopbackModel() as model:
        model.before = lambda body: 400
        (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, run={"max_failed_share": 1})))
        (tmp_path / "tasks.jsonl").write_text('{"prompt": "a"}\n')
        command("run", tmp_path / "recipe.toml", "--tasks", tmp_path / "tasks.jsonl", "--out", tmp_path / "run")
    parts = sections(page_of(tmp_path / "run", tmp_path)[1])
    assert "No task came as far as a round" in parts["rounds"]
    assert "No record stands out" in parts["cases"]
    assert Path(tmp_path / "r.html").exists()


def written(folder, *records):
    """The page about given records, with its tags taken out, by section."""
    folder.mkdir(exist_ok=True)
    files = RunDir(folder)
    files.lock.write_text(files.lock_of(parse_recipe(recipe_data("http://127.0.0.1:1/v1")), "abc", {}).text)
    with RecordFile(files.records) as file:
        for record in records:
            file.append(record)
    page = write_report(folder).path.read_text(encoding="utf-8").replace("<mark>", "").replace("</mark>", "")
    return {name: " ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).split()) for name, part in sections(page).items()}


BIG, SMALL = "response 1 of round 1, openai:big", "response 2 of round 1, openai:small"


@pytest.mark.parametrize(
    ("record", "chosen", "rejected", "authors"),
    [
        (TWO_GENERATORS, f"chosen 9 of 10 {BIG} It is 42.", f"rejected 2 of 10 {SMALL} It", "openai:big 1 0 openai:small 0 1"),
        (SWAPPED, f"chosen 2 of 10 {SMALL} It is 41.", f"rejected 9 of 10 {BIG} It is 42.", "openai:big 0 1 openai:small 1 0"),
        (EDITED, "chosen no score a person It is 42, by hand.", f"rejected 2 of 10 {SMALL} It", "a person 1 0 openai:small 0 1"),
        (
            FROM_REFERENCE, "chosen no score the task's reference Forty-two, that is 42.", f"rejected 2 of 10 {SMALL} It is 41.",
            "openai:small 0 1 the task's reference 1 0",
        ),
    ],
)  # fmt: skip
def test_a_page_says_whose_the_sides_are(tmp_path, record, chosen, rejected, authors):
    parts = written(tmp_path, record)
    assert chosen in parts["cases"]
    assert rejected in parts["cases"]
    assert f"Author Chosen Rejected {authors}" in parts["rounds"]


def test_a_case_study_shows_thoughts_findings_certainty_and_review(tmp_path):
    cases = written(tmp_path / "plain", TWO_GENERATORS)["cases"]
    assert "Certainty 80 %" in cases
    assert "Thoughts, 24 characters six sevens are forty-two" in cases
    assert "calculator speaks for it, 4 of 5 votes 6*7 = 42" in cases
    assert "calculator speaks against it 6*7 = 41" in cases
    carried = written(tmp_path / "carried", CARRIED)["cases"]
    assert f"chosen 9 of 10 {BIG} It is 42. Thoughts, 24 characters six sevens are forty-two calculator speaks for it" in carried
    swapped = written(tmp_path / "swapped", SWAPPED)["cases"]
    assert "Reviewed: swap, by Ann: the wrong way round. The critic saw the pair as it was before." in swapped


@pytest.mark.parametrize(
    ("record", "sided"),
    [
        (SILENT, "said nothing that a program can read"), (FROM_REFERENCE, "was never about both sides"),
        (TWO_GENERATORS, "chosen 1"),
    ],
)  # fmt: skip
def test_the_tools_table_says_whom_a_tool_sided_with(tmp_path, record, sided):
    shown = written(tmp_path, record)["tools"]
    assert re.search(rf"calculator 3 0 0\.50 [\d.]* ?[\d.]+ {sided} ", shown), shown


def test_findings_of_an_earlier_version_are_not_read_by_their_words(tmp_path):
    parts = sections(write_report(copy_folder("run_before", tmp_path) / "out").path.read_text(encoding="utf-8"))
    assert parts["tools"].count("<td>said nothing that a program can read</td>") == 2
    assert "<svg" not in parts["tools"]
    assert "<article" in parts["cases"]
    assert "speaks" not in parts["cases"]
