"""A recipe's judge: its method for every model of the panel, in the wrappers that the recipe asks for."""

from collections.abc import Mapping, Sequence

from anyprefer.agents.judges.aspects import Aspects
from anyprefer.agents.judges.base import Judge, JudgeSetup
from anyprefer.agents.judges.meta import MetaJudge
from anyprefer.agents.judges.orderings import Orderings
from anyprefer.agents.judges.own_answer import OwnAnswer
from anyprefer.agents.judges.panel import Panel
from anyprefer.agents.judges.registry import find_judge
from anyprefer.agents.material import Show, show_text
from anyprefer.backends.client import ModelClient
from anyprefer.config import JudgeConfig
from anyprefer.errors import ConfigError
from anyprefer.prompts import Prompt


def build_judge(
    *, config: JudgeConfig, models: Sequence[ModelClient], prompts: Mapping[str, Prompt], field: str, examples: str = "",
    evidence_chars: int = 2000, show: Show = show_text,
) -> Judge:  # fmt: skip
    """Make the judge of a recipe.

    Args:
        config: The recipe's `[judge]`.
        models: The judge's own model, which also answers and compares, then the rest of its panel.
        prompts: From `load_prompts`.
        field: The domain that the judge must know.
        examples: The recipe's worked examples.
        evidence_chars: Longest finding in a prompt.
        show: How the judge sees an output.

    Raises:
        ConfigError: There is no such method, or settings contradict each other.
    """
    setups = [
        JudgeSetup(
            model=model, prompts=prompts, config=config, field=field, examples=examples, evidence_chars=evidence_chars, show=show
        )
        for model in models
    ]
    members = [make_judge(setup) for setup in setups]
    if not members[0].num_looks(1):
        return members[0]  # it asks no model, so a second look would say the same
    panel = Panel(tuple(_refine(member, config) for member in members))
    judge: Judge = MetaJudge(panel, models[0], prompts["meta"], show) if config.combine == "meta" else panel
    return OwnAnswer(judge, models[0], prompts["answer"], field) if config.self_reference else judge


def make_judge(setup: JudgeSetup) -> Judge:
    """One judge by the recipe's method, without any wrapper.

    Raises:
        ConfigError: There is no such method, or what it names makes no judge.
    """
    method = "reference" if setup.config.reference else setup.config.method
    judge = find_judge(method)(setup)
    if not isinstance(judge, Judge):
        raise ConfigError(
            f"judge.method = {method!r} makes {type(judge).__name__}, not a judge: return a subclass of "
            "anyprefer.agents.judges.base.Judge"
        )
    return judge


def _refine(judge: Judge, config: JudgeConfig) -> Judge:
    """Add the wrappers that every member of the panel has."""
    if config.aspects:
        judge = Aspects(judge, config.aspects)
    return Orderings(judge, config.permutations) if config.permutations > 1 else judge
