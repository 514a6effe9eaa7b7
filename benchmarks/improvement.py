"""Does training help? Base, fine-tuning on the chosen responses, and DPO, on texts that were looked at once, at the end.

python benchmarks/improvement.py CORPUS OUT settings NAME [--set KEY=VALUE ...]   one round, measured on the part for settings
python benchmarks/improvement.py CORPUS OUT final [--seeds 0 1 2]                 all arms, measured on the last part
python benchmarks/improvement.py CORPUS OUT seed 0                                one seed of that, so that several run at once

The task: name the subject of a text. CORPUS is a JSON Lines file of encyclopedia articles with `title` and `text`; an answer is
right where it is the title and nothing else. Every stage resumes.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from anyprefer.config import Recipe
from anyprefer.evaluation.comparison import compare
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.evaluation.model_eval import ModelReport, evaluate_model
from anyprefer.recipes import load_recipe
from anyprefer.runs.progress import Progress
from anyprefer.training.dpo import FRESH, Start, train_dpo
from anyprefer.training.outputs import convert_to_gguf, merge_adapter
from anyprefer.training.rounds import Rounds
from anyprefer.training.targets import resolve_target

HERE = Path(__file__).parent
PARTS = {"tasks": 600, "dev": 200, "last": 500}
"""Articles of each part: pairs are made from the first, settings chosen on the second, the arms compared on the third."""
WORDS = 45
"""How much of an article is shown."""


def prepare(corpus: Path, out: Path) -> None:
    """Shuffle the articles, once and for all, and write tasks.jsonl, dev.jsonl and last.jsonl."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    for name, size in PARTS.items():
        part, rows = rows[:size], rows[size:]
        (out / f"{name}.jsonl").write_text("".join(json.dumps(_task(row)) + "\n" for row in part), encoding="utf-8")


def _task(row: dict[str, str]) -> dict[str, str]:
    text = " ".join(row["text"].split()[:WORDS])
    name = re.sub(r" \(.*\)$", "", row["title"])  # Mercury (planet)
    return {
        "id": row["title"],
        "prompt": f"Name the subject of this text, in as few words as possible.\n\n{text}",
        "reference": name,
    }


def recipe_of(out: Path, overrides: Sequence[str]) -> Recipe:
    """The experiment's recipe."""
    return load_recipe(HERE / "improvement.toml", overrides)


def run_rounds(recipe: Recipe, out: Path, folder: Path, first_run: Path | None) -> None:
    """Rounds of DPO; the first round's responses are the base model's, so all seeds share them."""
    place = folder / "round-1"
    if first_run is not None and not place.exists():
        place.mkdir(parents=True)
        shutil.copy(first_run / "tasks.jsonl", place)
        shutil.copytree(first_run / "run", place / "run")
    Rounds(recipe, out / "tasks.jsonl", folder, Progress(Console(quiet=True)), say=print).run()


def tune_on_chosen(recipe: Recipe, folder: Path, count: int) -> Path:
    """Fine-tune on the chosen responses of the same pairs, with the same steps; the last round's model as a GGUF file."""
    config = recipe.training.model_copy(update={"losses": ("sft",)})
    target, start = resolve_target(recipe), FRESH
    for number in range(1, count + 1):
        place = folder / f"chosen-{number}"
        start = Start(train_dpo(target, folder / f"round-{number}" / "dataset", place, config, start=start).adapter)
    model = folder / "chosen.gguf"
    if not model.exists():
        shutil.rmtree(folder / "chosen-merged", ignore_errors=True)
        merge_adapter(target.folder, start.adapter, folder / "chosen-merged")
        convert_to_gguf(folder / "chosen-merged", model)
        shutil.rmtree(folder / "chosen-merged")
    return model


def base_model(recipe: Recipe, out: Path) -> Path:
    """The base in the precision of the trained models."""
    model = out / "base.gguf"
    return model if model.exists() else convert_to_gguf(resolve_target(recipe).folder, model)


def measure(recipe: Recipe, model: str, items: Path, folder: Path) -> ModelReport:
    """Greedy answers, scored."""
    asked = recipe.model_copy(update={"target": recipe.target.model_copy(update={"model": model})})
    report = asyncio.run(evaluate_model(asked, "exact", items, folder))
    print(f"{folder.name}: {report.line()}", flush=True)
    return report


