"""How a model is asked for a number about a text, and how the number is read: the same for judges and for the critic."""

import logging
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from pydantic import Field

from anyprefer.backends.client import ModelClient
from anyprefer.backends.logprobs import expected_digits
from anyprefer.backends.replies import Completion

logger = logging.getLogger(__name__)


class Grading(Protocol):
    """What a role's section of the recipe says about the numbers it gives."""

    @property
    def expected_score(self) -> bool:
        """Whether the number is the expected value over log-probabilities."""

    @property
    def analysis_chars(self) -> int:
        """Longest analysis before the number, 0 for none."""


def scale(config: Grading) -> tuple[int, int]:
    """The lowest and highest score that the model is asked for.

    Expected scores are asked for as one digit, since "10" is two tokens for many models; 1 is added to what comes back.
    """
    return (0, 9) if config.expected_score else (1, 10)


def describe_analysis(config: Grading, what: str) -> str:
    """The prompt's demand for an analysis, empty where the recipe wants none."""
    if not config.analysis_chars:
        return ""
    return f"First write a short analysis {what} (at most {config.analysis_chars} characters each), and only then score."


def analysis_type(max_chars: int) -> Any:
    """The type of one analysis in a reply."""
    return Annotated[str, Field(min_length=1, max_length=max(1, max_chars))]


def score_type(lowest: int, highest: int) -> Any:
    """The type of one score in a reply."""
    return Annotated[int, Field(ge=lowest, le=highest)]


def weigh_digits(model: ModelClient, completion: Completion, key: str, written: Sequence[int]) -> list[float]:
    """The expected scores on the scale from 1 to 10, or the written ones where the server gave no distribution."""
    expected = expected_digits(completion.texts[0], key, completion.digits or [])
    if expected is None:
        _warn_without_logprobs(model)
    return [min(1.0 + digit, 10.0) for digit in expected or written]  # a weighted mean of nines may round to more than 9


_warned: set[str] = set()


def _warn_without_logprobs(model: ModelClient) -> None:
    if model.model_id not in _warned:
        _warned.add(model.model_id)
        logger.warning(
            "%s gives no log-probabilities for its scores, so plain scores are used: set %s.expected_score = false",
            model.model_id, model.role.partition(".")[0],
        )  # fmt: skip
