"""No input makes a degenerate pair, every side is known by who wrote it, and findings come before opinions."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anyprefer.agents.pairing import Pool, findings_decide, form_pair, is_verified
from anyprefer.agents.standing import Standing, certainty_of, find_standings
from anyprefer.config import PairConfig
from anyprefer.types import (
    REFERENCE,
    Candidate,
    Criterion,
    Ending,
    Evidence,
    Finding,
    Origin,
    PreferencePair,
    Reply,
    Ruling,
    Side,
    Task,
    ToolCall,
    Verdict,
    normalize,
)

texts = st.one_of(st.sampled_from(["a", "a ", " a\n", "b", "", " ", "A"]), st.text(max_size=8))
scores = st.floats(min_value=1, max_value=10)
endings = st.sampled_from(["complete", "cut", "filtered", "failed"])
configs = st.builds(
    PairConfig,
    chosen=st.sampled_from(["best", "reference"]),
    chosen_rank=st.integers(1, 6),
    rejected_rank=st.integers(0, 6),
    min_margin=st.floats(min_value=0.001, max_value=9),
    allow_truncated=st.booleans(),
    require=st.sampled_from(["verified", "consistent", "none", None]),
    min_certainty=st.sampled_from([0.0, 0.6, 1.0]),
)
votes = st.integers(0, 5)
opinions = st.sampled_from([True, False, None])
standings = st.builds(Standing, supports=opinions, votes_for=votes, votes=st.just(5), silent=st.booleans(), passed=votes)


def candidate_side(index: int, text: str, score: float) -> Side:
    return Side(origin=Origin(kind="candidate", candidate=index, round=0), output=text, score=score)


def pool(
    candidates: Sequence[Candidate], verdicts: Sequence[Verdict] = (), found: Sequence[Standing] = (), *, ref: str | None = None
) -> Pool:
    task = Task(prompt="q", reference=ref)
    return Pool(task=task, candidates=candidates, verdicts=verdicts, standings=dict(enumerate(found)), round=3)


def _pairable(rows: list[tuple[str, float, Ending, bool, Standing]]) -> bool:
    """The sampler lets no empty candidate through."""
    return all(text.strip() for text, *_ in rows)


@given(
    st.lists(st.tuples(texts, scores, endings, st.booleans(), standings), max_size=7).filter(_pairable),
    configs,
    st.one_of(st.none(), texts),
)
def test_pair_has_contrast_or_there_is_a_reason(
    rows: list[tuple[str, float, Ending, bool, Standing]], config: PairConfig, ref: str | None
) -> None:
    candidates = [Candidate(index=i, output=text, ending=ending) for i, (text, _, ending, _, _) in enumerate(rows)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, (_, score, _, judged, _) in enumerate(rows) if judged]
    all_of_them = pool(candidates, verdicts, [row[4] for row in rows], ref=ref)
    pair, shortfall = form_pair(all_of_them, config)
    assert (pair is None) == (shortfall is not None)
    if pair is not None:
        _check_findings(all_of_them, pair, config)
        assert normalize(pair.chosen.text) != normalize(pair.rejected.text)
        allowed = {"complete", "cut"} if config.allow_truncated else {"complete"}
        _check_side(pair.rejected, rows, allowed)
        if config.chosen == "reference":
            assert (pair.chosen.origin, pair.chosen.score, pair.chosen.text) == (REFERENCE, None, ref)
            assert pair.margin is None
        else:
            assert is_verified(all_of_them, pair) or (pair.margin or 0) >= config.min_margin
            _check_side(pair.chosen, rows, allowed)


def _check_findings(known: Pool, pair: PreferencePair, config: PairConfig) -> None:
    """No finding speaks against the order, and each demand of the recipe is met."""
    chosen, rejected = known.standing(pair.chosen), known.standing(pair.rejected)
    if config.require == "none":
        return
    assert chosen.supports is not False
    assert not chosen.silent
    assert rejected.supports is not True
    assert config.require != "verified" or (chosen.supports and rejected.supports is False)
    assert pair.certainty is None or pair.certainty >= config.min_certainty


def _check_side(side: Side, rows: list[tuple[str, float, Ending, bool, Standing]], allowed: set[str]) -> None:
    """A side is the very candidate that its origin names, with that candidate's own score."""
    assert side.origin.kind == "candidate"
    assert side.origin.round == 3
    text, score, ending, judged, _ = rows[side.origin.candidate or 0]
    assert (side.text, side.score) == (text, score if judged else None)
    assert ending in allowed


@given(texts, texts, scores, scores)
def test_pair_itself_refuses_to_be_degenerate(chosen: str, rejected: str, high: float, low: float) -> None:
    degenerate = not chosen.strip() or not rejected.strip() or normalize(chosen) == normalize(rejected)
    try:
        pair = PreferencePair(chosen=candidate_side(0, chosen, high), rejected=candidate_side(1, rejected, low))
    except ValidationError:
        assert degenerate
    else:
        assert not degenerate
        assert pair.margin == high - low


