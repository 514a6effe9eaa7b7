"""Pairs that wait, from the run that parks them to the records and the agreement afterwards."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lineage import against_reference, make_attempt, make_record, side
from loopback import LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError, RunFolderError
from anyprefer.recipes import parse_recipe
from anyprefer.report.page import write_report
from anyprefer.review.agreement import measure_agreement
from anyprefer.review.desk import Desk, doubt_of, open_desk
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.summary import Summary
from anyprefer.runs.synthesizer import Waiting
from anyprefer.training.export import export_pairs
from anyprefer.types import PERSON, Attempt, Critique, PreferencePair, Prompts, Review, Side, Task

ACCEPT = Review(decision="accept")
NUM_TASKS = 6


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def run(folder: Path, url: str, **sections: Any) -> Summary:
    tasks = folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS)))
    recipe = parse_recipe(recipe_data(url, **{"review": {"mode": "all"}, **sections}))
    return asyncio.run(run_session(Session(recipe, tasks, folder / "out"), Progress(Console(quiet=True))))


def at_the_desk(folder: Path, work: Callable[[Desk], Any]) -> Any:
    async def main() -> Any:
        async with open_desk(folder / "out") as desk:
            found = work(desk)
            return await found if asyncio.iscoroutine(found) else found

    return asyncio.run(main())


def statuses(folder: Path) -> dict[str, str]:
    return {record.task.id: record.status for record in RecordFile(folder / "out" / "records.jsonl")}


def waiting(name: str, certainty: float | None, scores: tuple[float | None, float | None] = (9, 1)) -> Waiting:
    pair = PreferencePair(chosen=side(0, "a", scores[0]), rejected=side(1, "b", scores[1]), certainty=certainty)
    attempt = Attempt(round=0, prompts=Prompts(), candidates=(), pair=pair, critique=Critique(analysis="x"))
    return Waiting(Task(id=name, prompt="q"), attempt, {}, (attempt,))


def test_split_votes_come_first_then_pairs_without_any_and_certain_ones_last() -> None:
    items = [
        waiting("sure", 1.0), waiting("most", 0.8), waiting("wide", None, (9, 1)), waiting("narrow", None, (5, 4)),
        waiting("split", 0.6), waiting("half", 0.5), waiting("zero", 0.0), waiting("unscored", None, (None, None)),
        waiting("alike", None, (5, 4)),
    ]  # fmt: skip
    order = [item.task.id for item in sorted(items, key=lambda item: doubt_of(item, 0.8))]
    assert order == ["zero", "half", "split", "unscored", "alike", "narrow", "wide", "most", "sure"]


def test_the_desk_offers_what_is_least_certain_first(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)
    items = at_the_desk(tmp_path, lambda desk: list(desk.items))
    assert items == sorted(items, key=lambda item: doubt_of(item, 0.8))
    assert len({item.attempt.pair.margin for item in items}) > 1


@pytest.mark.parametrize("durability", ["exit", "async", "sync"])
def test_decisions_become_records_and_nothing_is_asked_again(model: LoopbackModel, tmp_path: Path, durability: str) -> None:
    first = run(tmp_path, model.url, run={"durability": durability})
    assert (first.tasks, first.waiting) == (0, NUM_TASKS)
    for look in (write_report, lambda folder: export_pairs(folder, tmp_path / "data")):
        with pytest.raises(DataError, match=f"{NUM_TASKS} tasks wait for a review: anyprefer review "):
            look(tmp_path / "out")
    asked = len(model.requests)
    again = run(tmp_path, model.url, run={"durability": durability})
    assert (again.tasks, again.waiting) == (0, NUM_TASKS)

    async def decide(desk: Desk) -> int:
        assert sorted(item.task.id for item in desk.items) == [f"t{i}" for i in range(NUM_TASKS)]
        for i, review in enumerate((ACCEPT, Review(decision="swap"), Review(decision="reject", reason="both are wrong"))):
            desk.decide(f"t{i}", review)
        return await desk.apply()

    assert at_the_desk(tmp_path, decide) == 3
    assert len(model.requests) == asked
    assert statuses(tmp_path) == {"t0": "accepted", "t1": "accepted", "t2": "rejected"}
    last = run(tmp_path, model.url, run={"durability": durability})
    assert (last.accepted, last.rejected, last.waiting) == (2, 1, NUM_TASKS - 3)
    assert len(model.requests) == asked


def test_decisions_outlive_the_process_and_can_be_taken_back(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)

    def decide(desk: Desk) -> None:
        desk.decide("t0", ACCEPT)
        desk.decide("t1", ACCEPT)
        desk.decide("t1", Review(decision="swap"))
        desk.undo("t0")

    at_the_desk(tmp_path, decide)
    with (tmp_path / "out" / "reviews.jsonl").open("a") as file:
        file.write('{"task_id": "t2", "rev')  # a crash
    assert at_the_desk(tmp_path, lambda desk: desk.decisions) == {"t1": Review(decision="swap")}
    assert statuses(tmp_path) == {}


def test_a_kill_while_decisions_are_applied_loses_none(
    model: LoopbackModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anyprefer.runs.runner import Runner

    run(tmp_path, model.url)
    keep = Runner.keep

    async def dying(self: Runner, record: Any) -> None:
        if record.task.id == "t2":
            raise KeyboardInterrupt
        await keep(self, record)

    async def decide(desk: Desk) -> None:
        for item in desk.items:
            desk.decide(item.task.id, ACCEPT)
        await desk.apply()

    monkeypatch.setattr(Runner, "keep", dying)
    with pytest.raises(KeyboardInterrupt):
        at_the_desk(tmp_path, decide)
    monkeypatch.undo()
    asked = len(model.requests)
    at_the_desk(tmp_path, lambda desk: desk.apply())
    # t2's thread had come to its end, and only its record was missing: the run writes it.
    run(tmp_path, model.url)
    assert statuses(tmp_path) == {f"t{i}": "accepted" for i in range(NUM_TASKS)}
    assert len(model.requests) == asked


def test_what_cannot_be_decided_is_said(model: LoopbackModel, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no run folder"):
        at_the_desk(tmp_path, lambda desk: None)
    run(tmp_path, model.url)
    with pytest.raises(DataError, match="'t9' does not wait"):
        at_the_desk(tmp_path, lambda desk: desk.decide("t9", ACCEPT))
    with pytest.raises(DataError, match=r"^this edit makes no pair: [^\n]+ two different texts$"):
        at_the_desk(tmp_path, lambda desk: desk.decide("t0", Review(decision="edit", chosen="x", rejected="x")))
    (tmp_path / "out" / "reviews.jsonl").write_text('{"task_id": 1}\n')
    with pytest.raises(RunFolderError, match="line 1"):
        at_the_desk(tmp_path, lambda desk: None)


def test_agreement_counts_orders(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)
    choices = [
        ACCEPT,
        ACCEPT,
        Review(decision="swap"),
        Review(decision="edit", chosen="better"),
        Review(decision="reject", reason="x"),
    ]

    async def decide(desk: Desk) -> None:
        for i, review in enumerate(choices):
            desk.decide(f"t{i}", review)
        await desk.apply()

    at_the_desk(tmp_path, decide)
    found = measure_agreement(RecordFile(tmp_path / "out" / "records.jsonl"))
    assert found.decisions == {"accept": 2, "swap": 1, "edit": 1, "reject": 1}
    assert found.agreed == 0.75
    assert sum(count for _, count in found.by_margin.values()) == 4
    assert "kept the order in 75.0 %" in "\n".join(found.lines())


def test_agreement_knows_turned_and_missing_margins() -> None:
    accept, swap = Review(decision="accept"), Review(decision="swap")
    turned = make_attempt(pair=PreferencePair(chosen=side(0, "It is 42.", 3), rejected=side(1, "It is 41.", 3.5)))
    found = measure_agreement([
        make_record("a", against_reference(), accept), make_record("b", against_reference(), swap),
        make_record("c", turned, accept), make_record("d", review=swap),
    ])  # fmt: skip
    assert found.agreed == 0.5
    assert found.by_margin == {-1: (1, 1), 7: (0, 1)}


def test_only_what_a_person_wrote_becomes_a_persons(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)

    async def edit(desk: Desk) -> tuple[PreferencePair, ...]:
        pairs = []
        for item, name in zip(desk.items, ("chosen", "rejected"), strict=False):
            assert item.attempt.pair is not None
            unchanged = {"chosen": item.attempt.pair.chosen.text + "\n", "rejected": item.attempt.pair.rejected.text + "\n"}
            desk.decide(item.task.id, Review.model_validate({"decision": "edit", **unchanged, name: "by hand"}))
            pairs.append(item.attempt.pair)
        await desk.apply()
        return tuple(pairs)

    before = at_the_desk(tmp_path, edit)
    after = [record.pair for record in RecordFile(tmp_path / "out" / "records.jsonl")]
    written = Side(origin=PERSON, output="by hand")
    assert after[0] == before[0].model_copy(update={"chosen": written})
    assert after[1] == before[1].model_copy(update={"rejected": written})


def test_any_words_survive_the_way_through_the_file(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)
    review = Review(decision="edit", chosen="one\u2028two\x85three\r\nfour")
    at_the_desk(tmp_path, lambda desk: desk.decide("t0", review))
    assert at_the_desk(tmp_path, lambda desk: desk.decisions) == {"t0": review}


def test_decisions_of_earlier_code_are_read(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)
    line = {"task_id": "t0", "review": {"decision": "edit", "reason": "", "chosen": "by hand", "rejected": None, "reviewer": ""}}
    (tmp_path / "out" / "reviews.jsonl").write_text(json.dumps({**line, "time": 1.0}) + "\n")
    assert at_the_desk(tmp_path, lambda desk: desk.decisions) == {"t0": Review(decision="edit", chosen="by hand")}


def test_checkpoints_of_earlier_code_are_not_reviewed(model: LoopbackModel, tmp_path: Path) -> None:
    run(tmp_path, model.url)
    lock = tmp_path / "out" / "recipe.lock.toml"
    lock.write_text(re.sub(r"^format = .*$", "", lock.read_text(), flags=re.MULTILINE))
    with pytest.raises(RunFolderError, match="was made by earlier code"):
        at_the_desk(tmp_path, lambda desk: None)
