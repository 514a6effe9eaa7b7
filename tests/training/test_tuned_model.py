"""A catalogue model from pairs to a GGUF file that answers differently, all with the real tools (minutes)."""

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra train")
pytest.importorskip("xllamacpp", reason="needs the extra local")
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.training.dpo import train_dpo
from anyprefer.training.outputs import write_models
from anyprefer.training.targets import resolve_target
from anyprefer.types import Message

pytestmark = [
    pytest.mark.slow, pytest.mark.embedded, pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("default"),  # torch and transformers warn about themselves
]  # fmt: skip
BASE = "llamacpp:smollm2-135m"
QUESTION = "What is the capital of France?"


def answer(model: str) -> str:
    async def main() -> str:
        target = {"model": model, "temperature": 0.0, "max_tokens": 24}
        recipe = parse_recipe({"name": "t", "target": target, "judge": {"model": BASE}})
        async with Backends(recipe) as backends:
            client = backends.client("target", MemoryCalls())
            reply = await client.complete((Message(role="user", content=QUESTION),), CallSite("t", "target", 0, "answer"))
        return reply.texts[0]

    return asyncio.run(main())


def test_a_catalogue_model_learns_to_answer_in_a_word(tmp_path: Path) -> None:
    countries = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Egypt": "Cairo", "Spain": "Madrid", "Peru": "Lima"}
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is the capital of {country}?"}],
            "chosen": [{"role": "assistant", "content": capital}],
            "rejected": [{"role": "assistant", "content": f"The capital of {country} is {capital}."}],
        }
        for country, capital in countries.items()
    ]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    training = {"losses": ["sigmoid", "sft"], "learning_rate": 5e-4, "epochs": 6, "batch_size": 3, "eval_share": 0}
    recipe = parse_recipe({"name": "t", "target": {"model": BASE}, "judge": {"model": BASE}, "training": training})
    target = resolve_target(recipe)
    adapter = train_dpo(target, tmp_path / "pairs.jsonl", tmp_path / "out", recipe.training).adapter
    models = write_models(target, adapter, tmp_path / "out", ("f16", "q8_0"))
    assert models.lost["f16"] < models.lost["q8_0"]
    assert answer(BASE).startswith("The capital of France is Paris")
    for path in models.gguf.values():
        assert answer(f"llamacpp:{path}").strip(" .\n") == "Paris"
