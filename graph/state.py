"""The state of one task's synthesis: values only. A caller gives the task; the first node fills in every other key."""

import operator
from typing import Annotated

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import TypedDict

from anyprefer.types import (
    VALUES,
    Attempt,
    Candidate,
    Critique,
    Cut,
    Evidence,
    Failure,
    Knowledge,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    Shortfall,
    Task,
    ToolCall,
    Verdict,
)  # fmt: skip


class SynthesisInput(TypedDict):
    """What a caller gives: one task."""

    task: Task


class SynthesisState(TypedDict):
    """Everything known about the task; the keys from `candidates` to `cuts` belong to the current round."""

    task: Task
    prompts: Prompts
    round: int
    """Number of rewrites so far."""
    candidates: tuple[Candidate, ...]
    """Those that the round sampled; those of earlier rounds are in `attempts`, and stay in play."""
    tool_calls: tuple[ToolCall, ...]
    evidence: tuple[Evidence, ...]
    knowledge: Knowledge | None
    verdicts: tuple[Verdict, ...]
    pair: PreferencePair | None
    shortfall: Shortfall | None
    """Why there is no pair; None where there is one."""
    critique: Critique | None
    cuts: tuple[Cut, ...]
    """What was shortened for the round's models, and for the rewriter that led to it."""
    review: Review | None
    """A person's decision on the best pair; None where none was asked for."""
    failure: Failure | None
    """What ended the task early; None where nothing did."""
    attempts: Annotated[list[Attempt], operator.add]
    record: PreferenceRecord | None


def state_serializer() -> JsonPlusSerializer:
    """The checkpoint serializer: it revives our values and no other class, so a checkpoint file cannot run code."""
    return JsonPlusSerializer(
        pickle_fallback=False, allowed_msgpack_modules=[(value.__module__, value.__name__) for value in VALUES]
    )
