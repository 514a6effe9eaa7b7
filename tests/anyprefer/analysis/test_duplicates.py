"""Repeated prompts, responses and pairs: what counts as the same, and what does not."""

import pytest

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.duplicates import Duplicates, find_duplicates, group_texts
from anyprefer.errors import ConfigError

LONG = "The committee met on Tuesday to discuss the new railway bridge across the river and decided to ask three engineers. "
OTHER = "Photosynthesis turns light into sugar inside the green parts of a plant, which is why leaves face the sun all day long."


def find(*rows: tuple[str, str, str], threshold: float = 0.7) -> Duplicates:
    return find_duplicates(Dataset("d", tuple(TextPair(str(i), *row) for i, row in enumerate(rows))), threshold)


def test_case_white_space_and_unicode_form_do_not_hide_a_repeated_prompt() -> None:
    found = find(("What is a ﬁsh?", "a", "b"), ("what  is\na FISH?", "c", "d"), ("What is a bird?", "e", "f"))
    assert (found.prompts.exact_groups, found.prompts.exact_surplus, found.prompts.surplus) == (1, 1, 1)
    assert found.prompts.groups[0].ids == ("0", "1")
    assert found.prompts.groups[0].exact
    assert found.pairs.surplus == 0


def test_changed_word_in_a_long_text_is_a_near_duplicate() -> None:
    changed = (LONG * 2).replace("Tuesday", "Friday", 1)
    found = find(("p one", LONG * 2, "x"), ("q two", changed, "y"), ("r three", OTHER, "z"))
    assert (found.chosen.exact_surplus, found.chosen.near_groups, found.chosen.surplus) == (0, 1, 1)
    assert found.chosen.groups[0].ids == ("0", "1")
    assert not found.chosen.groups[0].exact


def test_candidate_below_the_threshold_is_dropped() -> None:
    """Texts that share 0.7 of their shingles often share a hash band too; only the exact similarity tells."""
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(600)]
    rows = []
    for start in range(0, 600, 30):
        text = words[start : start + 30]
        rows += [("p" * start, " ".join(text), "x"), ("q" * start, " ".join([*text[:-5], *"abcde"]), "y")]
    assert find(*rows).chosen.surplus == 0
    assert find(*rows, threshold=0.65).chosen.surplus == 20


def test_half_rewritten_text_is_none() -> None:
    assert find(("p one", LONG + OTHER, "x"), ("q two", LONG + "Nobody came.", "y")).chosen.surplus == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [("42", "43"), ("42", "42"), ("Paris.", "paris"), ("The answer is 18.", "The answer is 19.")],
)
def test_short_answers_are_no_duplicates(first: str, second: str) -> None:
    found = find(("What is 6 times 7, please?", first, "x"), ("How many ducks are there?", second, "y"))
    assert (found.chosen.surplus, found.chosen.too_short) == (0, 2)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Where can I find wild mushrooms?", "Where can I find wild Mushrooms", True),
        ("What is 12 plus 5 minus 3?", "What is 12 plus 5 minus 8?", False),
        ("Name the capital of France.", "Name the capital of Greece.", False),
        ("请用三句话介绍北京的历史。", "请用三句话介绍上海的经济。", False),
        ("请用三句话介绍北京的历史。谢谢", "请用三句话介绍北京的历史 谢谢", True),
    ],
)
def test_short_prompts_are_compared_by_letters_and_numbers(first: str, second: str, *, same: bool) -> None:
    assert (find((first, "a", "b"), (second, "c", "d")).prompts.surplus == 1) is same


def test_pair_repeats_only_where_all_its_texts_do() -> None:
    found = find((LONG, "yes", "no"), (LONG, "yes", "maybe"), (LONG.upper(), "yes", "no"))
    assert (found.prompts.surplus, found.pairs.surplus) == (2, 1)
    assert found.pairs.groups[0].ids == ("0", "2")
    assert "1 of 3 pairs repeat another pair (first: 0)" in found.warnings[0]


def test_exchanged_sides_contradict_each_other_and_equal_sides_say_nothing() -> None:
    found = find(("p", "yes", "no"), ("P", "No", "Yes"), ("q", "same text", "Same  text"))
    assert found.contradictions.ids == ("0", "1")
    assert found.same_sides.ids == ("2",)
    assert found.pairs.surplus == 0
    assert any("both labels (0, 1)" in text for text in found.warnings)


def test_phrase_under_many_prompts_is_boilerplate_but_not_under_one_repeated_prompt() -> None:
    phrase = "I am sorry, but I cannot help you with that request."
    assert find(*((f"Is {word} good?", phrase, word) for word in ("rain", "bread", "gravity", "Greek"))).chosen.boilerplate == 3
    repeated = find(*((LONG, phrase, f"answer {i}") for i in range(4)))
    assert (repeated.chosen.surplus, repeated.chosen.boilerplate) == (3, 0)


def test_threshold_of_one_finds_equal_texts_only_and_zero_is_refused() -> None:
    assert group_texts([LONG, LONG.replace("new ", ""), LONG.lower()], 1.0) == [0, 1, 0]
    with pytest.raises(ConfigError, match="threshold = 0"):
        group_texts([LONG], 0)


def test_findings_are_plain_json() -> None:
    found = find((LONG, LONG, OTHER), (LONG, LONG, OTHER))
    assert Duplicates.model_validate_json(found.model_dump_json()) == found


def test_a_copy_with_an_edit_is_found() -> None:
    prompt = (
        "Alyssa, Keely and Kendall ordered 100 chicken nuggets from a fast food restaurant. Keely and Kendall each ate twice as "
        "many as Alyssa. How many did Alyssa eat?"
    )
    edited = prompt.replace("How many did", "Tell me how many did")
    assert len(set(group_texts([prompt, edited, prompt.replace("Alyssa", "Ben").replace("100", "90")]))) == 2
