"""What a training changed: log-probabilities of its pairs' responses, and answers of base and tuned model on the embedded server.

python benchmarks/tuned_answers.py BASE_FOLDER ADAPTER PAIRS BASE_GGUF TUNED_GGUF [--num-pairs 40] [--answers 5]
"""

import argparse
import asyncio
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import load_dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message


def log_prob(model: Any, tokenizer: Any, prompt: list[dict[str, str]], response: list[dict[str, str]]) -> float:
    """Sum over the response's tokens."""
    start = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = tokenizer.apply_chat_template([*prompt, *response], return_dict=True)["input_ids"]
    tokens = torch.tensor([whole])
    with torch.no_grad():
        scores = model(tokens).logits[0, :-1].log_softmax(-1)
    return float(scores.gather(1, tokens[0, 1:, None])[len(start) - 1 :].sum())


def changes(base: Path, adapter: Path, rows: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Side -> mean log-probability before and after."""
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter).eval()
    found = {}
    for side in ("chosen", "rejected"):
        after = fmean(log_prob(model, tokenizer, row["prompt"], row[side]) for row in rows)
        with model.disable_adapter():
            before = fmean(log_prob(model, tokenizer, row["prompt"], row[side]) for row in rows)
        found[side] = before, after
    return found


async def answer(model: Path, prompts: list[str]) -> list[str]:
    """Greedy answers of a GGUF file on the embedded server."""
    name = f"llamacpp:{model}"
    recipe = parse_recipe(
        {"name": "t", "target": {"model": name, "temperature": 0.0, "max_tokens": 48}, "judge": {"model": name}}
    )
    async with Backends(recipe) as backends:
        client = backends.client("target", MemoryCalls())
        replies = [
            await client.complete((Message(role="user", content=prompt),), CallSite(str(i), "target", 0, "answer"))
            for i, prompt in enumerate(prompts)
        ]
    return [reply.texts[0] for reply in replies]


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "adapter", "pairs", "base_gguf", "tuned_gguf"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--num-pairs", type=int, default=40)
    parser.add_argument("--answers", type=int, default=5)
    given = parser.parse_args()
    rows = list(load_dataset(str(given.pairs), split="train"))[: given.num_pairs]
    for side, (before, after) in changes(given.base, given.adapter, rows).items():
        print(f"{side}: mean log-probability {before:.2f} -> {after:.2f} ({after - before:+.2f}), {len(rows)} pairs")
    prompts = [row["prompt"][-1]["content"] for row in rows[: given.answers]]
    first, second = (asyncio.run(answer(model.resolve(), prompts)) for model in (given.base_gguf, given.tuned_gguf))
    for prompt, *both in zip(prompts, first, second, strict=True):
        print(f"\n{prompt[:160]!r}\n  base:  {both[0]!r}\n  tuned: {both[1]!r}")


if __name__ == "__main__":
    main()
