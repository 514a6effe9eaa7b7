"""Whether chosen and rejected can be told apart without reading the question: by layout and length, or by single words.

A preference that shallow features predict teaches those features (Gururangan et al. 2018 found such artifacts in inference data).
The classifier sees the difference of the two responses' features, on random sides and without an intercept, so that exchanging
the responses exchanges its answer. Folds keep near duplicates of a prompt together.
"""

import logging
import random
from collections.abc import Sequence
from typing import Any

from anyprefer.analysis.dataset import Dataset
from anyprefer.analysis.duplicates import group_texts
from anyprefer.analysis.findings import Finding
from anyprefer.analysis.surface import FEATURES, describe
from anyprefer.errors import ConfigError
from anyprefer.shares import Share

logger = logging.getLogger(__name__)

LEAST_PAIRS = 20
"""Below this, an accuracy says nothing: its interval is wider than 40 points."""
FOLDS = 5
"""Each pair is predicted by a model that saw four fifths of the others."""
EASY = 0.7
"""A warning where the accuracy's whole interval lies above this. Better answers are often better laid out, so that some accuracy
beyond chance is no fault: two samples of one model gave 0.6, answers of a strong and a weak model 0.9."""
NUM_HASHED = 2**16
"""Columns that words and word pairs are hashed into."""
TOLD = 10
"""Most features named."""


class FeatureWeight(Finding):
    """What one feature says about the preference."""

    name: str
    """See `anyprefer.analysis.surface.describe`."""
    chosen_has_more: Share
    """Share of pairs whose chosen response has the greater value, equal ones counting half; above 0.5 more is preferred. The
    accuracy of this feature alone is the greater of it and its complement."""
    weight: float
    """In the logistic regression on all features, for a difference of one standard deviation; above 0 more is preferred."""


class Separability(Finding):
    """What `measure_separability` measured; accuracies are cross-validated over whole pairs, 0.5 being chance."""

    pairs: int
    """Pairs of the data."""
    prompts: int
    """Groups of prompts that were kept on one side of each split."""
    folds: int
    """Number of splits."""
    accuracy: Share
    """From the features in `anyprefer.analysis.surface`."""
    words_accuracy: Share
    """From words and pairs of words, wherever they stand."""
    features: tuple[FeatureWeight, ...]
    """The features with the largest weights, at most `TOLD`."""
    best: FeatureWeight
    """The feature that alone tells most pairs apart."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Preferences that a shallow model can guess."""
        found = []
        best = self.best.chosen_has_more
        if self.accuracy.low > EASY:
            named = ", ".join(f"{feature.name} {feature.weight:+.1f}" for feature in self.features[:4])
            found.append(
                f"layout and length alone tell chosen from rejected in {self.accuracy} of the pairs (weights: {named}; best "
                f"alone: {self.best.name}, {100 * max(best.value, 1 - best.value):.0f} %): training can learn these instead of "
                "the answer; balance them, or sample both responses from one model in one format"
            )
        if self.words_accuracy.low > EASY:
            found.append(
                f"single words and word pairs tell chosen from rejected in {self.words_accuracy} of the pairs: one side has "
                "phrases of its own, such as two models' habits; sample both responses from one model, or drop the phrases"
            )
        return tuple(found)


def measure_separability(data: Dataset, seed: int = 0) -> Separability | None:
    """Measure how well shallow features tell chosen from rejected.

    Args:
        data: The pairs.
        seed: Of the sides and of the folds.

    Returns:
        None where there are fewer than `LEAST_PAIRS` pairs or different prompts; the log says so.

    Raises:
        ConfigError: The extra is missing.
    """
    try:
        import sklearn  # noqa: F401 - asked for here, so that its absence is said at once
    except ImportError:
        raise ConfigError("measuring separability needs scikit-learn: pip install 'anyprefer[analyze]'") from None
    groups = group_texts([pair.prompt for pair in data.pairs])
    if len(set(groups)) < LEAST_PAIRS:
        logger.info("separability is not measured: %d different prompts are fewer than %d", len(set(groups)), LEAST_PAIRS)
        return None
    rng = random.Random(seed)  # noqa: S311 - sides, not a secret
    signs = [rng.choice((-1, 1)) for _ in data.pairs]
    shallow, bags = _shallow_differences(data), _bag_differences(data)
    splits = _split(groups, seed)
    weights = _fit(shallow, signs).coef_[0]
    features = [
        FeatureWeight(name=name, chosen_has_more=_share_above(shallow[:, column]), weight=float(weights[column]))
        for column, name in enumerate(FEATURES)
    ]
    return Separability(
        pairs=len(data), prompts=len(set(groups)), folds=FOLDS, accuracy=_accuracy(shallow, signs, splits),
        words_accuracy=_accuracy(bags, signs, splits),
        features=tuple(sorted(features, key=lambda feature: -abs(feature.weight))[:TOLD]),
        best=max(features, key=lambda feature: abs(feature.chosen_has_more.value - 0.5)),
    )  # fmt: skip


def _shallow_differences(data: Dataset) -> Any:
    """Chosen minus rejected, `[pairs, features]`, in standard deviations.

    Values are on a logarithmic scale: one word in ten counts for more than one in a thousand.
    """
    import numpy as np

    chosen = np.array([[*describe(pair.chosen, pair.prompt).values()] for pair in data.pairs])
    rejected = np.array([[*describe(pair.rejected, pair.prompt).values()] for pair in data.pairs])
    difference = np.log1p(chosen) - np.log1p(rejected)
    spread = np.sqrt((difference**2).mean(axis=0))
    return difference / np.where(spread > 0, spread, 1.0)


def _bag_differences(data: Dataset) -> Any:
    """Which words and word pairs only one side has, `[pairs, NUM_HASHED]`, each row of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    hashing = HashingVectorizer(n_features=NUM_HASHED, ngram_range=(1, 2), binary=True, norm=None, alternate_sign=False)
    chosen, rejected = (hashing.transform([getattr(pair, side) for pair in data.pairs]) for side in ("chosen", "rejected"))
    return normalize(chosen - rejected)


def _split(groups: Sequence[int], seed: int) -> list[tuple[Any, Any]]:
    """Rows to train and to test on, for each fold."""
    from sklearn.model_selection import GroupKFold

    return list(GroupKFold(FOLDS, shuffle=True, random_state=seed).split(groups, groups=groups))


def _fit(differences: Any, signs: Sequence[int]) -> Any:
    """A logistic regression that says which side is the chosen one, the sides being exchanged where the sign is -1."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(fit_intercept=False, max_iter=1000).fit(_turn(differences, signs), signs)


def _turn(differences: Any, signs: Sequence[int]) -> Any:
    """The rows with the sides as the signs have them."""
    import numpy as np

    column = np.array(signs)[:, None]
    return differences.multiply(column).tocsr() if hasattr(differences, "tocsr") else differences * column


def _accuracy(differences: Any, signs: Sequence[int], splits: Sequence[tuple[Any, Any]]) -> Share:
    """Share of held-out pairs whose chosen response gets the higher score, a draw counting half."""
    right = 0.0
    for train, test in splits:
        model = _fit(differences[train], [signs[row] for row in train])
        scores = model.decision_function(differences[test])  # not turned: above 0 says "chosen"
        right += float((scores > 0).sum() + (scores == 0).sum() / 2)
    return Share.of(right, differences.shape[0])


def _share_above(column: Any) -> Share:
    return Share.of(float((column > 0).sum() + (column == 0).sum() / 2), len(column))
