"""Diversity of our pairs beside two public sets, at equal n and d, with intervals. Paper: section 3.7 and appendix C.

python benchmarks/diversity.py RUN_OR_DATASET [--size 500] [--encoder minilm] [--cache FOLDER] [--svg MAP.svg] [--json OUT.json]
"""

import argparse
import logging
import time
from pathlib import Path

from anyprefer.analysis.dataset import load_dataset
from anyprefer.analysis.diversity import Diversity, measure_diversity
from anyprefer.analysis.diversity_table import format_markdown, tabulate_coverage, tabulate_measures
from anyprefer.analysis.tsne_map import chart_map
from anyprefer.backends.text_encoders import open_encoder

PUBLIC = Path("../shared/data/preference_pairs")


def print_tables(found: Diversity) -> None:
    """Print both tables, what to know before reading them, and what the numbers are."""
    print(f"Encoder {found.encoder} ({found.encoder_digest[:8]}), n = {found.size}, {found.resamples} resamples\n")
    print(format_markdown(tabulate_measures(found)), end="\n\n")
    print(format_markdown(tabulate_coverage(found)), end="\n\n")
    for warning in found.warnings:
        print(f"- {warning}")
    print()
    for name, text in found.definitions.items():
        print(f"- `{name}`: {text}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=Path)
    parser.add_argument("--name", default="anyprefer")
    parser.add_argument("--include-exhausted", action="store_true", help="of a run, also the best pairs below the threshold")
    parser.add_argument("--others", type=Path, nargs="*")
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    others = [PUBLIC / "hh_harmless_500.jsonl", PUBLIC / "alpacaeval_gpt4turbo_prefs_400.jsonl"]
    datasets = [load_dataset(options.ours, name=options.name, include_exhausted=options.include_exhausted)]
    datasets += [load_dataset(path, name=path.stem) for path in (others if options.others is None else options.others)]
    began = time.perf_counter()
    found = measure_diversity(
        datasets, open_encoder(options.encoder), size=options.size, resamples=options.resamples, cache=options.cache
    )
    print_tables(found)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if options.svg and found.map:
        options.svg.write_text(chart_map(found.map).svg, "utf-8")
    if options.json:
        options.json.write_text(found.model_dump_json(indent=1), "utf-8")


if __name__ == "__main__":
    main()
