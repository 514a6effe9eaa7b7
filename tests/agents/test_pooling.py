"""What tools found is known in later rounds, until the same is looked at again."""

from anyprefer.agents.pooling import evidence_behind, pool_evidence
from anyprefer.types import Attempt, Candidate, Critique, Evidence, Finding, Prompts, ToolCall


def found(tool: str, candidate: int | None, content: str, *, ok: bool = True) -> Evidence:
    call = ToolCall(tool=tool, candidate=candidate)
    return Evidence(call=call, finding=Finding(content=content), ok=ok, seconds=0)


def attempt(round_: int, *evidence: Evidence) -> Attempt:
    return Attempt(
        round=round_, prompts=Prompts(), candidates=(Candidate(index=round_, output="a", round=round_),), evidence=evidence,
        critique=Critique(analysis=""),
    )  # fmt: skip


def texts(evidence: tuple[Evidence, ...]) -> list[str]:
    return [item.text for item in evidence]


def test_all_calls_of_a_round_count_until_the_tool_looks_again() -> None:
    first = attempt(0, found("web_search", None, "one query"), found("web_search", None, "another"), found("python", 0, "old"))
    assert texts(pool_evidence([first], ())) == ["one query", "another", "old"]
    now = (found("python", 0, "new"), found("python", 1, "first look"))
    assert texts(pool_evidence([first], now)) == ["one query", "another", "new", "first look"]
    assert texts(evidence_behind([first, attempt(1, *now)], first)) == ["one query", "another", "old"]


def test_a_call_that_failed_takes_nothing_away() -> None:
    first = attempt(0, found("python", 0, "4 of 5"))
    failed = found("python", 0, "no answer within 30 seconds", ok=False)
    assert texts(pool_evidence([first], (failed,))) == ["4 of 5"]
    assert texts(pool_evidence([], (failed,))) == ["no answer within 30 seconds"]
