"""Texts to look at before training: personal data, secrets, unsafe words, instructions to models, damage, languages.

Findings name the pair, the side and the kind, never the text that was found: a report must not spread a secret.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.findings import LISTED, Finding, Listed
from anyprefer.analysis.leakage import SIDES, Side
from anyprefer.analysis.patterns import KINDS, PERSONAL, UNSAFE, Kind, kinds_in
from anyprefer.errors import ConfigError

MIN_LETTERS = 60
"""Letters of a text whose language is looked at; shorter ones are guessed wrongly too often."""
READ_CHARS = 600
"""Characters of a text that the language is read from: more change little and cost most of the time."""
SURE = 0.8
"""Least probability of a language; below it the text counts as of no known language."""
MAX_UNSAFE_SHARE = 0.01
"""Share of chosen responses with unsafe words from which a warning is worth it: a word may stand in a harmless sense."""
MAX_CUT_OFF_SHARE = 0.05
"""Likewise of chosen responses that stop in mid-sentence."""
MAX_REFUSAL_SHARE = 0.2
"""Likewise of chosen responses that refuse: in safety data that is the aim, elsewhere it is not."""
MAX_DISCLOSURE_SHARE = 0.02
"""Likewise of chosen responses in which a model names itself."""

_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\$[^$\n]*\$|[^\W_]*\d[^\W_]*|^\[\w+\]$", re.DOTALL | re.MULTILINE
)
"""Code, addresses, formulas, numbers and role marks, which tell nothing about the language around them."""
_ASKS_FOR_LANGUAGE = re.compile(
    r"translat|traduc|tradui|übersetz|перевод|перевед|翻译|翻譯|翻訳|"
    r"\b(?:in|into|to|auf|en) (?:english|french|german|spanish|italian|portuguese|dutch|russian|chinese|japanese|korean|arabic"
    r"|hindi|latin|polish|turkish|swedish|greek|hebrew|vietnamese|thai|indonesian|ukrainian|czech|englisch|französisch|deutsch"
    r"|español|inglés|français)\b",
    re.IGNORECASE,
)


class Flag(Finding):
    """One kind of finding in one text."""

    id: str
    """The pair's id."""
    side: Side
    """Which of its texts."""
    kind: Kind
    """What it holds."""


class Flags(Finding):
    """What `flag_texts` found."""

    pairs: int
    """Pairs looked at."""
    counts: dict[Kind, dict[Side, int]]
    """Kind -> side -> texts that hold it; every kind, 0 where nothing was found. Prompts are not looked at for refusals,
    disclosures and cut-off ends."""
    flagged_pairs: int
    """Pairs with at least one flag."""
    flags: tuple[Flag, ...]
    """The first `LISTED` of each kind."""
    languages: dict[Side, dict[str, int]]
    """Side -> ISO 639-1 code -> texts, most frequent first; of texts with at least `MIN_LETTERS` letters and a sure language."""
    unknown_language: dict[Side, int]
    """Side -> texts that were long enough, without a sure language."""
    other_language: Listed
    """Pairs whose chosen response is in another language than the prompt, though the prompt asks for none."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must not, or should hardly, be trained on."""
        return (*self._find_forbidden(), *self._find_unwanted(), *self._find_unsafe())

    def _find_forbidden(self) -> Iterator[str]:
        personal = [
            f"{number} with {kind}: {self._name(kind)}" for kind in PERSONAL if (number := sum(self.counts[kind].values()))
        ]
        if personal:
            yield f"texts seem to hold personal data ({'; '.join(personal)}): a trained model can repeat it; mask or drop them"
        for kind, advice in _MUST_NOT:
            if number := sum(self.counts[kind].values()):
                yield f"{number} {_NAMES[kind]} ({self._name(kind)}): {advice}"

    def _find_unwanted(self) -> Iterator[str]:
        for kind, most, advice in _SHOULD_NOT:
            if (number := self.counts[kind]["chosen"]) > most * self.pairs:
                yield f"{number} of {self.pairs} chosen responses {_NAMES[kind]} ({self._name(kind, 'chosen')}): {advice}"
        if self.other_language.total:
            yield (
                f"{self.other_language.total} chosen responses are in another language than their prompt "
                f"({self.other_language.name()}): training would teach to switch; drop them unless it is meant"
            )

    def _find_unsafe(self) -> Iterator[str]:
        for kind in UNSAFE:
            chosen, rejected = self.counts[kind]["chosen"], self.counts[kind]["rejected"]
            if chosen > MAX_UNSAFE_SHARE * self.pairs and chosen > rejected:
                yield (
                    f"{chosen} chosen responses have words about {kind}, more than the {rejected} rejected ones "
                    f"({self._name(kind, 'chosen')}): read some, since training favours them"
                )

    def _name(self, kind: Kind, side: Side | None = None) -> str:
        ids = [flag.id for flag in self.flags if flag.kind == kind and side in (None, flag.side)]
        return Listed.of(ids).name()


