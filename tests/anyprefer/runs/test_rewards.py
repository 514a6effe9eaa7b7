"""A critic whose rewards are nearly all one number is called out wherever a run is added up."""

import io
from pathlib import Path

import pytest
from lineage import make_attempt, make_record
from rich.console import Console

from anyprefer.applications.text import TextApplication
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import Lock
from anyprefer.report.facts import RunFacts
from anyprefer.report.page import _figures
from anyprefer.runs.index import RunIndex, Tally
from anyprefer.runs.rewards import find_common, is_opinion, opinions_of
from anyprefer.runs.show import show_summary
from anyprefer.runs.summary import Summary
from anyprefer.training.card import Survey, card_text
from anyprefer.training.formats.base import find_format
from anyprefer.types import Attempt, Critique, PreferenceRecord

WARNING = "so the critic does not discriminate: use critic.method = 'sides'"


def attempt(score: float | None, **critique: object) -> Attempt:
    return make_attempt(critique=Critique.model_validate({"analysis": "x", "score": score, **critique}))


def records(*scores: float | None) -> list[PreferenceRecord]:
    return [make_record(f"t{i}", attempt(score)) for i, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "warned"),
    [
        ([10.0] * 20, True), ([10.0] * 19, False), ([10.0] * 19 + [9.0], True), ([10.0] * 18 + [9.0] * 2, False),
        ([9.001, 9.002] * 10, True), ([9.0, 9.1] * 10, False), ([10.0] * 19 + [None], False),
    ],
)  # fmt: skip
def test_more_than_nine_in_ten_of_at_least_twenty_are_too_many(scores: list[float | None], warned: bool) -> None:
    tally = Tally()
    for one in records(*scores):
        tally.add(one)
    common = find_common(tally.rewards)
    assert common is not None
    assert (WARNING in common.warning) == warned


def test_what_findings_had_a_part_in_is_no_opinion() -> None:
    bare = make_attempt()
    assert bare.pair is not None
    unverified = bare.pair.model_copy(update={"certainty": None})
    graded = attempt(8, grades=(9, 2))
    assert is_opinion(attempt(8)), "the paper's critic gives an opinion in any case"
    assert not is_opinion(graded)
    assert is_opinion(graded.model_copy(update={"pair": unverified}))
    assert not is_opinion(attempt(None))
    assert find_common(Tally().rewards) is None


def test_every_round_counts_and_the_index_counts_as_the_records_do(tmp_path: Path) -> None:
    found = records(8, 8, 3)
    found[2] = found[2].model_copy(update={"attempts": (attempt(2.5), attempt(3))})
    tally = Tally()
    with RecordFile(tmp_path / "records.jsonl") as file:
        index = RunIndex(tmp_path / "index.sqlite", file)
        for one in (*found, found[2]):
            index.add(one, file.append(one))
        for one in found:
            tally.add(one)
        assert index.tally().rewards == tally.rewards == {8.0: 2, 2.5: 1, 3.0: 1}
        index.clear()
        assert not index.tally().rewards
        index.catch_up(file)
        assert index.tally().rewards == tally.rewards
    assert list(opinions_of(found[2])) == [2.5, 3.0]


@pytest.mark.parametrize("number", [20, 19])
def test_the_end_of_a_run_its_report_and_its_card_say_it(tmp_path: Path, number: int) -> None:
    survey, facts, tally = Survey(TextApplication()), RunFacts(), Tally()
    for one in records(*[10.0] * number):
        survey.add(one, exported=True)
        facts.add(one)
        tally.add(one)
    summary = Summary(
        recipe="r", digest="d", tasks=number, accepted=number, exhausted=0, failed=0, stopped="finished", rounds={1: number},
        errors={}, calls=1, repeated_calls=0, prompt_tokens=1, completion_tokens=1, seconds=1, usage={},
        common_reward=find_common(tally.rewards),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=400)
    show_summary(summary, tmp_path, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    card = card_text(survey, Lock(tmp_path, "d1", {"name": "demo"}), find_format("jsonl")).replace("\\_", "_")
    shown = (WARNING in said, WARNING in card, WARNING in _figures(tmp_path, facts).get("Rewards alike", ""))
    assert shown == ((number == 20),) * 3
    assert ("20 of 20 rewards are 10" in said) == (number == 20)
