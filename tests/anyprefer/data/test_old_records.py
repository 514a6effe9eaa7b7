"""Lines of record version 1: what they say is what they said."""

import json
import shutil

import pytest
from old_folders import FIXTURES

from anyprefer.data.old_records import upgrade
from anyprefer.data.records import RecordFile, record_line
from anyprefer.errors import RunFolderError
from anyprefer.types import PERSON, REFERENCE, Origin, PreferenceRecord

MODELS = {"target": "openai:small", "judge": "openai:large"}


@pytest.fixture
def old_file(tmp_path):
    return shutil.copy(FIXTURES / "run_before" / "out" / "records.jsonl", tmp_path / "records.jsonl")


def candidate(index, text, reason="stop", model=None):
    return {"index": index, "text": text, "finish_reason": reason, "model": model}


def old_record(**changes):
    """A version-1 record as a tree; `attempt` and `task` are merged in."""
    attempt = {
        "round": 1,
        "prompts": {"target": "", "judge": "", "version": 1},
        "candidates": [candidate(0, "good"), candidate(1, "bad", "length", "openai:other")],
        "tool_calls": [{"tool": "calculator", "args": {"a": 1}, "candidate": 1, "why": "to see"}],
        "evidence": [{"tool": "calculator", "args": {"a": 1}, "candidate": 1, "content": "wrong", "ok": True, "seconds": 0.5}],
        "knowledge": None,
        "verdicts": [{"candidate": i, "analysis": "", "score": score, "scores": [score]} for i, score in enumerate((9.0, 2.0))],
        "pair": {"chosen": "good", "rejected": "bad", "chosen_score": 9.0, "rejected_score": 2.0},
        "critique": {"analysis": "clear", "score": 8},
        **changes.pop("attempt", {}),
    }
    task = {"id": "t", "prompt": "x?", "images": [], "reference": None, "application": "text", "metadata": {}}
    task |= changes.pop("task", {})
    return {"task": task, "status": "accepted", "attempts": [attempt], "best_attempt": 0, "models": MODELS, **changes}


def read(**changes):
    return PreferenceRecord.model_validate(upgrade(old_record(**changes)))


def test_sides_become_the_candidates_that_they_were():
    record = read()
    assert (record.version, record.pair.chosen.origin, record.pair.rejected.origin) == (
        2, Origin(kind="candidate", candidate=0, round=1), Origin(kind="candidate", candidate=1, round=1)
    )  # fmt: skip
    assert (record.pair.chosen.score, record.pair.rejected.score, record.pair.margin) == (9, 2, 7)
    assert [record.model_of(side) for side in (record.pair.chosen, record.pair.rejected)] == ["openai:small", "openai:other"]
    assert [one.ending for one in record.best.candidates] == ["complete", "cut"]


def test_findings_keep_their_call_and_say_nothing_to_a_program():
    (evidence,) = read().best.evidence
    assert (evidence.tool, evidence.call.args, evidence.candidate, evidence.call.why) == ("calculator", {"a": 1}, 1, "to see")
    assert (evidence.text, evidence.ok, evidence.seconds) == ("wrong", True, 0.5)
    assert (evidence.finding.supports, evidence.finding.value, evidence.finding.votes) == (None, None, None)


def test_chosen_reference_has_no_score_of_its_own():
    pair = {"chosen": "gold", "rejected": "bad", "chosen_score": 10.0, "rejected_score": 2.0}
    record = read(task={"reference": "gold"}, attempt={"pair": pair})
    assert (record.pair.chosen.origin, record.pair.chosen.score, record.task.answer) == (REFERENCE, None, "gold")
    assert (record.pair.rejected.score, record.pair.margin) == (2, None)


@pytest.mark.parametrize(("score", "kind"), [(9.0, "candidate"), (10.0, "reference")])
def test_candidate_that_says_the_reference_is_told_from_it_by_the_score(score, kind):
    pair = {"chosen": "good", "rejected": "bad", "chosen_score": score, "rejected_score": 2.0}
    assert read(task={"reference": "good"}, attempt={"pair": pair}).pair.chosen.origin.kind == kind


def test_review_stays_whose_it_was():
    edit = {"decision": "edit", "reason": "", "chosen": "better", "rejected": None, "reviewer": "Ada"}
    record = read(review=edit)
    assert (record.pair.chosen.text, record.pair.chosen.origin, record.pair.chosen.score) == ("better", PERSON, None)
    assert (record.best.pair.chosen.text, record.pair.rejected.score) == ("good", 2)
    swapped = read(review={"decision": "swap", "reason": "", "chosen": None, "rejected": None, "reviewer": ""})
    assert (swapped.pair.chosen.text, swapped.pair.chosen.score, swapped.pair.margin) == ("bad", 2, -7)


