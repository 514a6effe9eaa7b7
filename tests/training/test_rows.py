import hashlib
import json

import pytest
from lineage import CARRIED

from anyprefer.applications.text import TextApplication
from anyprefer.data.pairs import is_exported
from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError
from anyprefer.training.rows import PreferenceRow, columns, preference_row
from anyprefer.types import (
    REFERENCE,
    Attempt,
    Candidate,
    Criterion,
    Critique,
    Evidence,
    Finding,
    Image,
    Knowledge,
    Message,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reasoning,
    Reply,
    Review,
    Ruling,
    Side,
    Task,
    Text,
    ToolCall,
    find_differences,
)

TEXT = TextApplication()
PICTURE = Image(sha256="a" * 64, media_type="image/png")
PROMPT = (Message(role="user", content=(PICTURE, Text(text="What is 6 x 7?"))),)
TASK = Task(id="t1", prompt=PROMPT, reference="42", metadata={"level": 2})


def side(index, text, score=None, round_=1, thought=""):
    origin = Origin(kind="candidate", candidate=index, round=round_)
    return Side(origin=origin, output=Reply.of(text, thought), score=score)


def found(content, tool="calculator", ok=True):
    return Evidence(call=ToolCall(tool=tool, candidate=0), finding=Finding(content=content), ok=ok, seconds=0.1)


PAIR = PreferencePair(chosen=side(0, "42", 9.5), rejected=side(1, "41", 2), certainty=0.75)
ATTEMPT = Attempt(
    round=1,
    prompts=Prompts(target="Take care.", judge="Be strict.", version=1),
    candidates=(
        Candidate(index=0, output="42", model="openai:large"),
        Candidate(index=1, output="41", model="openai:small"),
    ),
    evidence=(found("42"), found("timed out", "search", ok=False), found("fine")),
    knowledge=Knowledge(text="6 x 7 = 42"),
    pair=PAIR,
    critique=Critique(analysis="A clear contrast.", score=8),
)
NO_PAIR = ATTEMPT.model_copy(update={"round": 0, "pair": None, "critique": Critique(analysis="No contrast.")})


def record(status="accepted", attempts=(NO_PAIR, ATTEMPT), best=1, **fields):
    models = {"target": "openai:small", "judge": "openai:big", "critic": "openai:big"}
    return PreferenceRecord(
        task=TASK, status=status, attempts=attempts, best_attempt=best, models=models, seed=3, recipe_digest="d1", **fields
    )


def test_row_holds_the_original_prompt_the_pair_and_its_lineage():
    row = preference_row(record(), TEXT, with_images=True)
    evidence = json.loads(row.pop("evidence"))
    assert [one["finding"]["content"] for one in evidence] == ["42", "timed out", "fine"]
    assert len(row.pop("record_sha256")) == 64
    assert row == {
        "prompt": [{"role": "user", "content": "[picture aaaaaaaaaaaa]\n\nWhat is 6 x 7?"}],
        "chosen": [{"role": "assistant", "content": "42"}],
        "rejected": [{"role": "assistant", "content": "41"}],
        "images": ["a" * 64],
        "task_id": "t1",
        "status": "accepted",
        "chosen_origin": "candidate",
        "rejected_origin": "candidate",
        "chosen_model": "openai:large",
        "rejected_model": "openai:small",
        "chosen_score": 9.5,
        "rejected_score": 2.0,
        "margin": 7.5,
        "certainty": 0.75,
        "differences": "",
        "chosen_grade": None,
        "rejected_grade": None,
        "reward": 8.0,
        "review": "",
        "reference": "42",
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
    }
    assert list(row)[:4] == ["prompt", "chosen", "rejected", "images"]


