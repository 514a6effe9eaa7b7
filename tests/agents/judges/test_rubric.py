"""Rulings on the criteria of a task."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_example import CANDIDATES, MATERIAL, TEXTS, found, judge, scores
from loopback import Body, LoopbackModel, prompt_of, responses_in, schema_of

from anyprefer.agents.judges.base import merge_rulings
from anyprefer.agents.judges.criteria import frozen_rubric, list_criteria, read_rubric
from anyprefer.agents.judges.rubric import score_rulings
from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError, DataError, MalformedReplyError
from anyprefer.types import Attempt, Criterion, Critique, Prompts, Ruling, Task, Verdict

WRITTEN = [("names the result", 5.0), ("shows the way", 2.0), ("answers in a sentence", 1.0)]


def task_with(rubric: Any) -> Task:
    return Task(id="t", prompt="What is 2 + 2?", metadata={"rubric": rubric})


def rulings(*said: str) -> Callable[[Body, int], Body]:
    """The same rulings for every response."""

    def reply(body: Body, choice: int) -> Body:
        fields = iter(said)
        return {name: next(fields) if name.startswith("ruling") else "so" for name in (schema_of(body) or {})["properties"]}

    return reply


def test_each_response_is_ruled_on_alone_under_the_written_criteria(model: LoopbackModel) -> None:
    verdicts = judge(
        model, replace(MATERIAL, evidence=[found("calculator", f"finding {i}", i) for i in range(3)]), method="rubric"
    )
    assert model.titles() == ["Rubric", *["Rulings"] * 3]
    asked = sorted(model.requests[1:], key=responses_in)
    assert [responses_in(body) for body in asked] == [[text] for text in TEXTS]
    for i, body in enumerate(asked):
        assert [f"finding {k}" in prompt_of(body) for k in range(3)] == [k == i for k in range(3)]
        assert "1. names the result\n2. shows the way\n3. answers in a sentence" in prompt_of(body)
    assert [verdict.candidate for verdict in verdicts] == [0, 1, 2]
    for verdict in verdicts:
        assert [(ruling.criterion.text, ruling.criterion.weight) for ruling in verdict.rulings] == WRITTEN
        assert verdict.scores == (verdict.score,)


def test_criteria_are_written_before_any_response_is_seen(model: LoopbackModel) -> None:
    judge(model, method="rubric", principles=["Prefer short ones."])
    assert not any(text in prompt_of(model.requests[0]) for text in TEXTS)
    for body in model.requests:
        assert "Mind the units." in prompt_of(body)
        assert "- Prefer short ones." in prompt_of(body)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        (("met", "met", "met"), 10),
        (("unmet", "unmet", "unmet"), 1),
        (("met", "unmet", "unmet"), 1 + 9 * 5 / 8),
        (("unknown", "met", "unmet"), 1 + 9 * 2 / 3),
        (("unknown", "unknown", "met"), 10),
    ],
)
def test_score_is_the_weight_of_what_is_met_over_what_could_be_told(
    model: LoopbackModel, said: Sequence[str], score: float
) -> None:
    model.replies["Rulings"] = rulings(*said)
    (verdict,) = judge(model, method="rubric", candidates=CANDIDATES[:1])
    assert verdict.score == pytest.approx(score)
    assert [ruling.met for ruling in verdict.rulings] == [{"met": True, "unmet": False}.get(word) for word in said]
    assert verdict.analysis.splitlines()[0] == f"{said[0]}: names the result (so)"


def test_a_reply_that_can_tell_nothing_is_no_judgement(model: LoopbackModel) -> None:
    model.replies["Rulings"] = rulings("unknown", "unknown", "unknown")
    with pytest.raises(MalformedReplyError, match="every ruling is 'unknown'"):
        judge(model, method="rubric", candidates=CANDIDATES[:1])
    assert model.titles() == ["Rubric", "Rulings", "Rulings"]


def test_without_analyses_there_are_no_findings(model: LoopbackModel) -> None:
    (verdict,) = judge(model, method="rubric", candidates=CANDIDATES[:1], analysis_chars=0)
    assert list((schema_of(model.requests[1]) or {})["properties"]) == ["ruling_1", "ruling_2", "ruling_3"]
    assert "finding (at most" not in prompt_of(model.requests[1])
    assert {ruling.finding for ruling in verdict.rulings} == {""}


def test_what_a_model_says_twice_is_one_criterion(model: LoopbackModel) -> None:
    said = ["Names the result", "names  the result", "shows the way"]
    model.replies["Rubric"] = lambda body, choice: {"criteria": [{"text": text, "weight": 3} for text in said]}
    (verdict, *_) = judge(model, method="rubric")
    assert [ruling.criterion.text for ruling in verdict.rulings] == ["Names the result", "shows the way"]


def test_criteria_are_written_once_for_all_judges_and_rounds(model: LoopbackModel) -> None:
    calls, panel = MemoryCalls(), [{"model": "openai:other", "base_url": model.url}]
    for round_ in range(2):
        judge(model, replace(MATERIAL, round=round_), calls=calls, method="rubric", panel=panel)
    assert model.titles() == ["Rubric", *["Rulings"] * 12]
    assert next((call.site.round, call.site.step) for call in calls.calls.values()) == (0, "rubric")


def test_a_round_under_other_guidance_keeps_the_criteria_of_the_first(model: LoopbackModel) -> None:
    first = judge(model, method="rubric")
    attempt = Attempt(
        round=0, prompts=Prompts(), candidates=CANDIDATES, verdicts=(Verdict(candidate=0, analysis="", score=1), *first),
        critique=Critique(analysis=""),
    )  # fmt: skip
    frozen = frozen_rubric([attempt])
    model.requests.clear()
    model.replies["Rubric"] = lambda body, choice: {"criteria": [{"text": "another", "weight": 1}] * 2}
    verdicts = judge(model, replace(MATERIAL, round=1, guidance="Look again.", rubric=frozen), method="rubric")
    assert model.titles() == ["Rulings"] * 3
    assert [[ruling.criterion for ruling in verdict.rulings] for verdict in verdicts] == [list(frozen)] * 3


@pytest.mark.parametrize(
    "given",
    [
        ["names the result", {"text": "shows the way", "weight": 2}],
        '["names the result", {"text": "shows the way", "weight": 2}]',
        [{"text": " names the result"}, {"text": "shows the way", "weight": 2.0}],
    ],
)
def test_a_task_may_bring_its_own_criteria(model: LoopbackModel, given: Any) -> None:
    verdicts = judge(model, replace(MATERIAL, task=task_with(given)), method="rubric")
    assert model.titles() == ["Rulings"] * 3
    assert [(ruling.criterion.text, ruling.criterion.weight) for ruling in verdicts[0].rulings] == [
        ("names the result", 1), ("shows the way", 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("be nice", "rubric = 'be nice' is a text and no list: give rubric as a list of statements"),
        ('"be nice"', "is no list of criteria: give rubric as a list"),
        ([], r"rubric = \[\] is no list of criteria"),
        ({"text": "x"}, "is no list of criteria"),
        (["x", " "], "criterion 2 of rubric, ' ', has no text"),
        ([{"criterion": "x"}], "criterion 1 of rubric, .* has no text"),
        ([{"text": "x", "points": 3}], "has 'points' beside text and weight"),
        ([{"text": "x", "weight": 0}], "has the weight 0: give a number above 0 and at most 100"),
        ([{"text": "x", "weight": True}], "has the weight True"),
        ([{"text": "x", "weight": "heavy"}], "has the weight 'heavy'"),
        (["be nice", "Be  nice"], "rubric has 'be nice' twice"),
        ([f"says {i}" for i in range(51)], "rubric has 51 criteria of .* give at most 50"),
        ([f"says {i}{'x' * 2000}" for i in range(4)], "rubric has 4 criteria of 8,0.. characters, more than a judge can rule on"),
    ],
)
def test_criteria_that_cannot_be_ruled_on_are_explained(model: LoopbackModel, given: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"task 't': .*{message}" if not message.startswith("criterion") else message):
        judge(model, replace(MATERIAL, task=task_with(given)), method="rubric")
    assert not model.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aspects": {"a": "x"}}, "write aspects as judge.principles"),
        ({"permutations": 2}, "judge.permutations orders responses that are shown together"),
        ({"expected_score": True}, "judge.expected_score weighs the digits of a score"),
    ],
)
def test_settings_that_rulings_have_no_use_for_are_refused(model: LoopbackModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(model, method="rubric", **options)


def test_a_panel_rules_by_majority(model: LoopbackModel) -> None:
    by_model = {"m": ("met", "met", "unmet"), "n": ("met", "unmet", "unknown"), "o": ("unmet", "unknown", "unknown")}
    model.replies["Rulings"] = lambda body, choice: rulings(*by_model[body["model"]])(body, choice)
    panel = [{"model": f"openai:{name}", "base_url": model.url} for name in "no"]
    (verdict,) = judge(model, method="rubric", panel=panel, candidates=CANDIDATES[:1])
    assert [ruling.met for ruling in verdict.rulings] == [True, None, False]
    assert verdict.scores == pytest.approx((1 + 9 * 7 / 8, 1 + 9 * 5 / 7, 1))
    assert scores([verdict]) == [pytest.approx(sum(verdict.scores) / 3)]  # type: ignore[arg-type]


WORDS = st.text(st.characters(categories=["L", "Nd", "Zs", "Po"]), min_size=1, max_size=30).filter(str.strip)
CRITERIA = st.builds(Criterion, text=WORDS, weight=st.floats(min_value=0.01, max_value=100))
RULINGS = st.lists(
    st.builds(Ruling, criterion=CRITERIA, met=st.sampled_from([True, False, None])), min_size=1, max_size=6,
    unique_by=lambda ruling: ruling.criterion.text,
)  # fmt: skip


@given(RULINGS.filter(lambda rulings: any(one.met is not None for one in rulings)))
def test_meeting_one_more_criterion_never_lowers_a_score(rulings: list[Ruling]) -> None:
    score = score_rulings(rulings)
    assert 1 <= score <= 10
    for place, ruling in enumerate(rulings):
        if ruling.met is False:
            better = [*rulings[:place], ruling.model_copy(update={"met": True}), *rulings[place + 1 :]]
            assert score_rulings(better) >= score


@given(st.lists(CRITERIA, min_size=1, max_size=8, unique_by=lambda one: " ".join(one.text.split()).casefold()))
def test_criteria_survive_a_task_file(criteria: list[Criterion]) -> None:
    given = json.dumps([criterion.model_dump() for criterion in criteria])
    assert read_rubric(task_with(given)) == tuple(one.model_copy(update={"text": one.text.strip()}) for one in criteria)
    assert len(list_criteria(criteria).splitlines()) >= len(criteria)


@given(RULINGS)
def test_one_judges_rulings_are_the_panels(rulings: list[Ruling]) -> None:
    verdict = Verdict(candidate=0, analysis="", score=5, rulings=tuple(rulings))
    assert merge_rulings([verdict, verdict.model_copy(update={"rulings": ()})]) == tuple(rulings)
