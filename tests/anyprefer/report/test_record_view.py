"""An open record in Chromium: its whole lineage, differences, and texts that would like to be more than text."""

import json

import pytest
from lineage import CARRIED, CROSSED, EDITED, FROM_REFERENCE, LAID_OUT, RULED, SILENT, SWAPPED, THOUGHTS, TWO_GENERATORS
from report_page import BIG_SEED, EVIL, expect_count, expect_open, make_record, opened

from anyprefer.types import PreferencePair, PreferenceRecord

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
ALL = (TWO_GENERATORS, SWAPPED, EDITED, CROSSED, LAID_OUT, FROM_REFERENCE, SILENT, CARRIED, RULED)
RECORDS = {record.task.id: record for record in ALL}
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]


def test_a_record_opens_with_its_whole_lineage(page):
    page.click("#pairs-rows a >> nth=5")
    expect_open(page, "t5")
    body = page.locator("#pairs-record-body")
    for number in (1, 2):
        body.get_by_text(f"Round {number}").click()
    text = body.inner_text()
    parts = ["What do 5 apples cost?", "5 euros", "a clear contrast", "Round 3", "prompts rewritten 2 times", "to be sure"]
    parts += [
        "print(1)",
        "correct sum",
        "single scores 8, 10",
        "cut off",
        "failed",
        "boom",
        "prices are known",
    ]
    parts += ["alpha", "1,234", "$0.25", str(BIG_SEED), "cd" * 32, "Reward\n6 of 10", "Margin\n1", "kept round 3"]
    assert [part for part in parts if part not in text] == []
    assert body.locator(".pair mark").all_inner_texts() == ["5", "6"]
    assert body.locator("ins").all_inner_texts() == []
    body.get_by_text("Metadata of the task").click()
    assert str(BIG_SEED) in body.inner_text()
    body.get_by_text("Hashes of 1 prompt file").click()
    body.get_by_text("The whole record as JSON").click()
    playwright.expect(body.locator(".raw .text")).to_contain_text('"recipe_digest"')
    shown = json.loads(body.locator(".raw .text").inner_text().replace(f'"{BIG_SEED}"', str(BIG_SEED)))
    assert PreferenceRecord.model_validate(shown) == make_record(5)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("t5", ["Rejected scored 8 of 10\n\nresponse 2 of round 3, cut off"]),
        ("failed", ["ModelCallError in judge", "timed out"]), ("pairless", ["No round made a pair", "No contrast at all."]),
        ("image", ["Prompt, system", "Be kind.", "Describe it.", "ca" * 32, "image/png"]),
        ("reject", ["Reviewed: reject", "both are bad", "Chosen"]),
        ("swap", ["Reviewed by Ann: swap"]), ("edit", ["by hand"]), ("surrogate", [r"half \ud83d"]), ("long", ["Apples cost 1"]),
    ],
)  # fmt: skip
def test_records_unlike_the_others_show_what_they_have(chromium, report, record, expected):
    with opened(chromium, f"{report}#record={record}") as page:
        expect_open(page, record)
        text = page.locator("#pairs-record-body").inner_text()
        assert [part for part in expected if part not in text] == []
        assert page.locator("img").count() == 0


def test_a_swapped_pair_is_shown_as_the_reviewer_left_it(chromium, report):
    with opened(chromium, f"{report}#record=swap") as page:
        expect_open(page, "swap")
        assert page.locator("#pairs-record-body .pair mark").all_inner_texts() == ["2", "1"]


@pytest.mark.parametrize(
    ("record", "chosen", "rejected", "facts"),
    [
        (
            "generators", "Chosen scored 9 of 10\nresponse 1 of round 1, openai:big\nIt is 42.",
            "Rejected scored 2 of 10\nresponse 2 of round 1, openai:small\nIt is 41.", ["Margin\n7", "Certainty\n80 %"],
        ),
        (
            "swapped", "Chosen scored 2 of 10\nresponse 2 of round 1, openai:small\nIt is 41.",
            "Rejected scored 9 of 10\nresponse 1 of round 1, openai:big\nIt is 42.",
            ["Margin\n-7", "The critic saw the pair as it was before the review."],
        ),
        (
            "edited", "Chosen no score\na person\nIt is 42, by hand.",
            "Rejected scored 2 of 10\nresponse 2 of round 1, openai:small\nIt is 41.", ["Margin\nnone"],
        ),
        (
            "laid-out", "Chosen scored 9 of 10\nresponse 1 of round 1, openai:big\nIt is 42.",
            "Rejected no score\na person\nIt is 40.", ["Margin\nnone"],
        ),
        (
            "reference", "Chosen no score\nthe task's reference\nForty-two, that is 42.",
            "Rejected scored 2 of 10\nresponse 2 of round 1, openai:small\nIt is 41.",
            ["Margin\nnone", "The chosen side is the task's reference"],
        ),
        (
            "carried", "Chosen scored 9 of 10\nresponse 1 of round 1, openai:big\nIt is 42.",
            "Rejected scored 1 of 10\nresponse 5 of round 2, openai:small\nIt is 44.",
            ["Margin\n8", "Responses of earlier rounds\nResponse 1 of round 1", "judged again"],
        ),
        (
            "ruled", "Chosen no score\nresponse 1 of round 1, openai:big\nIt is 42.",
            "Rejected no score\nresponse 2 of round 1, openai:small\nIt is 41.",
            [
                "Margin\nnone", "names the <unit>: chosen met (42 apples), rejected unknown",
                "Critique: reward 7.25 of 10, grades: chosen 9, rejected 2.5", "What stood in the way: low reward, cut off",
            ],
        ),
    ],
)  # fmt: skip
def test_a_side_says_whose_it_is_and_what_it_scored(chromium, lineages, record, chosen, rejected, facts):
    with opened(chromium, f"{lineages}#record={record}") as page:
        expect_open(page, record)
        sides = page.locator("#pairs-record-body .pair > section")
        assert [text.replace("\n\n", "\n") for text in sides.all_inner_texts()] == [chosen, rejected]
        text = page.locator("#pairs-record-body").inner_text()
        assert [part for part in facts if part not in text] == []
        own = page.evaluate(
            "record => readRecord(record).then((one) => pairAfterReview(bestAttempt(one).pair, one.review))",
            list(RECORDS).index(record),
        )
        assert PreferencePair.model_validate(own) == RECORDS[record].pair


