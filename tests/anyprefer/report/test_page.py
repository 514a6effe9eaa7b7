"""`anyprefer report`: one page with every section, from real runs, with hostile text in it."""

import html
import json
import re
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="needs the extra report")
pytest.importorskip("matplotlib", reason="needs the extra report")
import tomli_w
from lineage import (
    CARRIED,
    EDITED,
    FROM_REFERENCE,
    RULED,
    SILENT,
    SWAPPED,
    TWO_GENERATORS,
    make_attempt,
    make_record,
    side,
)  # fmt: skip
from loopback import LoopbackModel, recipe_data, responses_in
from old_folders import copy_folder
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.recipes import parse_recipe
from anyprefer.report.archive import unpack
from anyprefer.report.page import write_report
from anyprefer.types import Cut, PreferencePair, Task

CLEARER = "shorter and clearer"
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
        rewritten = CLEARER in json.dumps(body)
        return {
            "preferred_analysis": EVIL,
            "dispreferred_analysis": "x",
            "score": 9 if rewritten or "question 1" in json.dumps(body) else 3,
        }

    def scores(body, choice):
        """The responses of later rounds are best, so that a rewrite changes the pair."""
        texts = responses_in(body)
        return {
            "analyses": ["about it"] * len(texts),
            "scores": [9 if CLEARER in text else 1 + ("= 4" in text) for text in texts],
        }

    with LoopbackModel() as model:
        model.replies["ScoreSheet"] = scores
        model.replies[None] = lambda body, choice: (
            f"{EVIL} 2 + 2 = {4 + choice % 2} {choice}. {CLEARER * ('Be clear' in json.dumps(body))}"
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
    names = ["accepted", "summary", "rounds", "tools", "prompts", "failures", "calls", "cases", "settings", "pairs"]
    assert list(parts) == names
    assert re.findall(r'<li><a href="#([\w-]+)">', page) == names
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


def test_the_page_begins_with_what_came_out_and_the_first_pairs(run_dir, tmp_path):
    _, page = page_of(run_dir, tmp_path)
    lead = " ".join(re.sub(r"<[^>]*>", "", re.search(r'<p class="lead">(.*?)</p>', page)[1]).split())
    counts = r"6 tasks: 5 accepted \(83 %\), 1 failed"
    assert re.fullmatch(
        rf"{counts}; \d+ model calls, [\d,]+ tokens, cost unknown, [\d.]+ minutes\. Right against wrong by .*", lead
    )
    assert lead.endswith("Right against wrong by the references: 5 of 5, 100.0 % [56.6, 100.0].")
    assert page.index('class="lead"') < page.index('<section id="accepted"') < page.index('<section id="summary"')
    accepted = sections(page)["accepted"]
    records = {record.task.id: record for record in RecordFile(run_dir / "records.jsonl")}
    shown = [html.unescape(name) for name in re.findall(r'<article class="case" aria-label="Pair of (.*?)">', accepted)]
    assert shown == [name for name, record in records.items() if record.status == "accepted"][:5]
    for part, name in zip(accepted.split("<article")[1:], shown, strict=True):
        pair = records[name].pair
        for place, shown_side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            assert f'<div class="{place}" role="group" aria-label="{place} response"><h4>{place} <span class="score">' in part
            assert f"{shown_side.score:.3g} of 10</span>" in part
            text = re.sub("</?mark>", "", part)
            assert f'<pre class="fold" dir="auto">{html.escape(shown_side.text, quote=False)}' in text.replace("&#34;", '"')
        assert f"<dt>Reward</dt><dd>{records[name].best.critique.score:.3g} of 10</dd>" in part
        assert '<details class="evidence"><summary>' in part, "evidence is a click away"
        assert "<h5>calculator" in part.split('<details class="evidence">')[1]


def test_numbers_say_what_references_confirm_by_certainty_and_what_the_work_brought_in(run_dir, tmp_path):
    numbers = flat(sections(page_of(run_dir, tmp_path)[1])["summary"])
    assert "Accepted pairs 83.3 per 100 tasks, 0." in numbers
    assert "Right against wrong 83.3 per 100 tasks" in numbers
    assert "Side Right Wrong Undecided chosen 5 0 0 rejected 0 5 0" in numbers
    assert "5 accepted pairs are of tasks with a reference. Right against wrong: 5 of 5" in numbers


def test_references_and_votes_are_told_apart_by_band(tmp_path):
    pair = PreferencePair(chosen=side(0, "It is 42.", 9), rejected=side(1, "It is 41.", 2))
    judged = make_record("judged", make_attempt(pair=pair))
    numbers = written(tmp_path, TWO_GENERATORS, judged, FROM_REFERENCE, SWAPPED)["summary"]
    assert "chosen 2 1 0 rejected 1 3 0" in numbers
    assert "4 accepted pairs are of tasks with a reference. Right against wrong: 2 of 3, 66.7 % [20.8, 93.9]" in numbers
    assert "1 chosen side is the reference itself." in numbers
    assert "80 % to below 100 % 1 1 of 1, 100.0 % [20.7, 100.0] nobody voted 3 1 of 2, 50.0 % [9.5, 90.5]" in numbers


def test_a_run_without_references_or_votes_has_no_such_tables(tmp_path):
    plain = make_attempt(pair=PreferencePair(chosen=side(0, "It is 42.", 9), rejected=side(1, "It is 41.", 2)))
    record = make_record("plain", plain)
    numbers = written(tmp_path, record.model_copy(update={"task": Task(id="plain", prompt="q")}))["summary"]
    assert "reference" not in numbers
    assert "Certainty" not in numbers


def test_criteria_grades_and_what_stood_in_the_way_are_shown(tmp_path):
    parts = written(tmp_path, RULED, CARRIED)
    assert "Reward 7.25 of 10 Critic's grades chosen 9, rejected 2.5" in parts["accepted"]
    assert "names the <unit>: chosen met (42 apples), rejected unknown" in parts["accepted"]
    assert "Not good enough (low reward, cut off): The reward is below the threshold." in parts["accepted"]
    assert "Mean grades chosen 9.00, rejected 2.50" in parts["summary"]
    assert "Differ in criteria 1 pairs" in parts["summary"]
    assert "What stood in the way of a good pair, by rounds: low reward 1, undecided 1." in parts["failures"]


def test_a_page_without_an_accepted_pair_says_where_to_look(tmp_path):
    exhausted = TWO_GENERATORS.model_copy(update={"status": "exhausted"})
    shown = written(tmp_path, exhausted)["accepted"]
    assert shown == (
        "Accepted pairs No pair was accepted. Failures by cause says why; the exhausted tasks have the best pair that was found."
    )


def test_only_the_first_accepted_pairs_are_on_top(tmp_path):
    exhausted = TWO_GENERATORS.model_copy(update={"status": "exhausted"})
    shown = written(tmp_path, exhausted, *(make_record(f"r{i}") for i in range(8)))["accepted"]
    assert "The first 5 as they were recorded. All 8 to search and read r0 " in shown
    assert re.findall(r"\br\d\b", shown) == [f"r{i}" for i in range(5)]


def test_a_pair_on_top_shows_certainty_findings_and_review(tmp_path):
    shown = written(tmp_path / "plain", TWO_GENERATORS)["accepted"]
    assert "Reward 8 of 10 Margin 7 Certainty 80 % of the tools' votes Round 1 of 1" in shown
    assert "six sevens are forty-two calculator speaks for it, 4 of 5 votes rejected 2 of 10" in shown
    evidence = shown.partition("Evidence: ")[2]
    assert "chosen Judge analysis 0 calculator speaks for it, 4 of 5 votes 6*7 = 42 rejected Judge analysis 1" in evidence
    assert evidence.endswith("Critic reward 8/10 fine")
    shortened = make_record("shortened", make_attempt(cuts=(Cut(role="judge", what="response 1", chars=900),)))
    assert "Shortened for who read it judge: response Round 1" in written(tmp_path / "shortened", shortened)["accepted"]
    cut = make_attempt(pair=PreferencePair(chosen=side(0, "It is 42.", 9), rejected=side(2, "It is fort", 5)))
    shown = written(tmp_path / "cut", make_record("cut", cut))["accepted"]
    assert "response 3 of round 1, openai:small, cut off It is fort" in shown
    assert "Reviewed: swap, by Ann: the wrong way round." in written(tmp_path / "swapped", SWAPPED)["accepted"]


def test_huge_texts_cost_no_more_than_large_ones(tmp_path):
    texts = (" ".join(f"{word}{i % 977}" for i in range(60_000)) for word in ("good", "bad"))
    good, bad = (side(number, text, 9 - number) for number, text in enumerate(texts))
    start = time.perf_counter()
    parts = written(tmp_path, make_record("huge", make_attempt(pair=PreferencePair(chosen=good, rejected=bad))))
    assert "good0 good1 good2" in parts["accepted"]
    assert time.perf_counter() - start < 20


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
    return {name: flat(part) for name, part in sections(page).items()}


def flat(part):
    """A part of a page without its tags, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).split())


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