def test_middle_ranks_are_taken_when_asked_for() -> None:
    candidates = [Candidate(index=i, output=f"text {i}") for i in range(5)]
    verdicts = [Verdict(candidate=i, analysis="x", score=score) for i, score in enumerate([2, 10, 4, 8, 6])]
    pair, _ = form_pair(pool(candidates, verdicts), PairConfig(chosen_rank=3, rejected_rank=5))
    assert pair is not None
    assert (pair.chosen.text, pair.rejected.text) == ("text 4", "text 0")


@pytest.mark.parametrize("chosen", ["best", "reference"])
def test_the_reason_counts_what_is_not_whole_and_names_the_key(chosen: Literal["best", "reference"]) -> None:
    rows: list[tuple[str, Ending]] = [("a", "cut"), ("b", "cut"), ("", "cut"), ("c", "filtered"), ("d", "failed")]
    candidates = [Candidate(index=i, output=text, ending=ending) for i, (text, ending) in enumerate(rows)]
    pair, why = form_pair(pool(candidates, ref="r"), PairConfig(chosen=chosen))
    assert pair is None
    assert why is not None
    assert why.reasons == ("too_few", "cut_off", "filtered")
    assert why.text == (
        "Only 0 different whole responses came back, too few to rank and pair. Not whole: 2 stopped by target.max_tokens (raise "
        "it, or ask for shorter responses), 1 that thought up to target.max_tokens and had no token left to answer (raise it), "
        "1 held back by the provider's filter, 1 ended in an error."
    )


def test_a_difference_that_nobody_saw_makes_no_pair() -> None:
    candidates = [Candidate(index=i, output=f"text {i}") for i in range(2)]
    verdicts = [Verdict(candidate=i, analysis="x", score=9 - 5 * i) for i in range(2)]
    seen: list[PreferencePair] = []

    def find_unseen(pair: PreferencePair) -> str:
        seen.append(pair)
        return "nobody saw it"

    pair, why = form_pair(pool(candidates, verdicts), PairConfig(), find_unseen)
    assert pair is None
    assert why is not None
    assert (why.reasons, why.text) == (("unseen",), "nobody saw it")
    assert [(pair.chosen.text, pair.rejected.text) for pair in seen] == [("text 0", "text 1")]


def test_missing_reference_is_said() -> None:
    pair, why = form_pair(pool([]), PairConfig(chosen="reference"))
    assert pair is None
    assert why is not None
    assert why.reasons == ("no_reference",)


def test_thoughts_are_no_difference() -> None:
    candidates = [Candidate(index=i, output=Reply.of("4", reasoning=f"plan {i}")) for i in range(2)]
    verdicts = [Verdict(candidate=0, analysis="x", score=9), Verdict(candidate=1, analysis="x", score=2)]
    pair, why = form_pair(pool(candidates, verdicts), PairConfig())
    assert pair is None
    assert why is not None
    assert why.reasons == ("alike",)
    with pytest.raises(ValidationError, match="two different texts"):
        PreferencePair(chosen=Side(origin=REFERENCE, output=candidates[0].output), rejected=Side(origin=REFERENCE, output="4"))


RIGHT, WRONG = Standing(supports=True, votes_for=5, votes=5), Standing(supports=False, votes_for=0, votes=5)
SPLIT, SILENT, MOST = Standing(votes_for=2, votes=5), Standing(silent=True), Standing(supports=True, votes_for=3, votes=5)


def judged(found: Sequence[Standing], scores: Sequence[float] = ()) -> Pool:
    candidates = [Candidate(index=i, output=f"text {i}", round=0) for i in range(len(found))]
    return pool(candidates, [Verdict(candidate=i, analysis="", score=score) for i, score in enumerate(scores)], found)


@pytest.mark.parametrize("require", ["verified", "consistent"])
def test_findings_come_before_the_judges_scores(require: Literal["verified", "consistent"]) -> None:
    """The judge likes the wrong one best; what programs found decides, and a silent response is never chosen."""
    pair, _ = form_pair(judged([SILENT, WRONG, RIGHT, MOST], [9, 10, 2, 3]), PairConfig(require=require))
    assert pair is not None
    assert (pair.chosen.text, pair.rejected.text, pair.certainty) == ("text 2", "text 1", 1.0)
    paper, _ = form_pair(judged([SILENT, WRONG, RIGHT, MOST], [9, 10, 2, 3]), PairConfig(require="none"))
    assert paper is not None
    assert (paper.chosen.text, paper.rejected.text) == ("text 1", "text 2")


def test_opinions_order_what_findings_leave_equal() -> None:
    pair, _ = form_pair(judged([RIGHT, RIGHT, WRONG, WRONG], [5, 8, 3, 6]), PairConfig(require="verified"))
    assert pair is not None
    assert (pair.chosen.text, pair.rejected.text) == ("text 1", "text 2")


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        ([RIGHT, RIGHT], ("all_right",)),
        ([RIGHT, SILENT], ("all_right", "no_answer")),
        ([WRONG, WRONG, SILENT], ("all_wrong", "no_answer")),
        ([SPLIT, SPLIT], ("undecided",)),
        ([SPLIT, RIGHT], ("undecided",)),
        ([Standing(), Standing()], ("unverified",)),
    ],
)
def test_a_verified_pair_needs_right_against_wrong(found: Sequence[Standing], reasons: tuple[str, ...]) -> None:
    pair, why = form_pair(judged(found, [9, 2, 3][: len(found)]), PairConfig(require="verified"))
    assert pair is None
    assert why is not None
    assert why.reasons == reasons


