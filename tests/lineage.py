"""One task's record in every lineage that a pair can have, for whatever shows records."""

from typing import Any

from anyprefer.types import (
    REFERENCE,
    Attempt,
    Candidate,
    Criterion,
    Critique,
    Evidence,
    Finding,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Review,
    Ruling,
    Shortfall,
    Side,
    Task,
    ToolCall,
    Verdict,
    find_differences,
)  # fmt: skip

THOUGHTS = "six sevens are forty-two"


def side(index: int, output: Any, score: float | None, round_: int = 0) -> Side:
    """A candidate's side of a pair."""
    return Side(origin=Origin(kind="candidate", candidate=index, round=round_), output=output, score=score)


def evidence(index: int | None, content: str, supports: bool | None = None, tool: str = "calculator", **finding: Any) -> Evidence:
    """What a tool found about a candidate, or about the task."""
    call = ToolCall(tool=tool, candidate=index)
    return Evidence(call=call, finding=Finding(content=content, supports=supports, **finding), seconds=0.5)


def make_attempt(**changes: Any) -> Attempt:
    """Responses of two models, of which the first says what it thought and the third was cut off."""
    outputs = (Reply.of("It is 42.", THOUGHTS), Reply.of("It is 41."), Reply.of("It is fort"))
    values = {
        "round": 0, "prompts": Prompts(),
        "candidates": (
            Candidate(index=0, output=outputs[0], model="openai:big"),
            Candidate(index=1, output=outputs[1], model="openai:small"),
            Candidate(index=2, output=outputs[2], model="openai:small", ending="cut"),
        ),
        "evidence": (
            evidence(0, "6*7 = 42", True, votes=(4, 5)), evidence(1, "6*7 = 41", False), evidence(2, "nothing to check"),
        ),
        "verdicts": tuple(Verdict(candidate=i, analysis=f"analysis {i}", score=score) for i, score in enumerate((9, 2, 5))),
        "pair": PreferencePair(chosen=side(0, outputs[0], 9), rejected=side(1, outputs[1], 2), certainty=0.8),
        "critique": Critique(analysis="fine", score=8),
    }  # fmt: skip
    return Attempt(**{**values, **changes})


def make_record(name: str, attempt: Attempt | None = None, review: Review | None = None) -> PreferenceRecord:
    """An accepted record of one round."""
    task = Task(id=name, prompt="What is 6 x 7?", reference="Forty-two, that is 42.")
    return PreferenceRecord(task=task, status="accepted", attempts=(attempt or make_attempt(),), best_attempt=0, review=review)


def against_reference() -> Attempt:
    """The task's reference is chosen, which no judge scores."""
    chosen = Side(origin=REFERENCE, output="Forty-two, that is 42.")
    return make_attempt(pair=PreferencePair(chosen=chosen, rejected=side(1, "It is 41.", 2)))


TWO_GENERATORS = make_record("generators")
ACCEPTED = make_record("accepted", review=Review(decision="accept"))
SWAPPED = make_record("swapped", review=Review(decision="swap", reviewer="Ann", reason="the wrong way round"))
EDITED = make_record("edited", review=Review(decision="edit", chosen="It is 42, by hand.", reviewer="Ann"))
LAID_OUT = make_record("laid-out", review=Review(decision="edit", chosen="It is  42.\n", rejected="It is 40."))
"""The edit changes nothing but white space on the chosen side, so that side stays the model's."""
CROSSED = make_record("crossed", review=Review(decision="edit", chosen="It is 41.", rejected="It is 40."))
"""The edit makes the rejected words the chosen ones: they stay the model's, with their own score."""
SILENT = make_record("silent", make_attempt(evidence=tuple(evidence(i, f"looked at {i}") for i in range(3))))
"""Its tool says nothing to a program, like every tool in a record of an earlier version."""
FROM_REFERENCE = make_record("reference", against_reference())


def _ruled() -> PreferenceRecord:
    """No judge scored the sides; a rubric tells them apart, and the critic graded each by itself and was not content."""
    rule = Criterion(text="names the <unit>")
    met, unknown = Ruling(criterion=rule, met=True, finding="42 apples"), Ruling(criterion=rule, met=None)
    pair = PreferencePair(
        chosen=side(0, "It is 42.", None), rejected=side(1, "It is 41.", None), differences=find_differences((met,), (unknown,))
    )
    return make_record("ruled", make_attempt(
        pair=pair, critique=Critique(analysis="fine", score=7.25, grades=(9, 2.5)),
        verdicts=(Verdict(candidate=0, analysis="analysis 0", score=9, rulings=(met,)),),
        shortfall=Shortfall(reasons=("low_reward", "cut_off"), text="The reward is below the threshold."),
    ))  # fmt: skip


RULED = _ruled()


def _carried() -> PreferenceRecord:
    """The chosen response was sampled a round before the rejected one, which is when a tool looked at it; both were judged."""
    pooled = tuple(candidate.model_copy(update={"round": 0}) for candidate in make_attempt().candidates)
    shortfall = Shortfall(reasons=("undecided", "cut_off"), text="The checks are split.")
    first = make_attempt(pair=None, candidates=pooled, critique=Critique(analysis="No contrast."), shortfall=shortfall)
    outputs = ("It is 43.", "It is 44.")
    second = make_attempt(
        round=1,
        candidates=tuple(Candidate(index=i, output=text, model="openai:small", round=1) for i, text in enumerate(outputs, 3)),
        evidence=(evidence(4, "6*7 = 44", False),),
        verdicts=(Verdict(candidate=0, analysis="judged again", score=9), Verdict(candidate=4, analysis="off by two", score=1)),
        pair=PreferencePair(chosen=side(0, first.candidates[0].output, 9), rejected=side(4, outputs[1], 1, round_=1)),
    )  # fmt: skip
    return make_record("carried").model_copy(update={"attempts": (first, second), "best_attempt": 1})


CARRIED = _carried()
