"""What was shortened for a model, in the report: counted above, listed with each round below."""

import pytest
from lineage import make_attempt, make_record
from report_page import expect_open, opened, write_page

from anyprefer.report.facts import RunFacts
from anyprefer.types import Cut

EVIL = "<b>tool</b> on response 1"
CUTS = (
    Cut(role="judge", what="task", chars=9258), Cut(role="critic", what="task", chars=9258),
    Cut(role="tools", what=EVIL, chars=7),
)  # fmt: skip
RECORDS = [make_record("whole"), make_record("cut", make_attempt(cuts=CUTS)), make_record("tools", make_attempt(cuts=CUTS[2:]))]


def test_records_whose_judge_or_critic_saw_a_shortened_text_are_counted():
    facts = RunFacts()
    for record in RECORDS:
        facts.add(record)
    assert (facts.shortened, facts.shortened_parts) == (1, {"judge: task": 1, "critic: task": 1})


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
def test_a_round_lists_its_cuts_as_text(chromium, tmp_path):
    path = tmp_path / "report.html"
    write_page(path, RECORDS)
    for record, expected in (("cut", ["judge, task: 9,258 characters", "critic, task: 9,258 characters"]), ("tools", [])):
        with opened(chromium, f"{path.as_uri()}#record={record}") as page:
            expect_open(page, record)
            shown = page.locator("h5:text('Shortened') + ul li")
            assert shown.all_inner_texts() == [*expected, f"tools, {EVIL}: 7 characters"]
    with opened(chromium, f"{path.as_uri()}#record=whole") as page:
        expect_open(page, "whole")
        assert "Shortened" not in page.locator("#pairs-record-body").inner_text()
