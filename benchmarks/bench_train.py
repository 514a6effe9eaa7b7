"""Training speed of `anyprefer train` beside a bare TRL script, interleaved, and whether both end in the same adapter.

python benchmarks/bench_train.py [--model llamacpp:smollm2-135m] [--pairs 48] [--repeats 3]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median

from anyprefer.evaluation.pairs import load_pairs
from anyprefer.recipes import parse_recipe
from anyprefer.training.targets import resolve_target

HERE = Path(__file__).parent


def write_pairs(path: Path, count: int) -> Path:
    """Right and wrong responses to GSM8K problems, in TRL's format."""
    pairs = load_pairs(HERE / "data" / "gsm8k_responses.jsonl", count).pairs
    with path.open("w", encoding="utf-8") as file:
        for pair in pairs:
            sides = {
                "prompt": ("user", pair.task.text),
                "chosen": ("assistant", pair.right),
                "rejected": ("assistant", pair.wrong),
            }
            row = {name: [{"role": role, "content": text}] for name, (role, text) in sides.items()}
            file.write(json.dumps(row) + "\n")
    return path


def train(kind: str, model: Path, pairs: Path, out: Path) -> float:
    """Run one arm in a process of its own; tokens per second."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, str(HERE / "arm_train.py"), kind, str(model), str(pairs), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} failed:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.strip().splitlines()[-1])["tokens_per_second"])


def difference(first: Path, second: Path) -> tuple[float, float]:
    """Largest difference of two adapters' weights, and the largest weight."""
    from safetensors.torch import load_file

    a, b = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (first, second))
    if a.keys() != b.keys():
        raise SystemExit("the adapters have different weights")
    return max((a[key] - b[key]).abs().max().item() for key in a), max(value.abs().max().item() for value in a.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="llamacpp:smollm2-135m")
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    recipe = parse_recipe(
        {"name": "bench", "target": {"model": "llamacpp:smollm2-135m"}, "judge": {"model": "llamacpp:smollm2-135m"}}
    )
    model = resolve_target(recipe, given.model).folder
    speeds: dict[str, list[float]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = write_pairs(folder / "pairs.jsonl", given.pairs)
        for i in range(given.repeats):
            for kind in speeds if i % 2 == 0 else reversed(speeds):
                speeds[kind].append(train(kind, model, pairs, folder / f"{kind}-{i}"))
        apart, largest = difference(folder / "bare-0", folder / "ours-0")
    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "transformers", "trl", "peft"))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs; {packages}")
    print(f"{given.model}, {given.pairs} pairs, {given.repeats} times each, interleaved; tokens per second")
    for kind, values in speeds.items():
        print(f"{kind}: best {max(values):.1f}, median {median(values):.1f}")
    ratios = [ours / bare for bare, ours in zip(speeds["bare"], speeds["ours"], strict=True)]
    print(f"ours / bare: median of pairs {median(ratios):.3f}, of the bests {max(speeds['ours']) / max(speeds['bare']):.3f}")
    print(f"adapters: largest difference {apart:.2e}, largest weight {largest:.2e}")


if __name__ == "__main__":
    main()
