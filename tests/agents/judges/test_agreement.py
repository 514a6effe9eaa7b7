"""Two forms of judging."""

from typing import Any

import pytest
from judge_example import TEXTS, judge
from loopback import LoopbackModel, responses_in

from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError
from anyprefer.types import disagree

LIST, POINTS = [8, 4, 2], [3, 9, 1]


@pytest.fixture
def two_minds(model: LoopbackModel) -> LoopbackModel:
    """A model that says one thing of a list and another of each response alone."""
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": ["in a list"] * 3, "scores": [LIST[TEXTS.index(text)] for text in responses_in(body)]
    }  # fmt: skip
    model.replies["Score"] = lambda body, choice: {"analysis": "alone", "score": POINTS[TEXTS.index(responses_in(body)[0])]}
    return model


def test_every_verdict_has_one_score_of_each_form(two_minds: LoopbackModel) -> None:
    calls = MemoryCalls()
    verdicts = judge(two_minds, require_agreement="pointwise", calls=calls)
    assert [verdict.scores for verdict in verdicts] == [(8, 3), (4, 9), (2, 1)]
    assert [verdict.score for verdict in verdicts] == [5.5, 6.5, 1.5]
    assert verdicts[0].analysis == "in a list\n\nalone"
    assert [disagree(verdicts[1], verdicts[place]) for place in (0, 2)] == [True, False]
    assert sorted(call.site.step for call in calls.calls.values()) == [f"score/{number}" for number in range(4)]


def test_orderings_and_panels_are_averaged_within_a_form(two_minds: LoopbackModel) -> None:
    panel = [{"model": "openai:other", "base_url": two_minds.url}]
    plain = judge(two_minds, method="pointwise", require_agreement="listwise")
    two_minds.requests.clear()
    verdicts = judge(two_minds, method="pointwise", require_agreement="listwise", permutations=2, panel=panel)
    assert two_minds.titles().count("ScoreSheet") == 4
    assert two_minds.titles().count("Score") == 6
    assert [verdict.scores for verdict in verdicts] == [verdict.scores for verdict in plain] == [(3, 8), (9, 4), (1, 2)]


def test_rulings_of_one_form_stay(two_minds: LoopbackModel) -> None:
    verdicts = judge(two_minds, method="rubric", require_agreement="pointwise")
    assert [len(verdict.rulings) for verdict in verdicts] == [3, 3, 3]
    assert [verdict.scores[1] for verdict in verdicts] == POINTS


def test_forms_that_disagree_are_unsure(two_minds: LoopbackModel) -> None:
    """The stronger judge of the unsure judges in both forms as well."""
    two_minds.replies["Score"] = lambda body, choice: {
        "analysis": "alone",
        "score": 10 - LIST[TEXTS.index(responses_in(body)[0])],
    }
    stronger = {"model": "openai:strong", "base_url": two_minds.url}
    verdicts = judge(two_minds, require_agreement="pointwise", escalate=stronger, escalate_margin=0.0)
    assert [verdict.scores for verdict in verdicts] == [verdict.unsure for verdict in verdicts] == [(8, 2), (4, 6), (2, 8)]


ONE_REFERENCE = {"method": "reference", "reference": "exact", "require_agreement": "listwise"}
TWO_POINTS = {"method": "pointwise", "require_agreement": "rubric", "permutations": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"require_agreement": "listwise"}, r"judge\.require_agreement = 'listwise' is judge\.method as well: name another"),
        ({"require_agreement": "reference"}, r"set judge\.reference instead"),
        (ONE_REFERENCE, r"judge\.method = 'reference' asks no model"),
        ({"require_agreement": "pointwize"}, r"judge\.require_agreement = 'pointwize': there is no such judge; did you mean"),
        (TWO_POINTS, r"judge\.permutations orders responses"),
    ],
)
def test_forms_that_make_no_sense_together_are_refused(model: LoopbackModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(model, **options)
    assert not model.requests
