"""Rounds with a scripted judge and real training on a tiny model: lineage, the gate, and going on after a crash."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra train")
pytestmark = pytest.mark.filterwarnings("default")  # torch and transformers warn about themselves

from loopback import LoopbackModel, recipe_data, title_of  # noqa: E402
from rich.console import Console  # noqa: E402
from tiny_model import save_tiny_model  # noqa: E402

from anyprefer.applications.registry import APPLICATIONS  # noqa: E402
from anyprefer.applications.text import TextApplication  # noqa: E402
from anyprefer.config import Recipe  # noqa: E402
from anyprefer.data.records import RecordFile  # noqa: E402
from anyprefer.errors import ConfigError, DataError, TrainingError  # noqa: E402
from anyprefer.recipes import parse_recipe  # noqa: E402
from anyprefer.runs.progress import Progress  # noqa: E402
from anyprefer.training.dpo import PairTrainer  # noqa: E402
from anyprefer.training.rounds import (  # noqa: E402
    Metric,
    Round,
    Rounds,
    RoundsState,
    correlate,
    serve_trained,
    surrogate_correlation,
)
from anyprefer.types import Task  # noqa: E402


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as model:
        yield model


def serve(recipe: Recipe, adapter: Path, folder: Path) -> str:
    """In place of merging: the scripted server answers under any name."""
    return f"openai:tuned-{folder.name}"


def make(folder: Path, base: Path, url: str, scores: dict[str, float] | None = None, **settings: Any) -> Rounds:
    """Rounds of a recipe; settings that are tables are sections of it, the others are those of `[rounds]`."""
    sections = {name: value for name, value in settings.items() if isinstance(value, dict)}
    rounds = {name: value for name, value in settings.items() if name not in sections}
    tasks = folder / "tasks.jsonl"
    folder.mkdir(exist_ok=True)
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(12)))
    training = {"model": str(base), "lora": {"rank": 2, "alpha": 4}, "batch_size": 2, "learning_rate": 1e-3, "save_steps": 1}
    recipe = parse_recipe(recipe_data(url, rounds={"count": 2, **rounds}, training=training, **sections))

    def evaluate(recipe: Recipe, where: Path) -> Metric:
        score = (scores or {})[recipe.target.model]
        return Metric(score=score, low=score, high=score, items=1)

    return Rounds(recipe, tasks, folder / "out", Progress(Console(quiet=True)), evaluate if scores else None, serve=serve)


def first_model(work: Rounds) -> str:
    return work.recipe.target.model


def models_of(folder: Path, number: int) -> set[str]:
    return {record.models["target"] for record in RecordFile(folder / "out" / f"round-{number}" / "run" / "records.jsonl")}


def adapters(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "out").glob("round-*/training/adapter/adapter_model.safetensors"))]


def test_the_trained_model_is_the_next_target(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    state = make(tmp_path, base, server.url, tasks_per_round=6).run()
    first, second = state.rounds
    assert (first.pairs, second.pairs) == (6, 6)
    assert (first.adapter, second.adapter) == (None, first.trained)
    assert second.target == "openai:tuned-round-1"
    assert {name.partition("@")[0] for name in models_of(tmp_path, 2)} == {"openai:tuned-round-1"}
    assert second.adapter_sha256
    assert len(second.adapter_sha256) == 64
    assert first.kept
    assert second.kept
    settings = json.loads((tmp_path / "out" / "round-2" / "training" / "training.json").read_text())
    assert (settings["start"], settings["reference"]) == (str(tmp_path / "out" / str(first.trained)), "first")
    one, two = adapters(tmp_path)
    assert one != two


def test_a_judge_that_is_the_target_is_the_trained_model_in_the_next_round(
    server: LoopbackModel, base: Path, tmp_path: Path
) -> None:
    make(tmp_path, base, server.url, judge={"model": "target", "base_url": None}).run()
    for number, model in ((1, "openai:m"), (2, "openai:tuned-round-1")):
        records = RecordFile(tmp_path / "out" / f"round-{number}" / "run" / "records.jsonl")
        assert {name for record in records for name in record.models.values()} == {f"{model}@{server.url}"}
    scored = [body["model"] for body in server.requests if title_of(body) == "ScoreSheet"]
    assert list(dict.fromkeys(scored)) == ["m", "tuned-round-1"]


def test_a_judge_of_its_own_stays_the_same_in_every_round(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    make(tmp_path, base, server.url).run()
    assert {body["model"] for body in server.requests if title_of(body) == "ScoreSheet"} == {"m"}


def test_vllm_serves_the_trained_adapter_in_the_next_round(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    """To the target and to every role that is the target, loaded once for both."""
    server.adapters = {}
    server.before = lambda body: 404 if body["model"] not in ("org/base", *(server.adapters or ())) else None
    sections = {"target": {"model": "vllm:org/base"}, "judge": {"model": "target", "base_url": None}}
    work = make(tmp_path, base, server.url, **sections)
    work.serve = None
    state = work.run()
    adapter = tmp_path / "out" / "round-1" / "training" / "adapter"
    assert state.rounds[1].target == f"vllm:{adapter}"
    assert list(server.adapters.values()) == [str(adapter)]
    (name,) = server.adapters
    asked = {title_of(body): body["model"] for body in server.requests if body["model"] != "org/base"}
    assert asked == dict.fromkeys((None, "ScoreSheet", "PairReview"), name)
    assert models_of(tmp_path, 2) == {f"vllm:{adapter}@{server.url}"}
    assert not list((tmp_path / "out").rglob("*.gguf"))


def test_a_trained_model_is_served_where_its_kind_can_be(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    """A vLLM server of one's own takes adapters too; the endpoint of another provider has nothing to do with a trained model."""
    adapter = tmp_path / "adapter"
    local = parse_recipe({"name": "x", "target": {"model": "vllm:org/base"}, "judge": {"model": "target"}})
    assert serve_trained(local, adapter, tmp_path) == f"vllm:{adapter}"
    work = make(tmp_path, base, server.url, prices={"openai:m": {"prompt_usd": 1.0, "completion_usd": 2.0}})
    here = work._with_target("llamacpp:/trained.gguf")
    assert (here.target.base_url, here.prices) == (None, work.recipe.prices)
    there = work._with_target("openai:tuned")
    assert (there.target.base_url, there.prices["openai:tuned"]) == (server.url, work.recipe.prices["openai:m"])


