"""When an answer is right: scores against a task's reference, for benchmarks and for judges that need no model."""

from collections.abc import Callable
from typing import Any, Literal

from anyprefer.errors import ConfigError
from anyprefer.registry import import_object
from anyprefer.tools.answers import answer_like, choice_of, final_answer, same_answer
from anyprefer.types import Task, normalize

Kind = Literal["number", "choice", "exact"]

KINDS: dict[str, Kind] = {"gsm8k": "number", "arc_easy": "choice", "arc_challenge": "choice", "exact": "exact"}
"""Benchmark name -> how its answers are read."""

_AROUND = " .,!*\"'`\u201c\u201d"

Score = Callable[[str, Task], float]
"""(answer, task with its reference) -> 0 to 1."""


def kind_of(name: str) -> Kind:
    """How a benchmark's answers are read.

    Raises:
        ConfigError: No such benchmark.
    """
    if name in KINDS:
        return KINDS[name]
    if ":" in name:
        return "exact"
    raise ConfigError(f"there is no benchmark {name!r}: choose from {', '.join(KINDS)}, or give module:function of a scorer")


def scorer_of(name: str) -> Score:
    """The function that scores a benchmark's answers.

    Raises:
        ConfigError: A scorer of one's own cannot be imported.
    """
    if name in KINDS:
        return {"number": score_number, "choice": score_choice, "exact": score_exact}[KINDS[name]]
    kind_of(name)
    try:
        found: Any = import_object(name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"cannot import the scorer {name!r} ({error}): give module:function of a function (answer, task) -> 0 to 1"
        ) from error
    return lambda answer, task: float(found(answer, task))


def score_number(answer: str, task: Task) -> float:
    """1 where the final number is the reference's."""
    truth = final_answer(task.answer) or task.answer
    stated = answer_like(final_answer(answer), truth)
    return float(stated is not None and same_answer(stated, truth))


def score_choice(answer: str, task: Task) -> float:
    """1 where the chosen option is the reference's."""
    stated = final_answer(answer) or answer.strip()[:1]
    return float((choice_of(stated, task.text) or stated).strip(" .)(").upper() == task.answer.strip().upper())


def score_exact(answer: str, task: Task) -> float:
    """1 where the texts are the same: case, white space, and quotes and full stops around them aside."""
    stated, truth = (normalize(text).casefold().strip(_AROUND) for text in (answer, task.answer))
    return float(stated == truth)
