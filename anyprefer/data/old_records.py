"""Records of format version 1, read as version 2.

Version 1 kept the two sides of a pair as bare texts; which candidates they were is found again here, once, by equal text.
Everything else moves: a response's text becomes an output with its inline thoughts set apart, a finish reason an ending, a
tool's text a finding that is silent on the candidate. Where thoughts alone make a record's pair, they stay in its texts.
Pictures stood as paths that nobody had shown to a model; they cannot be hashed any more, so the paths go to the metadata as
"images".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyprefer.thoughts import split_thoughts
from anyprefer.types import PreferenceRecord, Reply, ending_of

Tree = Mapping[str, Any]
Lift = Callable[[str], Any]
"""What a response's text becomes."""


def upgrade(record: Tree) -> dict[str, Any]:
    """The JSON of a version-1 record as that of version 2.

    Raises:
        ValueError: It is no such record.
    """
    try:
        as_it_is, apart = _convert(record, str), _convert(record, _set_apart)
        return apart if apart != as_it_is and _has_its_pairs(apart) else as_it_is
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no record of version 1: {type(error).__name__} {error}") from error


def _convert(record: Tree, lift: Lift) -> dict[str, Any]:
    model = record.get("models", {}).get("target")
    attempts = [_attempt(attempt, record["task"], model, lift) for attempt in record.get("attempts", ())]
    review = record.get("review")
    if review:
        written = {name: lift(review[name]) for name in ("chosen", "rejected") if review.get(name) is not None}
        review = {**review, **written}
    return {**record, "version": 2, "task": _task(record["task"]), "attempts": attempts, "review": review}


def _set_apart(text: str) -> Any:
    """A response with its thoughts apart; one that is nothing but a thought stays as it is."""
    thought, answer, _ = split_thoughts(text)
    return Reply.of(answer, thought).model_dump(mode="json") if answer.strip() and answer != text else text


def _has_its_pairs(record: dict[str, Any]) -> bool:
    """Whether a converted record can be read, with its pairs and what a reviewer made of one."""
    try:
        _ = PreferenceRecord.model_validate(record).pair
    except ValueError:
        return False
    return True


def _task(task: Tree) -> dict[str, Any]:
    images = {"images": list(task["images"])} if task.get("images") else {}
    kept = {name: value for name, value in task.items() if name != "images"}
    return {**kept, "metadata": {**task.get("metadata", {}), **images}}


def _attempt(attempt: Tree, task: Tree, model: str | None, lift: Lift) -> dict[str, Any]:
    pair = attempt.get("pair")
    return {
        **attempt,
        "candidates": [_candidate(one, model, lift) for one in attempt["candidates"]],
        "evidence": [_evidence(one, attempt.get("tool_calls", ())) for one in attempt.get("evidence", ())],
        "pair": pair and {side: _side(side, pair, attempt, task, lift) for side in ("chosen", "rejected")},
    }


def _candidate(candidate: Tree, model: str | None, lift: Lift) -> dict[str, Any]:
    return {
        "index": candidate["index"], "output": lift(candidate["text"]), "ending": ending_of(candidate.get("finish_reason")),
        "model": candidate.get("model") or model,
    }  # fmt: skip


def _evidence(evidence: Tree, calls: Sequence[Tree]) -> dict[str, Any]:
    """Version 1 repeated a call's arguments but not what the judge hoped to find out."""
    call = {"tool": evidence["tool"], "args": evidence.get("args", {}), "candidate": evidence.get("candidate")}
    why = next((one.get("why", "") for one in calls if all(one.get(name) == value for name, value in call.items())), "")
    finding = {"content": evidence["content"]}
    return {"call": {**call, "why": why}, "finding": finding, "ok": evidence.get("ok", True), "seconds": evidence["seconds"]}


def _side(name: str, pair: Tree, attempt: Tree, task: Tree, lift: Lift) -> dict[str, Any]:
    """Say who wrote a side: the candidate with its text, or whoever wrote the reference.

    A candidate may say the reference word for word. What was taken then shows in the score, which a reference had of its own.
    """
    text, score = pair[name], pair[f"{name}_score"]
    indices = [one["index"] for one in attempt["candidates"] if one["text"] == text]
    scores = {one["candidate"]: one["score"] for one in attempt.get("verdicts", ())}
    is_reference = name == "chosen" and text == task.get("reference")
    if indices and not (is_reference and scores.get(indices[0], score) != score):
        origin = {"kind": "candidate", "candidate": indices[0], "round": attempt["round"]}
        return {"origin": origin, "output": lift(text), "score": score}
    if not is_reference:
        raise ValueError(f"no record of version 1: no candidate says what the {name} side does, {text[:80]!r}")
    return {"origin": {"kind": "reference"}, "output": text}
