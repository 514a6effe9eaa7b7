"""What the report says about a run: numbers, tools, rewrites, causes of failure and cases."""

import pytest
from lineage import ACCEPTED, CARRIED, EDITED, FROM_REFERENCE, SILENT, SWAPPED, TWO_GENERATORS, evidence, side
from lineage import make_attempt as lineage_attempt
from lineage import make_record as lineage_record

from anyprefer.report.cases import overlap
from anyprefer.report.facts import RunFacts
from anyprefer.report.failures import by_count
from anyprefer.report.figures import score_charts, tool_charts
from anyprefer.report.shortlist import Shortlist
from anyprefer.report.tool_effects import side_of
from anyprefer.runs.certainty import band_of
from anyprefer.types import (
    Attempt,
    Candidate,
    Criterion,
    Critique,
    Failure,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    RoleUsage,
    Ruling,
    Task,
    Verdict,
    find_differences,
)

WORDS = ("It is 42.", "It is 41.", "It is forty-two.")
FINDINGS = (("6*7 = 42", True), ("6*7 = 41", False), ("no equation to check", None))


def attempt(round_=0, scores=(9, 2, 5), reward=8, findings=FINDINGS):
    """Three candidates; the first and the second are the pair, none where the reward is None."""
    best, worst = scores[0], scores[1]
    return Attempt(
        round=round_,
        prompts=Prompts(target="Take care." if round_ else "", version=round_),
        candidates=tuple(Candidate(index=i, output=text) for i, text in enumerate(WORDS)),
        evidence=tuple(evidence(i, text, supports) for i, (text, supports) in enumerate(findings)),
        verdicts=tuple(Verdict(candidate=i, analysis="", score=score, scores=(score, score)) for i, score in enumerate(scores)),
        pair=None
        if reward is None
        else PreferencePair(chosen=side(0, WORDS[0], best, round_), rejected=side(1, WORDS[1], worst, round_)),
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
    assert list(facts.margins) == [-7]


@pytest.mark.parametrize(
    ("record", "chosen", "rejected", "authors"),
    [
        (ACCEPTED, [9], [2], {"openai:big": {"chosen": 1}, "openai:small": {"rejected": 1}}),
        (TWO_GENERATORS, [9], [2], {"openai:big": {"chosen": 1}, "openai:small": {"rejected": 1}}),
        (SWAPPED, [2], [9], {"openai:small": {"chosen": 1}, "openai:big": {"rejected": 1}}),
        (EDITED, [], [2], {"a person": {"chosen": 1}, "openai:small": {"rejected": 1}}),
        (FROM_REFERENCE, [], [2], {"the task's reference": {"chosen": 1}, "openai:small": {"rejected": 1}}),
    ],
)
def test_scores_and_authors_belong_to_the_sides_as_they_are(record, chosen, rejected, authors):
    facts = facts_of(record)
    assert (list(facts.chosen), list(facts.rejected), facts.authors) == (chosen, rejected, authors)
    assert list(facts.margins) == ([chosen[0] - rejected[0]] if chosen else [])
    assert facts.unscored == 2 - len(chosen) - len(rejected)


@pytest.mark.parametrize(
    ("record", "others"), [(ACCEPTED, [5]), (SWAPPED, [5]), (EDITED, [5]), (TWO_GENERATORS, [5]), (FROM_REFERENCE, [9, 5])]
)
def test_a_response_that_a_reviewer_replaced_is_not_among_those_in_no_pair(record, others):
    assert list(facts_of(record).others) == others


def test_certainty_is_that_of_the_pair_as_it_is():
    assert list(facts_of(TWO_GENERATORS, EDITED, SWAPPED, FROM_REFERENCE).certainties) == [0.8]


def test_a_side_of_an_earlier_round_is_not_among_those_in_no_pair():
    facts = facts_of(CARRIED)
    assert (list(facts.chosen), list(facts.rejected), list(facts.others)) == ([9], [1], [])
    assert facts.authors == {"openai:big": {"chosen": 1}, "openai:small": {"rejected": 1}}
    assert facts.shortfalls == {"undecided": 1}
    assert [(cause.kind, cause.message) for cause in by_count(facts.failures.rounds)] == [("undecided", "The checks are split.")]
    assert facts.tools.tools["calculator"].sided == {"chosen": 1}, "what an earlier round found of a side counts"


def test_accepted_pairs_are_counted_by_certainty_with_what_references_say():
    exhausted = record("x", attempt(), status="exhausted")
    facts = facts_of(TWO_GENERATORS, SWAPPED, FROM_REFERENCE, record("plain", attempt()), exhausted)
    rows = [(band, number, said and said.pairs) for band, number, said in facts.bands.rows()]
    assert rows == [("80 % to below 100 %", 1, 1), ("nobody voted", 3, 2)]
    count = facts.bands.references
    assert (count.pairs, count.chosen_right, count.chosen_wrong, count.itself) == (3, 1, 1, 1)
    assert (count.rejected_wrong, count.rejected_right, count.right_against_wrong, count.decided) == (2, 1, 1, 2)


@pytest.mark.parametrize(
    ("certainty", "band"),
    [(1, "100 %"), (0.99, "80 % to below 100 %"), (0.8, "80 % to below 100 %"), (0.6, "60 % to below 80 %"), (0, "below 60 %"),
     (None, "nobody voted")],
)  # fmt: skip
def test_every_certainty_has_a_band(certainty, band):
    assert band_of(certainty) == band


def test_grades_and_criteria_are_gathered():
    criterion = Criterion(text="names the unit")
    rulings = Ruling(criterion=criterion, met=True), Ruling(criterion=criterion, met=None)
    one = attempt(reward=7.5)
    pair = one.pair.model_copy(update={"differences": find_differences(rulings[:1], rulings[1:])})
    graded = one.model_copy(update={"pair": pair, "critique": Critique(analysis="a", score=7.5, grades=(8, 2.5))})
    facts = facts_of(record("a", graded), record("b", attempt()))
    assert ({name: list(grades) for name, grades in facts.grades.items()}) == {"chosen": [8], "rejected": [2.5]}
    assert facts.differing == 1


def test_charts_hold_pairs_with_missing_scores_and_turned_margins():
    pytest.importorskip("matplotlib", reason="needs the extra report")
    scores, margins = score_charts(facts_of(SWAPPED, EDITED, FROM_REFERENCE))
    assert margins.summary.endswith("has the lower score: 1.")
    assert margins.rows[0] == ("-7 to below -6", "1")
    assert scores.summary.endswith("which no judge saw: 2.")
    (only,) = score_charts(facts_of(FROM_REFERENCE))
    assert only.head == ("Judge's score", "rejected", "in no pair")


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        ({"supports": True}, {"supports": False}, "chosen"), ({"supports": None}, {"supports": True}, "rejected"),
        ({"supports": False}, {"supports": None}, "rejected"), ({"supports": True}, {"supports": True}, "neither"),
        ({"supports": True, "value": 0.1}, {"supports": True, "value": 0.9}, "neither"),
        ({"value": 0.1}, {"value": 0.9}, "rejected"), ({"value": 0.9}, {"value": -3.0}, "chosen"),
        ({"value": 0.9}, {"value": 0.9}, "neither"), ({"value": 0.9}, {}, "neither"), ({}, {}, "neither"),
    ],
)  # fmt: skip
def test_a_tool_sides_by_what_its_findings_say_to_a_program(chosen, rejected, expected):
    words = ("6*7 = 42 is wrong", "this is right")  # words do not count
    found = (evidence(0, words[0], **chosen), evidence(1, words[1], **rejected))
    assert side_of("calculator", lineage_attempt(evidence=found)) == expected