def test_conversation_stays_a_conversation():
    messages = (Message(role="system", content="s"), Message(role="user", content="u"))
    row = preference_row(record().model_copy(update={"task": Task(prompt=messages)}), TEXT)
    assert row["prompt"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def test_criteria_and_grades_are_the_sides_own():
    criterion = Criterion(text="names the unit")
    rulings = Ruling(criterion=criterion, met=True), Ruling(criterion=criterion, met=None)
    pair = ATTEMPT.pair.model_copy(update={"differences": find_differences(rulings[:1], rulings[1:])})
    graded = ATTEMPT.model_copy(update={"pair": pair, "critique": Critique(analysis="a", score=7.25, grades=(9, 2.5))})
    row = preference_row(record(attempts=(NO_PAIR, graded)), TEXT)
    assert json.loads(row["differences"])[0]["rejected"]["met"] is None
    assert (row["chosen_grade"], row["rejected_grade"], row["reward"]) == (9, 2.5, 7.25)
    swapped = preference_row(record(attempts=(NO_PAIR, graded), review=Review(decision="swap")), TEXT)
    assert (swapped["chosen_grade"], swapped["rejected_grade"], swapped["differences"]) == (2.5, 9, "")
    edited = preference_row(record(attempts=(NO_PAIR, graded), review=Review(decision="edit", chosen="43")), TEXT)
    assert (edited["chosen_grade"], edited["rejected_grade"]) == (None, 2.5)


def test_findings_of_earlier_rounds_stand_behind_a_pooled_pair():
    row = preference_row(CARRIED, TEXT)
    found = {one["call"]["candidate"]: one["finding"]["content"] for one in json.loads(row["evidence"])}
    assert found == {0: "6*7 = 42", 1: "6*7 = 41", 2: "nothing to check", 4: "6*7 = 44"}
    assert (row["chosen_model"], row["rejected_model"]) == ("openai:big", "openai:small")


LINEAGE = ("origin", "model", "score")


def lineage(one, name):
    row = preference_row(one, TEXT)
    return tuple(row[f"{name}_{column}"] for column in LINEAGE)


def test_edited_side_is_the_reviewers_and_no_judge_saw_it():
    edited = record(review=Review(decision="edit", chosen="It is 42.", reviewer="ann", reason="a sentence"))
    assert lineage(edited, "chosen") == ("person", "", None)
    assert lineage(edited, "rejected") == ("candidate", "openai:small", 2.0)
    row = preference_row(edited, TEXT)
    assert (row["chosen"][0]["content"], row["margin"]) == ("It is 42.", None)
    assert json.loads(row["review"]) == {"decision": "edit", "reviewer": "ann", "reason": "a sentence"}


def test_swapped_sides_take_their_authors_and_scores_along():
    swapped = record(review=Review(decision="swap"))
    assert lineage(swapped, "chosen") == ("candidate", "openai:small", 2.0)
    assert lineage(swapped, "rejected") == ("candidate", "openai:large", 9.5)
    row = preference_row(swapped, TEXT)
    assert (row["margin"], row["certainty"], row["chosen"][0]["content"]) == (-7.5, None, "41")


def test_reference_as_the_chosen_side_has_no_model_and_no_score():
    pair = PreferencePair(chosen=Side(origin=REFERENCE, output=Reply.of("42")), rejected=PAIR.rejected)
    against = record(attempts=(ATTEMPT.model_copy(update={"pair": pair}),), best=0)
    assert lineage(against, "chosen") == ("reference", "", None)
    assert lineage(against, "rejected") == ("candidate", "openai:small", 2.0)
    assert preference_row(against, TEXT)["margin"] is None


def test_author_that_the_run_does_not_name_is_not_guessed():
    candidates = tuple(one.model_copy(update={"model": None}) for one in ATTEMPT.candidates)
    unnamed = record(attempts=(ATTEMPT.model_copy(update={"candidates": candidates}),), best=0)
    assert lineage(unnamed, "chosen") == ("candidate", "", 9.5)


THINKING = PreferencePair(chosen=side(0, "42", thought="6 x 7"), rejected=side(1, "41", thought="6 x 7 - 1"))


@pytest.mark.parametrize(
    ("reasoning", "chosen"),
    [
        ("none", {"role": "assistant", "content": "42"}),
        ("field", {"role": "assistant", "content": "42", "reasoning_content": "6 x 7"}),
        ("inline", {"role": "assistant", "content": "<think>\n6 x 7\n</think>\n\n42"}),
    ],
)
def test_thoughts_go_where_they_are_asked_for(reasoning, chosen):
    row = preference_row(record(attempts=(ATTEMPT.model_copy(update={"pair": THINKING}),), best=0), TEXT, reasoning=reasoning)
    assert row["chosen"] == [chosen]
    assert set(row["prompt"][0]) == set(row["rejected"][0]) == set(chosen)


@pytest.mark.parametrize("reasoning", ["field", "inline"])
def test_thoughts_of_one_side_alone_are_left_out(reasoning):
    pair = PreferencePair(chosen=THINKING.chosen, rejected=PAIR.rejected)
    row = preference_row(record(attempts=(ATTEMPT.model_copy(update={"pair": pair}),), best=0), TEXT, reasoning=reasoning)
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("42", "41")
    assert {row[name][0].get("reasoning_content") for name in ("chosen", "rejected")} == {None}


def test_replies_of_several_messages_stay_several():
    said = (Message(role="assistant", content=(Reasoning(text="hm"), Text(text="one"))), Message(role="tool", content="2"))
    reply = Reply(messages=(*said, Message(role="assistant", content="three")))
    pair = PreferencePair(chosen=Side(origin=REFERENCE, output=reply), rejected=PAIR.rejected)
    row = preference_row(record(attempts=(ATTEMPT.model_copy(update={"pair": pair}),), best=0), TEXT)
    assert [tuple(one.values()) for one in row["chosen"]] == [("assistant", "one"), ("tool", "2"), ("assistant", "three")]


def test_record_hash_is_that_of_its_line(tmp_path):
    with RecordFile(tmp_path / "records.jsonl") as records:
        records.append(record())
    line = (tmp_path / "records.jsonl").read_bytes().removesuffix(b"\n")
    assert preference_row(record(), TEXT)["record_sha256"] == hashlib.sha256(line).hexdigest()


def test_columns_do_not_depend_on_the_record():
    bare = Attempt(round=0, prompts=Prompts(), candidates=(), pair=ATTEMPT.pair, critique=Critique(analysis=""))
    row = preference_row(PreferenceRecord(task=Task(prompt="x"), status="accepted", attempts=(bare,), best_attempt=0), TEXT)
    assert list(row) == list(preference_row(record(), TEXT)) == list(columns(with_images=False))
    assert (row["tools"], row["evidence"], row["knowledge"], row["metadata"]) == ([], "[]", "", "{}")


def test_every_column_is_described():
    assert all(field.description for field in PreferenceRow.model_fields.values())
    assert list(columns(with_images=True)) == list(PreferenceRow.model_fields)


@pytest.mark.parametrize("attempts", [(NO_PAIR,), ()])
def test_record_without_a_pair_has_no_row(attempts):
    lost = record("exhausted", attempts, best=0 if attempts else None)
    assert not is_exported(lost, include_exhausted=True)
    with pytest.raises(DataError, match="exhausted record of task 't1' has no pair"):
        preference_row(lost, TEXT)


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
