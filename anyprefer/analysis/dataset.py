"""The pairs that are analysed, as plain text."""

from dataclasses import dataclass
from pathlib import Path

from anyprefer.data.pair_digest import PairDigest
from anyprefer.data.pairs import Preference, read_preferences
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError


@dataclass(frozen=True, slots=True)
class TextPair:
    """One pair as checks see it: a hundred thousand of them fit into memory.

    Attributes:
        id: Of its task, or the row's number.
        prompt: As text; a conversation has its roles in front, `[user]` and so on, unless it is one message.
        chosen: The preferred response, thoughts apart.
        rejected: The other.
        chosen_score: The judge's, 1 to 10, where the data has one.
        rejected_score: Likewise.
        reward: The critic's, 1 to 10, where the data has one.
        reference: A trusted answer to the prompt, where the data has one.
        has_images: Whether pictures belong to the prompt.
        chosen_is_reference: Whether the chosen response is that answer, where the data says so.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str
    chosen_score: float | None = None
    rejected_score: float | None = None
    reward: float | None = None
    reference: str | None = None
    has_images: bool = False
    chosen_is_reference: bool = False

    @classmethod
    def of(cls, pair: Preference) -> "TextPair":
        """The texts and numbers of a pair."""
        return cls(
            pair.id, pair.text("prompt"), pair.text("chosen"), pair.text("rejected"), pair.number("chosen_score"),
            pair.number("rejected_score"), pair.number("reward"), pair.reference, pair.has_images,
            pair.columns.get("chosen_origin") == "reference",
        )  # fmt: skip

    @property
    def margin(self) -> float | None:
        """Chosen score minus rejected score."""
        if self.chosen_score is None or self.rejected_score is None:
            return None
        return self.chosen_score - self.rejected_score


@dataclass(frozen=True)
class Dataset:
    """Pairs with the name that tables and charts call them by."""

    name: str
    pairs: tuple[TextPair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def digest(self) -> str:
        """Names the pairs, whatever their order."""
        digest = PairDigest()
        for pair in self.pairs:
            digest.add(pair.id, pair.chosen, pair.rejected)
        return digest.hexdigest()


def load_dataset(path: Path, *, name: str = "", include_exhausted: bool = False) -> Dataset:
    """Read pairs; see `read_preferences` for what can be read.

    Args:
        path: A run folder, an export, or data with the columns of TRL.
        name: What tables call it; the path's last part by default.
        include_exhausted: Of a run folder, also the best pairs of tasks whose rounds ran out.

    Raises:
        DataError: It cannot be read, or has no pair.
        ConfigError: Reading it needs an extra.
    """
    pairs = tuple(map(TextPair.of, read_preferences(path, include_exhausted=include_exhausted)))
    if not pairs:
        advice = (
            "give --include-exhausted for the pairs below the threshold, or run more tasks"
            if RunDir(path).records.is_file()
            else "give a run folder, or data with the columns prompt, chosen and rejected"
        )
        raise DataError(f"{str(path)!r} has no pair to look at: {advice}")
    return Dataset(name or path.resolve().name, pairs)
