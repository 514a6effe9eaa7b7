"""Several judges, averaged."""

from judge_example import judge, scores
from loopback import LoopbackModel


def test_panel_is_averaged_and_every_score_is_kept(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {
        "analyses": [body["model"]] * 3, "scores": [9, 5, 1] if body["model"] == "m" else [3, 5, 9]
    }  # fmt: skip
    verdicts = judge(model, panel=[{"model": "openai:other", "base_url": model.url}])
    assert [verdict.scores for verdict in verdicts] == [(9, 3), (5, 5), (1, 9)]
    assert scores(verdicts) == [6, 5, 5]
    assert verdicts[0].analysis == "m\n\nother"


def test_every_ordering_of_every_member_has_the_same_weight(model: LoopbackModel) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": [9, 5, 1 if body["model"] == "m" else 3]}
    verdicts = judge(model, permutations=2, panel=[{"model": "openai:other", "base_url": model.url}])
    assert [verdict.scores for verdict in verdicts] == [(9, 1, 9, 3), (5, 5, 5, 5), (1, 9, 3, 9)]
    assert scores(verdicts) == [5.5, 5, 5.5]
