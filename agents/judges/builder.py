"""A recipe's judge: its methods for every model of the panel, in the wrappers that the recipe asks for."""

from collections.abc import Sequence
from dataclasses import replace

from anyprefer.agents.judges.agreement import Agreement
from anyprefer.agents.judges.aspects import Aspects
from anyprefer.agents.judges.base import Judge, JudgeSetup
from anyprefer.agents.judges.criteria import WithRubric
from anyprefer.agents.judges.escalation import Escalation
from anyprefer.agents.judges.meta import MetaJudge
from anyprefer.agents.judges.orderings import Orderings
from anyprefer.agents.judges.own_answer import OwnAnswer
from anyprefer.agents.judges.panel import Panel
from anyprefer.agents.judges.reference import ReferenceJudge
from anyprefer.agents.judges.reference_first import ReferenceFirst
from anyprefer.agents.judges.registry import find_judge
from anyprefer.agents.judges.rubric import RubricJudge
from anyprefer.backends.client import ModelClient
from anyprefer.config import JudgeConfig
from anyprefer.errors import ConfigError


def build_judge(setup: JudgeSetup, panel: Sequence[ModelClient] = (), stronger: ModelClient | None = None) -> Judge:
    """Make the judge of a recipe.

    Args:
        setup: With the judge's own model, which also answers, compares and writes rubrics.
        panel: The models that judge beside it.
        stronger: The model that is asked where they are unsure.

    Raises:
        ConfigError: There is no such method, or settings contradict each other.
    """
    config = setup.config
    judge = _build_forms([setup, *(replace(setup, model=model) for model in panel)])
    if stronger is not None:
        judge = Escalation(judge, _build_forms([replace(setup, model=stronger)]), config.escalate_margin)
    if any(isinstance(make_judge(setup, key), RubricJudge) for key in config.methods):
        judge = WithRubric(judge, setup)
    if config.reference and config.method != "reference":
        judge = ReferenceFirst(judge, ReferenceJudge(setup))
    return judge


def make_judge(setup: JudgeSetup, key: str) -> Judge:
    """One judge by the method that a key of the recipe names, without any wrapper.

    Raises:
        ConfigError: There is no such method, or what it names makes no judge.
    """
    method = setup.config.methods[key]
    judge = find_judge(method, key)(setup)
    if not isinstance(judge, Judge):
        raise ConfigError(
            f"{key} = {method!r} makes {type(judge).__name__}, not a judge: return a subclass of "
            "anyprefer.agents.judges.base.Judge"
        )
    return judge


def _build_forms(setups: Sequence[JudgeSetup]) -> Judge:
    """The same judges by every method; the first of them is the one that solves the task itself."""
    first, config = setups[0], setups[0].config
    members = [[make_judge(setup, key) for setup in setups] for key in config.methods]
    any_compares = any(judges[0].compares for judges in members)
    forms = tuple(_build_form(judges, first, any_compares=any_compares) for judges in members)
    judge = forms[0] if len(forms) == 1 else Agreement(forms)
    asks = config.self_reference and judge.num_looks(1)
    return OwnAnswer(judge, first.model, first.prompts["answer"], first.field) if asks else judge


def _build_form(members: Sequence[Judge], setup: JudgeSetup, *, any_compares: bool) -> Judge:
    """One form of judging by all models; what asks no model is left as it is, since a second look would say the same."""
    if not members[0].num_looks(1):
        return members[0]
    config = setup.config
    panel = Panel(tuple(_refine(member, config, any_compares=any_compares) for member in members))
    return MetaJudge(panel, setup.model, setup.prompts["meta"], setup.show) if config.combine == "meta" else panel


def _refine(judge: Judge, config: JudgeConfig, *, any_compares: bool) -> Judge:
    """Add the wrappers that every member of the panel has; of two forms, orderings concern the one that compares."""
    refined = Aspects(judge, config.aspects) if config.aspects else judge
    return (
        Orderings(refined, config.permutations) if config.permutations > 1 and (judge.compares or not any_compares) else refined
    )
