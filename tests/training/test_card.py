"""What a dataset card says about who wrote, scored and checked the pairs."""

import pytest
from lineage import side

from anyprefer.applications.text import TextApplication
from anyprefer.data.run_dir import Lock
from anyprefer.training.card import Survey, card_text
from anyprefer.training.formats.base import find_format
from anyprefer.types import (
    REFERENCE,
    Attempt,
    Candidate,
    Critique,
    Cut,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Review,
    Side,
    Task,
)


def record(name, *, chosen=None, models=("openai:big", "openai:small"), **fields):
    pair = PreferencePair(chosen=chosen or side(0, "yes", 9), rejected=side(1, "no", 2.5))
    candidates = tuple(Candidate(index=i, output=text, model=models[i]) for i, text in enumerate(("yes", "no")))
    attempt = Attempt(round=0, prompts=Prompts(), candidates=candidates, pair=pair, critique=Critique(analysis="clear", score=8))
    return PreferenceRecord(
        task=Task(id=name, prompt=f"{name}?"), status="accepted", attempts=(attempt,), best_attempt=0, **fields
    )


def card(tmp_path, *records):
    survey = Survey(TextApplication())
    for one in records:
        survey.add(one, exported=True)
    return card_text(survey, Lock(tmp_path, "d1", {"name": "demo"}), find_format("jsonl"))


def flat(text):
    return " ".join(text.split())


def test_unseen_pairs_are_called_unchecked(tmp_path):
    text = card(tmp_path, record("a"), record("b"))
    assert "| Looked at by a person | no pair |" in text
    assert "None of it was checked by a person: it may be wrong" in flat(text)
    assert "| Chosen responses written by | openai:big (2) |" in text
    assert "| Rejected responses written by | openai:small (2) |" in text
    assert "| 6 to 7 | 2 |" in text
    assert "unknown" not in text.split("## Distribution")[1].split("## Columns")[0]


@pytest.mark.parametrize("decision", ["accept", "swap", "edit"])
def test_seen_pairs_are_counted_with_their_decisions(tmp_path, decision):
    review = Review(decision=decision, **({"chosen": "It is."} if decision == "edit" else {}))
    text = card(tmp_path, record("a", review=review), record("b"), record("c"))
    assert f"| Looked at by a person | 1 of 3 pairs ({decision} 1) |" in text
    assert "None of it was checked" not in flat(text)
    assert "A person looked at 1 of the 3 pairs, and at none of the others: it may be wrong" in flat(text)


def test_edited_side_is_a_reviewers_and_its_margin_unknown(tmp_path):
    text = card(tmp_path, record("a", review=Review(decision="edit", chosen="It is.")), record("b"))
    assert "| Chosen responses written by | a reviewer (1), openai:big (1) |" in text
    assert "| 6 to 7 | 1 |\n| unknown: no judge saw 1 chosen responses | 1 |" in text


def test_swapped_pair_has_its_own_margin_and_authors(tmp_path):
    text = card(tmp_path, record("a", review=Review(decision="swap")))
    assert "| -7 to -6 | 1 |" in text
    assert "| Chosen responses written by | openai:small (1) |" in text


def test_two_generators_are_told_apart(tmp_path):
    text = card(tmp_path, record("a"), record("b"), record("c", models=("openai:small", "openai:small")))
    assert "| Chosen responses written by | openai:big (2), openai:small (1) |" in text


def test_references_are_nobodys_answers(tmp_path):
    text = card(tmp_path, record("a", chosen=Side(origin=REFERENCE, output=Reply.of("yes"))))
    assert "| Chosen responses written by | the task's reference (1) |" in text
    assert "| unknown: no judge saw 1 chosen responses | 1 |" in text


def test_pairs_that_were_judged_on_a_shortened_text_are_counted_by_the_round_that_made_them(tmp_path):
    whole, cut, other = record("a"), record("b"), record("c")
    cuts = (
        Cut(role="judge", what="task", chars=9),
        Cut(role="critic", what="task", chars=9),
        Cut(role="tools", what="x", chars=1),
    )
    cut = cut.model_copy(update={"attempts": (cut.best.model_copy(update={"cuts": cuts}),)})
    first = other.best.model_copy(update={"cuts": cuts, "pair": None})
    other = other.model_copy(update={"attempts": (first, other.best), "best_attempt": 1})
    assert "| Judged on a shortened text | 1 of 3 pairs (critic: task 1, judge: task 1) |" in card(tmp_path, whole, cut, other)
    assert "shortened" not in card(tmp_path, whole, other)


def test_author_that_the_run_does_not_name_is_not_guessed(tmp_path):
    text = card(tmp_path, record("a", models=(None, None)))
    assert "| Chosen responses written by | a model that the run does not name (1) |" in text
