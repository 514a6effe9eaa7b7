"""What the command line does, called from programs: in scripts, and where an event loop is running."""

import asyncio
import inspect
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data

import anyprefer
from anyprefer import Task
from anyprefer.config import Recipe
from anyprefer.data.records import RecordFile
from anyprefer.errors import ConfigError, DataError
from anyprefer.recipes import parse_recipe

TASKS = [Task(id=f"t{i}", prompt=f"question {i}") for i in range(4)]
PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


@pytest.fixture
def recipe(model: LoopbackModel) -> Recipe:
    return parse_recipe(recipe_data(model.url))


def wait_for_reply(model: LoopbackModel) -> None:
    while not model.completed:
        time.sleep(0.01)


def test_every_public_name_is_there_and_documented() -> None:
    assert set(anyprefer.__all__) <= set(dir(anyprefer))
    for name in anyprefer.__all__:
        assert inspect.getdoc(getattr(anyprefer, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        anyprefer.nonsense  # noqa: B018 - asking is what is tested


def test_public_names_outlive_the_modules_that_they_load() -> None:
    """A submodule becomes an attribute of its package when it is imported; no public name may be one's."""
    package = Path(anyprefer.__file__).parent
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(anyprefer.__all__)


def test_script_runs_resumes_exports_and_estimates(recipe: Recipe, model: LoopbackModel, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert anyprefer.estimate(recipe, TASKS, out).basis == 0
    first = anyprefer.run(recipe, TASKS, out, accept=2)
    assert (first.accepted, first.stopped) == (2, "accepted")
    second = anyprefer.run(recipe, iter(TASKS), str(out))
    assert (second.accepted, second.repeated_calls) == (4, 0)
    assert anyprefer.estimate(recipe, TASKS, out).basis == 4
    assert anyprefer.export(out).num_rows == 4
    assert anyprefer.export(str(out), tmp_path / "pairs", reasoning="field").num_rows == 4
    assert (out / "dataset" / "train.jsonl").exists()
    assert {record.task.id for record in RecordFile(out / "records.jsonl")} == {task.id for task in TASKS}


def test_recipe_and_tasks_may_be_files(model: LoopbackModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
    (tmp_path / "tasks.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    monkeypatch.chdir(tmp_path)
    assert anyprefer.run("my.toml", "tasks.jsonl", limit=1).tasks == 1
    assert (tmp_path / "runs" / "test" / "records.jsonl").exists()
    with pytest.raises(ConfigError, match="no tasks"):
        anyprefer.run("my.toml")


@pytest.mark.parametrize(("tasks", "what"), [
    ([], "there are no tasks"),
    ([Task(prompt="same"), Task(prompt="same")], "2 tasks have the id"),
])  # fmt: skip
def test_tasks_that_cannot_be_used_are_named_before_anything_starts(
    recipe: Recipe, model: LoopbackModel, tmp_path: Path, tasks: list[Task], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        anyprefer.run(recipe, tasks, tmp_path / "out")
    assert not model.requests
    assert not (tmp_path / "out").exists()


async def test_notebook_awaits_what_a_script_calls(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (await anyprefer.aestimate(recipe, TASKS, out)).basis == 0
    assert (await anyprefer.arun(recipe, TASKS, out)).accepted == 4
    assert (await anyprefer.aexport(out)).num_rows == 4


async def test_blocking_calls_that_need_a_loop_name_the_one_to_await(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    calls = {
        "run": lambda: anyprefer.run(recipe, TASKS, out),
        "estimate": lambda: anyprefer.estimate(recipe, TASKS, out),
        "rounds": lambda: anyprefer.rounds(recipe, tmp_path / "tasks.jsonl", out),
        "analyze": lambda: anyprefer.analyze(out, sample=5),
    }
    for name, call in calls.items():
        with pytest.raises(ConfigError, match=rf"await anyprefer\.a{name}\("):
            call()
    assert not out.exists()


async def test_run_in_a_loop_takes_no_signals_and_goes_on_after_it_was_cancelled(
    recipe: Recipe, model: LoopbackModel, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    model.delay_seconds = 0.2
    work = asyncio.create_task(anyprefer.arun(recipe, TASKS, tmp_path / "out"))
    await asyncio.to_thread(wait_for_reply, model)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    model.delay_seconds = 0.0
    summary = await anyprefer.arun(recipe, TASKS, tmp_path / "out")
    assert (summary.accepted, summary.repeated_calls) == (4, 0)


async def test_folder_is_free_again_after_a_refusal(recipe: Recipe, tmp_path: Path) -> None:
    await anyprefer.arun(recipe, TASKS, tmp_path / "out", accept=1)
    other = recipe.model_copy(update={"field": "botany"})
    for _ in range(2):
        with pytest.raises(anyprefer.errors.RunFolderError, match="field: 'general knowledge' -> 'botany'"):
            await anyprefer.arun(other, TASKS, tmp_path / "out")
    assert (await anyprefer.arun(recipe, TASKS, tmp_path / "out")).accepted == 4


@pytest.mark.filterwarnings("default")  # torch and transformers warn about themselves
async def test_rounds_work_inside_a_running_loop(model: LoopbackModel, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs the extra train")
    from tiny_model import save_tiny_model

    base = save_tiny_model(tmp_path / "model")
    training = {"model": str(base), "lora": {"rank": 2, "alpha": 4}, "batch_size": 2, "learning_rate": 1e-3}
    recipe = parse_recipe(recipe_data(model.url, rounds={"count": 2}, training=training))
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps({"prompt": f"question {i}"}) + "\n" for i in range(6)))
    lines: list[str] = []
    state = await anyprefer.arounds(
        recipe, tmp_path / "tasks.jsonl", tmp_path / "rounds", say=lines.append,
        serve=lambda recipe, adapter, folder: f"openai:tuned-{folder.name}",
    )  # fmt: skip
    assert [one.target for one in state.rounds] == ["openai:m", "openai:tuned-round-1"]
    assert any(line.startswith("round 2: training") for line in lines)


def test_page_names_every_function() -> None:
    page = PAGE.read_text(encoding="utf-8")
    from anyprefer import api

    functions = {name for name in anyprefer.__all__ if hasattr(api, name) and inspect.isfunction(getattr(api, name))}
    assert len(functions) == 14
    assert all(f"{name}(" in page for name in functions)
