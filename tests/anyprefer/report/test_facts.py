"""What the report says about a run: numbers, tools, rewrites, causes of failure and cases."""

import pytest

from anyprefer.report.cases import overlap
from anyprefer.report.facts import RunFacts
from anyprefer.report.failures import by_count
from anyprefer.report.shortlist import Shortlist
from anyprefer.report.tool_effects import leaning
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Failure,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    RoleUsage,
    Task,
    Verdict,
)

WORDS = ("It is 42.", "It is 41.", "It is forty-two.")


def attempt(round_=0, scores=(9, 2, 5), reward=8, findings=("1 equation is right.", "6*7 = 41 is wrong", "no equation to check")):
    """Three candidates; the first and the second are the pair, none where the reward is None."""
    best, worst = scores[0], scores[1]
    return Attempt(
        round=round_,
        prompts=Prompts(target="Take care." if round_ else "", version=round_),
        candidates=tuple(Candidate(index=i, text=text) for i, text in enumerate(WORDS)),
        evidence=tuple(Evidence(tool="calculator", candidate=i, content=text, seconds=0.5) for i, text in enumerate(findings)),
        verdicts=tuple(Verdict(candidate=i, analysis="", score=score, scores=(score, score)) for i, score in enumerate(scores)),
        pair=None
        if reward is None
        else PreferencePair(chosen=WORDS[0], rejected=WORDS[1], chosen_score=best, rejected_score=worst),
        critique=Critique(analysis="No contrast: 4 and 4" if reward is None else "fine", score=reward),
    )


def record(name, *attempts, status="accepted", **fields):
    best = next((i for i in reversed(range(len(attempts))) if attempts[i].pair), None)
    usage = {"judge": RoleUsage(calls=2, prompt_tokens=10, completion_tokens=5, seconds=1.5)}
    return PreferenceRecord(
        task=Task(id=name, prompt="What is 6 x 7?"), status=status, attempts=attempts, best_attempt=best,
        models={"judge": "openai:m"}, usage=usage, **fields,
    )  # fmt: skip


def facts_of(*records):
    facts = RunFacts()
    for one in records:
        facts.add(one)
    return facts


def test_rounds_scores_and_cost_are_counted():
    failed = PreferenceRecord(
        task=Task(id="c", prompt="?"), status="failed", error=Failure(kind="ModelError", message="m", node="n")
    )
    facts = facts_of(record("a", attempt()), record("b", attempt(reward=None), attempt(1, scores=(8, 3, 4), reward=6)), failed)
    assert (facts.statuses["accepted"], facts.statuses["failed"], facts.total) == (2, 1, 3)
    first, second = facts.rounds[0], facts.rounds[1]
    assert (first.attempts, first.accepted, first.without_pair, list(first.rewards)) == (2, 1, 1, [8])
    assert (second.attempts, second.accepted, second.without_pair, list(second.rewards)) == (1, 1, 0, [6])
    assert (list(facts.chosen), list(facts.rejected), list(facts.others)) == ([9, 8], [2, 3], [5, 4])
    assert list(facts.margins) == [7, 5]
    assert facts.usage["judge"] == RoleUsage(calls=4, prompt_tokens=20, completion_tokens=10, seconds=3.0)


def test_a_pair_counts_as_its_reviewer_left_it():
    facts = facts_of(record("a", attempt(), review=Review(decision="swap")), record("b", attempt(), status="rejected",
                     review=Review(decision="reject", reason="no")))  # fmt: skip
    assert facts.decisions == {"swap": 1, "reject": 1}
    assert len(facts.margins) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("14 + 5 = 40 is wrong: 14 + 5 = 19\n1 equation is right.", "against"),
        ("2 equations are right.", "for"),
        ("no equation to check", "neither"),
        ("The final answer of this response is 4. All 5 responses give it.", "for"),
        ("This response's code fails 1 of 3 tests", "against"),
        ("Birthright is a noun.", "neither"),
    ],
)
def test_findings_are_read_by_their_words(content, expected):
    assert leaning(content) == expected


