"""The gate of rounds: a benchmark that says whether a trained model may sample the next pairs."""

import asyncio
from pathlib import Path

from anyprefer.config import Recipe
from anyprefer.errors import ConfigError
from anyprefer.evaluation.model_eval import evaluate_model
from anyprefer.training.rounds import Metric


def held_out_metric(recipe: Recipe, folder: Path) -> Metric:
    """Measure a recipe's target on the benchmark of its `[rounds]`.

    Raises:
        ConfigError: The recipe names no benchmark.
    """
    rounds = recipe.rounds
    if rounds.benchmark is None or rounds.benchmark_data is None:
        raise ConfigError("a gate needs a metric: set rounds.benchmark and rounds.benchmark_data")
    report = asyncio.run(evaluate_model(recipe, rounds.benchmark, rounds.benchmark_data, folder, rounds.benchmark_limit))
    return Metric(score=report.score, low=report.low, high=report.high, items=report.items)