def test_votes_count_as_votes() -> None:
    assert certainty_of(MOST, WRONG) == 0.6
    assert certainty_of(RIGHT, Standing(supports=False, votes_for=2, votes=5)) == 0.6
    assert certainty_of(RIGHT, SILENT) is None
    pair, why = form_pair(judged([MOST, WRONG]), PairConfig(require="verified", min_certainty=0.8))
    assert pair is None
    assert why is not None
    assert "60%" in why.text
    pair, why = form_pair(judged([MOST, Standing()]), PairConfig(require="consistent", min_certainty=0.8))
    assert (pair, why and why.reasons[0]) == (None, "undecided"), "of votes on one side alone, the share of these counts"


def test_a_result_that_one_response_reaches_may_be_too_few() -> None:
    config = PairConfig(require="verified", min_verified=2)
    pair, why = form_pair(judged([RIGHT, WRONG, WRONG]), config)
    assert pair is None
    assert why is not None
    assert (why.reasons, "2 right ones are needed" in why.text) == (("undecided",), True)
    assert form_pair(judged([RIGHT, WRONG, MOST]), config)[0] is not None


def test_no_judge_is_needed_where_findings_decide() -> None:
    verified, consistent = PairConfig(require="verified"), PairConfig(require="consistent")
    assert findings_decide(judged([RIGHT, WRONG]), consistent)
    assert findings_decide(judged([RIGHT, RIGHT]), consistent)
    assert not findings_decide(judged([SPLIT, SPLIT]), consistent)
    assert findings_decide(judged([SPLIT, SPLIT]), verified)
    assert not findings_decide(judged([RIGHT, WRONG]), PairConfig(require="none"))


def test_forms_of_judging_that_disagree_make_no_pair() -> None:
    candidates = [Candidate(index=i, output=f"text {i}", round=0) for i in range(2)]
    verdicts = [
        Verdict(candidate=0, analysis="", score=7, scores=(9, 5)), Verdict(candidate=1, analysis="", score=5, scores=(4, 6)),
    ]  # fmt: skip
    pair, why = form_pair(pool(candidates, verdicts), PairConfig(), must_agree=True)
    assert pair is None
    assert why is not None
    assert why.reasons == ("judges_disagree",)
    assert form_pair(pool(candidates, verdicts), PairConfig())[0] is not None


def test_the_pair_carries_the_criteria_that_differ() -> None:
    year, name = Criterion(text="names the year"), Criterion(text="names the place")
    rulings = [
        (Ruling(criterion=year, met=True), Ruling(criterion=name, met=True)),
        (Ruling(criterion=year, met=True), Ruling(criterion=name, met=False)),
    ]
    verdicts = [Verdict(candidate=i, analysis="", score=9 - 4 * i, rulings=rulings[i]) for i in range(2)]
    pair, _ = form_pair(pool([Candidate(index=i, output=f"text {i}") for i in range(2)], verdicts), PairConfig())
    assert pair is not None
    assert [difference.criterion for difference in pair.differences] == [name]


def found(tool: str, candidate: int, **finding: object) -> Evidence:
    return Evidence(
        call=ToolCall(tool=tool, candidate=candidate), finding=Finding.model_validate({"content": "x", **finding}), seconds=0
    )


def test_standings_add_up_what_tools_found() -> None:
    candidates = [Candidate(index=i, output=str(i)) for i in range(7)]
    evidence = [
        found("python", 0, supports=True, votes=(4, 5)),
        found("python", 1, supports=False, votes=(1, 5)), found("calculator", 1, supports=False),
        found("python", 2, supports=True, votes=(4, 5)), found("calculator", 2, supports=False),
        found("python", 3), found("python", 4, votes=(2, 5)),
        found("form", 4, supports=True), found("consensus", 0, votes=(1, 5)),
        found("python", 6).model_copy(update={"ok": False}),
    ]  # fmt: skip
    standings = find_standings(candidates, evidence, [], frozenset({"python"}))
    assert standings == {
        0: Standing(supports=True, votes_for=4, votes=5),
        1: Standing(supports=False, votes_for=1, votes=6),
        2: Standing(votes_for=4, votes=6),
        3: Standing(silent=True),
        4: Standing(votes_for=2, votes=5, passed=1),
        5: Standing(),
        6: Standing(),
    }, "a tool that was not called about a response, or that failed on it, has not looked at it"
    by_reference = [Verdict(candidate=i, analysis="", score=10 - 9 * i, by_reference=True) for i in range(2)]
    standings = find_standings(candidates, evidence, by_reference, frozenset({"python"}))
    assert (standings[0], standings[1].supports) == (Standing(supports=True, votes_for=1, votes=1), False)
