"""A changed recipe in the same folder: it goes on where nothing finished depends on the change, and pays nothing twice."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, recipe_data, review, title_of
from rich.console import Console

from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.team import build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError, StopRunError
from anyprefer.recipes import digest_of, parse_recipe
from anyprefer.review.desk import open_desk
from anyprefer.runs.changes import compare_recipes, judge_again, roles_behind
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.progress import Progress
from anyprefer.runs.record_view import find_thread
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.summary import Summary
from anyprefer.types import (
    Attempt,
    Critique,
    Failure,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    Side,
    Task,
)  # fmt: skip

NUM_TASKS = 4
TASKS = tuple(Task(id=f"t{i}", prompt=f"question {'abcd'[i]}") for i in range(NUM_TASKS))


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        # Rewards of 6, 7 and 8 by the request's seed, which differs by task and round and is the same in every session.
        server.replies["PairReview"] = lambda body, choice: review(6 + body["seed"] % 3)(body, choice)
        yield server


def go(folder: Path, url: str, *, said: list[str] | None = None, tasks: tuple[Task, ...] = TASKS, **parts: Any) -> Summary:
    """Run a session; keywords with tables are sections of the recipe, the others are the session's."""
    sections = {name: value for name, value in parts.items() if isinstance(value, dict)}
    options = {name: value for name, value in parts.items() if name not in sections}
    progress = Progress(Console(quiet=True))
    if said is not None:
        progress.say = said.append  # type: ignore[method-assign]
    return asyncio.run(run_session(Session(parse_recipe(recipe_data(url, **sections)), tasks, folder, **options), progress))


def records_in(folder: Path) -> dict[str, PreferenceRecord]:
    records = list(RecordFile(RunDir(folder).records))
    assert len({record.task.id for record in records}) == len(records)
    return {record.task.id: record for record in records}


def asked(model: LoopbackModel) -> Counter[str | None]:
    """The requests since the last look, by their schema."""
    found = Counter(model.titles())
    model.requests.clear()
    return found


def refuse_model(model: LoopbackModel, name: str) -> None:
    model.counts_probes = True
    model.before = lambda body: 404 if body["model"] == name else None


def test_a_folder_without_records_takes_on_any_recipe_and_asks_no_completed_call_again(
    model: LoopbackModel, tmp_path: Path
) -> None:
    model.before = lambda body: 401 if title_of(body) == "ScoreSheet" else None
    with pytest.raises(StopRunError):
        go(tmp_path, model.url)
    assert records_in(tmp_path) == {}
    samples = asked(model)[None]
    assert samples
    model.before = lambda body: None
    said: list[str] = []
    summary = go(
        tmp_path, model.url, said=said, judge={"model": "openai:other"}, pair={"min_margin": 2.0}, tools={"max_calls": 2}
    )
    assert (summary.tasks, summary.repeated_calls) == (NUM_TASKS, 0)
    assert asked(model)[None] == NUM_TASKS - samples + sum(len(one.attempts) - 1 for one in records_in(tmp_path).values())
    assert len(said) == 1
    assert "judge.model: 'openai:m' -> 'openai:other'; pair.min_margin: 1.0 -> 2.0; tools.max_calls: 4 -> 2" in said[0]
    lock = RunDir(tmp_path).read_lock()
    assert (lock.recipe.judge.model, lock.pending) == ("openai:other", ())
    assert lock.digest == summary.digest == next(iter(records_in(tmp_path).values())).recipe_digest
    assert lock.earlier[0]["digest"] == lock.identity != lock.digest
    assert find_thread(tmp_path, records_in(tmp_path)["t0"])


def test_a_wrong_name_is_mended_in_the_same_folder(model: LoopbackModel, tmp_path: Path) -> None:
    refuse_model(model, "wrong")
    with pytest.raises(StopRunError, match="wrong"):
        go(tmp_path, model.url, judge={"model": "openai:wrong"})
    assert asked(model)["ScoreSheet"] == 0
    assert go(tmp_path, model.url).tasks == NUM_TASKS


