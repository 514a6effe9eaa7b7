"""Ways of judging from elsewhere: another package's, and a notebook's."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from judge_example import CANDIDATES, judge, scores
from loopback import LoopbackModel, prompt_of, recipe_data

from anyprefer.agents.judges.base import Judge, Judgement, JudgeSetup, PromptFile
from anyprefer.agents.judges.builder import build_judge
from anyprefer.agents.judges.registry import JUDGES, find_judge, register_judge
from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.backends.calls import MemoryCalls
from anyprefer.errors import ConfigError, ModelError
from anyprefer.prompts import load_prompt
from anyprefer.recipes import parse_recipe
from anyprefer.types import Verdict

JUDGE = '''
"""A judge that asks whether a response is right, and no more."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from anyprefer.agents.judges.base import Judge, PromptFile, make_verdict
from anyprefer.agents.material import response_blocks, task_block
from anyprefer.backends.calls import CallSite


class Grade(BaseModel):
    grade: Literal["right", "wrong"]


class Grader(Judge):
    prompts = {"grade": PromptFile(Path(__file__).with_name("grade.md"), frozenset({"task", "responses"}))}

    def __init__(self, setup):
        self.setup = setup

    def num_looks(self, num_candidates):
        return num_candidates

    async def score(self, material, candidates):
        return [await self.grade(material, place, candidate) for place, candidate in enumerate(candidates)]

    async def grade(self, material, place, candidate):
        model = self.setup.model
        site = CallSite(material.task.id, "judge", material.round, f"score/{material.look + place}")
        blocks = response_blocks([candidate], show=self.setup.show)
        messages = self.setup.prompts["grade"].fill({"task": task_block(material.task), "responses": blocks})
        reply = await model.structured(messages, site, Grade)
        return make_verdict(candidate, "", 10.0 if reply.grade == "right" else 1.0)


def nothing(setup):
    return "a judge"
'''


class FirstJudge(Judge):
    """Likes the first candidate and asks nobody."""

    def __init__(self, setup: JudgeSetup) -> None:
        self.setup = setup

    def num_looks(self, num_candidates: int) -> int:
        return 0

    async def score(self, material: Any, candidates: Any) -> Judgement:
        return tuple(
            Verdict(candidate=one.index, analysis="", score=10 if place == 0 else 1) for place, one in enumerate(candidates)
        )


class ForgetfulJudge(FirstJudge):
    """Asks, and judges the first candidate alone."""

    def num_looks(self, num_candidates: int) -> int:
        return 1

    async def score(self, material: Any, candidates: Any) -> Judgement:
        return (await super().score(material, candidates))[:1]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a real distribution with entry points on the path."""

    def install_distribution(name: str, points: dict[str, str], source: str = JUDGE) -> None:
        site = tmp_path / f"site_{name}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[anyprefer.judges]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
        (site / f"{name}.py").write_text(source)
        (site / "grade.md").write_text("# User\n\n{{task}}\n\n{{responses}}\n\nRight or wrong?")
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install_distribution


@pytest.fixture
def registered() -> Iterator[dict[str, Any]]:
    """What this process has registered; undone at the end."""
    before = dict(JUDGES.registered)
    yield JUDGES.registered
    JUDGES.registered.clear()
    JUDGES.registered.update(before)


def built(method: str, **prompts: PromptFile) -> Callable[[JudgeSetup], Judge]:
    """Makes the recipe's judge by another method, with whatever wrappers the recipe has."""

    def make(setup: JudgeSetup) -> Judge:
        loaded = {name: load_prompt(file.path, file.placeholders) for name, file in prompts.items()}
        config = setup.config.model_copy(update={"method": method})
        return build_judge(replace(setup, config=config, prompts={**setup.prompts, **loaded}))

    return make


def test_a_judge_of_another_package_works_in_every_wrapper(model: LoopbackModel, install: Callable[..., None]) -> None:
    install("grade_judges", {"grade": "grade_judges:Grader"})
    assert JUDGES.names()["grade"] == "grade_judges:Grader"
    model.replies["Grade"] = lambda body, choice: {"grade": "right" if "text 1" in prompt_of(body) else "wrong"}
    prompts: dict[str, PromptFile] = find_judge("grade").prompts  # type: ignore[attr-defined] # a judge's class has them
    calls = MemoryCalls()
    verdicts = judge(model, make=built("grade", **prompts), aspects={"a": "x", "b": "y"}, permutations=2, calls=calls)
    assert scores(verdicts) == [1, 10, 1]
    assert [verdict.scores for verdict in verdicts] == [(1, 1), (10, 10), (1, 1)]
    steps = sorted(int(call.site.step.removeprefix("score/")) for call in calls.calls.values())
    assert steps == list(range(12))
    assert all(prompt_of(body).endswith("Right or wrong?") for body in model.requests)


def test_the_prompts_that_a_judge_brings_are_loaded_and_hashed(model: LoopbackModel, install: Callable[..., None]) -> None:
    install("grade_judges", {"grade": "grade_judges:Grader"})
    recipe = parse_recipe(recipe_data(model.url))
    plain = prompt_hashes(load_prompts(recipe))
    graded = recipe.model_copy(update={"judge": recipe.judge.model_copy(update={"method": "grade"})})
    hashes = prompt_hashes(load_prompts(graded))
    assert set(hashes) - set(plain) == {"grade"}
    assert plain.items() <= hashes.items()


def test_a_prompt_cannot_take_the_name_of_another(model: LoopbackModel, registered: dict[str, Any]) -> None:
    class Thief(FirstJudge):
        prompts = {"critique": PromptFile(Path("critique.md"), frozenset())}  # noqa: RUF012 - as another package may write it

    register_judge("thief", Thief)
    recipe = parse_recipe(recipe_data(model.url))
    with pytest.raises(ConfigError, match="brings a prompt 'critique', which there is already"):
        load_prompts(recipe.model_copy(update={"judge": recipe.judge.model_copy(update={"method": "thief"})}))


def test_a_notebook_registers_a_judge_and_replaces_it(model: LoopbackModel, registered: dict[str, Any]) -> None:
    register_judge("mine", ForgetfulJudge)
    register_judge("mine", FirstJudge)
    assert scores(judge(model, make=built("mine"), permutations=3)) == [10, 1, 1]
    assert not model.requests


def test_a_built_in_name_cannot_be_taken(install: Callable[..., None], registered: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="judge 'listwise' is built in"):
        register_judge("listwise", FirstJudge)
    install("thief_judges", {"listwise": "thief_judges:Grader"})
    assert find_judge("listwise").__module__ == "anyprefer.agents.judges.listwise"


def test_an_unknown_method_is_explained(model: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match=r"judge\.method = 'listwize': there is no such judge; did you mean 'listwise'\?"):
        judge(model, make=built("listwize"))


def test_what_makes_no_judge_is_explained(model: LoopbackModel, install: Callable[..., None]) -> None:
    install("hollow_judges", {"hollow": "hollow_judges:nothing"})
    with pytest.raises(ConfigError, match=r"judge\.method = 'hollow' makes str, not a judge"):
        judge(model, make=built("hollow"))


def test_a_judge_that_leaves_out_a_candidate_is_an_error(model: LoopbackModel, registered: dict[str, Any]) -> None:
    register_judge("forgetful", ForgetfulJudge)
    assert len(CANDIDATES) > 1
    with pytest.raises(ModelError, match="gave no verdict on candidate 1"):
        judge(model, make=built("forgetful"))
