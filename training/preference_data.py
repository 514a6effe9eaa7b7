"""Preference data for training: read, split, checked; a data set that cannot teach anything is refused before the first step."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.config import TrainingConfig
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import normalize

logger = logging.getLogger(__name__)

NEEDED = ("prompt", "chosen", "rejected")
"""TRL's columns; text, or lists of messages."""

IMAGE_COLUMNS = ("image", "images")

_KINDS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}

Encode = Callable[[Any], Sequence[int]]
"""A response's or a conversation's tokens."""


@dataclass(frozen=True)
class PreferenceData:
    """What training needs.

    Attributes:
        train: `datasets.Dataset` with the columns prompt, chosen, rejected and, where known, pair_weight.
        held_out: Likewise, for reward accuracy and margins; None where nothing is held out.
        facts: Counts for the model card.
    """

    train: Any
    held_out: Any | None
    facts: dict[str, Any]


def load_preferences(path: Path, config: TrainingConfig, encode: Encode | None = None) -> PreferenceData:
    """Read an export of ours, or any preference data set in TRL's format.

    Args:
        path: A folder (Parquet, JSON Lines, or one written by `save_to_disk`) or a `.parquet`, `.jsonl` or `.json` file.
        config: Split, weights and length limit.
        encode: Turns prompt and response into tokens, to find overlong pairs; None leaves that out.

    Raises:
        DataError: It cannot be read, lacks columns, or holds pairs that cannot be learned from; says how many and what to do.
        ConfigError: The extra is missing, or weights are asked for that the data has not got.
    """
    data = _read(path)
    if missing := [name for name in NEEDED if name not in data.column_names]:
        raise DataError(
            f"{str(path)!r} has no column {missing[0]!r}, only {', '.join(data.column_names)}: preference data has the columns "
            "prompt, chosen and rejected; make it with `anyprefer export`"
        )
    if found := [name for name in IMAGE_COLUMNS if name in data.column_names and any(data[name])]:
        raise DataError(
            f"{str(path)!r} has images (column {found[0]!r}), and the model reads text only: train a vision-language model"
        )
    _check_pairs(path, data)
    if "task_id" in data.column_names:
        data = data.sort("task_id")  # records come as tasks finish: their order must not decide what is learned
    data = _with_weights(path, data, config)
    overlong = _count_overlong(data, config, encode) if encode else 0
    if overlong > config.max_overlong_share * len(data):
        raise DataError(
            f"{overlong} of {len(data)} pairs in {str(path)!r} are longer than training.max_length = {config.max_length} tokens: "
            "raise it, or training.max_overlong_share if cut responses will do"
        )
    facts = {"pairs": len(data), "overlong": overlong}
    if not config.eval_share or len(data) < 2:
        return PreferenceData(data, None, facts)
    size = max(1, round(config.eval_share * len(data)))
    parts = data.train_test_split(test_size=size, seed=config.seed)
    return PreferenceData(parts["train"], parts["test"], {**facts, "held_out": size})


def _read(path: Path) -> Any:
    try:
        import datasets
    except ImportError:
        raise ConfigError("training needs datasets, peft, torch, transformers and trl: pip install 'anyprefer[train]'") from None
    if not path.exists():
        raise DataError(f"there is no data at {str(path)!r}: give the folder that `anyprefer export` wrote")
    if path.is_file() and path.suffix not in _KINDS:
        raise DataError(f"cannot read {str(path)!r}: give a {', '.join(_KINDS)} file, or a folder")
    try:
        data = _load(datasets, path)
    except Exception as error:  # the library raises whatever its many back ends raise
        raise DataError(f"cannot read preference data from {str(path)!r} ({type(error).__name__}: {error})") from error
    if not isinstance(data, datasets.DatasetDict):
        return data
    if "train" not in data:
        raise DataError(f"{str(path)!r} has no split 'train', only {', '.join(data)}: give the folder of one split")
    return data["train"]


def _load(datasets: Any, path: Path) -> Any:
    if path.is_file():
        return datasets.load_dataset(_KINDS[path.suffix], data_files=str(path), split="train")
    saved = any((path / name).exists() for name in ("state.json", "dataset_dict.json"))
    return datasets.load_from_disk(str(path)) if saved else datasets.load_dataset(str(path))


def _check_pairs(path: Path, data: Any) -> None:
    if not len(data):
        raise DataError(f"{str(path)!r} is empty: no pair to learn from")
    identical, empty = [], []
    for number, row in enumerate(data.select_columns(list(NEEDED))):
        chosen, rejected = text_of(row["chosen"]), text_of(row["rejected"])
        if not chosen.strip() or not rejected.strip() or not text_of(row["prompt"]).strip():
            empty.append(number)
        elif normalize(chosen) == normalize(rejected):
            identical.append(number)
    for rows, what in ((identical, "two equal responses"), (empty, "an empty prompt or response")):
        if rows:
            raise DataError(
                f"{len(rows)} of {len(data)} pairs in {str(path)!r} have {what} (row {rows[0]} first): remove them, nothing can "
                "be learned from those"
            )


def text_of(value: Any) -> str:
    """The text of a prompt or a response, which may be a list of messages."""
    if isinstance(value, str):
        return value
    return "\n".join(str(message.get("content") or "") for message in value or ())


def _with_weights(path: Path, data: Any, config: TrainingConfig) -> Any:
    columns = {"none": (), "margin": ("margin",), "reward": ("reward",), "both": ("margin", "reward")}[config.pair_weight]
    for name in columns:
        if name not in data.column_names or None in data[name]:
            raise ConfigError(
                f"training.pair_weight = {config.pair_weight!r} needs the column {name!r}, which {str(path)!r} does not have in "
                "full: export it from a run with a critic, or set pair_weight = 'none'"
            )
    data = data.select_columns([*NEEDED, *columns])
    if not columns:
        return data
    import torch

    from anyprefer.training.losses import pair_weights

    ones = torch.ones(len(data))
    margins = torch.tensor(data["margin"]) if "margin" in columns else ones
    rewards = torch.tensor(data["reward"]) if "reward" in columns else ones
    weights = pair_weights(margins, rewards, config.pair_weight).tolist()
    return data.remove_columns(list(columns)).add_column("pair_weight", weights)


def _count_overlong(data: Any, config: TrainingConfig, encode: Encode) -> int:
    def longest(row: dict[str, Any]) -> int:
        return max(len(encode(_joined(row["prompt"], row[name]))) for name in ("chosen", "rejected"))

    return sum(longest(row) > config.max_length for row in data)


def _joined(prompt: Any, response: Any) -> Any:
    return prompt + response if isinstance(prompt, str) else [*prompt, *response]
