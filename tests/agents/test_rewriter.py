"""What a round comes to becomes guidance: fixed lines for known reasons, a model's advice for the rest, and no answers."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, schema_of

from anyprefer.agents.feedback import TARGET_LINES
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.errors import MalformedReplyError
from anyprefer.recipes import parse_recipe
from anyprefer.types import (
    REFERENCE,
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Finding,
    Origin,
    PreferencePair,
    Prompts,
    Reason,
    Shortfall,
    Side,
    Task,
    ToolCall,
    Verdict,
)

TASK = Task(id="t", prompt="A tank loses 3 litres an hour. How many litres are gone after 12 hours?", reference="#### 36")
ADVICE = {"target_guidance": "Name the quantities first.", "judge_guidance": "Have the units checked."}
LENGTH = "Finish within about 120 words."
END = TARGET_LINES["no_answer"]


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        says(server, ADVICE)
        yield server


def says(server: LoopbackModel, *replies: dict[str, str]) -> None:
    """Let the rewriter say one thing after the other, the last one for good."""
    left = list(replies)

    def reply(body: dict[str, Any], choice: int) -> Any:
        said = left.pop(0) if len(left) > 1 else left[0]
        properties = (schema_of(body) or {})["properties"]
        return {"gradient": "too vague", **{name: text for name, text in said.items() if name in properties}}

    server.replies.update(dict.fromkeys(("JointRewrite", "TargetRewrite", "JudgeRewrite"), reply))


def found(index: int, text: str, supports: bool | None, votes: tuple[int, int] | None) -> Evidence:
    finding = Finding(content=text, supports=supports, votes=votes)
    return Evidence(call=ToolCall(tool="python", candidate=index), finding=finding, seconds=0)


RIGHT = Candidate(index=0, output="3 * 12 = 36.\nAnswer: 36", round=0)
WRONG = Candidate(index=1, output="It is 15 in all.\nAnswer: 15", round=0)
EVIDENCE = (found(0, "they agree on 36", True, (5, 5)), found(1, "they differ from 15", False, (0, 5)))


def side(candidate: Candidate, score: float | None = None) -> Side:
    return Side(origin=Origin(kind="candidate", candidate=candidate.index, round=0), output=candidate.output, score=score)


def attempt(*reasons: Reason, pair: PreferencePair | None = None, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "round": 0, "prompts": Prompts(), "candidates": (RIGHT, WRONG), "evidence": EVIDENCE,
        "critique": Critique(analysis="poor contrast", score=None if pair is None else 4), "pair": pair,
        "shortfall": Shortfall(reasons=reasons, text="Not good enough.") if reasons else None,
    }  # fmt: skip
    return Attempt(**values | changes)


PAIR = PreferencePair(chosen=side(RIGHT, 8.5), rejected=side(WRONG, 3))


def rewrite(server: LoopbackModel, of: Attempt, mode: str = "joint", earlier: tuple[Candidate, ...] = ()) -> Prompts:
    async def main() -> Prompts:
        recipe = parse_recipe(
            recipe_data(server.url, loop={"feedback": mode}, target={"max_tokens": 256}, tools={"names": ["python"]})
        )
        async with Backends(recipe) as backends:
            team: Team = build_team(recipe, backends, MemoryCalls())
            return await team.rewriter.rewrite(TASK, of, earlier=earlier)

    return asyncio.run(main())


def test_a_known_reason_asks_no_model(model: LoopbackModel) -> None:
    prompts = rewrite(model, attempt("cut_off"))
    assert prompts == Prompts(target=LENGTH, version=1, reasons=("cut_off",), rewritten_by="rules")
    assert not model.requests


def test_several_known_reasons_are_several_lines_for_whom_they_concern(model: LoopbackModel) -> None:
    prompts = rewrite(model, attempt("all_wrong", "cut_off", "no_answer"))
    assert prompts.target.splitlines()[1:] == [LENGTH, END]
    assert "step by step" in prompts.target.splitlines()[0]
    assert prompts.judge.startswith("Read the task again")
    assert not model.requests


def test_lines_of_earlier_rounds_stay_and_a_models_words_with_them(model: LoopbackModel) -> None:
    before = Prompts(target=f"{LENGTH}\nName the units.", version=1, reasons=("cut_off",), rewritten_by="model")
    prompts = rewrite(model, attempt("no_answer", "cut_off", prompts=before))
    assert prompts.target.splitlines() == [LENGTH, END, "Name the units."]
    assert (prompts.version, prompts.reasons, prompts.rewritten_by) == (2, ("cut_off", "no_answer"), "rules")


@pytest.mark.parametrize(
    ("mode", "players"), [("joint", {"target", "judge"}), ("target_only", {"target"}), ("judge_only", {"judge"})]
)
@pytest.mark.parametrize("reason", ["all_wrong", "low_reward"])
def test_the_feedback_mode_says_whom_lines_and_words_reach(
    model: LoopbackModel, mode: str, players: set[str], reason: Reason
) -> None:
    prompts = rewrite(model, attempt(reason), mode)
    assert {name for name in ("target", "judge") if getattr(prompts, name)} == players


def test_where_no_words_help_nothing_is_written_and_nobody_is_asked(model: LoopbackModel) -> None:
    before = Prompts(target="Be brief.", version=1)
    prompts = rewrite(model, attempt("no_reference", prompts=before))
    assert prompts == Prompts(target="Be brief.", version=2, rewritten_by="rules")
    assert not model.requests


def test_the_model_is_asked_where_the_reason_is_its_to_find_and_lines_of_other_reasons_come_first(model: LoopbackModel) -> None:
    prompts = rewrite(model, attempt("low_reward", "cut_off", pair=PAIR))
    assert prompts.target.splitlines() == [LENGTH, ADVICE["target_guidance"]]
    assert (prompts.judge, prompts.rewritten_by, prompts.refused) == (ADVICE["judge_guidance"], "model", "")
    assert model.titles() == ["JointRewrite"]


def test_old_records_say_no_reason_and_the_model_is_asked(model: LoopbackModel) -> None:
    assert rewrite(model, attempt(pair=PAIR)).rewritten_by == "model"


def test_independent_players_are_asked_one_by_one(model: LoopbackModel) -> None:
    prompts = rewrite(model, attempt("low_reward", pair=PAIR), "independent")
    assert (prompts.target, prompts.judge) == tuple(ADVICE.values())
    assert sorted(map(str, model.titles())) == ["JudgeRewrite", "TargetRewrite"]


def test_guidance_that_states_an_answer_is_asked_for_again_without_saying_which(model: LoopbackModel) -> None:
    says(model, {**ADVICE, "judge_guidance": "The total should be corrected to 15."}, ADVICE)
    prompts = rewrite(model, attempt("low_reward", pair=PAIR))
    assert (prompts.target, prompts.judge, prompts.refused) == (*ADVICE.values(), "")
    _, again = model.requests
    complaint = again["messages"][-1]["content"]
    assert "the guidance of the judge states a number of the task" in complaint
    assert "15" not in complaint
    assert json.loads(again["messages"][-2]["content"])["judge_guidance"] == "The total should be corrected to 15."


def test_guidance_that_states_it_again_is_dropped_and_the_record_says_so(model: LoopbackModel) -> None:
    bad = {"target_guidance": "Multiply by 12.", "judge_guidance": "Have the units checked."}
    says(model, bad)
    before = Prompts(target="Be brief.", judge="Be strict.", version=1)
    prompts = rewrite(model, attempt("low_reward", "cut_off", pair=PAIR, prompts=before))
    assert prompts.target.splitlines() == [LENGTH, "Be brief."]
    assert prompts.judge == "Have the units checked."
    assert prompts.refused == "guidance of the target: a number of the task, of an answer or of a finding"
    assert len(model.requests) == 2


def test_words_that_were_good_stay_where_the_second_try_spoils_them(model: LoopbackModel) -> None:
    first = {**ADVICE, "judge_guidance": "Look for 36."}
    says(model, first, {"target_guidance": "Say 36.", "judge_guidance": "Have the sum checked."})
    prompts = rewrite(model, attempt("low_reward", pair=PAIR))
    assert (prompts.target, prompts.judge, prompts.refused) == (ADVICE["target_guidance"], "Have the sum checked.", "")


def test_answers_of_earlier_rounds_and_of_programs_are_withheld_as_well(model: LoopbackModel) -> None:
    says(model, {**ADVICE, "target_guidance": "It should be 77."})
    earlier = (Candidate(index=2, output="Answer: 77", round=0),)
    assert rewrite(model, attempt("low_reward", pair=PAIR)).refused == ""
    assert rewrite(model, attempt("low_reward", pair=PAIR), earlier=earlier).refused
    printed = (found(0, "Programs print 77.", True, (5, 5)),)
    assert rewrite(model, attempt("low_reward", pair=PAIR, evidence=printed)).refused


def test_the_rewriter_sees_both_sides_with_what_was_found_and_how_they_stand(model: LoopbackModel) -> None:
    critique = Critique(analysis="poor contrast", score=4.25, grades=(7.5, 2))
    task_wide = Evidence(call=ToolCall(tool="search"), finding=Finding(content="a tank is a vessel"), seconds=0)
    verdicts = (Verdict(candidate=0, analysis="", score=8.5), Verdict(candidate=1, analysis="", score=3))
    rewrite(model, attempt("low_reward", pair=PAIR, critique=critique, evidence=(*EVIDENCE, task_wide), verdicts=verdicts))
    prompt = prompt_of(model.requests[0])
    parts = [
        "Reward of the pair: 4.25 of 10.", "7.5 of 10 for the preferred response, 2 for the other", "Preferred response: ",
        "the judge gave it 8.5 of 10", "<<preferred response>>", RIGHT.text, "<<python on the preferred response>>",
        "they agree on 36", "Dispreferred response: checks show it to be wrong", "<<dispreferred response>>",
        "they differ from 15", "<<search on the task>>", "a tank is a vessel", "<<critique>>",
    ]  # fmt: skip
    places = [prompt.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)


def test_without_scores_the_outcome_says_what_is_known(model: LoopbackModel) -> None:
    pair = PreferencePair(chosen=side(RIGHT), rejected=side(WRONG))
    rewrite(model, attempt("low_reward", pair=pair, critique=Critique(analysis="no critic")))
    prompt = prompt_of(model.requests[0])
    assert "Dispreferred response: checks show it to be wrong (0 of 5 speak for it)." in prompt
    assert "Reward of the pair" not in prompt
    assert "the judge gave it" not in prompt


def test_a_side_without_an_answer_is_told_from_one_that_nobody_checked(model: LoopbackModel) -> None:
    silent, unchecked = (Candidate(index=index, output=f"nothing {index}", round=0) for index in (2, 3))
    evidence = (*EVIDENCE, found(2, "This response states no final answer.", None, None))
    pair = PreferencePair(chosen=side(unchecked), rejected=side(silent))
    rewrite(model, attempt("low_reward", pair=pair, evidence=evidence))
    prompt = prompt_of(model.requests[0])
    assert "Dispreferred response: it states no answer that could be checked." in prompt
    assert "Preferred response: no check decides." in prompt


def test_without_a_pair_every_response_stands_there_with_its_findings(model: LoopbackModel) -> None:
    other = Candidate(index=2, output="w" * 2000, round=1)
    verdicts = tuple(Verdict(candidate=index, analysis="", score=6) for index in range(3))
    evidence = (*EVIDENCE, found(2, "This response states no final answer.", None, None))
    last = attempt("low_margin", candidates=(other,), verdicts=verdicts, evidence=evidence)
    rewrite(model, last, earlier=(RIGHT, WRONG))
    prompt = prompt_of(model.requests[0])
    assert "No pair could be formed." in prompt
    assert "Response 2: checks show it to be wrong (0 of 5 speak for it); the judge gave it 6 of 10." in prompt
    assert "Response 3: it states no answer that could be checked; the judge gave it 6 of 10." in prompt
    assert "<<python on response 2>>" in prompt
    assert "w" * 200 not in prompt
    assert "characters left out" in prompt


def test_a_reference_side_is_shown_and_its_wording_is_withheld(model: LoopbackModel) -> None:
    long = "Every hour takes a little of the water, so the loss grows with the hours that pass."
    pair = PreferencePair(chosen=Side(origin=REFERENCE, output=Task(prompt="x", reference=long).reference), rejected=side(WRONG))  # type: ignore[arg-type]
    rewrite(model, attempt("low_reward", pair=pair))
    assert long in prompt_of(model.requests[0])


def test_a_model_that_cannot_write_guidance_is_an_error(model: LoopbackModel) -> None:
    model.replies["JointRewrite"] = lambda body, choice: "I would rather not."
    with pytest.raises(MalformedReplyError):
        rewrite(model, attempt("low_reward", pair=PAIR))
