"""Where the criteria of a task come from: its own `rubric`, else the judge writes them, once for all rounds and candidates."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from anyprefer.agents.judges.base import Judgement, JudgeSetup, Material, Wrapper
from anyprefer.agents.judges.looks import describe_rules, list_criteria
from anyprefer.agents.material import RESPONSE_CHARS, lay_out, task_block
from anyprefer.backends.calls import CallSite
from anyprefer.errors import DataError
from anyprefer.redaction import quote
from anyprefer.types import Attempt, Candidate, Criterion, Message, Task

COLUMN = "rubric"
"""The key of a task's metadata, and the column of a task file, that holds criteria of its own."""

FEWEST, MOST = 2, 8
"""Criteria that the judge writes: fewer tell too few responses apart, and of more a small model says the same again."""

MOST_GIVEN = 50
"""Criteria that a task may bring: each is ruled on in one reply."""

_ADVICE = f'give {COLUMN} as a list of statements that are met or not, each a text or {{"text": ..., "weight": ...}}'


class WrittenCriterion(BaseModel):
    """A criterion as the judge writes it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    weight: Annotated[int, Field(ge=1, le=5)]


class Rubric(BaseModel):
    """The reply: what a response to the task is ruled on."""

    model_config = ConfigDict(extra="forbid")

    criteria: Annotated[list[WrittenCriterion], Field(min_length=FEWEST, max_length=MOST)]


@dataclass(frozen=True)
class WithRubric(Wrapper):
    """Settles the task's criteria, so that all judges of a recipe rule on the same ones.

    Written criteria are frozen: rulings of all rounds and candidates are about the same, so that no judgement moves its own goal.
    """

    setup: JudgeSetup
    """With the model that writes them."""

    def num_calls(self, num_candidates: int) -> tuple[int, int]:
        """The inner judge's; one for the criteria at the most."""
        least, most = self.judge.num_calls(num_candidates)
        return least, most + 1

    async def score(self, material: Material, candidates: Sequence[Candidate]) -> Judgement:
        """See `Judge.score`."""
        rubric = read_rubric(material.task) or material.rubric or await self._write(material)
        return await self.judge.score(replace(material, rubric=rubric), candidates)

    async def _write(self, material: Material) -> tuple[Criterion, ...]:
        """Ask for criteria; the site names no later round, so that the journal has them from then on."""
        setup = self.setup
        site = CallSite(material.task.id, "judge", 0, "rubric")

        def build() -> tuple[Message, ...]:
            return setup.prompts["rubric"].fill({
                "field": setup.field, "num_criteria": f"{FEWEST} to {MOST}", "rules": describe_rules(setup.config, material),
                "task": task_block(material.task),
            })  # fmt: skip

        reply = await setup.model.structured(lay_out(setup.model, build), site, Rubric)
        written: dict[str, Criterion] = {}
        for one in reply.criteria:
            written.setdefault(_fold(one.text), Criterion(text=one.text, weight=one.weight))
        return tuple(written.values())


def read_rubric(task: Task) -> tuple[Criterion, ...]:
    """The criteria that a task brings; none where it brings none.

    Raises:
        DataError: They cannot be ruled on; says why and what to do.
    """
    given = task.metadata.get(COLUMN)
    if given is None or given == "":
        return ()
    if isinstance(given, str):
        given = _parse(task, given)
    if not isinstance(given, list) or not given:
        raise DataError(f"task {task.id!r}: {COLUMN} = {_brief(given)} is no list of criteria: {_ADVICE}")
    found = tuple(_read_criterion(task, number, item) for number, item in enumerate(given, start=1))
    texts = [_fold(criterion.text) for criterion in found]
    if twice := next((text for text in texts if texts.count(text) > 1), None):
        raise DataError(f"task {task.id!r}: {COLUMN} has {quote(twice, 80)!r} twice: keep one, with the weight of both")
    if len(found) > MOST_GIVEN or len(list_criteria(found)) > RESPONSE_CHARS:
        raise DataError(
            f"task {task.id!r}: {COLUMN} has {len(found)} criteria of {sum(map(len, texts)):,} characters, more than a judge can "
            f"rule on in one reply: give at most {MOST_GIVEN}, and {RESPONSE_CHARS:,} characters in all"
        )
    return found


def frozen_rubric(attempts: Iterable[Attempt]) -> tuple[Criterion, ...]:
    """The criteria that earlier rounds were ruled on; none where no rubric was asked for yet."""
    ruled = (verdict.rulings for attempt in attempts for verdict in attempt.verdicts if verdict.rulings)
    return tuple(ruling.criterion for ruling in next(ruled, ()))


def _parse(task: Task, text: str) -> Any:
    """A list that is written as JSON, as tables of text hold it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"task {task.id!r}: {COLUMN} = {_brief(text)} is a text and no list: {_ADVICE}") from None


def _read_criterion(task: Task, number: int, item: Any) -> Criterion:
    parts = {"text": item} if isinstance(item, str) else item
    where = f"task {task.id!r}: criterion {number} of {COLUMN}, {_brief(item)},"
    if not isinstance(parts, dict) or not isinstance(parts.get("text"), str) or not parts["text"].strip():
        raise DataError(f"{where} has no text: {_ADVICE}")
    if unknown := sorted(parts.keys() - {"text", "weight"}):
        raise DataError(f"{where} has {unknown[0]!r} beside text and weight: {_ADVICE}")
    try:
        return Criterion.model_validate({"weight": 1.0, **parts, "text": parts["text"].strip()}, strict=True)
    except ValidationError:
        raise DataError(f"{where} has the weight {parts['weight']!r}: give a number above 0 and at most 100") from None


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _brief(value: Any) -> str:
    return quote(repr(value), 80)
