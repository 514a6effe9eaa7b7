"""Values survive a checkpoint under the strict serializer, and nothing else does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anyprefer import types
from anyprefer.graph.state import state_serializer
from anyprefer.types import (
    REFERENCE,
    VALUES,
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Failure,
    Finding,
    Image,
    Knowledge,
    Message,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    RoleUsage,
    Side,
    Task,
    Text,
    ToolCall,
    ToolResult,
    Trajectory,
    Verdict,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def attempt(words: str) -> Attempt:
    return Attempt(
        round=1, prompts=Prompts(target=words, version=1),
        candidates=(Candidate(index=0, output=Reply.of(words, words), ending="cut"),),
        tool_calls=(ToolCall(tool="calculator", args={"a": [1, {"b": words}]}, candidate=0),),
        evidence=(
            Evidence(call=ToolCall(tool="calculator"), finding=Finding(content=words, votes=(1, 2)), seconds=0.5),
        ),
        knowledge=Knowledge(text=words),
        verdicts=(Verdict(candidate=0, analysis=words, score=2.5),),
        pair=PreferencePair(
            chosen=Side(origin=REFERENCE, output=f"a{words}"),
            rejected=Side(origin=Origin(kind="candidate", candidate=0, round=1), output=f"b{words}", score=1), certainty=0.5,
        ),
        critique=Critique(analysis=words, score=3),
    )  # fmt: skip


@given(text)
def test_state_round_trips_under_strict_msgpack(words: str) -> None:
    picture = Image(sha256="0" * 64, media_type="image/png")
    prompt = (
        Message(role="user", content=(picture, Text(text=f"x{words}"))),
        Message(role="tool", content=(ToolResult(id="c", content=(Text(text=words), picture)),)),
    )
    walk = Trajectory(actions=((0.5, 1.0),), observations=(picture,), facts={"success": True, "words": words})
    task = Task(prompt=prompt, metadata={"n": [1, None, words]}, reference=walk, tools=({"name": "f"},))
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
