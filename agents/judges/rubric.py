"""One candidate at a time against the criteria of its task: for each what decides it, then met, unmet or unknown.

The score is the weight of what is met over the weight of what could be told, from 1 to 10. A reply that can tell nothing is no
judgement and is asked for again: an unreadable verdict is never a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, create_model, model_validator

from anyprefer.agents.grading import analysis_type
from anyprefer.agents.judges.base import Material
from anyprefer.agents.judges.looks import ask_about
from anyprefer.agents.judges.one_by_one import OneByOneJudge
from anyprefer.errors import ConfigError
from anyprefer.types import Candidate, Ruling, Verdict

FINDING_CHARS = 200
"""Longest finding: enough to name or quote what decides one criterion."""

_MET: dict[str, bool | None] = {"met": True, "unmet": False, "unknown": None}


class RulingSheet(BaseModel):
    """The base of replies; each has its rubric's fields, `finding_1`, `ruling_1`, `finding_2` and so on."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _check_any_told(self) -> Self:
        if all(value == "unknown" for name, value in self.model_dump().items() if name.startswith("ruling_")):
            raise ValueError("every ruling is 'unknown': rule 'met' or 'unmet' on what the response shows")
        return self


@dataclass(frozen=True)
class RubricJudge(OneByOneJudge):
    """Asks for a ruling on every criterion of the task, candidate by candidate.

    Raises:
        ConfigError: The recipe asks for what rulings do not have.
    """

    def __post_init__(self) -> None:
        config = self.setup.config
        if config.aspects:
            raise ConfigError("judge.aspects and the method 'rubric' both divide a judgement: write aspects as judge.principles")
        if config.expected_score and config.require_agreement is None:
            raise ConfigError(
                "judge.expected_score weighs the digits of a score, and the method 'rubric' asks for none: leave it out"
            )

    async def judge_one(self, material: Material, candidate: Candidate) -> Verdict:
        """See `OneByOneJudge.judge_one`."""
        chars = min(self.setup.config.analysis_chars, FINDING_CHARS)
        sheet, _ = await ask_about(
            self.setup, material, [candidate], prompt=self.setup.prompts["rule_on"],
            schema=ruling_sheet(len(material.rubric), chars),
            values={"analysis": _describe_finding(chars)},
        )  # fmt: skip
        rulings = tuple(
            Ruling(criterion=criterion, met=_MET[sheet[f"ruling_{number}"]], finding=sheet.get(f"finding_{number}", ""))
            for number, criterion in enumerate(material.rubric, start=1)
        )
        score = score_rulings(rulings)
        return Verdict(
            candidate=candidate.index, analysis="\n".join(map(_describe, rulings)), score=score, scores=(score,), rulings=rulings
        )


def _describe_finding(chars: int) -> str:
    """The prompt's demand for findings, empty where the recipe wants none."""
    if not chars:
        return ""
    return f"For each criterion first write a finding (at most {chars} characters): what in the response decides it. Then rule."


def score_rulings(rulings: Sequence[Ruling]) -> float:
    """From 1, nothing met, to 10, all met; by weight, and without what could not be told.

    Args:
        rulings: With at least one that is not unknown.
    """
    told = [ruling for ruling in rulings if ruling.met is not None]
    met = sum(ruling.criterion.weight for ruling in told if ruling.met)
    share = met / sum(ruling.criterion.weight for ruling in told)
    return 1 + 9 * share  # in this order, or all met may round to more than 10


def _describe(ruling: Ruling) -> str:
    said = next(word for word, met in _MET.items() if met is ruling.met)
    return f"{said}: {ruling.criterion.text}" + (f" ({ruling.finding})" if ruling.finding else "")


@cache
def ruling_sheet(count: int, finding_chars: int) -> type[RulingSheet]:
    """The reply: the findings, where the recipe wants them, come before the rulings, so that rulings follow from them."""
    fields: dict[str, Any] = {}
    for number in range(1, count + 1):
        if finding_chars:
            fields[f"finding_{number}"] = (analysis_type(finding_chars), ...)
        fields[f"ruling_{number}"] = (Literal["met", "unmet", "unknown"], ...)
    return create_model("Rulings", __base__=RulingSheet, **fields)
