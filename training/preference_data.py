"""Preference data for training: read, split, checked; a data set that cannot teach anything is refused before the first step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyprefer.config import TrainingConfig
from anyprefer.data.pairs import IMAGES, PartName, Preference, Turns, read_preferences
from anyprefer.errors import ConfigError, DataError
from anyprefer.training.packages import import_training
from anyprefer.types import normalize, same_output

NEEDED: tuple[PartName, ...] = ("prompt", "chosen", "rejected")
"""TRL's columns; text, or lists of messages."""


Encode = Callable[[Turns], Sequence[int]]
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


def check_preferences(path: Path, config: TrainingConfig) -> list[Preference]:
    """Read preference data and check what needs neither a model nor torch, so that a mistake shows at once.

    Args:
        path: See `read_preferences`.
        config: Weights of pairs.

    Raises:
        DataError: It cannot be read, or holds pairs that cannot be learned from; says how many and what to do.
        ConfigError: Weights are asked for that the data has not got.
    """
    if not path.exists():
        raise DataError(f"there is no data at {str(path)!r}: give the folder that `anyprefer export` wrote")
    pairs = list(read_preferences(path))
    _check_pairs(path, pairs)
    _numbers(path, pairs, config)
    return pairs


def load_preferences(path: Path, config: TrainingConfig, encode: Encode | None = None) -> PreferenceData:
    """Read a run folder, an export of ours, or any preference data set in TRL's format.

    Args:
        path: See `read_preferences`.
        config: Split, weights and length limit.
        encode: Turns prompt and response into tokens, to find pairs that are too long, equal, or refused by the chat template;
            None leaves that out.

    Raises:
        DataError: It cannot be read, or holds pairs that cannot be learned from; says how many and what to do.
        ConfigError: The extra is missing, or weights are asked for that the data has not got.
    """
    pairs = check_preferences(path, config)
    if all("task_id" in pair.columns for pair in pairs):
        pairs.sort(key=lambda pair: pair.id)  # records come as tasks finish: their order must not decide what is learned
    overlong = _count_overlong(path, pairs, config, encode) if encode else 0
    if overlong > config.max_overlong_share * len(pairs):
        raise DataError(
            f"{overlong} of {len(pairs)} pairs in {str(path)!r} are longer than training.max_length = {config.max_length} "
            "tokens: raise it, or training.max_overlong_share if cut responses will do"
        )
    data = _tabulate(path, pairs, config)
    facts = {"pairs": len(data), "overlong": overlong}
    if not config.eval_share or len(data) < 2:
        return PreferenceData(data, None, facts)
    size = max(1, round(config.eval_share * len(data)))
    parts = data.train_test_split(test_size=size, seed=config.seed)
    return PreferenceData(parts["train"], parts["test"], {**facts, "held_out": size})


def _check_pairs(path: Path, pairs: Sequence[Preference]) -> None:
    if not pairs:
        raise DataError(f"{str(path)!r} is empty: no pair to learn from")
    if seen := next((name for name in IMAGES for pair in pairs if pair.columns.get(name)), None):
        raise DataError(
            f"{str(path)!r} has images (column {seen!r}), and the model reads text only: train a vision-language model"
        )
    _refuse(path, pairs, "an empty prompt or response", _is_empty)
    _refuse(path, pairs, "two equal responses", _is_equal)
    _refuse(path, pairs, "responses that are equal but for their thoughts", lambda pair: same_output(pair.chosen, pair.rejected))
    if len({isinstance(pair.turns["prompt"], str) for pair in pairs}) > 1:
        raise DataError(f"some rows of {str(path)!r} are plain text and others conversations: write all of them in one way")


def _refuse(path: Path, pairs: Sequence[Preference], what: str, is_wrong: Callable[[Preference], bool]) -> None:
    rows = [row for row, pair in enumerate(pairs) if is_wrong(pair)]
    if rows:
        raise DataError(
            f"{len(rows)} of {len(pairs)} pairs in {str(path)!r} have {what} (row {rows[0]} first): remove them, nothing can be "
            "learned from those"
        )


def _is_empty(pair: Preference) -> bool:
    return not all(pair.text(name).strip() for name in NEEDED)


def _is_equal(pair: Preference) -> bool:
    return same_output(pair.chosen, pair.rejected) and normalize(pair.chosen.reasoning) == normalize(pair.rejected.reasoning)


def _count_overlong(path: Path, pairs: Sequence[Preference], config: TrainingConfig, encode: Encode) -> int:
    """How many pairs are longer than the limit."""
    overlong, equal = 0, []
    for row, pair in enumerate(pairs):
        try:
            chosen, rejected = (encode(_joined(pair.turns["prompt"], pair.turns[name])) for name in ("chosen", "rejected"))
        except DataError as error:
            raise DataError(f"task or row {pair.id!r} of {str(path)!r}: {error}") from error
        overlong += max(len(chosen), len(rejected)) > config.max_length
        if chosen == rejected:
            equal.append(row)
    if equal:
        raise DataError(
            f"the chat template makes the same tokens of both responses in {len(equal)} of {len(pairs)} pairs of {str(path)!r} "
            f"(task or row {pairs[equal[0]].id!r} first): remove them, or use a template that keeps what tells them apart"
        )
    return overlong


def _joined(prompt: Turns, response: Turns) -> Turns:
    if isinstance(prompt, str) or isinstance(response, str):
        return f"{prompt}{response}"
    return [*prompt, *response]


def _tabulate(path: Path, pairs: Sequence[Preference], config: TrainingConfig) -> Any:
    """The pairs in TRL's columns, with their weights where the recipe asks for some."""
    datasets = import_training("datasets")
    columns: dict[str, list[Any]] = {name: [pair.turns[name] for pair in pairs] for name in NEEDED}
    if weighing := _numbers(path, pairs, config):
        columns["pair_weight"] = _weights(weighing, config)
    return datasets.Dataset.from_dict(columns)


def _numbers(path: Path, pairs: Sequence[Preference], config: TrainingConfig) -> dict[str, list[float]]:
    """The columns that weigh pairs, by name."""
    weighing = {"none": (), "margin": ("margin",), "reward": ("reward",), "both": ("margin", "reward")}[config.pair_weight]
    return {name: _column(path, pairs, name, config) for name in weighing}


def _column(path: Path, pairs: Sequence[Preference], name: str, config: TrainingConfig) -> list[float]:
    found = [pair.number(name) for pair in pairs]
    if None in found:
        raise ConfigError(
            f"training.pair_weight = {config.pair_weight!r} needs the column {name!r}, which {str(path)!r} does not have in full:"
            " export it from a run with a critic and without references or edits, or set pair_weight = 'none'"
        )
    values = [value for value in found if value is not None]
    if min(values) < 0:
        raise ConfigError(
            f"training.pair_weight = {config.pair_weight!r}: {sum(value < 0 for value in values)} pairs of {str(path)!r} have a "
            f"{name} below 0, because a reviewer turned them round: set pair_weight = 'none', or 'reward'"
        )
    return values


def _weights(values: dict[str, list[float]], config: TrainingConfig) -> list[float]:
    import torch

    from anyprefer.training.losses import pair_weights

    ones = torch.ones(len(next(iter(values.values()))))
    margins, rewards = (torch.tensor(values[name]) if name in values else ones for name in ("margin", "reward"))
    found: list[float] = pair_weights(margins, rewards, config.pair_weight).tolist()
    return found
