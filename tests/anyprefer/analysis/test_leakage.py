"""Benchmark items hidden in training data: verbatim, dressed up, embedded, or not there at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.leakage import Leakage, find_leakage
from anyprefer.errors import ConfigError, DataError

ITEM = "A farmer has seventeen sheep and buys four more at the spring market, then sells half of them. How many are left?"
CLEAN = "Weng earns twelve dollars an hour for babysitting and worked fifty minutes yesterday. How much did she earn for it?"


def search(folder: Path, rows: list[dict[str, Any]], *pairs: tuple[str, str, str], n: int = 8) -> Leakage:
    path = folder / "bench.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return find_leakage(Dataset("d", tuple(TextPair(str(i), *pair) for i, pair in enumerate(pairs))), path, n)


@pytest.mark.parametrize(
    "hidden",
    [
        ITEM,
        ITEM.upper(),
        ITEM.replace(" ", "\n").replace(",", " - ").replace("?", "!!"),
        f"Please solve this step by step. {ITEM} Give only the number, in a box.",
        ITEM.replace("seventeen", "18"),
        f"[system]\nYou are a tutor.\n\n[user]\n{ITEM}",
    ],
)
@pytest.mark.parametrize("side", ["prompt", "chosen", "rejected"])
def test_item_is_found_however_it_is_dressed_and_wherever_it_stands(tmp_path: Path, hidden: str, side: str) -> None:
    texts = {"prompt": CLEAN, "chosen": "ten", "rejected": "nine", side: hidden}
    found = search(
        tmp_path, [{"question": CLEAN[::-1]}, {"question": ITEM, "answer": "11"}], ("a", "b", "c"), tuple(texts.values())
    )
    (match,) = found.matches
    assert (match.id, match.side, match.field, match.row) == ("1", side, "question", f"{tmp_path / 'bench.jsonl'} line 2")
    assert match.overlap >= 0.7
    assert (found.leaked_items, found.leaked_pairs, found.sides[match.side]) == (1, 1, 1)
    assert "1 of 2 pairs hold 1 of 2 items of bench.jsonl (first: pair 1" in found.warnings[0]


def test_other_questions_of_the_same_kind_are_no_leak(tmp_path: Path) -> None:
    found = search(
        tmp_path, [{"question": ITEM}], (CLEAN, "ten", "nine"), (ITEM[:60], "How many are left?", "A farmer has sheep")
    )
    assert (found.leaked_pairs, found.matches, found.warnings) == (0, (), ())


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": ITEM}, {"instruction": ITEM}, {"problem": ITEM}, {"text": ITEM}, {"question": "Why so?", "solution": ITEM},
        {"messages": [{"role": "user", "content": ITEM}]}, {"question": "Why?", "choices": {"text": [ITEM, "no"]}},
    ],
)  # fmt: skip
def test_texts_are_read_under_their_usual_names(tmp_path: Path, row: dict[str, Any]) -> None:
    assert search(tmp_path, [row], (f"Now: {ITEM}", "a", "b")).leaked_items == 1


def test_short_items_are_found_whole_and_very_short_ones_not_at_all(tmp_path: Path) -> None:
    short = "Who painted the Mona Lisa?"
    rows = [{"question": short}, {"question": "Who was first?"}, {"question": ITEM, "answer": "11"}]
    pairs = ((f"Tell me, {short} Please!", "Who was first?", "11"), ("Who painted the wall?", "a", "b"))
    found = search(tmp_path, rows, *pairs)
    assert [(match.id, match.side) for match in found.matches] == [("0", "prompt")]
    assert (found.items, found.too_short) == (2, 1)


def test_common_template_of_a_benchmark_is_no_leak_but_its_items_are(tmp_path: Path) -> None:
    head = "Answer the following question about the passage with yes or no only please: "
    names = [f"name{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
    rows = [
        {"question": f"{head}did {name} ever cross the wide {name} river by night near {name} with a boat?"} for name in names
    ]
    found = search(tmp_path, rows, (head + "is it raining?", "yes", "no"), (str(rows[150]["question"]), "yes", "no"))
    assert [(match.id, match.row.split()[-1]) for match in found.matches] == [("1", "151")]


def test_what_cannot_be_searched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no text of 5 words or more"):
        search(tmp_path, [{"remark": ITEM}], (ITEM, "a", "b"))
    with pytest.raises(ConfigError, match="n = 3"):
        search(tmp_path, [{"question": ITEM}], (ITEM, "a", "b"), n=3)
    with pytest.raises(DataError, match="does not exist"):
        find_leakage(Dataset("d", (TextPair("0", "p", "a", "b"),)), tmp_path / "none.jsonl")
