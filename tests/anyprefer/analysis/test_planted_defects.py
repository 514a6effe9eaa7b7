"""A file with known defects, read as a user would read it: every one is found, with its exact count."""

import json
import random
from pathlib import Path

import pytest

from anyprefer.analysis.dataset import Dataset, load_dataset
from anyprefer.analysis.duplicates import find_duplicates
from anyprefer.analysis.leakage import find_leakage
from anyprefer.analysis.length import measure_length
from anyprefer.analysis.separability import measure_separability

VOCABULARY = [
    a + b + c for a in ("b", "k", "l", "m", "n", "p") for b in ("a", "e", "i", "o") for c in ("da", "fir", "gos", "len", "xu")
]


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(VOCABULARY, k=words)).capitalize() + "."


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """300 pairs with a longer chosen response, 20 of them copies and 10 with a benchmark item in them; and the benchmark."""
    rng, folder = random.Random(11), tmp_path_factory.mktemp("planted")
    items = [sentence(rng, 25) for _ in range(100)]
    rows = [
        {"prompt": sentence(rng, 20), "chosen": f"{sentence(rng, 30)} {sentence(rng, 30)}", "rejected": sentence(rng, 30)}
        for _ in range(280)
    ]
    for number in range(10):
        rows[7 * number]["prompt"] = f"Solve this: {items[number].upper()} Be brief."
    copies = [{name: f" {text.lower()}\n" for name, text in rows[100 + number].items()} for number in range(20)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows + copies))
    (folder / "bench.jsonl").write_text("".join(json.dumps({"question": item, "answer": "4"}) + "\n" for item in items))
    return load_dataset(folder / "pairs.jsonl"), folder / "bench.jsonl"


def test_copies_are_counted(planted: tuple[Dataset, Path]) -> None:
    found = find_duplicates(planted[0])
    assert (found.pairs.surplus, found.pairs.exact_surplus, found.pairs.exact_groups) == (20, 20, 20)
    assert [field.surplus for field in (found.prompts, found.chosen, found.rejected)] == [20, 20, 20]
    assert found.chosen.boilerplate == 0
    assert {group.ids for group in found.pairs.groups} == {(str(100 + i), str(280 + i)) for i in range(20)}


def test_leaked_items_are_counted(planted: tuple[Dataset, Path]) -> None:
    found = find_leakage(*planted)
    assert (found.items, found.leaked_items, found.leaked_pairs) == (100, 10, 10)
    assert [match.id for match in found.matches] == [str(7 * i) for i in range(10)]


def test_length_is_named_as_what_decides(planted: tuple[Dataset, Path]) -> None:
    assert measure_length(planted[0]).longer_chosen.value == 1
    separability = measure_separability(planted[0])
    assert separability is not None
    assert separability.accuracy.value == 1
    assert len(separability.warnings) >= 1