def test_a_response_is_marked_in_the_round_that_sampled_it(chromium, lineages):
    with opened(chromium, f"{lineages}#record=carried") as page:
        expect_open(page, "carried")
        marks = [
            card.locator("h5 .badge").all_inner_texts()
            for card in page.locator("details.round").nth(1).locator(".candidate").all()
        ]
        assert marks == [[], ["rejected"], ["chosen"]], "the last is of the round before"


def test_candidates_show_thoughts_endings_and_what_findings_say_to_a_program(chromium, lineages):
    with opened(chromium, f"{lineages}#record=generators") as page:
        expect_open(page, "generators")
        first, second, third = page.locator(".candidate").all()
        thoughts = first.locator("details")
        playwright.expect(thoughts.locator("summary")).to_have_text(f"Thoughts, {len(THOUGHTS)} characters")
        playwright.expect(thoughts.locator(".text")).to_be_hidden()
        thoughts.locator("summary").click()
        playwright.expect(thoughts.locator(".text")).to_have_text(THOUGHTS)
        assert "speaks for it, 4 of 5 votes" in first.inner_text()
        assert "speaks against it" in second.inner_text()
        assert "cut off" in third.inner_text()
        assert third.locator("details").count() == third.locator(".badge").count() == 0
        page.evaluate("location.hash = 'record=silent'")
        expect_open(page, "silent")
        assert page.locator(".evidence .badge").count() == 0


def test_hostile_texts_are_shown_and_do_nothing(page):
    page.fill("#pairs-q", "window.evil")
    expect_count(page, 1)
    page.click("#pairs-rows a")
    expect_open(page, f"{EVIL}&'\"#=%")
    page.locator("#pairs-record-body details").evaluate_all("list => list.forEach((details) => { details.open = true; })")
    body = page.locator("#pairs-record-body")
    playwright.expect(body.locator(".pair .chosen")).to_contain_text(f"Apples cost 1 euros {EVIL} \0 \u202e abc")
    assert body.locator(".control").evaluate_all("list => [...new Set(list.map(one => one.dataset.code))]") == [
        "U+202E",
        "U+0000",
    ]
    assert page.evaluate("window.evil") is None
    assert page.locator("script, img").count() == page.locator("script").count() == page.locator("body > script").count()


def test_changed_guidance_is_marked(page):
    page.evaluate("location.hash = 'record=t2'")
    expect_open(page, "t2")
    assert "changed since the round before" in page.locator("details.round").nth(1).text_content()
    shown = page.evaluate("make('p', {}, changes('Think once, then', 'Think twice, then')).innerHTML")
    assert shown == "Think <del>once</del><ins>twice</ins>, then"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("the answer is 4", "the answer is 5", (["4"], ["5"])), ("same\ntext", "same text", ([], [])), ("", "new", ([], ["new"])),
        ("a b c d", "a c d e", (["b"], ["e"])),
        ("\u4f60\u597d\u4e16\u754c", "\u4f60\u597d\u670b\u53cb", (["\u4e16\u754c"], ["\u670b\u53cb"])),
        ("x " * 5000, "y " * 5000, (["x " * 4999 + "x"], ["y " * 4999 + "y"])),
    ],
)  # fmt: skip
def test_words_that_only_one_side_has_are_marked(page, before, after, expected):
    compare = "([a, b]) => sideBySide(a, b).map((side) => make('p', {}, side))"
    sides = page.evaluate_handle(compare, [before, after])
    marks = "sides => sides.map((side) => [...side.querySelectorAll('mark')].map((mark) => mark.textContent))"
    assert sides.evaluate(marks) == list(expected)
    assert sides.evaluate("sides => sides.map((side) => side.textContent)") == [before, after]
