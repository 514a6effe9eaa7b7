"""`anyprefer analyze`: every check on one dataset, and where the findings go."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyprefer import __version__
from anyprefer.analysis.calibration import measure_calibration
from anyprefer.analysis.dataset import Dataset, load_dataset
from anyprefer.analysis.difficulty import classify_difficulty
from anyprefer.analysis.diversity import Diversity, measure_diversity
from anyprefer.analysis.duplicates import find_duplicates
from anyprefer.analysis.flags import flag_texts
from anyprefer.analysis.leakage import find_leakage
from anyprefer.analysis.length import measure_length
from anyprefer.analysis.quality import QualitySample, score_quality
from anyprefer.analysis.references import check_references
from anyprefer.analysis.results import Analysis, card_section
from anyprefer.analysis.separability import measure_separability
from anyprefer.analysis.tsne_map import write_map
from anyprefer.backends.weights import cache_dir
from anyprefer.config import Recipe
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.recipes import load_recipe
from anyprefer.runs.journal import Journal
from anyprefer.training.card import MARK
from anyprefer.training.findings import MAP, RESULT, SECTION, replace_section

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to look at, and how.

    Attributes:
        source: A run folder, an export, or data with TRL's columns.
        out: Where the findings go; None is the folder that they belong to, which a plain file has not got.
        benchmarks: Files whose items must not stand in the pairs.
        compare: Datasets to compare diversity with.
        encoder: Of texts, as for `open_encoder`; `none` measures no diversity.
        size: Most pairs of each dataset for diversity.
        sample: Pairs that a critic scores; 0 asks none.
        recipe: Whose critic; None is that of the run folder.
        include_exhausted: Of a run folder, also pairs below the threshold.
        seed: Of everything random.
    """

    source: Path
    out: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    compare: tuple[Path, ...] = ()
    encoder: str = "minilm"
    size: int = 500
    sample: int = 0
    recipe: Path | None = None
    include_exhausted: bool = False
    seed: int = 0

    @property
    def folder(self) -> Path | None:
        """Where the findings go."""
        if self.out is not None:
            return self.out
        run = RunDir(self.source)
        if run.records.is_file():
            return run.analysis
        return self.source if _is_export(self.source) else None

    def workplace(self, digest: str) -> Path:
        """Where replies and vectors are kept, so that the same request does not ask again: never in a dataset's folder."""
        folder = self.folder
        return cache_dir() / "analysis" / digest[:16] if folder is None or _is_export(folder) else folder


def analyze_pairs(request: Request, say: Say) -> Analysis:
    """Run every check that the data and the request allow, and keep the findings; the critic gets an event loop of its own.

    Args:
        request: What to look at.
        say: Gets a line for each thing that takes long or is written.

    Raises:
        DataError: The data or a benchmark cannot be read.
        ConfigError: An extra is missing, or the judge or the encoder cannot be opened.
        RunFolderError: The findings cannot be written.
    """
    data = load_dataset(request.source, include_exhausted=request.include_exhausted)
    say(f"{data.name}: {len(data):,} pairs")
    for benchmark in request.benchmarks:
        if not benchmark.exists():
            raise DataError(f"there is no benchmark at {str(benchmark)!r}: give a .jsonl, .csv or .parquet file")
    recipe = _find_recipe(request) if request.sample else None
    found = _check(data, request, say)
    if recipe:
        if request.folder:
            save_analysis(found, request.folder)  # the critic may fail
        found = found.model_copy(update={"quality": _ask_critic(data, recipe, request, say)})
    if request.folder:
        save_analysis(found, request.folder)
        say(f"findings -> {request.folder}")
    return found


def save_analysis(found: Analysis, folder: Path) -> None:
    """Write the findings, the card's section and the map; an export's card gets the section at once.

    Raises:
        RunFolderError: They cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        picture = found.diversity.map if found.diversity else None
        if picture:
            write_map(folder / MAP, picture)
        elif (folder / RESULT).exists():
            (folder / MAP).unlink(missing_ok=True)  # of an earlier analysis
        section = card_section(found, MAP if picture else None)
        (folder / SECTION).write_text(section, encoding="utf-8")
        if _is_export(folder):
            card = (folder / "README.md").read_text(encoding="utf-8")
            (folder / "README.md").write_text(replace_section(card, section) or card, encoding="utf-8")
        scratch = folder / f".{RESULT}.tmp"
        scratch.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        scratch.replace(folder / RESULT)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {str(folder)!r}: {error.strerror or error}; free space or give another --out"
        ) from error


def _check(data: Dataset, request: Request, say: Say) -> Analysis:
    return Analysis(
        name=data.name,
        pairs=len(data),
        digest=data.digest,
        version=__version__,
        duplicates=find_duplicates(data),
        length=measure_length(data),
        separability=measure_separability(data, seed=request.seed),
        calibration=measure_calibration(data),
        difficulty=classify_difficulty(data),
        references=check_references(data),
        flags=flag_texts(data),
        leakage=tuple(find_leakage(data, benchmark) for benchmark in request.benchmarks),
        diversity=None if request.encoder == "none" else _measure_diversity(data, request, say),
    )


def _measure_diversity(data: Dataset, request: Request, say: Say) -> Diversity:
    from anyprefer.backends.text_encoders import open_encoder

    others = [load_dataset(path) for path in request.compare]
    encoder = open_encoder(request.encoder)
    say(f"encoding up to {request.size:,} pairs of {'each dataset' if others else data.name} with {encoder.name}")
    datasets = [data, *_renamed(others, {data.name})]
    return measure_diversity(datasets, encoder, size=request.size, seed=request.seed, cache=request.workplace(data.digest))


def _find_recipe(request: Request) -> Recipe:
    """The recipe of the critic, before anything is computed."""
    if request.recipe:
        return load_recipe(request.recipe)
    run = RunDir(request.source)
    if not run.lock.is_file():
        raise ConfigError(f"--sample needs a critic, and {str(request.source)!r} is no run folder: name a recipe with --recipe")
    return run.read_recipe()


def _ask_critic(data: Dataset, recipe: Recipe, request: Request, say: Say) -> QualitySample:
    folder = request.workplace(data.digest)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"a critic scores {min(request.sample, len(data)):,} pairs")
    journal = Journal(folder / "journal.sqlite")
    try:
        return asyncio.run(score_quality(data, recipe, journal, sample=request.sample, seed=request.seed))
    finally:
        journal.close()


def _renamed(others: list[Dataset], taken: set[str]) -> list[Dataset]:
    """The datasets with names that tell them apart."""
    named = []
    for dataset in others:
        name, number = dataset.name, 2
        while name in taken:
            name, number = f"{dataset.name} ({number})", number + 1
        taken.add(name)
        named.append(Dataset(name, dataset.pairs))
    return named


def _is_export(folder: Path) -> bool:
    card = folder / "README.md"
    return card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")
