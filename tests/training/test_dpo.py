"""Training with real TRL on a tiny real model: what it learns, what it keeps, what it refuses."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra train")
pytestmark = pytest.mark.filterwarnings("default")  # torch and transformers warn about themselves

from tiny_model import save_tiny_model  # noqa: E402

from anyprefer.config import TrainingConfig  # noqa: E402
from anyprefer.data.records import RecordFile  # noqa: E402
from anyprefer.errors import ConfigError, DataError, TrainingError  # noqa: E402
from anyprefer.training.dpo import PairTrainer, Start, TrainingResult, train_dpo  # noqa: E402
from anyprefer.training.memory import check_memory  # noqa: E402
from anyprefer.training.outputs import merge_adapter, update_lost, write_models  # noqa: E402
from anyprefer.training.preference_data import load_preferences  # noqa: E402
from anyprefer.training.targets import TrainingTarget, resolve_target  # noqa: E402
from anyprefer.types import (  # noqa: E402
    Attempt,
    Critique,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Side,
    Task,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainingTarget:
    return TrainingTarget("tiny", save_tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": f"What is {number} + 1?"}],
        "chosen": [{"role": "assistant", "content": str(number + 1)}],
        "rejected": [{"role": "assistant", "content": f"{number + 2}, maybe"}],
        "margin": 1.0 + number % 5, "reward": 5.0 + number % 6, **changes,
    }  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows or [row(i) for i in range(40)]))
    return path


def accepted(number: int) -> PreferenceRecord:
    texts = (str(number + 1), f"{number + 2}, maybe")
    sides = [Side(origin=Origin(kind="candidate", candidate=i, round=0), output=Reply.of(text)) for i, text in enumerate(texts)]
    attempt = Attempt(
        round=0, prompts=Prompts(), candidates=(), pair=PreferencePair(chosen=sides[0], rejected=sides[1]),
        critique=Critique(analysis="x", score=8),
    )  # fmt: skip
    task = Task(id=f"t{number}", prompt=f"What is {number} + 1?")
    return PreferenceRecord(task=task, status="accepted", attempts=(attempt,), best_attempt=0)


def said(text: str, thought: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text, "reasoning_content": thought}]


def with_template(folder: Path, template: str) -> Path:
    """A tiny model whose conversations look as the template has it."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(save_tiny_model(folder))
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "pairs.jsonl")