def test_one_finding_against_a_response_outweighs_others_for_it():
    found = (evidence(0, "a", True), evidence(0, "b", False), evidence(1, "c"))
    assert side_of("calculator", lineage_attempt(evidence=found)) == "rejected"


def test_a_tool_that_looked_at_one_side_sided_with_none():
    assert side_of("calculator", lineage_attempt(evidence=(evidence(0, "a", True),))) is None
    assert facts_of(FROM_REFERENCE).tools.tools["calculator"].sided == {}


def test_silent_findings_are_no_reading_of_words():
    facts = facts_of(SILENT)
    effect = facts.tools.tools["calculator"]
    assert (effect.calls, effect.readable, effect.sided) == (3, 0, {"neither": 1})
    assert not list(tool_charts(facts))


def test_scores_are_compared_with_what_the_tool_found():
    effect = facts_of(record("a", attempt()), record("b", attempt(findings=(FINDINGS[2],) * 3))).tools.tools["calculator"]
    assert (effect.calls, effect.failed, effect.seconds) == (6, 0, 3.0)
    assert effect.by_leaning["for"].value == 9
    assert effect.by_leaning["against"].value == 2
    assert effect.by_leaning["silent"].value == pytest.approx((5 + 9 + 2 + 5) / 4)
    assert effect.same.value == effect.different.value == pytest.approx((7 + 4 + 3) / 3)
    assert effect.sided == {"chosen": 1, "neither": 1}