_NAMES: dict[Kind, str] = {
    "secret": "texts hold what looks like an access key", "encoding": "texts have damaged characters",
    "control": "texts have control characters", "empty": "texts are empty",
    "template": "texts hold marks of a chat template", "injection": "texts tell a model to drop its instructions",
    "cut off": "stop in mid-sentence", "refusal": "refuse", "disclosure": "speak as a model about itself",
}  # fmt: skip
_MUST_NOT: tuple[tuple[Kind, str], ...] = (
    ("secret", "revoke the key and drop the text"),
    ("empty", "drop these pairs"),
    ("encoding", "read the source again as UTF-8"),
    ("control", "remove them"),
    ("template", "cut them out, or the model learns to write turns of its own"),
    ("injection", "see that they are meant as examples"),
)
_SHOULD_NOT: tuple[tuple[Kind, float, str], ...] = (
    ("cut off", MAX_CUT_OFF_SHARE, "raise the target's max_tokens, or drop them, or training teaches to stop early"),
    ("refusal", MAX_REFUSAL_SHARE, "training will make the model refuse more; see that these prompts call for it"),
    ("disclosure", MAX_DISCLOSURE_SHARE, "they often carry another model's name and limits over; drop or edit them"),
)


def flag_texts(data: Dataset) -> Flags:
    """Scan all texts for what `anyprefer.analysis.patterns` lists, and compare the languages of prompts and responses.

    Raises:
        ConfigError: The extra is missing.
    """
    found = [[(side, kind) for side in SIDES for kind in _kinds(pair, side)] for pair in data.pairs]
    counts: dict[Kind, dict[Side, int]] = {kind: dict.fromkeys(SIDES, 0) for kind in KINDS}
    listed: dict[Kind, list[Flag]] = defaultdict(list)
    for pair, in_pair in zip(data.pairs, found, strict=True):
        for side, kind in in_pair:
            counts[kind][side] += 1
            if len(listed[kind]) < LISTED:
                listed[kind].append(Flag(id=pair.id, side=side, kind=kind))
    read = _language_reader()
    spoken = [{side: read(getattr(pair, side)) for side in SIDES} for pair in data.pairs]
    tallies = {side: Counter(texts[side] for texts in spoken) for side in SIDES}
    return Flags(
        pairs=len(data), counts=counts, flagged_pairs=sum(map(bool, found)),
        flags=tuple(flag for kind in KINDS for flag in listed[kind]),
        languages={side: {name: n for name, n in tallies[side].most_common() if name} for side in SIDES},
        unknown_language={side: tallies[side][""] for side in SIDES},
        other_language=Listed.of([
            pair.id for pair, texts in zip(data.pairs, spoken, strict=True) if _switches(pair, texts["prompt"], texts["chosen"])
        ]),
    )  # fmt: skip


def _switches(pair: TextPair, asked: str | None, answered: str | None) -> bool:
    """Whether an answer is in another language than its prompt, which asks for none."""
    return bool(asked and answered) and asked != answered and not _ASKS_FOR_LANGUAGE.search(pair.prompt)


def _kinds(pair: TextPair, side: Side) -> Iterator[Kind]:
    return kinds_in(getattr(pair, side), is_response=side != "prompt")


def _language_reader() -> Callable[[str], str | None]:
    """A function that gives a text's language, "" where it is not sure, None where the text is too short."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise ConfigError("telling languages needs py3langid: pip install 'anyprefer[analyze]'") from None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def read(text: str) -> str | None:
        plain = _NO_LANGUAGE.sub(" ", text[:READ_CHARS])
        if sum(map(str.isalpha, plain)) < MIN_LETTERS:
            return None
        language, chance = identifier.classify(plain)
        return str(language) if chance >= SURE else ""

    return read