def config(**changes: Any) -> TrainingConfig:
    base = {"lora": {"rank": 4, "alpha": 8}, "learning_rate": 1e-3, "batch_size": 4, "save_steps": 4, "eval_share": 0.1}
    return TrainingConfig.model_validate_json(json.dumps({**base, **changes}))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(result: TrainingResult) -> bytes:
    return (result.adapter / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"losses": ["conservative"], "label_smoothing": 0.1}, {"losses": ["selfie"]}, {"pair_weight": "both"},
        {"losses": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]}, {"losses": ["ipo"]}, {"precompute_reference": False},
        {"losses": ["conservative"], "precompute_reference": False},
    ],
)  # fmt: skip
def test_every_loss_learns_the_preference(model: TrainingTarget, data: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    result = train_dpo(model, data, tmp_path / "out", config(**changes))
    assert result.metrics["eval_rewards/accuracies"] == 1.0
    first = next(line for line in lines(tmp_path / "out") if "rewards/margins" in line)
    assert first["rewards/margins"] == pytest.approx(0.0, abs=1e-6)
    assert result.metrics["eval_rewards/margins"] > 0.02
    assert "| loss" in (result.adapter / "README.md").read_text()


def test_our_sigmoid_is_trls(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    """Weights of 1 turn our own path on without changing the loss: the adapters agree."""
    from safetensors.torch import load_file

    theirs = train_dpo(model, data, tmp_path / "theirs", config())
    equal = write_rows(tmp_path / "equal.jsonl", [row(i, margin=2.0) for i in range(40)])
    ours = train_dpo(model, equal, tmp_path / "ours", config(pair_weight="margin"))
    first, second = (load_file(one.adapter / "adapter_model.safetensors") for one in (theirs, ours))
    assert first.keys() == second.keys()
    assert max((first[key] - second[key]).abs().max().item() for key in first) < 1e-6


def test_a_killed_training_goes_on_to_the_same_adapter(
    model: TrainingTarget, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_dpo(model, data, tmp_path / "whole", config())
    original = PairTrainer.training_step

    def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 6:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    monkeypatch.setattr(PairTrainer, "training_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_dpo(model, data, tmp_path / "killed", config())
    monkeypatch.undo()
    assert not (tmp_path / "killed" / "adapter").exists()
    assert weights(train_dpo(model, data, tmp_path / "killed", config())) == weights(whole)


def test_a_finished_training_is_not_done_again(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    first = train_dpo(model, data, tmp_path / "out", config())
    before = (first.adapter / "adapter_model.safetensors").stat().st_mtime_ns
    assert train_dpo(model, data, tmp_path / "out", config()).metrics == first.metrics
    assert (first.adapter / "adapter_model.safetensors").stat().st_mtime_ns == before
    (tmp_path / "moved").mkdir()
    moved = data.rename(tmp_path / "moved" / data.name)
    assert train_dpo(model, moved, tmp_path / "out", config()).metrics == first.metrics
    with pytest.raises(ConfigError, match=r"beta: 0\.1 -> 0\.2"):
        train_dpo(model, moved, tmp_path / "out", config(beta=0.2))


def test_the_reference_of_a_warm_start(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    """Against the first model a warm adapter has a margin from the start, against itself it has none."""
    adapter = train_dpo(model, data, tmp_path / "first", config()).adapter
    train_dpo(model, data, tmp_path / "fixed", config(), start=Start(adapter, "first"))
    train_dpo(model, data, tmp_path / "moving", config(), start=Start(adapter, "previous"))
    margins = {name: next(line for line in lines(tmp_path / name) if "loss" in line) for name in ("fixed", "moving")}
    assert margins["fixed"]["rewards/margins"] > 0.02
    assert margins["moving"]["rewards/margins"] == pytest.approx(0.0, abs=1e-6)
    names = sorted(path.name for path in (tmp_path / "moving" / "adapter").iterdir())
    assert "adapter_model.safetensors" in names
    assert "ref" not in names


def test_merging_keeps_the_update(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    import torch
    import transformers
    from peft import PeftModel

    adapter = train_dpo(model, data, tmp_path / "out", config()).adapter
    report = merge_adapter(model.folder, adapter, tmp_path / "merged")
    assert report.changed > 0.9
    assert report.relative_error < 1e-3
    base = transformers.AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, adapter)
    merged = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    tokens = torch.arange(5, 40)[None]
    assert torch.allclose(tuned(tokens).logits, merged(tokens).logits, atol=1e-5)
    with pytest.raises(TrainingError, match="nothing is overwritten"):
        merge_adapter(model.folder, adapter, tmp_path / "merged")


def test_an_adapter_of_another_base_is_refused(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    adapter = train_dpo(model, data, tmp_path / "out", config()).adapter
    other = save_tiny_model(tmp_path / "other", hidden=32)
    with pytest.raises(TrainingError, match="does not fit the base model"):
        merge_adapter(other, adapter, tmp_path / "merged")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"question": "x"}], "line 1: chosen is missing"),
        ([row(0), row(1, chosen="same  text", rejected="same text", prompt="p")], "two equal responses"),
        ([row(0), row(1, prompt="p", chosen="yes", rejected="no")], "some rows .* are plain text and others conversations"),
        ([row(0, chosen=[{"role": "assistant", "content": " "}])], "an empty prompt or response"),
        (
            [row(0), row(1, chosen="<think>a b</think>same", rejected="<think>x y z</think> same")],
            r"1 of 2 pairs .* equal but for their thoughts \(row 1 first\)",
        ),
        ([row(0), row(1, chosen=said("7", "easy"), rejected=said("7", "hard"))], "equal but for their thoughts"),
        ([row(i, chosen=[{"role": "assistant", "content": "x" * 2000}]) for i in range(4)], "longer than training.max_length"),
        ([row(0, images=["a.png"])], "has images"),
    ],
)
def test_useless_data_is_refused_before_the_first_step(
    model: TrainingTarget, tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        train_dpo(model, write_rows(tmp_path / "bad.jsonl", rows), tmp_path / "out", config())
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_named(model: TrainingTarget, tmp_path: Path) -> None:
    rows = [{key: value for key, value in row(i).items() if key != "reward"} for i in range(4)]
    with pytest.raises(ConfigError, match="needs the column 'reward'"):
        train_dpo(model, write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out", config(pair_weight="reward"))


def test_a_loss_that_is_no_number_ends_the_training(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"lower training\.learning_rate"):
        train_dpo(model, data, tmp_path / "out", config(learning_rate=1e30, max_grad_norm=1e30, epochs=10))
    assert not (tmp_path / "out" / "adapter").exists()


def test_a_model_without_a_chat_template_is_refused(data: Path, tmp_path: Path) -> None:
    bare = TrainingTarget("bare", save_tiny_model(tmp_path / "bare", template=False))
    with pytest.raises(ConfigError, match="no chat template"):
        train_dpo(bare, data, tmp_path / "out", config())


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    from anyprefer.recipes import parse_recipe

    recipe = parse_recipe({"name": "x", "target": {"model": "openai:gpt-4o"}, "judge": {"model": "openai:gpt-4o"}})
    with pytest.raises(ConfigError, match="served elsewhere"):
        resolve_target(recipe)
    with pytest.raises(ConfigError, match="no model at"):
        resolve_target(recipe, str(tmp_path))


def test_metrics_are_finite_numbers_on_every_line(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    train_dpo(model, data, tmp_path / "out", config(), seen.append)
    assert seen == lines(tmp_path / "out")
    assert all(math.isfinite(value) for line in seen for value in line.values())


def test_what_storage_loses_of_an_update(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    """f32 keeps it whole; a coarser grid loses more, and of a small update more than of a large one."""
    import torch
    import transformers

    def lost(scale: float, precision: str) -> float:
        folder = tmp_path / f"{scale}-{precision}"
        torch.manual_seed(0)
        tuned = transformers.AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
        weight = tuned.model.layers[0].mlp.up_proj.weight
        with torch.no_grad():
            weight += scale * torch.randn_like(weight)
        tuned.save_pretrained(folder)
        return update_lost(model.folder, folder, precision)

    assert lost(1e-2, "f32") == 0.0
    assert lost(1e-2, "f16") < lost(1e-2, "bf16") < lost(1e-2, "q8_0") < 0.2
    assert lost(1e-5, "q8_0") > 1.0


def test_models_are_written_once(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    adapter = train_dpo(model, data, tmp_path / "out", config()).adapter
    first = write_models(model, adapter, tmp_path / "out")
    stamp = (first.merged / "model.safetensors").stat().st_mtime_ns
    assert write_models(model, adapter, tmp_path / "out") == first
    assert (first.merged / "model.safetensors").stat().st_mtime_ns == stamp
    assert first.changed > 0.9
    with pytest.raises(ConfigError, match="cannot write GGUF in 'q3'"):
        write_models(model, adapter, tmp_path / "out", ("q3",))


def test_a_model_that_does_not_fit_is_refused(model: TrainingTarget) -> None:
    check_memory(model, config())
    with pytest.raises(ConfigError, match="are free: use a smaller model"):
        check_memory(model, config(), free=1000)


def test_every_layout_trains_the_same_adapter(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    """The prompt in its own column, repeated in front of both sides, or there alone."""
    rows = [row(i) for i in range(8)]
    whole = [{name: [*one["prompt"], *one[name]] for name in ("chosen", "rejected")} for one in rows]
    layouts = {
        "explicit": rows, "repeated": [{**one, **both} for one, both in zip(rows, whole, strict=True)], "implicit": whole,
        "text": [{**one, "chosen": one["chosen"][0]["content"]} for one in rows],
    }  # fmt: skip
    found = {
        name: weights(train_dpo(model, write_rows(tmp_path / f"{name}.jsonl", layout), tmp_path / name, config()))
        for name, layout in layouts.items()
    }
    assert len(set(found.values())) == 1


def test_a_template_that_drops_what_tells_sides_apart_is_named(tmp_path: Path) -> None:
    deaf = {**row(0), "chosen": said("7", "easy"), "rejected": said("8", "hard")}
    target = TrainingTarget("deaf", with_template(tmp_path / "deaf", "{% for m in messages %}{{ m.role }}{% endfor %}"))
    with pytest.raises(DataError, match=r"the same tokens of both responses in 1 of 1 pairs .* \(task or row '0' first\)"):
        train_dpo(target, write_rows(tmp_path / "rows.jsonl", [deaf]), tmp_path / "out", config())


def test_a_template_that_refuses_a_row_is_quoted_with_the_row(tmp_path: Path) -> None:
    strict = (
        "{% if messages[1].role == 'user' %}{{ raise_exception('roles must alternate') }}{% endif %}{{ messages[0].content }}"
    )
    twice = row(1, prompt=[{"role": "user", "content": "q"}, {"role": "user", "content": "please"}], task_id="t1")
    target = TrainingTarget("strict", with_template(tmp_path / "strict", strict))
    with pytest.raises(DataError, match=r"'t1' .* refuses a conversation of user, user, assistant \(roles must alternate\)"):
        train_dpo(target, write_rows(tmp_path / "rows.jsonl", [twice]), tmp_path / "out", config())


def test_a_run_folder_trains_as_its_export_does(model: TrainingTarget, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with RecordFile(folder / "records.jsonl") as records:
        for number in range(4):
            records.append(accepted(number))
    rows = [{**row(i), "task_id": f"t{i}"} for i in range(4)]
    export = write_rows(tmp_path / "rows.jsonl", rows)
    assert weights(train_dpo(model, folder, tmp_path / "a", config())) == weights(
        train_dpo(model, export, tmp_path / "b", config())
    )


def test_the_settings_of_the_optimiser_are_heeded(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    """40 pairs in batches of 4, two to a step, twice: 10 steps; the learning rate rises over the first 5 and stays."""
    import torch

    settings = {
        "accumulate": 2, "epochs": 2.0, "warmup_share": 0.5, "schedule": "constant", "weight_decay": 0.25, "save_steps": 2,
        "keep_checkpoints": 1, "log_steps": 2, "eval_share": 0.0,
    }  # fmt: skip
    train_dpo(model, data, tmp_path / "out", config(**settings))
    rates = {line["step"]: line["learning_rate"] for line in lines(tmp_path / "out") if "loss" in line}
    assert rates == pytest.approx({2: 2e-4, 4: 6e-4, 6: 1e-3, 8: 1e-3, 10: 1e-3})
    (last,) = (tmp_path / "out" / "checkpoints").glob("checkpoint-*")
    assert last.name == "checkpoint-10"
    groups = torch.load(last / "optimizer.pt")["param_groups"]
    assert [group["weight_decay"] for group in groups if group["params"]] == [0.25]


def test_dropout_changes_what_is_learned(model: TrainingTarget, data: Path, tmp_path: Path) -> None:
    made = [
        train_dpo(model, data, tmp_path / str(share), config(lora={"rank": 4, "dropout": share}, save_steps=100))
        for share in (0.0, 0.5)
    ]
    assert weights(made[0]) != weights(made[1])
    assert made[1].metrics["eval_rewards/accuracies"] == 1.0


def test_overlong_pairs_are_cut_only_where_that_is_allowed(data: Path) -> None:
    def encode(value: Any) -> list[int]:
        return [*str(value).encode()]

    def load(**changes: Any) -> int:
        found = load_preferences(data, config(max_length=16, **changes), encode)
        return int(found.facts["overlong"])

    assert load(max_overlong_share=1.0) == 40
    with pytest.raises(DataError, match=r"40 of 40 pairs .* are longer than training\.max_length = 16"):
        load(max_overlong_share=0.975)
