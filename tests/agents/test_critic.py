"""The reward critic: what it is shown, how a reward follows from two grades, and when nobody is asked."""

import asyncio
import random
from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data, review, title_of

from anyprefer.agents.critic import Grade, RewardCritic, build_critic, describe_contrast
from anyprefer.agents.library import load_prompts
from anyprefer.agents.standing import Standing
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.errors import MalformedReplyError
from anyprefer.recipes import parse_recipe
from anyprefer.types import (
    REFERENCE,
    Critique,
    Evidence,
    Finding,
    Knowledge,
    Origin,
    PreferencePair,
    Reply,
    Side,
    Task,
    ToolCall,
)

TASK = Task(id="t", prompt="What is 2 + 2?")
RIGHT = Side(origin=Origin(kind="candidate", candidate=2, round=0), output=Reply.of("It is 4."), score=9)
WRONG = Side(origin=Origin(kind="candidate", candidate=7, round=1), output=Reply.of("It is 5."), score=3)
PAIR = PreferencePair(chosen=RIGHT, rejected=WRONG)
VERIFIED = {2: Standing(supports=True, votes_for=4, votes=5), 7: Standing(supports=False, votes_for=0, votes=5)}
EVIDENCE = tuple(
    Evidence(call=ToolCall(tool="python", candidate=candidate), finding=Finding(content=content), seconds=0)
    for candidate, content in ((None, "a page"), (2, "four print 4"), (7, "none prints 5"))
)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies["SideReview"] = grade({"It is 4.": 8, "It is 5.": 3})
        yield server


def grade(grades: dict[str, int]) -> Callable[..., Any]:
    """Grades the response that the prompt holds, with an analysis where one is asked for."""

    def reply(body: dict[str, Any], choice: int) -> dict[str, Any]:
        (found,) = [value for text, value in grades.items() if text in prompt_of(body)]
        return {**({"analysis": f"I give {found}."} if "short analysis" in prompt_of(body) else {}), "grade": found}

    return reply


def ask(
    server: LoopbackModel, pair: PreferencePair = PAIR, calls: MemoryCalls | None = None, *, round_: int = 1,
    use: Callable[[RewardCritic], Any] | None = None, critic: dict[str, Any] | None = None, examples: str = "", **background: Any,
) -> Any:  # fmt: skip
    async def main() -> Any:
        recipe = parse_recipe(recipe_data(server.url, critic={"method": "sides", **(critic or {})}))
        async with Backends(recipe) as backends:
            built = build_critic(
                config=recipe.critic, model=backends.client("critic", MemoryCalls() if calls is None else calls),
                prompts=load_prompts(recipe), field=recipe.field, examples=examples,
            )  # fmt: skip
            return use(built) if use else await built.critique(TASK, pair, round_, **background)

    return asyncio.run(main())


def chance(score: float) -> float:
    return (score - 1) / 9


def test_the_reward_is_the_chance_that_the_chosen_is_right_and_the_rejected_wrong(model: LoopbackModel) -> None:
    found: Critique = ask(model)
    assert found.grades == pytest.approx((8, 3))
    assert found.score == pytest.approx(1 + 9 * sqrt(chance(8) * (1 - chance(3))))
    flipped: Critique = ask(model, PAIR.swapped())
    assert flipped.score == pytest.approx(1 + 9 * sqrt(chance(3) * (1 - chance(8))))
    preferred, dispreferred, contrast = found.analysis.splitlines()
    assert (preferred[:10], "I give 8." in preferred, "I give 3." in dispreferred) == ("Preferred:", True, True)
    assert "likely to be right and the other one wrong" in contrast
    assert "the order cannot be trusted" in flipped.analysis


def test_a_side_is_shown_by_itself_and_never_as_a_side(model: LoopbackModel) -> None:
    ask(model, evidence=EVIDENCE, examples="An example of the judge.")
    shown = sorted(map(prompt_of, model.requests), key=lambda prompt: "It is 5." in prompt)
    assert [("It is 4." in prompt, "It is 5." in prompt) for prompt in shown] == [(True, False), (False, True)]
    assert [("four print 4" in prompt, "none prints 5" in prompt) for prompt in shown] == [(True, False), (False, True)]
    for prompt in shown:
        assert "a page" in prompt
        for word in ("prefer", "chosen", "reject", "pair", "example", "other response"):
            assert word not in prompt.lower()


def test_a_side_is_asked_about_once_whichever_side_it_is_and_in_whichever_round(model: LoopbackModel) -> None:
    calls = MemoryCalls()
    first: Critique = ask(model, calls=calls, evidence=EVIDENCE)
    again: Critique = ask(model, PAIR.swapped(), calls, evidence=EVIDENCE, round_=4)
    assert (len(model.requests), again.grades) == (2, first.grades and first.grades[::-1])
    ask(model, calls=calls, evidence=EVIDENCE[:2])
    assert len(model.requests) == 3, "another finding is another question"
    assert not any(word in call.site.step for call in calls.calls.values() for word in ("chosen", "rejected"))


def test_knowledge_stands_in_place_of_what_was_found_about_the_task(model: LoopbackModel) -> None:
    ask(model, evidence=EVIDENCE, knowledge=Knowledge(text="what matters"))
    assert all("what matters" in prompt and "a page" not in prompt for prompt in map(prompt_of, model.requests))


