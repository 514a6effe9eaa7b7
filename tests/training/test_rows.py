import hashlib
import json

import pytest

from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError
from anyprefer.training.rows import PreferenceRow, columns, is_exported, preference_row
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Knowledge,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Task,
)

TASK = Task(id="t1", prompt="What is 6 x 7?", images=("a.png",), metadata={"level": 2})
ATTEMPT = Attempt(
    round=1,
    prompts=Prompts(target="Take care.", judge="Be strict.", version=1),
    candidates=(Candidate(index=0, text="42"), Candidate(index=1, text="41")),
    evidence=(
        Evidence(tool="calculator", args={"expression": "6*7"}, content="42", seconds=0.1),
        Evidence(tool="search", content="timed out", ok=False, seconds=30),
        Evidence(tool="calculator", candidate=0, content="fine", seconds=0.1),
    ),
    knowledge=Knowledge(text="6 x 7 = 42"),
    pair=PreferencePair(chosen="42", rejected="41", chosen_score=9.5, rejected_score=2),
    critique=Critique(analysis="A clear contrast.", score=8),
)
NO_PAIR = ATTEMPT.model_copy(update={"pair": None, "critique": Critique(analysis="No contrast.")})


def record(status="accepted", attempts=(NO_PAIR, ATTEMPT), best=1, **fields):
    models = {"target": "openai:small", "judge": "openai:big", "critic": "openai:big"}
    return PreferenceRecord(
        task=TASK, status=status, attempts=attempts, best_attempt=best, models=models, seed=3, recipe_digest="d1", **fields
    )


def test_row_holds_the_original_prompt_the_pair_and_its_lineage():
    row = preference_row(record(), with_images=True)
    evidence = json.loads(row.pop("evidence"))
    assert [found["content"] for found in evidence] == ["42", "timed out", "fine"]
    assert len(row.pop("record_sha256")) == 64
    assert row == {
        "prompt": [{"role": "user", "content": "What is 6 x 7?"}],
        "chosen": [{"role": "assistant", "content": "42"}],
        "rejected": [{"role": "assistant", "content": "41"}],
        "task_id": "t1",
        "status": "accepted",
        "chosen_score": 9.5,
        "rejected_score": 2.0,
        "margin": 7.5,
        "reward": 8.0,
        "round": 1,
        "critique": "A clear contrast.",
        "knowledge": "6 x 7 = 42",
        "tools": ["calculator"],
        "target_model": "openai:small",
        "judge_model": "openai:big",
        "critic_model": "openai:big",
        "prompt_version": 1,
        "target_guidance": "Take care.",
        "judge_guidance": "Be strict.",
        "seed": 3,
        "recipe_digest": "d1",
        "metadata": '{"level": 2}',
        "images": ["a.png"],
    }


def test_conversation_stays_a_conversation():
    messages = (Message(role="system", content="s"), Message(role="user", content="u"))
    row = preference_row(record().model_copy(update={"task": Task(prompt=messages)}))
    assert row["prompt"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def test_record_hash_is_that_of_its_line(tmp_path):
    with RecordFile(tmp_path / "records.jsonl") as records:
        records.append(record())
    line = (tmp_path / "records.jsonl").read_bytes().removesuffix(b"\n")
    assert preference_row(record())["record_sha256"] == hashlib.sha256(line).hexdigest()


def test_columns_do_not_depend_on_the_record():
    bare = Attempt(round=0, prompts=Prompts(), candidates=(), pair=ATTEMPT.pair, critique=Critique(analysis=""))
    row = preference_row(PreferenceRecord(task=Task(prompt="x"), status="accepted", attempts=(bare,), best_attempt=0))
    assert list(row) == list(preference_row(record())) == list(columns(with_images=False))
    assert (row["tools"], row["evidence"], row["knowledge"], row["metadata"]) == ([], "[]", "", "{}")


def test_every_column_is_described():
    assert all(field.description for field in PreferenceRow.model_fields.values())
    assert list(columns(with_images=True)) == list(PreferenceRow.model_fields)


@pytest.mark.parametrize("attempts", [(NO_PAIR,), ()])
def test_record_without_a_pair_has_no_row(attempts):
    lost = record("exhausted", attempts, best=0 if attempts else None)
    assert not is_exported(lost, include_exhausted=True)
    with pytest.raises(DataError, match="exhausted record of task 't1' has no pair"):
        preference_row(lost)


@pytest.mark.parametrize(
    ("status", "options", "expected"),
    [
        ("accepted", {}, True),
        ("exhausted", {}, False),
        ("failed", {"include_exhausted": True}, False),
        ("exhausted", {"include_exhausted": True}, True),
        ("exhausted", {"include_exhausted": True, "min_reward": 8}, True),
        ("exhausted", {"include_exhausted": True, "min_reward": 8.5}, False),
        ("accepted", {"min_reward": 9}, False),
    ],
)
def test_which_records_are_exported(status, options, expected):
    assert is_exported(record(status), **options) is expected