@pytest.mark.parametrize(
    ("sections", "is_refused"),
    [
        ({"rewriter": {"temperature": 0.5}}, False), ({"rewriter": {"model": "openai:other"}}, False),
        ({"aggregator": {"max_tokens": 100}}, False), ({"critic": {"temperature": 0.5}}, True),
        ({"judge": {"max_tokens": 2000}}, True), ({"target": {"top_p": 0.9}}, True), ({"sampling": {"num_candidates": 4}}, True),
        ({"aggregator": {"enabled": False}}, True), ({"run": {"seed": 1}}, True), ({"field": "law"}, True),
        ({"loop": {"feedback": "none"}}, True), ({"run": {"concurrency": 1}}, False),
    ],
)  # fmt: skip
def test_records_hold_up_the_changes_that_they_depend_on(
    model: LoopbackModel, tmp_path: Path, sections: dict[str, Any], is_refused: bool
) -> None:
    model.replies["PairReview"] = review(9)
    go(tmp_path, model.url, tasks=TASKS[:2])
    before, lock = RunDir(tmp_path).records.read_bytes(), RunDir(tmp_path).lock.read_bytes()
    asked(model)
    if is_refused:
        with pytest.raises(RunFolderError) as refusal:
            go_with(tmp_path, model.url, sections)
        assert "2 of its records depend on them" in str(refusal.value)
        assert f"--out NEW --reuse {tmp_path}" in str(refusal.value)
        assert asked(model).total() == 0
        assert RunDir(tmp_path).lock.read_bytes() == lock
    else:
        assert go_with(tmp_path, model.url, sections).tasks == NUM_TASKS
        assert asked(model)["ScoreSheet"] == NUM_TASKS - 2
    assert RunDir(tmp_path).records.read_bytes().startswith(before)


def go_with(folder: Path, url: str, sections: dict[str, Any], **options: Any) -> Summary:
    placed = {
        name: {**table, "base_url": url} if "model" in table else table for name, table in sections.items() if name != "field"
    }
    recipe = parse_recipe(recipe_data(url, **{**sections, **placed}))
    return asyncio.run(run_session(Session(recipe, TASKS, folder, **options), Progress(Console(quiet=True))))


def test_a_role_without_a_model_of_its_own_changes_with_the_judge() -> None:
    def lock_of(**sections: Any) -> Any:
        return RunDir("x").lock_of(parse_recipe(recipe_data("http://a/v1", **sections)), "digest", {})

    def roles(**sections: Any) -> set[str]:
        change = compare_recipes(lock_of(), parse_recipe(recipe_data("http://a/v1", **sections)), {})
        assert change is not None
        assert not change.by_all
        return set(change.roles)

    assert roles(judge={"model": "openai:b"}) == {"judge", "critic", "rewriter", "aggregator"}
    assert roles(judge={"permutations": 2}) == {"judge"}
    assert roles(critic={"model": "openai:b"}) == {"critic"}
    own = lock_of(critic={"model": "openai:c"})
    change = compare_recipes(
        own, parse_recipe(recipe_data("http://a/v1", critic={"model": "openai:c"}, judge={"model": "openai:b"})), {}
    )
    assert change is not None
    assert change.roles == {"judge", "rewriter", "aggregator"}


def test_another_text_of_a_prompt_is_its_roles_change() -> None:
    recipe = parse_recipe(recipe_data("http://a/v1"))
    hashes = prompt_hashes(load_prompts(recipe))
    lock = RunDir("x").lock_of(recipe, "digest", hashes)
    for name, role in (("sample", "target"), ("score", "judge"), ("critique", "critic"), ("rewrite_both", "rewriter")):
        change = compare_recipes(lock, recipe, {**hashes, name: "0" * 64})
        assert change is not None
        assert (change.roles, change.by_all, change.lines) == ({role}, False, (f"prompt {name}: another text",))
    assert compare_recipes(lock, recipe, hashes) is None


@pytest.mark.parametrize(
    ("node", "roles"),
    [("score_candidates", {"judge"}), ("critique_pair", {"critic"}), ("form_pair", set()),
     ("", {"target", "judge", "aggregator", "critic", "rewriter"})],
)  # fmt: skip
def test_who_ended_a_task_stands_behind_its_record(node: str, roles: set[str]) -> None:
    error = Failure(kind="x", message="x", node=node)
    assert roles_behind(PreferenceRecord(task=Task(prompt="x"), status="failed", error=error)) == roles