@pytest.mark.parametrize(("weight", "asked"), [(0.8, 2), (1.0, 0), (0.0, 2)])
def test_findings_count_as_much_as_the_recipe_says(model: LoopbackModel, weight: float, asked: int) -> None:
    found: Critique = ask(model, critic={"evidence_weight": weight}, standings=VERIFIED)
    chosen, rejected = weight * 0.8 + (1 - weight) * chance(8), (1 - weight) * chance(3)
    assert found.grades == pytest.approx((1 + 9 * chosen, 1 + 9 * rejected))
    assert found.score == pytest.approx(1 + 9 * sqrt(chosen * (1 - rejected)))
    assert len(model.requests) == asked
    assert "4 of 5 checks speak for it" in found.analysis


def test_split_checks_decide_nothing(model: LoopbackModel) -> None:
    split = {2: Standing(votes_for=2, votes=4), 7: Standing(silent=True)}
    found: Critique = ask(model, critic={"evidence_weight": 1.0}, standings=split)
    assert (found.grades, len(model.requests)) == (pytest.approx((8, 3)), 2)
    assert "2 of 4 checks speak for it, which decides nothing." in found.analysis
    assert "No answer could be read in it" in found.analysis


def test_a_reference_is_right_by_what_it_is(model: LoopbackModel) -> None:
    found: Critique = ask(model, PreferencePair(chosen=Side(origin=REFERENCE, output=Reply.of("4")), rejected=WRONG))
    assert (found.grades, len(model.requests)) == (pytest.approx((10, 3)), 1)


def test_expected_grades_weigh_the_digits(model: LoopbackModel) -> None:
    found: Critique = ask(model, critic={"expected_score": True, "analysis_chars": 0})
    assert found.grades == pytest.approx((5, 2.5)), "a digit d of the scripted server is worth d / 2"
    assert all("from 0 to 9" in prompt_of(body) and "analysis" not in prompt_of(body) for body in model.requests)


def test_a_server_without_log_probabilities_is_named_with_the_critics_key(
    model: LoopbackModel, caplog: pytest.LogCaptureFixture
) -> None:
    model.logprobs = False
    found: Critique = ask(model, critic={"expected_score": True, "model": "openai:mute", "base_url": model.url})
    assert found.grades == pytest.approx((9, 4))
    assert "set critic.expected_score = false" in caplog.text


def test_a_grade_that_cannot_be_read_is_an_error(model: LoopbackModel) -> None:
    model.replies["SideReview"] = lambda body, choice: {"analysis": "x", "grade": 11}
    with pytest.raises(MalformedReplyError, match="did not fit SideReview"):
        ask(model)


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ((0.9, 0.1), "right and the other one wrong"), ((0.9, 0.6), "Both are likely to be right"),
        ((0.4, 0.1), "Both are likely to be wrong"), ((0.4, 0.6), "cannot be trusted"), ((0.5, 0.5), "cannot be trusted"),
    ],
)  # fmt: skip
def test_the_contrast_is_said_in_one_sentence(chances: tuple[float, float], words: str) -> None:
    assert words in describe_contrast(*(Grade(one, "") for one in chances))


def test_the_papers_critic_reads_the_pair_with_all_findings(model: LoopbackModel) -> None:
    model.replies["PairReview"] = review(8)
    found: Critique = ask(model, critic={"method": "paper"}, evidence=EVIDENCE, standings=VERIFIED, examples="An example.")
    (body,) = model.requests
    assert (title_of(body), found.score, found.grades) == ("PairReview", 8, None)
    assert found.analysis == "Preferred: good\nDispreferred: bad"
    for part in ("a page", "python on the preferred response", "four print 4", "none prints 5", "It is 4.", "An example."):
        assert part in prompt_of(body)


def test_the_papers_critic_may_leave_its_analyses_out_and_judges_a_reference_too(model: LoopbackModel) -> None:
    model.replies["PairReview"] = lambda body, choice: {"score": 3}
    pair = PreferencePair(chosen=Side(origin=REFERENCE, output=Reply.of("It is 4.")), rejected=WRONG)
    assert ask(model, pair, critic={"method": "paper", "analysis_chars": 0}) == Critique(analysis="", score=3)


@pytest.mark.parametrize("method", ["sides", "paper"])
def test_a_difference_in_what_is_left_out_is_not_seen(model: LoopbackModel, method: str) -> None:
    head, tail = "a" * 9000, "z" * 9000
    sides = [side.model_copy(update={"output": Reply.of(head + word + tail)}) for side, word in ((RIGHT, "4"), (WRONG, "5"))]
    pair = PreferencePair(chosen=sides[0], rejected=sides[1])
    other = PreferencePair(chosen=sides[0].model_copy(update={"output": Reply.of("b" * 18_001)}), rejected=sides[1])

    def unseen(of: PreferencePair, **background: Any) -> bool:
        critic = {"method": method}
        return bool(ask(model, critic=critic, use=lambda built: built.sees_no_difference(TASK, of, **background)))

    assert [unseen(pair), unseen(other), unseen(PAIR)] == [True, False, False]
    assert unseen(pair, standings=VERIFIED) == (method == "paper"), "what decided about a side has seen it"
    assert not model.requests


def test_grades_do_not_depend_on_the_order_of_the_sides(model: LoopbackModel) -> None:
    model.replies["SideReview"] = grade({f"It is {i}.": 1 + random.Random(i).randrange(10) for i in (4, 5)})
    assert ask(model).grades == ask(model, PAIR.swapped()).grades[::-1]