def rounds_model(folder: Path, number: int) -> str:
    """What a round made, as a recipe names it."""
    return json.loads((folder / "rounds.json").read_text(encoding="utf-8"))["rounds"][number - 1]["model"]


def try_settings(out: Path, name: str, overrides: Sequence[str]) -> None:
    """One round with some settings, on the dev part, with its control."""
    recipe = recipe_of(out, [*overrides, "rounds.count=1"])
    folder = out / f"settings-{name}"
    run_rounds(recipe, out, folder, min(out.glob("settings-*/round-1"), default=None))
    measure(recipe, f"llamacpp:{base_model(recipe, out)}", out / "dev.jsonl", out / "dev-base")
    measure(recipe, rounds_model(folder, 1), out / "dev.jsonl", folder / "dev-dpo")
    measure(recipe, f"llamacpp:{tune_on_chosen(recipe, folder, 1)}", out / "dev.jsonl", folder / "dev-chosen")


def measure_seed(out: Path, seed: int) -> dict[str, ModelReport]:
    """Both rounds of DPO and their control with one training seed, on the last part."""
    recipe, folder = recipe_of(out, [f"training.seed={seed}"]), out / f"seed-{seed}"
    run_rounds(recipe, out, folder, min(out.glob("settings-*/round-1"), default=None))
    found = {
        f"DPO round {number}": measure(recipe, rounds_model(folder, number), out / "last.jsonl", folder / f"last-dpo-{number}")
        for number in range(1, recipe.rounds.count + 1)
    }
    chosen = tune_on_chosen(recipe, folder, recipe.rounds.count)
    return {**found, "chosen only": measure(recipe, f"llamacpp:{chosen}", out / "last.jsonl", folder / "last-chosen")}


def measure_arms(out: Path, seeds: Sequence[int]) -> None:
    """Every arm and seed on the last part; seeds that are done already cost nothing."""
    seeded = [measure_seed(out, seed) for seed in seeds]
    recipe = recipe_of(out, ())
    base = measure(recipe, f"llamacpp:{base_model(recipe, out)}", out / "last.jsonl", out / "last-base")
    report({"base": [base], **{arm: [one[arm] for one in seeded] for arm in seeded[0]}}, out)


def report(found: dict[str, list[ModelReport]], out: Path) -> None:
    """Print accuracies, their intervals over items (mean of the seeds), and paired comparisons."""
    means = {arm: mean_scores(reports) for arm, reports in found.items()}
    lines = ["| arm | accuracy % [95 %] | seeds |", "|---|---|---|"]
    for arm, reports in found.items():
        seeds = ", ".join(f"{100 * one.score:.1f}" for one in reports)
        lines.append(f"| {arm} | {bootstrap(list(means[arm].values()))} | {seeds} |")
    for first, second in (
        ("DPO round 2", "base"),
        ("DPO round 1", "base"),
        ("chosen only", "base"),
        ("DPO round 2", "chosen only"),
    ):
        lines.append(f"{first} - {second}, mean of the seeds: {compare(means[first], means[second]).difference}")
        for i, one in enumerate(found[first]):
            other = found[second][min(i, len(found[second]) - 1)]
            lines += [f"  seed {i}: {line}" for line in compare(one.scores(), other.scores()).lines()[1:]]
    print("\n".join(lines))
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mean_scores(reports: Sequence[ModelReport]) -> dict[str, float]:
    """Item -> mean score over seeds."""
    return {key: sum(one.scores()[key] for one in reports) / len(reports) for key in reports[0].scores()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    settings = verbs.add_parser("settings")
    settings.add_argument("name")
    settings.add_argument("--set", action="append", default=[], dest="overrides")
    one = verbs.add_parser("seed")
    one.add_argument("seed", type=int)
    final = verbs.add_parser("final")
    final.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    out = args.out.resolve()
    prepare(args.corpus, out)
    if args.verb == "settings":
        try_settings(out, args.name, args.overrides)
    elif args.verb == "seed":
        measure_seed(out, args.seed)
    else:
        measure_arms(out, args.seeds)


if __name__ == "__main__":
    main()