def test_failed_tasks_alone_are_done_again_under_another_recipe(model: LoopbackModel, tmp_path: Path) -> None:
    model.before = lambda body: 422 if title_of(body) == "ScoreSheet" and body["model"] == "m" else None
    go(tmp_path, model.url, run={"max_failed_share": 1.0})
    assert {record.status for record in records_in(tmp_path).values()} == {"failed"}
    asked(model)
    with pytest.raises(RunFolderError, match="--retry-failed does those again"):
        go(tmp_path, model.url, judge={"model": "openai:other"})
    summary = go(tmp_path, model.url, judge={"model": "openai:other"}, retry_failed=True)
    assert (summary.failed, summary.tasks, summary.repeated_calls) == (0, NUM_TASKS, 0)
    rewrites = sum(len(one.attempts) - 1 for one in records_in(tmp_path).values())
    assert asked(model)[None] == rewrites, "the first samples are in the journal"


def test_a_pair_that_an_error_cut_short_is_put_aside_and_done_again(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(6)
    model.before = lambda body: 422 if title_of(body) == "JointRewrite" and body["model"] == "m" else None
    summary = go(tmp_path, model.url)
    assert (summary.exhausted, summary.exhausted_after_error, summary.failed_share) == (NUM_TASKS, NUM_TASKS, 1.0)
    first = RunDir(tmp_path).records.read_bytes()
    asked(model)
    summary = go(tmp_path, model.url, rewriter={"model": "openai:other", "base_url": model.url}, retry_failed=True)
    assert (summary.exhausted, summary.exhausted_after_error) == (NUM_TASKS, 0)
    assert RunDir(tmp_path).aside.read_bytes() == first
    assert asked(model)["ScoreSheet"] == 2 * NUM_TASKS, "the first round is in the journal"


def test_thresholds_are_applied_to_the_records_that_exist(model: LoopbackModel, tmp_path: Path) -> None:
    """7, then 9, then 6: the rewards are 6, 7 and 8, so that with 9 every task goes on to its last round."""
    go(tmp_path, model.url)
    at_seven = records_in(tmp_path)
    assert {len(record.attempts) for record in at_seven.values()} >= {1, 2}
    rounds = sum(len(record.attempts) for record in at_seven.values())
    asked(model)
    said: list[str] = []
    summary = go(tmp_path, model.url, said=said, loop={"threshold": 9})
    assert (summary.exhausted, summary.repeated_calls) == (NUM_TASKS, 0)
    assert asked(model) == dict.fromkeys((None, "ScoreSheet", "PairReview", "JointRewrite"), 3 * NUM_TASKS - rounds)
    assert any(line.startswith("records judged again: ") and line.endswith(f"; {NUM_TASKS} tasks to go on") for line in said)
    assert len(RunDir(tmp_path).aside.read_text().splitlines()) == NUM_TASKS
    at_nine = records_in(tmp_path)
    summary = go(tmp_path, model.url, loop={"threshold": 6})
    assert (summary.accepted, asked(model).total()) == (NUM_TASKS, 0)
    for name, record in records_in(tmp_path).items():
        parts = {"candidates", "verdicts", "pair", "critique"}
        assert [one.model_dump(include=parts) for one in record.attempts] == [
            one.model_dump(include=parts) for one in at_nine[name].attempts
        ]
        assert record.best is not None
        assert record.best.shortfall is None, "it is good enough now"
        assert record.best.reward == max(attempt.reward for attempt in record.attempts)
        assert record.recipe_digest == summary.digest != at_nine[name].recipe_digest
    assert go(tmp_path, model.url, loop={"threshold": 6}).accepted == NUM_TASKS
    assert [entry["changed"] for entry in RunDir(tmp_path).read_lock().earlier] == [
        ["loop.threshold: 7 -> 9"], ["loop.threshold: 9 -> 6"],
    ]  # fmt: skip


def test_records_that_grow_in_place_are_counted_anew(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(8)
    assert go(tmp_path, model.url, loop={"max_rounds": 0}).accepted == NUM_TASKS
    size = RunDir(tmp_path).records.stat().st_size
    summary = go(tmp_path, model.url, loop={"max_rounds": 0, "threshold": 9})
    assert (summary.accepted, summary.exhausted) == (0, NUM_TASKS)
    assert RunDir(tmp_path).records.stat().st_size > size


def test_more_rounds_reopen_exhausted_tasks_alone_and_fewer_change_nothing(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = lambda body, choice: review(9 if body["seed"] % 2 else 3)(body, choice)
    go(tmp_path, model.url, loop={"max_rounds": 0})
    before = records_in(tmp_path)
    exhausted = {name for name, record in before.items() if record.status == "exhausted"}
    assert exhausted
    assert exhausted != before.keys()
    asked(model)
    go(tmp_path, model.url, loop={"max_rounds": 1})
    assert asked(model)["ScoreSheet"] == len(exhausted)
    after = records_in(tmp_path)
    assert {name for name, record in after.items() if record != before[name]} == exhausted
    assert all(after[name].attempts[0].pair == before[name].attempts[0].pair for name in exhausted)
    go(tmp_path, model.url, loop={"max_rounds": 0})
    assert (records_in(tmp_path), asked(model).total()) == (after, 0)


def attempted(*scores: int | None, **changes: Any) -> PreferenceRecord:
    """A record of attempts with these rewards."""
    attempts = tuple(
        Attempt(
            round=number, prompts=Prompts(version=number), candidates=(), critique=Critique(analysis="x", score=score),
            pair=PreferencePair(
                chosen=Side(origin=Origin(kind="candidate", candidate=0, round=number), output="a", score=9),
                rejected=Side(origin=Origin(kind="candidate", candidate=1, round=number), output="b", score=1),
            ),
        )
        for number, score in enumerate(scores)
    )  # fmt: skip
    values: dict[str, Any] = {"status": "exhausted", "best_attempt": 0, "attempts": attempts, **changes}
    return PreferenceRecord(task=Task(id="t", prompt="x"), **values)


ERROR = Failure(kind="ModelRefusedError", message="no", node="rewrite_prompts")


@pytest.mark.parametrize(
    ("record", "threshold", "rounds", "status"),
    [
        (attempted(6, 7), 7, 2, "accepted"), (attempted(6, 7), 8, 1, "exhausted"), (attempted(6, 7), 8, 2, None),
        (attempted(6, error=ERROR), 8, 2, "exhausted"), (attempted(6, error=ERROR), 6, 2, "accepted"),
        (attempted(None, error=ERROR), 1, 2, "exhausted"), (attempted(9, status="accepted"), 9, 2, "accepted"),
        (attempted(9, status="accepted"), 10, 0, "exhausted"),
        (attempted(9, status="accepted", review=Review(decision="accept")), 10, 2, "accepted"),
        (attempted(9, status="rejected", review=Review(decision="reject", reason="x")), 1, 2, "rejected"),
        (attempted(status="failed", best_attempt=None, error=ERROR), 1, 2, "failed"),
    ],
)  # fmt: skip
def test_what_a_record_comes_to(record: PreferenceRecord, threshold: int, rounds: int, status: str | None) -> None:
    recipe = parse_recipe(recipe_data("http://a/v1", loop={"threshold": threshold, "max_rounds": rounds}))
    found = judge_again(record, recipe, "new")
    assert (found.status if found else None) == status
    if found is not None:
        assert found.error == record.error
        assert (found is record) == (found.status == record.status and found.best_attempt == record.best_attempt)
        assert judge_again(found, recipe, "new") is found, "doing it twice changes nothing"
    if found is not None and found is not record and found.best is not None:
        short = found.best.shortfall
        assert (short is None) == (found.status == "accepted")
        assert short is None or f"threshold of {threshold}" in short.text


def test_a_pair_that_a_person_has_to_look_at_is_not_accepted_behind_their_back() -> None:
    recipe = parse_recipe(recipe_data("http://a/v1", loop={"threshold": 6}, review={"mode": "all"}))
    assert judge_again(attempted(6), recipe, "new") is None


def test_a_pair_that_no_tool_voted_on_is_looked_at_where_a_tool_could_have() -> None:
    recipe = parse_recipe(recipe_data("http://a/v1", loop={"threshold": 1}, review={"mode": "uncertain", "disagreement": False}))
    assert judge_again(attempted(9), recipe, "new") is not None
    assert judge_again(attempted(9), recipe, "new", frozenset({"python"})) is None


def test_tasks_that_a_lower_threshold_accepts_wait_for_the_reviewer(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(6)
    go(tmp_path, model.url, loop={"max_rounds": 0}, review={"mode": "all"})
    asked(model)
    summary = go(tmp_path, model.url, loop={"max_rounds": 0, "threshold": 6}, review={"mode": "all"})
    assert (summary.waiting, summary.tasks, asked(model).total()) == (NUM_TASKS, 0, 0)

    async def accept_all() -> None:
        async with open_desk(tmp_path) as desk:
            for item in desk.items:
                desk.decide(item.task.id, Review(decision="accept"))
            await desk.apply()

    asyncio.run(accept_all())
    assert {record.status for record in records_in(tmp_path).values()} == {"accepted"}
    assert go(tmp_path, model.url, loop={"max_rounds": 0, "threshold": 9}, review={"mode": "all"}).accepted == NUM_TASKS


def test_review_finishes_what_a_killed_session_began(model: LoopbackModel, tmp_path: Path) -> None:
    """As one leaves it that was killed once the lock had the new recipe."""
    model.replies["PairReview"] = review(6)
    go(tmp_path, model.url, loop={"max_rounds": 0})
    recipe = parse_recipe(recipe_data(model.url, loop={"max_rounds": 0, "threshold": 6}))
    RunFolder(tmp_path, recipe, prompt_hashes(load_prompts(recipe))).close()
    assert RunDir(tmp_path).read_lock().pending == ("threads", "records")

    async def look() -> None:
        async with open_desk(tmp_path):
            pass

    asyncio.run(look())
    assert RunDir(tmp_path).read_lock().pending == ()
    assert {record.status for record in records_in(tmp_path).values()} == {"accepted"}


def test_decisions_that_are_not_applied_hold_up_a_change(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(9)
    go(tmp_path, model.url, review={"mode": "all"})

    async def decide_one() -> None:
        async with open_desk(tmp_path) as desk:
            desk.decide("t0", Review(decision="swap"))

    asyncio.run(decide_one())
    with pytest.raises(RunFolderError, match="1 decisions of reviewers"):
        go(tmp_path, model.url, review={"mode": "all"}, judge={"model": "openai:other"})

    async def undo() -> None:
        async with open_desk(tmp_path) as desk:
            desk.undo("t0")

    asyncio.run(undo())
    asked(model)
    assert go(tmp_path, model.url, review={"mode": "all"}, judge={"model": "openai:other"}).waiting == NUM_TASKS
    assert asked(model) == {"ScoreSheet": NUM_TASKS, "PairReview": NUM_TASKS}


def test_the_same_recipe_has_the_same_digest_before_and_after(model: LoopbackModel, tmp_path: Path) -> None:
    first = go(tmp_path, model.url).digest
    go(tmp_path, model.url, loop={"threshold": 9})
    assert go(tmp_path, model.url).digest == first == RunDir(tmp_path).read_lock().identity
    recipe = RunDir(tmp_path).read_recipe()
    team = build_team(recipe, Backends(recipe), MemoryCalls())
    assert team.recipe_digest == first == digest_of(recipe, {"prompts": team.prompt_hashes})
    assert json.loads(RunDir(tmp_path).summary.read_text())["digest"] == first


def test_body_of_the_record_says_who_made_it(model: LoopbackModel, tmp_path: Path) -> None:
    """Records of different recipes stand side by side, each with the digest that it was made under."""
    model.replies["PairReview"] = review(9)
    first = go(tmp_path, model.url, tasks=TASKS[:2]).digest
    second = go(tmp_path, model.url, rewriter={"temperature": 0.5}).digest
    digests = {name: record.recipe_digest for name, record in records_in(tmp_path).items()}
    assert digests == {f"t{i}": first if i < 2 else second for i in range(NUM_TASKS)}
