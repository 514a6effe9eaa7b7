"""Labelled pairs from every kind of row, and a reason for every row that gives none."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyprefer.errors import DataError
from anyprefer.evaluation.benchmarks import load_benchmark
from anyprefer.evaluation.pairs import LabelledTask, label_rows, load_pairs, save_pairs

COLUMNS = "preference data has the columns prompt, chosen and rejected, as exports do"
ANOTHER = (
    "chosen goes on with a message of the role 'user', which is not the prompt: give the answer alone, or the very prompt in "
    "front of it"
)
NO_LABEL = "label 0 names no response: write '1' or '1>2' for the first, '2' or '2>1'"


def write(path: Path, *rows: dict[str, Any]) -> Path:
    file = path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_preference_rows_are_taken_as_they_are(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>Hm.</think>good"}]
    found = load_pairs(
        write(
            tmp_path,
            {"id": "a", "prompt": "p", "chosen": "yes", "rejected": "no"},
            {"id": "b", "prompt": "q", "chosen": chat, "rejected": "bad"},
        )
    )
    assert [(pair.right, pair.wrong) for pair in found.pairs] == [("yes", "no"), ("good", "bad")]


def test_choices_become_lettered_options_and_one_wrong_one(tmp_path: Path) -> None:
    choices = {"text": ["red", "blue", "green"], "label": ["A", "B", "C"]}
    pair = load_pairs(write(tmp_path, {"id": "a", "question": "Colour?", "choices": choices, "answerKey": "B"})).pairs[0]
    assert pair.right == "B. blue"
    assert pair.wrong in ("A. red", "C. green")
    assert "A. red\nB. blue\nC. green" in pair.task.text


def test_responses_are_compared_by_their_final_answer(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "question": "6*3?",
        "answer": "6*3=18\n#### 18",
        "responses": ["Answer: $18.00", "Answer: 17", "I do not know that, sorry."],
    }
    pair = load_pairs(write(tmp_path, row)).pairs[0]
    assert (pair.right, pair.wrong) == ("Answer: $18.00", "Answer: 17")


def test_no_label_reaches_the_judge(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "question": "6*3?",
        "answer": "18",
        "responses": ["Answer: 18", "Answer: 17"],
        "source": "book",
        "chosen_score": 9,
    }
    task = load_pairs(write(tmp_path, row)).pairs[0].task
    assert task.reference is None
    assert task.metadata == {"source": "book"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": "same ", "rejected": "same"}, "chosen and rejected are the same text"),
        ({"chosen": "x"}, f"rejected is missing: {COLUMNS}"),
        ({"chosen": " ", "rejected": "x"}, "chosen or rejected is empty"),
        ({"chosen": [{"role": "user", "content": "another"}, {"role": "assistant", "content": "x"}], "rejected": "y"}, ANOTHER),
        ({"chosen": [], "rejected": ["x"]}, "chosen or rejected is an empty list"),
        ({"chosen": ["x", " "], "rejected": ["y"]}, "chosen or rejected is empty"),
        ({"chosen": ["x", "y"], "rejected": ["y "]}, "chosen and rejected have a text in common"),
        ({"output_1": "x", "output_2": "y", "label": 0}, NO_LABEL),
        ({"output_1": "x", "output_2": " ", "label": "2"}, "chosen or rejected is empty"),
        ({"response_a": "x", "response_b": "y", "label": "A=B"}, "label 'A=B' prefers neither response"),
        ({"Response A": "x", "Response B": "x", "Label": "B > A"}, "chosen and rejected are the same text"),
        ({"choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"}, "only one choice"),
        ({"choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "E"}, "answerKey 'E' is none of the choices"),
        ({"choices": ["a", "b"], "answerKey": "A"}, "choices is not {text: [...], label: [...]}"),
        ({"responses": ["Answer: 1"]}, "no reference"),
        ({"answer": "1", "responses": ["Answer: 1", "Answer: 1.0"]}, "every response is right"),
        ({"answer": "1", "responses": ["Answer: 2"]}, "every response is wrong"),
        ({"answer": "1", "responses": ["I do not know that, sorry."]}, "no response states a final answer"),
    ],
)  # fmt: skip
def test_row_without_a_pair_is_named_with_its_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    good = {"id": "good", "prompt": "p", "chosen": "yes", "rejected": "no"}
    found = load_pairs(write(tmp_path, {"id": "bad", "prompt": "q", **row}, good))
    assert found.unused == {"bad": reason}
    assert [pair.task.id for pair in found.pairs] == ["good"]
    with pytest.raises(DataError, match="gives no pair"):
        load_pairs(write(tmp_path, {"id": "bad", "prompt": "q", **row}))


def test_reference_alone_asks_for_samples_and_uses_them(tmp_path: Path) -> None:
    file = write(tmp_path, {"id": "a", "question": "6*3?", "answer": "18"})
    assert [task.id for task in load_pairs(file).unsampled] == ["a"]
    pair = load_pairs(file, responses={"a": ["Answer: 18", "Answer: 20"]}).pairs[0]
    assert (pair.right, pair.wrong) == ("Answer: 18", "Answer: 20")


def test_conversation_without_a_column_of_its_own_is_the_task(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "6*3?"}]
    sides = {name: [*asked, {"role": "assistant", "content": text}] for name, text in (("chosen", "18"), ("rejected", "20"))}
    pair = load_pairs(write(tmp_path, {"id": "a", **sides})).pairs[0]
    assert (pair.task.text, pair.right, pair.wrong) == ("[system]\nBe brief.\n\n[user]\n6*3?", "18", "20")


def test_lineage_of_an_export_reaches_no_tool(tmp_path: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": "6*3?"}], "chosen": [{"role": "assistant", "content": "18"}],
        "rejected": [{"role": "assistant", "content": "20"}], "task_id": "a", "evidence": "[]", "critique": "20 is wrong",
        "metadata": '{"source": "book"}', "reference": "18", "review": "", "chosen_origin": "reference",
    }  # fmt: skip
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    task = load_pairs(tmp_path).pairs[0].task
    assert (task.metadata, task.reference) == ({"source": "book"}, None)


def test_two_responses_and_a_label_are_a_pair(tmp_path: Path) -> None:
    llmbar = {"input": "Name a colour.", "output_1": "Seven.", "output_2": "Red.", "label": 2}
    (tmp_path / "dataset.json").write_text(json.dumps([llmbar, {**llmbar, "label": 1, "output_2": "Nine."}]))
    found = load_pairs(tmp_path / "dataset.json")
    assert [(pair.task.text, pair.right, pair.wrong) for pair in found.pairs] == [
        ("Name a colour.", "Red.", "Seven."), ("Name a colour.", "Seven.", "Nine.")
    ]  # fmt: skip
    assert not any(pair.task.metadata or pair.task.reference for pair in found.pairs)


def test_a_benchmark_of_letters_is_read_with_all_its_columns(tmp_path: Path) -> None:
    row = {
        "pair_id": "p1", "original_id": "7", "source": "mmlu-pro", "question": "6*3?", "response_model": "gpt-4o-2024-05-13",
        "response_A": "18", "response_B": "20", "label": "A>B",
    }  # fmt: skip
    rows = (
        {**row, "pair_id": f"p{number}", **change} for number, change in enumerate([{}, {"label": "B>A", "response_B": "18 "}])
    )
    found = load_pairs(write(tmp_path, *rows))
    (pair,) = found.pairs
    assert (pair.task.text, pair.right, pair.wrong) == ("6*3?", "18", "20")
    assert pair.task.metadata == {"pair_id": "p0", "original_id": "7", "source": "mmlu-pro"}
    assert list(found.unused.values()) == ["chosen and rejected are the same text"]


def test_lists_of_right_and_of_wrong_responses_give_one_pair(tmp_path: Path) -> None:
    row = {"id": "a", "prompt": "6*3?", "domain": "math", "chosen": ["18", "It is 18."], "rejected": ["20", "It is 20."]}
    (tmp_path / "total.json").write_text(json.dumps([row]))
    ((task, labelled),) = label_rows(tmp_path / "total.json")
    assert labelled == LabelledTask(task, ("18", "It is 18."), ("20", "It is 20."))
    (pair,) = load_pairs(tmp_path / "total.json").pairs
    assert pair.right in row["chosen"]
    assert pair.wrong in row["rejected"]


def test_several_pairs_may_answer_one_prompt(tmp_path: Path) -> None:
    rows = ({"prompt": "6*3?", "chosen": "18", "rejected": wrong} for wrong in ("20", "21"))
    found = load_pairs(write(tmp_path, *rows))
    assert [pair.wrong for pair in found.pairs] == ["20", "21"]
    assert len({pair.task.id for pair in found.pairs}) == 2


def test_saved_pairs_load_again(tmp_path: Path) -> None:
    pairs = load_pairs(write(tmp_path, {"id": "a", "prompt": "p", "chosen": "yes\n1", "rejected": "no"})).pairs
    save_pairs(tmp_path / "pairs.jsonl", pairs)
    assert load_pairs(tmp_path / "pairs.jsonl").pairs == pairs


@pytest.mark.parametrize("labels", [{"chosen": "a", "rejected": "b"}, {"reference": "4", "responses": ["4", "5"]}])
def test_pairs_with_pictures_are_refused_as_the_judge_would_be_blind(tmp_path: Path, labels: dict[str, Any]) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    row = {"id": "a", "prompt": "What?", "images": ["a.png"], **labels}
    with pytest.raises(DataError, match="'a' has 1 picture, and no role of this recipe can see"):
        load_pairs(write(tmp_path, row))
    with pytest.raises(DataError, match="'a' has 1 picture, and no role of this recipe can see"):
        load_benchmark("exact", write(tmp_path, row))