def thinking(first, second, **changes):
    pair = {"chosen": first, "rejected": second, "chosen_score": 9.0, "rejected_score": 2.0}
    return read(attempt={"candidates": [candidate(0, first), candidate(1, second)], "pair": pair}, **changes)


def test_thoughts_of_a_response_are_set_apart_and_its_origin_stays():
    edit = {"decision": "edit", "reason": "", "chosen": "<think>a</think>good", "rejected": "worse", "reviewer": ""}
    record = thinking("<think>a</think>good", "b\n</think>\n\nbad", review=edit)
    outputs = [(one.output.answer, one.output.reasoning) for one in record.best.candidates]
    assert outputs == [("good", "a"), ("bad", "b")]
    assert [side.output for side in (record.best.pair.chosen, record.best.pair.rejected)] == [
        one.output for one in record.best.candidates
    ]
    assert (record.pair.chosen.origin.kind, record.pair.chosen.text, record.pair.rejected.origin) == ("candidate", "good", PERSON)


@pytest.mark.parametrize("second", ["<think>b</think>good", "<think>b"])
def test_a_pair_that_thoughts_alone_make_is_not_lost(second):
    record = thinking("<think>a</think>good", second)
    assert record.pair.rejected.text == second
    assert record.best.candidates[1].text == second


def test_paths_of_pictures_go_to_the_metadata():
    record = read(task={"images": ["cat.png"], "metadata": {"topic": "cats"}})
    assert record.task.metadata == {"topic": "cats", "images": ["cat.png"]}
    assert record.task.images == ()


def test_fields_that_version_1_had_defaults_for_may_be_missing():
    tree = old_record(attempt={"candidates": [{"index": 0, "text": "good"}, {"index": 1, "text": "bad"}]})
    for name in ("tool_calls", "evidence", "knowledge", "verdicts"):
        del tree["attempts"][0][name]
    del tree["models"], tree["task"]["reference"], tree["task"]["metadata"]
    record = PreferenceRecord.model_validate(upgrade(tree))
    assert (record.model_of(record.pair.chosen), record.best.evidence, record.pair.chosen.score) == (None, (), 9)


def test_attempt_without_a_pair_and_failed_record_are_read():
    error = {"kind": "ModelRefusedError", "message": "no", "node": "score_candidates"}
    record = read(status="failed", best_attempt=None, error=error, attempt={"pair": None})
    assert (record.status, record.pair, record.error.node) == ("failed", None, "score_candidates")


@pytest.mark.parametrize("changes", [
    {"attempt": {"pair": {"chosen": "nobody's", "rejected": "bad", "chosen_score": 9.0, "rejected_score": 2.0}}},
    {"attempt": {"candidates": ["good", "bad"]}},
    {"attempt": {"candidates": None}},
    {"attempts": {"round": 0}},
    {"models": None},
])  # fmt: skip
def test_damaged_record_is_named_with_its_line(tmp_path, changes):
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(old_record()) + "\n" + json.dumps(old_record(**changes)) + "\n" + json.dumps(old_record()) + "\n")
    with pytest.raises(RunFolderError, match=r"records\.jsonl line 2 is not a record"):
        list(RecordFile(path))


def test_file_of_earlier_code_is_read_appended_to_and_thinned_out_line_by_line(old_file):
    before = old_file.read_bytes().splitlines(keepends=True)
    found = list(RecordFile(old_file))
    assert {record.task.id: record.status for record in found}["exchanged"] == "accepted"
    assert RecordFile(old_file).ids() == {record.task.id for record in found}
    with RecordFile(old_file) as records:
        records.append(found[0].model_copy(update={"recipe_digest": "new"}))
        assert records.rewrite(lambda record: None if record.status == "failed" else record) == 1
    after = old_file.read_bytes().splitlines(keepends=True)
    assert after[:-1] == [line for line in before if b'"status":"failed"' not in line]
    assert [record.version for record in RecordFile(old_file)] == [2] * len(before)


def test_torn_last_line_of_an_old_file_is_moved(old_file):
    whole = old_file.read_bytes()
    old_file.write_bytes(whole[:-20])
    RecordFile(old_file).open().close()
    assert len(old_file.read_bytes().splitlines()) == len(whole.splitlines()) - 1


def test_what_was_read_is_written_as_the_present_version(old_file):
    for record in RecordFile(old_file):
        line = record_line(record)
        assert line.startswith(b'{"version":2,')
        assert PreferenceRecord.model_validate_json(line) == record
