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
    Criterion,
    Critique,
    Cut,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Review,
    Ruling,
    Shortfall,
    Side,
    Task,
    find_differences,
)


def record(name, *, chosen=None, models=("openai:big", "openai:small"), **fields):
    pair = PreferencePair(chosen=chosen or side(0, "yes", 9), rejected=side(1, "no", 2.5))
    candidates = tuple(Candidate(index=i, output=text, model=models[i]) for i, text in enumerate(("yes", "no")))
    attempt = Attempt(round=0, prompts=Prompts(), candidates=candidates, pair=pair, critique=Critique(analysis="clear", score=8))
    return PreferenceRecord(
        task=Task(id=name, prompt=f"{name}?"), status="accepted", attempts=(attempt,), best_attempt=0, **fields
    )


def referenced(name, chosen, rejected, reference, certainty=None):
    pair = PreferencePair(chosen=side(0, chosen, None), rejected=side(1, rejected, None), certainty=certainty)
    one = record(name)
    attempt = one.best.model_copy(update={"pair": pair})
    return one.model_copy(update={"task": Task(id=name, prompt="2 + 2?", reference=reference), "attempts": (attempt,)})


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


def test_references_count_what_they_confirm_with_an_interval(tmp_path):
    answers = [("Answer: 4", "Answer: 5")] * 3 + [
        ("Answer: 5", "Answer: 4"),
        ("Answer: 4", "Nobody can say for sure what it makes."),
    ]
    records = [referenced(str(i), *sides, "4") for i, sides in enumerate(answers)]
    essay = "Because two and two, put side by side on a table, are seen to be as many as the legs of a dog."
    text = card(tmp_path, *records, referenced("essay", "yes", "no", essay), record("none"))
    part = text.split("## What the references say")[1].split("## Distribution")[0]
    assert "6 of 7 pairs are of tasks with a reference." in part
    assert "| chosen | 4 | 1 | 1 |\n| rejected | 1 | 3 | 2 |" in part
    assert r"Right against wrong: 3 of 4, 75.0 % \[30.1, 95.4\] (95 % interval) of the pairs that the references decide." in part
    assert "1 reference is free text, which decides nothing." in part


def test_a_chosen_reference_is_no_confirmation(tmp_path):
    chosen = Side(origin=REFERENCE, output=Reply.of("4"))
    one = record("a", chosen=chosen).model_copy(update={"task": Task(id="a", prompt="2 + 2?", reference="4")})
    assert "1 chosen side is the reference itself." in card(tmp_path, one)
    assert "| chosen | 0 | 0 | 0 |" in card(tmp_path, one)


def test_without_references_or_votes_the_card_has_no_word_of_them(tmp_path):
    text = card(tmp_path, record("a"))
    assert "references say" not in text
    assert "| Certainty |" not in text


def test_certainty_is_tabled_with_what_references_say(tmp_path):
    votes = [(1.0, "5"), (1.0, "6"), (0.8, "5"), (0.6, "4"), (0.5, "5")]
    records = [
        referenced(str(i), "Answer: 4", f"The answer is {wrong}", "4", certainty) for i, (certainty, wrong) in enumerate(votes)
    ]
    text = card(tmp_path, *records, record("none"))
    rows = text.split("| Certainty | Pairs | Right against wrong, by the references |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    assert rows.splitlines() == [
        r"| 100 % | 2 | 2 of 2, 100.0 % \[34.2, 100.0\] |", r"| 80 % to below 100 % | 1 | 1 of 1, 100.0 % \[20.7, 100.0\] |",
        r"| 60 % to below 80 % | 1 | 0 of 1, 0.0 % \[0.0, 79.3\] |", r"| below 60 % | 1 | 1 of 1, 100.0 % \[20.7, 100.0\] |",
        "| nobody voted | 1 | none decided |",
    ]  # fmt: skip


def test_criteria_grades_and_reasons_are_counted(tmp_path):
    criterion = Criterion(text="names the unit")
    rulings = Ruling(criterion=criterion, met=True), Ruling(criterion=criterion, met=False)
    best = record("a").best
    pair = best.pair.model_copy(update={"differences": find_differences(rulings[:1], rulings[1:])})
    graded = best.model_copy(update={"pair": pair, "critique": Critique(analysis="x", score=7.5, grades=(9, 2))})
    why = best.model_copy(update={"pair": None, "shortfall": Shortfall(reasons=("all_wrong", "no_answer"), text="No.")})
    refused = record("b").model_copy(update={"status": "exhausted", "attempts": (why,), "best_attempt": None})
    text = card(tmp_path, record("a").model_copy(update={"attempts": (graded,)}), refused, record("c"))
    assert "| Differ in criteria of the rubric | 1 of 2 pairs |" in text
    assert "| Critic's grades, mean | chosen 9, rejected 2 |" in text
    assert "| Tasks without a pair, by reason | all wrong 1 |" in text
    assert "| Reward, rounded | Pairs |" in text


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
