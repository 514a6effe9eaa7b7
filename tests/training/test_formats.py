"""Another package adds an export format, and an application its own columns: the folder, its card and its columns have them."""

import csv
import re

import pytest

from anyprefer.applications.base import Column
from anyprefer.applications.registry import APPLICATIONS, register_application
from anyprefer.applications.text import TextApplication
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError
from anyprefer.recipes import digest_of, parse_recipe
from anyprefer.training.export import export_pairs
from anyprefer.training.formats.base import FORMATS, register_format
from anyprefer.types import Attempt, Critique, Origin, PreferencePair, PreferenceRecord, Prompts, Side, Task

SHEET = """
import csv
import re


class Sheet:
    packages = ()
    data_file = "pairs.csv"
    files = re.compile(r"pairs[.]csv")
    load = "pairs = open('pairs.csv')"

    def write(self, rows, folder, shape):
        with (folder / self.data_file).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(shape.kinds))
            writer.writeheader()
            writer.writerows(rows)
"""


class Counted(TextApplication):
    """Texts whose export says how long the chosen one is."""

    def columns(self, record):
        return {
            "num_words": Column(kind="int64", meaning="Words of the chosen text.", value=len(record.pair.chosen.text.split()))
        }


def make_run(path, application="text"):
    """A run folder with one accepted record."""
    recipe = parse_recipe({
        "name": "demo", "application": application, "target": {"model": "openai:a"}, "judge": {"model": "openai:b"},
    })  # fmt: skip
    path.mkdir()
    files = RunDir(path)
    files.lock.write_text(files.lock_of(recipe, digest_of(recipe), {}).text)
    sides = [
        Side(origin=Origin(kind="candidate", candidate=i, round=0), output=text, score=9 - i)
        for i, text in enumerate(("two words", "no"))
    ]
    attempt = Attempt(
        round=0, prompts=Prompts(), candidates=(), critique=Critique(analysis="x", score=9),
        pair=PreferencePair(chosen=sides[0], rejected=sides[1]),
    )  # fmt: skip
    with RecordFile(RunDir(path).records) as records:
        records.append(PreferenceRecord(task=Task(prompt="q"), status="accepted", attempts=(attempt,), best_attempt=0))
    return path


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """A real distribution with an entry point on the path."""
    site = tmp_path / "site"
    info = site / "sheets-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sheets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[anyprefer.export_formats]\nsheet = sheets:Sheet\n")
    (site / "sheets.py").write_text(SHEET)
    monkeypatch.syspath_prepend(site)


def read_sheet(folder):
    with (folder / "pairs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_installed_format_writes_the_export_and_is_replaced_like_any_other(sheet, tmp_path):
    run = make_run(tmp_path / "run")
    for _ in range(2):
        summary = export_pairs(run, tmp_path / "out", "sheet")
    (row,) = read_sheet(summary.path)
    assert (summary.format, row["chosen_origin"], row["rejected_score"]) == ("sheet", "candidate", "8.0")
    assert "path: pairs.csv" in (summary.path / "README.md").read_text()
    export_pairs(run, tmp_path / "out", "jsonl")
    assert sorted(path.name for path in summary.path.iterdir()) == ["README.md", "train.jsonl"]


def test_a_registered_format_and_an_applications_columns_meet_in_one_export(tmp_path):
    class Mine:
        packages = ()
        data_file = None
        files = re.compile("mine[.]txt")
        load = "pairs = ..."

        def write(self, rows, folder, shape):
            (folder / "mine.txt").write_text("".join(f"{row['num_words']} {shape.kinds['num_words']}\n" for row in rows))

    register_format("mine", Mine)
    register_application("counted", Counted)
    try:
        summary = export_pairs(make_run(tmp_path / "run", "counted"), tmp_path / "out", "mine")
    finally:
        del FORMATS.registered["mine"], APPLICATIONS.registered["counted"]
    assert (summary.path / "mine.txt").read_text() == "2 int64\n"
    card = (summary.path / "README.md").read_text()
    assert "| `num_words` | int64 | Words of the chosen text. |" in card
    assert "  - name: num_words\n    dtype: int64" in card


def test_an_unknown_format_names_those_that_there_are(tmp_path):
    with pytest.raises(ConfigError, match="no such export format; did you mean 'parquet'"):
        export_pairs(make_run(tmp_path / "run"), tmp_path / "out", "parket")
