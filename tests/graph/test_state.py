"""Values survive a checkpoint under the strict serializer, and nothing else does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anyprefer import types
from anyprefer.graph.state import state_serializer
from anyprefer.types import (
    VALUES,
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Failure,
    Knowledge,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    RoleUsage,
    Task,
    ToolCall,
    Verdict,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def attempt(words: str) -> Attempt:
    return Attempt(
        round=1, prompts=Prompts(target=words, version=1), candidates=(Candidate(index=0, text=words, finish_reason="stop"),),
        tool_calls=(ToolCall(tool="calculator", args={"a": [1, {"b": words}]}, candidate=0),),
        evidence=(Evidence(tool="calculator", content=words, seconds=0.5),), knowledge=Knowledge(text=words),
        verdicts=(Verdict(candidate=0, analysis=words, score=2.5),),
        pair=PreferencePair(chosen=f"a{words}", rejected=f"b{words}", chosen_score=9, rejected_score=1),
        critique=Critique(analysis=words, score=3),
    )  # fmt: skip


@given(text)
def test_state_round_trips_under_strict_msgpack(words: str) -> None:
    task = Task(prompt=(Message(role="user", content=f"x{words}"),), metadata={"n": [1, None, words]}, reference=words)
    record = PreferenceRecord(
        task=task, status="failed", attempts=(attempt(words),), best_attempt=0, usage={"judge": RoleUsage(calls=1)},
        error=Failure(kind="k", message=words, node="n"),
    )  # fmt: skip
    state: dict[str, Any] = {"task": task, "attempts": [attempt(words)], "record": record, "round": 1, "pair": None}
    serializer = state_serializer()
    for key, value in state.items():
        revived = serializer.loads_typed(serializer.dumps_typed(value))
        assert revived == value, key
        assert type(revived) is type(value)


def test_allowlist_holds_every_value_and_only_values() -> None:
    defined = {kind for kind in vars(types).values() if isinstance(kind, type) and issubclass(kind, types.Value)} - {types.Value}
    assert set(VALUES) == defined


def test_foreign_class_is_not_revived() -> None:
    from anyprefer.config import LoopConfig

    serializer = state_serializer()
    assert not isinstance(serializer.loads_typed(serializer.dumps_typed(LoopConfig())), LoopConfig)
