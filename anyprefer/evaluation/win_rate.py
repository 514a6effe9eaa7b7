"""How often a judge prefers one model's answers to another's, as AlpacaEval asks it, with and without the influence of length."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anyprefer.backends.calls import CallStore
from anyprefer.config import Recipe
from anyprefer.errors import DataError
from anyprefer.evaluation.comparison import WinRate, win_rate
from anyprefer.evaluation.judging import Arm, Outcome, measure_judge
from anyprefer.evaluation.model_eval import read_report
from anyprefer.evaluation.pairs import LabelledPair
from anyprefer.types import Task

Outputs = Mapping[str, str]
"""Prompt -> answer."""


class WinReport(BaseModel):
    """The result of `anyprefer evaluate win-rate`."""

    judge: str
    items: int
    """Prompts that both answered."""
    judged: int
    """Of those, how many the judge could judge; equal answers are ties without asking."""
    wins: int
    losses: int
    ties: int
    win_rate: float
    low: float
    high: float
    controlled: float | None
    """Win rate had all answers had the same length."""
    length_effect: float | None
    flip_rate: float | None
    """Share of pairs whose single judgements disagree, where there are several."""
    preferences: dict[str, float]
    """Item -> 1 where the first model wins, 0 where the second does, 0.5 for a tie."""

    def line(self) -> str:
        """One row for a person."""
        span = f"{100 * self.win_rate:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        length = "" if self.controlled is None else f", length-controlled {100 * self.controlled:.1f}"
        counts = f"{self.wins} wins, {self.losses} losses, {self.ties} ties of {self.items}"
        return f"win rate of the first by {self.judge}: {span}{length} ({counts})"


def load_outputs(path: Path) -> Outputs:
    """Read answers: a folder of `evaluate model`, or a file in AlpacaEval's format (rows with instruction and output).

    Raises:
        DataError: It cannot be read, a row lacks a field, or two rows answer one prompt.
    """
    if path.is_dir():
        return {answer.prompt: answer.answer for answer in read_report(path).answers if not answer.error}
    try:
        text = path.read_text(encoding="utf-8")
        lines = (line for line in text.split("\n") if line.strip())  # an answer may hold U+2028, which ends no line of JSON
        rows: list[Any] = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read answers from {str(path)!r} ({error}): give a JSON or JSON Lines file") from error
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("instruction"), str) or not isinstance(row.get("output"), str):
            raise DataError(f"{str(path)!r}, row {number}: rows need 'instruction' and 'output', both text")
        if row["instruction"] in found:
            raise DataError(f"{str(path)!r}, row {number}: this instruction was answered before: keep one answer for each")
        found[row["instruction"]] = row["output"]
    return found


async def measure_win_rate(
    recipe: Recipe, first: Outputs, second: Outputs, calls: CallStore, *, limit: int | None = None, arm: Arm = "none",
    progress: Callable[[Arm, int], None] = lambda arm, done: None,
) -> WinReport:  # fmt: skip
    """Have the recipe's judge score both answers to every shared prompt; which stands first is a coin toss per prompt.

    Args:
        recipe: Its judge and, in arms other than "none", its tools and feedback.
        first: Answers of the model whose win rate is asked for.
        second: Answers of the model it is compared with.
        calls: Journal.
        limit: Most prompts.
        arm: What the judge may use, see `anyprefer evaluate judge`.
        progress: Told how far it is.

    Raises:
        DataError: The two have no prompt in common.
    """
    shared = [prompt for prompt in first if prompt in second][:limit]
    if not shared:
        raise DataError("the two have no prompt in common: have both models answer the same prompts, word for word")
    pairs = {prompt: LabelledPair(Task(prompt=prompt), right=first[prompt], wrong=second[prompt]) for prompt in shared}
    asked = [pair for pair in pairs.values() if pair.right.strip() != pair.wrong.strip()]
    results = await measure_judge(recipe, asked, [arm], calls, progress) if asked else []
    outcomes = {outcome.task_id: outcome for result in results for outcome in result.outcomes}
    preferences: dict[str, float] = {}
    lengths: list[float] = []
    for prompt, pair in pairs.items():
        outcome = outcomes.get(pair.task.id, Outcome(pair.task.id, 0.0, None, 0))
        if outcome.margin is not None:
            preferences[prompt] = 0.5 if outcome.margin == 0 else float(outcome.margin > 0)
            lengths.append(float(len(first[prompt]) - len(second[prompt])))
    if not preferences:
        raise DataError("the judge could judge none of the pairs: see the journal, or choose another judge")
    flips = [outcome.flipped for outcome in outcomes.values() if outcome.flipped is not None]
    return _report(recipe.role("judge").model, len(shared), preferences, win_rate(list(preferences.values()), lengths), flips)


def _report(judge: str, items: int, preferences: dict[str, float], rate: WinRate, flips: list[bool]) -> WinReport:
    values = list(preferences.values())
    return WinReport(
        judge=judge, items=items, judged=len(values), wins=values.count(1.0), losses=values.count(0.0), ties=values.count(0.5),
        win_rate=rate.plain.mean, low=rate.plain.low, high=rate.plain.high, controlled=rate.controlled,
        length_effect=rate.length_effect, flip_rate=sum(flips) / len(flips) if flips else None, preferences=preferences,
    )  # fmt: skip
