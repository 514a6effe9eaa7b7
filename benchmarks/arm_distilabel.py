"""distilabel 1.5.3 on the same work, the way its documentation builds preference data. Prints one JSON line.

Runs in an environment of its own (`make bench` makes it): distilabel[openai]==1.5.3 and requests, which it imports undeclared.

    python benchmarks/arm_distilabel.py URL PAIRS BATCH w1|w2
"""

import json
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("DISTILABEL_LOG_LEVEL", "ERROR")

from distilabel.models import OpenAILLM  # noqa: E402
from distilabel.pipeline import Pipeline  # noqa: E402
from distilabel.steps import FormatTextGenerationDPO, GroupColumns, LoadDataFromDicts  # noqa: E402
from distilabel.steps.tasks import TextGeneration, UltraFeedback  # noqa: E402


def build(url: str, pairs: int, batch: int, workload: str, cache: str) -> Pipeline:
    """Generators, a rating step and the formatter; w2 has five generators side by side."""

    def mock() -> OpenAILLM:
        return OpenAILLM(model="mock", base_url=url, api_key="none", generation_kwargs={"temperature": 1.0})

    rows = [{"instruction": f"Question {i}: explain topic {i * 7919 % 10007} with an example."} for i in range(pairs)]
    with Pipeline(name="bench", cache_dir=cache) as pipeline:
        source = LoadDataFromDicts(data=rows, batch_size=batch)
        rating = UltraFeedback(llm=mock(), aspect="overall-rating", input_batch_size=batch, use_default_structured_output=False)
        pairing = FormatTextGenerationDPO(input_batch_size=batch)
        if workload == "w1":
            writer = TextGeneration(
                llm=mock(), num_generations=5, group_generations=True, input_batch_size=batch,
                output_mappings={"generation": "generations"},
            )  # fmt: skip
            source >> writer >> rating >> pairing
        else:
            writers = [TextGeneration(llm=mock(), input_batch_size=batch, system_prompt=f"voice {i}") for i in range(5)]
            columns = {"columns": ["generation", "model_name"], "output_columns": ["generations", "generation_models"]}
            source >> writers >> GroupColumns(input_batch_size=batch, **columns) >> rating >> pairing
    return pipeline


def main() -> None:
    """Run and report; a row counts as a pair where it has two texts."""
    url, pairs, batch, workload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with tempfile.TemporaryDirectory() as cache:
        pipeline = build(url, pairs, batch, workload, cache)
        start = time.perf_counter()
        rows = pipeline.run(use_cache=False)["default"]["train"]
        seconds = time.perf_counter() - start
    whole = [row for row in rows if row.get("chosen") and row.get("rejected")]
    equal = sum(row["chosen"][-1]["content"] == row["rejected"][-1]["content"] for row in whole)
    sys.stdout.write(json.dumps({"pairs": len(whole), "equal": equal, "tasks": len(rows), "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
