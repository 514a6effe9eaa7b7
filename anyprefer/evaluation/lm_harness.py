"""Benchmarks through EleutherAI's lm-eval, with its own definitions, on local files or on the hub's data sets.

The task file that reads a local file stands in the output folder, so that a plain `lm_eval` command repeats the figures.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.errors import ConfigError, DataError
from anyprefer.evaluation.intervals import bootstrap
from anyprefer.evaluation.model_eval import Answer, ModelReport
from anyprefer.training.packages import has_gpu


@dataclass(frozen=True)
class HarnessTask:
    """One of lm-eval's tasks.

    Attributes:
        definition: Its file, below lm-eval's `tasks` folder.
        metric: What the report's score is.
        filter: Which reading of the answer it takes.
        columns: What a local file must have.
    """

    definition: str
    metric: str
    filter: str
    columns: tuple[str, ...]


TASKS: Mapping[str, HarnessTask] = {
    "gsm8k": HarnessTask("gsm8k/gsm8k.yaml", "exact_match", "strict-match", ("question", "answer")),
    "arc_easy": HarnessTask("arc/arc_easy.yaml", "acc", "none", ("question", "choices", "answerKey")),
    "arc_challenge": HarnessTask("arc/arc_challenge.yaml", "acc_norm", "none", ("question", "choices", "answerKey")),
}
"""Their usual metrics: GSM8K's strict match, ARC-Easy's accuracy, ARC-Challenge's length-normalised accuracy."""


@dataclass(frozen=True)
class HarnessOptions:
    """How lm-eval runs.

    Attributes:
        limit: Most items.
        few_shot: Local file of worked examples for GSM8K; without it and with local data, none are shown.
        batch_size: Sequences of one forward pass.
        chat: Put prompts into the model's chat template.
    """

    limit: int | None = None
    few_shot: Path | None = None
    batch_size: int = 8
    chat: bool = False


def evaluate_harness(
    folder: Path, adapter: Path | None, benchmark: str, data: Path | None, out: Path, options: HarnessOptions = HarnessOptions()
) -> ModelReport:
    """Measure a transformers folder, or an adapter on it, and write `report.json` into `out`.

    Args:
        folder: Weights and tokenizer.
        adapter: On top of them.
        benchmark: One of `TASKS`.
        data: A local JSON Lines file with the benchmark's columns; None takes the hub's data set.
        out: Gets the report and, for local data, `tasks/`.
        options: How lm-eval runs.

    Raises:
        ConfigError: No such benchmark, or lm-eval is missing.
        DataError: The file lacks a column, or the hub cannot be reached.
    """
    task = _task_of(benchmark)
    lm_eval, manager = _import_lm_eval()
    out.mkdir(parents=True, exist_ok=True)
    name = benchmark
    if data is not None:
        _check_rows(data, task)
        name = write_task(benchmark, data, out / "tasks", Path(lm_eval.__file__).parent, options.few_shot)
    arguments = {"pretrained": str(folder), "dtype": "auto" if has_gpu() else "float32"}
    if adapter is not None:
        arguments["peft"] = str(adapter)
    try:
        found = lm_eval.simple_evaluate(
            model="hf", model_args=arguments, tasks=[name], batch_size=options.batch_size, limit=options.limit,
            task_manager=manager(include_path=str(out / "tasks") if data is not None else None), bootstrap_iters=0,
            device="cuda" if has_gpu() else "cpu", apply_chat_template=options.chat, fewshot_as_multiturn=options.chat,
        )  # fmt: skip
    except (ConnectionError, FileNotFoundError) as error:
        raise DataError(
            f"cannot get the data of {benchmark!r} ({type(error).__name__}: {str(error)[:200]}): give a local file with --data"
        ) from error
    report = _report(found, name, benchmark, task, str(adapter or folder), data)
    (out / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    return report


def write_task(benchmark: str, data: Path, folder: Path, package: Path, few_shot: Path | None = None) -> str:
    """Write the file of a task that is lm-eval's own but for where its rows come from; gives the task's name."""
    name = f"local_{benchmark}"
    files = {"test": str(data.resolve()), **({"train": str(few_shot.resolve())} if few_shot else {})}
    values: dict[str, Any] = {
        "include": str(package / "tasks" / TASKS[benchmark].definition), "task": name, "tag": None, "dataset_path": "json",
        "dataset_name": None, "dataset_kwargs": {"data_files": files}, "test_split": "test", "validation_split": None,
        "training_split": "train" if few_shot else None, "fewshot_split": "train" if few_shot else None,
        **({} if few_shot else {"num_fewshot": 0}),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML, and needs no library to be written.
    (folder / f"{name}.yaml").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return name


def _task_of(benchmark: str) -> HarnessTask:
    if benchmark not in TASKS:
        raise ConfigError(f"no benchmark {benchmark!r} here: choose from {', '.join(TASKS)}, or use `anyprefer evaluate model`")
    return TASKS[benchmark]


def _import_lm_eval() -> tuple[Any, Callable[..., Any]]:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import lm_eval
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise ConfigError(f"this needs {error.name or 'lm-eval'}: pip install 'anyprefer[train,evaluate]'") from None
    return lm_eval, TaskManager


def _check_rows(data: Path, task: HarnessTask) -> None:
    """Name the first row that lm-eval would stumble over."""
    try:
        with data.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line)
                missing = [column for column in task.columns if not (isinstance(row, dict) and row.get(column))]
                if missing:
                    raise DataError(f"{str(data)!r}, line {number}: no {missing[0]!r}; the columns are {', '.join(task.columns)}")
    except OSError as error:
        raise DataError(f"cannot read {str(data)!r}: {error}") from error
    except ValueError as error:
        raise DataError(f"{str(data)!r}, line {number}: {error}; lm-eval reads JSON Lines") from error


def _report(found: Any, name: str, benchmark: str, task: HarnessTask, model: str, data: Path | None) -> ModelReport:
    answers = [
        Answer(
            id=str(sample["doc"].get("id") or sample["doc_id"]), score=float(sample[task.metric]),
            answer=str(sample["filtered_resps"][0] if task.filter != "none" else sample["target"]),
        )
        for sample in found["samples"][name]
        if sample.get("filter", "none") == task.filter
    ]  # fmt: skip
    metrics = {
        key: float(value)
        for key, value in found["results"][name].items()
        if isinstance(value, int | float) and not key.startswith(("alias", "sample"))
    }
    interval = bootstrap([answer.score for answer in answers])
    return ModelReport(
        model=model, benchmark=f"{benchmark} by lm-eval", data=data.name if data else "hub", items=len(answers),
        score=interval.mean, low=interval.low, high=interval.high, failed=0, calls=len(answers), tokens=0, seconds=0.0,
        answers=answers, metrics=metrics,
    )  # fmt: skip
