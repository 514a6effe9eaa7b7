"""Labels beside trusted answers: right, wrong, the wrong way round, undecided."""

from pathlib import Path

import pytest
from lineage import FROM_REFERENCE, TWO_GENERATORS

from anyprefer.analysis.dataset import Dataset, TextPair, load_dataset
from anyprefer.analysis.references import ReferenceAgreement, check_references, read_truth
from anyprefer.data.records import RecordFile

CHOICES = "Which planet is the largest?\nA. Mars\nB. Jupiter\nC. Venus"


def check(*rows: tuple[str, str, str | None], prompt: str = "How many?") -> ReferenceAgreement:
    pairs = (TextPair(str(i), prompt, chosen, rejected, reference=ref) for i, (chosen, rejected, ref) in enumerate(rows))
    found = check_references(Dataset("d", tuple(pairs)))
    assert found is not None
    return found


def test_every_outcome_is_counted_and_listed() -> None:
    found = check(
        ("So she has 18.\n#### 18", "Answer: 17", "9 + 9 = 18\n#### 18"), ("Answer: 17", "Answer: 18", "18"),
        ("Answer: 18", "The answer is $18.00.", "18"), ("Answer: 1", "Answer: 2", "18"),
        ("It depends on many things, really.", "Answer: 2", "18"), ("Answer: 18", "x", None),
    )  # fmt: skip
    assert (found.pairs, found.decided) == (5, 4)
    assert [listed.ids for listed in (found.reversed, found.both_right, found.both_wrong, found.undecided)] == [
        ("1",), ("2",), ("3",), ("4",)
    ]  # fmt: skip
    assert found.agreeing is not None
    assert found.agreeing.value == 0.25
    assert found.rejected_wrong is not None
    assert (found.rejected_wrong.count, found.rejected_wrong.value) == (5, 0.6)
    assert "1 of 4 pairs are reversed (1)" in found.warnings[0]


def test_options_are_compared_by_letter_or_text() -> None:
    found = check(("Jupiter", "The answer is C.", "B"), ("C. Venus", "B", "Jupiter"), prompt=CHOICES)
    assert found.agreeing is not None
    assert found.agreeing.value == 0.5
    assert found.reversed.ids == ("1",)


@pytest.mark.parametrize("answer", ["Paris, France", "The city of Paris"])
def test_answer_that_holds_the_reference_among_other_words_is_undecided(answer: str) -> None:
    truth = read_truth(TextPair("0", "Capital of France?", answer, "London", reference="Paris"))
    assert truth is not None
    assert (truth.chosen, truth.rejected) == (None, False)


def test_free_text_is_measured_by_overlap_and_never_called_wrong() -> None:
    reference = (
        "Leaves look green because chlorophyll absorbs red and blue light, and what is left over, the green part, is reflected."
    )
    near, far = "They look green because chlorophyll absorbs red and blue light and reflects green.", "I like trees."
    found = check(*[(near, far, reference)] * 3, (far, near, reference))
    assert (found.decided, found.agreeing) == (0, None)
    assert found.overlap is not None
    assert (found.overlap.measure, found.overlap.pairs, found.overlap.closer.value) == ("token F1", 4, 0.75)
    assert found.overlap.chosen > found.overlap.rejected
    assert found.overlap.reversed.ids == ("3",)
    assert any("closer to the reference in only 0.0 %" in text for text in check(*[(far, near, reference)] * 9).warnings)


@pytest.mark.parametrize("reference", ["4", "Because two and two, side by side on a table, are as many as the legs of a dog."])
def test_a_chosen_reference_confirms_nothing_and_is_not_called_undecided(reference: str) -> None:
    pair = TextPair("0", "How many?", reference, "Answer: 5", reference=reference, chosen_is_reference=True)
    found = check_references(Dataset("d", (pair,)))
    assert found is not None
    assert (found.pairs, found.decided, found.chosen_right, found.undecided.total, found.overlap) == (1, 0, None, 0, None)


def test_data_says_which_chosen_responses_are_references(tmp_path: Path) -> None:
    with RecordFile(tmp_path / "records.jsonl") as records:
        records.append(TWO_GENERATORS)
        records.append(FROM_REFERENCE)
    assert [pair.chosen_is_reference for pair in load_dataset(tmp_path).pairs] == [False, True]


def test_without_references_there_is_no_result() -> None:
    assert check_references(Dataset("d", (TextPair("0", "p", "a", "b"), TextPair("1", "p", "a", "b", reference=" ")))) is None
