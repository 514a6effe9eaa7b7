"""Shallow features: found where they decide, at chance where they do not, and never across repeated prompts."""

import random

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.separability import Separability, measure_separability
from anyprefer.analysis.surface import FEATURES, describe

VOCABULARY = [a + b for a in ("ba", "ko", "lu", "mi", "ne", "po", "ri", "sa", "te", "vu") for b in ("da", "fi", "go", "le", "xu")]


def text(rng: random.Random, words: int = 12) -> str:
    return " ".join(rng.choices(VOCABULARY, k=words)) + "."


def measure(pairs: list[tuple[str, str, str]], seed: int = 0) -> Separability:
    found = measure_separability(Dataset("d", tuple(TextPair(str(i), *pair) for i, pair in enumerate(pairs))), seed)
    assert found is not None
    return found


def test_layout_that_decides_is_found_and_named() -> None:
    rng = random.Random(1)
    found = measure([(text(rng), f"- {text(rng)}\n- {text(rng)}", f"{text(rng)} {text(rng)}") for _ in range(60)])
    assert found.accuracy.value > 0.95
    assert abs(found.best.chosen_has_more.value - 0.5) == 0.5
    assert {"list items", "lines"} & {feature.name for feature in found.features}
    assert all(feature.weight > 0 for feature in found.features if feature.name == "list items")
    assert "layout and length alone tell chosen from rejected in 100.0 %" in found.warnings[0]


def test_phrase_that_decides_is_found_by_words() -> None:
    rng = random.Random(2)
    pairs = [(text(rng), f"{text(rng)[:-1]} indeed yes.", f"{text(rng)[:-1]} hardly so.") for _ in range(60)]
    found = measure(pairs)
    assert found.words_accuracy.value > 0.95
    assert any("single words and word pairs tell chosen from rejected" in warning for warning in found.warnings)


def test_sides_without_a_difference_are_at_chance() -> None:
    rng = random.Random(3)
    found = measure([(text(rng), text(rng), text(rng)) for _ in range(200)])
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert found.words_accuracy.low < 0.5 < found.words_accuracy.high
    assert found.warnings == ()


def test_repeated_prompts_cannot_leak_their_answers_into_the_test_fold() -> None:
    """Thirty prompts of eight pairs, each with words of its own on either side: they tell apart its own pairs and no others."""
    rng = random.Random(4)
    pairs = []
    for number in range(30):
        prompt, mark = text(rng), f"{'abcdefghij'[number % 10]}{'abc'[number // 10]}"
        pairs += [(prompt, f"yes{mark} {text(rng, 1)}", f"no{mark} {text(rng, 1)}") for _ in range(8)]
    found = measure(pairs)
    assert (found.pairs, found.prompts) == (240, 30)
    assert found.words_accuracy.value < 0.7


def test_result_depends_on_the_seed_alone() -> None:
    rng = random.Random(5)
    pairs = [(text(rng), text(rng, 8), text(rng, 7)) for _ in range(40)]
    assert measure(pairs, seed=1) == measure(pairs, seed=1)
    assert Separability.model_validate_json(measure(pairs).model_dump_json()) == measure(pairs)


def test_exchanged_data_has_the_same_accuracy_and_opposite_weights() -> None:
    rng = random.Random(6)
    pairs = [(text(rng), text(rng, 10), text(rng, 8)) for _ in range(50)]
    found, turned = measure(pairs), measure([(prompt, rejected, chosen) for prompt, chosen, rejected in pairs])
    assert found.accuracy == turned.accuracy
    assert [round(feature.weight, 6) for feature in found.features] == [-round(feature.weight, 6) for feature in turned.features]


def test_too_few_prompts_give_no_result() -> None:
    rng = random.Random(7)
    prompt = text(rng)
    assert measure_separability(Dataset("d", tuple(TextPair(str(i), prompt, text(rng), text(rng)) for i in range(50)))) is None


def test_features_are_finite_for_empty_texts_and_say_what_they_name() -> None:
    assert set(describe("", "")) == set(FEATURES)
    found = describe("## Title\n\n1. **Yes**, 12!\n2. I'm sorry, but I can't help with `that`?", "What is 12?")
    assert (found["list items"], found["numbers"], found["question marks"], found["refuses"]) == (2, 3, 1, 1)
    assert found["Markdown marks"] == 5
    assert describe("word " * 30, "")["cut off"] == 1
    assert found["words from the prompt"] > 0