def test_scores_are_compared_with_what_the_tool_found():
    effect = facts_of(record("a", attempt()), record("b", attempt(findings=("no equation to check",) * 3))).tools.tools[
        "calculator"
    ]
    assert (effect.calls, effect.failed, effect.seconds) == (6, 0, 3.0)
    assert effect.by_leaning["for"].value == 9
    assert effect.by_leaning["against"].value == 2
    assert effect.by_leaning["neither"].value == pytest.approx((5 + 9 + 2 + 5) / 4)
    assert effect.same.value == effect.different.value == pytest.approx((7 + 4 + 3) / 3)
    assert effect.sided == {"chosen": 1, "neither": 1}


def test_a_failed_tool_is_a_cause_and_no_finding():
    silent = Evidence(tool="search", content="timed out after 30 s", ok=False, seconds=30)
    facts = facts_of(
        record("a", attempt().model_copy(update={"evidence": (silent,)})),
        record(
            "b", attempt().model_copy(update={"evidence": (silent.model_copy(update={"content": "timed out after 31.5 s"}),)})
        ),
    )
    assert facts.tools.tools["search"].failed == 2
    assert not facts.tools.tools["search"].by_leaning
    (cause,) = by_count(facts.failures.tools)
    assert (cause.kind, cause.where, cause.count, cause.examples) == ("search", "the task", 2, ["a", "b"])


def test_failures_that_differ_in_numbers_and_names_are_one_cause():
    def failed(name, message, node="score_candidates"):
        error = Failure(kind="ModelError", message=message, node=node)
        return PreferenceRecord(task=Task(id=name, prompt="?"), status="failed", error=error)

    facts = facts_of(
        failed("a", "no score after 2 replies: 'x'"), failed("b", "no score after 3 replies: 'y'"), failed("c", "refused"),
        failed("d", "refused", node="critique_pair"), record("e", attempt(reward=None), status="exhausted"),
    )  # fmt: skip
    causes = by_count(facts.failures.tasks)
    assert [(cause.count, cause.where) for cause in causes] == [
        (2, "score_candidates"),
        (1, "critique_pair"),
        (1, "score_candidates"),
    ]
    assert [(cause.count, cause.where) for cause in by_count(facts.failures.rounds)] == [(1, "round 1")]


def test_rewrites_are_ranked_by_what_they_did():
    facts = facts_of(
        record("a", attempt(reward=3), attempt(1, reward=9)), record("b", attempt(reward=5), attempt(1, reward=4)),
        record("c", attempt(reward=None), attempt(1, reward=7)),
    )  # fmt: skip
    assert list(facts.rewrites.gains) == [6, -1, 7]
    assert [step.task_id for step in facts.rewrites.most()] == ["c", "a"]
    assert [step.task_id for step in facts.rewrites.least()] == ["b"]
    assert facts.rewrites.most()[0].after.target == "Take care."
    assert facts.rewrites.unchanged == 0


def test_cases_are_chosen_for_their_interest():
    against = ("6*7 = 42 is wrong: 6*7 = 42", "1 equation is right.", "no equation to check")
    gained = record("gain", attempt(reward=2), attempt(1, reward=9))
    judged = record("judge", attempt(findings=against))
    torn = attempt()
    verdicts = (
        torn.verdicts[0].model_copy(update={"scores": (9.0, 2.0)}),
        torn.verdicts[1].model_copy(update={"scores": (2.0, 7.0)}),
    )
    divided = record("divided", torn.model_copy(update={"verdicts": verdicts}))
    cases = {case.record.task.id: case for case in facts_of(gained, judged, divided).cases.cases()}
    assert cases["gain"].kind == "Largest gain by rewriting"
    assert "reward of 2" in cases["gain"].why.replace("pair of reward 2", "reward of 2")
    assert cases["judge"].kind == "Judge against tool"
    assert "calculator" in cases["judge"].why
    assert cases["divided"].kind in ("Closest pair", "Judgements divided")


def test_a_record_without_a_pair_is_no_case():
    assert not list(facts_of(record("a", attempt(reward=None), status="exhausted")).cases.cases())


def test_overlap_counts_words_as_often_as_they_occur():
    assert overlap("a a b", "a b b") == pytest.approx(2 * 2 / 6)
    assert overlap("", "") == 0


def test_shortlist_keeps_the_highest_and_the_earlier_of_equals():
    kept = Shortlist(2)
    for rank, item in [(1, "a"), (3, "b"), (3, "c"), (2, "d"), (3, "e")]:
        kept.add(rank, item)
    assert kept.items() == ["b", "c"]