def test_a_failed_tool_is_a_cause_and_no_finding():
    failed = [
        evidence(None, f"timed out after {seconds} s", tool="search").model_copy(update={"ok": False}) for seconds in (30, 31.5)
    ]
    facts = facts_of(*(record(name, lineage_attempt(evidence=(one,))) for name, one in zip("ab", failed, strict=True)))
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
    assert (facts.rewrites.by_rules, facts.rewrites.refused) == (0, 0)
    assert facts.rewrites.most()[0].written_by == "", "records of before do not say who wrote a rewrite"


def test_rewrites_say_who_wrote_them():
    by_rules = Prompts(target="Be brief.", version=1, reasons=("cut_off", "all_wrong"), rewritten_by="rules")
    by_model = Prompts(target="Be brief.", version=2, reasons=("cut_off",), rewritten_by="model", refused="a number")
    rounds = (attempt(reward=3), attempt(1, reward=4), attempt(2, reward=6))
    prompts = (Prompts(), by_rules, by_model)
    found = [one.model_copy(update={"prompts": two}) for one, two in zip(rounds, prompts, strict=True)]
    rewrites = facts_of(record("a", *found)).rewrites
    assert (rewrites.by_rules, rewrites.refused, rewrites.unchanged) == (1, 1, 1)
    assert [step.written_by for step in rewrites.most()] == [
        "the rewriter's model, after fixed lines (cut off); left out, since it stated what it may not: a number",
        "fixed lines (cut off, all wrong)",
    ]


def test_cases_are_chosen_for_their_interest():
    against = (("6*7 = 42", False), ("6*7 = 41", True), FINDINGS[2])
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
    assert cases["judge"].why == (
        "What calculator found speaks better of the rejected response; the judge scored the other 7.0 higher."
    )
    assert cases["divided"].kind in ("Closest pair", "Judgements divided")


def test_a_judge_who_scores_against_the_order_of_the_findings_is_a_case():
    turned = PreferencePair(chosen=side(0, WORDS[0], 3), rejected=side(1, WORDS[1], 8))
    (case,) = facts_of(lineage_record("turned", attempt().model_copy(update={"pair": turned}))).cases.cases()
    assert case.kind == "Judge against tool"
    assert case.why == "What calculator found speaks better of the chosen response; the judge scored the other 5.0 higher."


def test_the_judge_against_a_tool_is_the_judge_before_the_review():
    swapped = facts_of(record("a", attempt(), review=Review(decision="swap")))
    assert not [case for case in swapped.cases.cases() if case.kind == "Judge against tool"]
    against = attempt(findings=(("a", False), ("b", True), FINDINGS[2]))
    (case,) = facts_of(record("b", against, review=Review(decision="swap"))).cases.cases()
    assert "the rejected response" in case.why
    assert case.why.endswith("A reviewer then turned the pair round.")


def test_divided_judgements_are_of_the_sides_that_a_judge_saw():
    verdicts = tuple(
        Verdict(candidate=i, analysis="", score=5, scores=scores) for i, scores in enumerate(((9.0, 2.0), (2.0, 7.0), (5.0, 5.0)))
    )
    plain, edited = (
        lineage_record("torn", lineage_attempt(verdicts=verdicts), review).model_copy(update={"status": "exhausted"})
        for review in (None, Review(decision="edit", chosen="By hand."))
    )
    assert [case.kind for case in facts_of(plain).cases.cases()] == ["Judgements divided"]
    assert not list(facts_of(edited).cases.cases())


def test_a_pair_with_a_missing_score_says_so():
    (case,) = facts_of(EDITED).cases.cases()
    assert case.why.endswith("% of their words, and no judge scored both.")


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