def test_a_target_that_cannot_be_trained_costs_no_call(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    work = make(tmp_path, base, server.url)
    work.recipe = parse_recipe(recipe_data(server.url, rounds={"count": 2}))
    with pytest.raises(ConfigError, match=r"served elsewhere.*training\.model"):
        work.run()
    assert not server.requests


def test_a_worse_model_does_not_become_the_target(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    first = parse_recipe(recipe_data(server.url)).target.model
    work = make(tmp_path, base, server.url, {first: 0.5, "openai:tuned-round-1": 0.4, "openai:tuned-round-2": 0.6})
    state = work.run()
    assert [one.kept for one in state.rounds] == [False, True]
    assert state.rounds[1].target == first_model(work)
    assert state.rounds[1].adapter is None
    assert state.best_metric() == state.rounds[1].metric
    assert "kept as data only" in "\n".join(state.lines())


@pytest.mark.parametrize("where", ["training", "serve", "evaluation"])
def test_killed_rounds_go_on_to_the_same_adapters(
    server: LoopbackModel, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    scores = {parse_recipe(recipe_data(server.url)).target.model: 0.5, "openai:tuned-round-1": 0.5, "openai:tuned-round-2": 0.5}
    make(tmp_path / "whole", base, server.url, scores).run()
    work = make(tmp_path / "killed", base, server.url, scores)
    fired = False

    def once(inner: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
        def dying(*args: Any, **kwargs: Any) -> Any:
            nonlocal fired
            if not fired and when(*args):
                fired = True
                raise KeyboardInterrupt
            return inner(*args, **kwargs)

        return dying

    if where == "training":
        step = once(PairTrainer.training_step, lambda trainer, *args: trainer.state.global_step == 2)
        monkeypatch.setattr(PairTrainer, "training_step", step)
    elif where == "serve":
        work.serve = once(serve, lambda *args: True)
    else:
        assert work.evaluate is not None
        work.evaluate = once(work.evaluate, lambda recipe, folder: "round-1" in str(folder))
    with pytest.raises(KeyboardInterrupt):
        work.run()
    assert fired
    requests = len(server.requests)
    work.run()
    assert adapters(tmp_path / "killed") == adapters(tmp_path / "whole")
    asked = [body["model"] for body in server.requests[requests:] if not body.get("response_format")]
    assert set(asked) == {"tuned-round-1"}  # round 1's samples were not asked for again
    before = len(server.requests)
    assert work.run() == make(tmp_path / "whole", base, server.url, scores).run()
    assert len(server.requests) == before


def test_all_pairs_so_far_are_pooled(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    make(tmp_path, base, server.url, tasks_per_round=6, pool="all", start="fresh").run()
    lines = (tmp_path / "out" / "round-2" / "training" / "metrics.jsonl").read_text().splitlines()
    first = (tmp_path / "out" / "round-1" / "training" / "metrics.jsonl").read_text().splitlines()
    steps = [max(json.loads(line)["step"] for line in part) for part in (first, lines)]
    assert steps[1] > 1.5 * steps[0]


def test_a_round_takes_so_many_pairs_and_puts_up_with_so_small_a_loss(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    """0.5 to 0.4 is a loss of 0.1; the next may fall to 0.3, so 0.29 is too low."""
    first = parse_recipe(recipe_data(server.url)).target.model
    scores = {first: 0.5, "openai:tuned-round-1": 0.4, "openai:tuned-round-2": 0.29}
    state = make(tmp_path, base, server.url, scores, accept_per_round=3, tolerance=0.1).run()
    assert [one.pairs for one in state.rounds] == [3, 3]
    assert [one.kept for one in state.rounds] == [True, False]
    assert len({record.task.id for record in RecordFile(tmp_path / "out" / "round-1" / "run" / "records.jsonl")}) < 12


class Sayings(TextApplication):
    """Reads rows of its own."""

    def read_task(self, where: str, row: Any, folder: Path, blobs: Any = None) -> Task:
        return Task(prompt=row["say"])


def test_a_round_hands_the_application_its_own_rows(
    server: LoopbackModel, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(APPLICATIONS.registered, "sayings", Sayings)
    work = make(tmp_path, base, server.url, tasks_per_round=3, count=1)
    work.recipe = work.recipe.model_copy(update={"application": "sayings"})
    work.tasks.write_text("".join(json.dumps({"say": f"word {i}", "value": None}) + "\n" for i in range(4)))
    work.run()
    prompts = {record.task.text for record in RecordFile(tmp_path / "out" / "round-1" / "run" / "records.jsonl")}
    assert prompts == {"word 0", "word 1", "word 2"}


def test_too_few_tasks_are_said(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tasks left for round 2: give 24 or more"):
        make(tmp_path, base, server.url, tasks_per_round=12).run()


def test_a_broken_record_of_rounds_is_not_overwritten(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    work = make(tmp_path, base, server.url)
    work.out.mkdir()
    (work.out / "rounds.json").write_text("{")
    with pytest.raises(TrainingError, match="restore it, or give another --out"):
        work.run()
    assert (work.out / "rounds.json").read_text() == "{"


def test_settings_that_contradict_each_other(server: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match="benchmark and benchmark_data go together"):
        parse_recipe(recipe_data(server.url, rounds={"benchmark": "gsm8k"}))
    with pytest.raises(ConfigError, match="needs start = 'warm'"):
        parse_recipe(recipe_data(server.url, rounds={"start": "fresh", "reference": "previous"}))


def test_the_surrogate_against_the_metric() -> None:
    """Pearson's r of four points by hand: 0.8 for ranks (1, 2, 3, 4) and (1, 3, 2, 4)."""
    found = correlate([(1, 1), (2, 3), (3, 2), (4, 4)])
    assert found is not None
    assert found.value == pytest.approx(0.8)
    # Fisher's z of 0.8 is 1.0986; plus and minus 1.96 / sqrt(1).
    assert (found.low, found.high) == (pytest.approx(-0.697, abs=1e-3), pytest.approx(0.9956, abs=1e-3))
    assert correlate([(1, 1), (1, 2), (1, 3), (1, 4)]) is None
    assert surrogate_correlation(RoundsState()) is None
    metrics = [Metric(score=score, low=score, high=score, items=1) for score in (0.1, 0.3, 0.2, 0.4, 0.9)]
    rounds = [Round(number=i, target="m", mean_reward=i, metric=metrics[i]) for i in range(1, 5)]
    # A round's pairs come from the model that the round before made: rewards 1 to 4 belong to metrics 0.1, 0.3, 0.2 and 0.4.
    state = RoundsState(first_metric=metrics[0], rounds=rounds)
    assert surrogate_correlation(state) == correlate([(1, 0.1), (2, 0.3), (3, 0.2), (4, 0.4)])


def test_tasks_are_checked_before_the_first_model_is_measured(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    work = make(tmp_path, base, server.url, {"another": 1.0})  # measuring any model is a KeyError
    work.tasks.write_text('{"prompt": "one"}\n{"prompt": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        work.run()


def test_the_pairs_of_a_round_are_checked_before_it_trains(server: LoopbackModel, base: Path, tmp_path: Path) -> None:
    work = make(tmp_path, base, server.url, count=1)
    changes = {"critic": {"enabled": False}, "loop": {"feedback": "none"}, "training": {"pair_weight": "reward"}}
    sections = {name: getattr(work.recipe, name).model_copy(update=values) for name, values in changes.items()}
    work.recipe = work.recipe.model_copy(update=sections)
    with pytest.raises(ConfigError, match="needs the column 'reward'"):
        work.run()
