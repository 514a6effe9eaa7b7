"""The ways of judging by name: what `judge.method` of a recipe may be."""

from collections.abc import Callable

from anyprefer.agents.judges.base import Judge, JudgeSetup
from anyprefer.registry import Registry

Factory = Callable[[JudgeSetup], Judge]

JUDGES: Registry[Factory] = Registry(
    kind="judge",
    group="anyprefer.judges",
    built_in={
        "listwise": "anyprefer.agents.judges.listwise:ListwiseJudge",
        "pointwise": "anyprefer.agents.judges.pointwise:PointwiseJudge",
        "reference": "anyprefer.agents.judges.reference:ReferenceJudge",
        "rubric": "anyprefer.agents.judges.rubric:RubricJudge",
    },
)


def find_judge(name: str, key: str = "judge.method") -> Factory:
    """What makes the judges of a recipe's method.

    Args:
        name: Of the method.
        key: The recipe's key that names it, for messages.

    Raises:
        ConfigError: There is none of this name, or it cannot be imported.
    """
    return JUDGES.load(name, key)


def register_judge(name: str, factory: Factory) -> None:
    """Add a way of judging to this process.

    Raises:
        ConfigError: The name is a built-in one.
    """
    JUDGES.register(name, factory)
