"""The findings of an analysis as a section of the report."""

import json

import pytest

pytest.importorskip("datasketch", reason="needs the extra analyze")
pytest.importorskip("py3langid", reason="needs the extra analyze")
pytest.importorskip("sklearn", reason="needs the extra analyze")
pytest.importorskip("matplotlib", reason="needs the extra report")
import tomli_w
from loopback import LoopbackModel, recipe_data
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.errors import RunFolderError
from anyprefer.report.quality import read_quality


def analyzed(folder, model):
    """Forty sums of which a reference decides; higher scores are more often right."""
    rows = [
        {
            "prompt": f"What is {number} + {number}, said the trader of {number} apples to the judge?",
            "chosen": f"The answer is {2 * number if number % 4 else 2 * number + 1}.",
            "rejected": f"The answer is {2 * number + 3}.",
            "reference": str(2 * number),
            "chosen_score": 9 if number % 4 else 4,
            "rejected_score": 2,
            "reward": 9 if number % 4 else 5,
        }
        for number in range(10, 50)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "critic.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
    arguments = ("--encoder", "none", "--sample", "6", "--recipe", folder / "critic.toml", "--out", folder / "analysis")
    done = CliRunner().invoke(app, [str(part) for part in ("analyze", folder / "pairs.jsonl", *arguments)])
    assert done.exit_code == 0, (done.output, done.exception)


def test_charts_say_what_the_checks_found(tmp_path):
    with LoopbackModel() as model:
        analyzed(tmp_path, model)
    quality = read_quality(tmp_path, "another")
    assert not quality.current
    assert read_quality(tmp_path, quality.analysis.digest).current
    charts = {chart.title: chart for chart in quality.charts}
    assert list(charts) == [
        "Difficulty", "Telling apart by one shallow feature", "Correct pairs by margin", "Correct pairs by reward",
        "Quality by a model",
    ]  # fmt: skip
    assert sum(float(row[1]) for row in charts["Difficulty"].rows) == pytest.approx(100, abs=0.3)
    right = {row[0]: row[1] for row in charts["Correct pairs by reward"].rows if row[1]}
    assert sorted(float(value) for value in right.values()) == [0, 100]
    assert charts["Quality by a model"].rows[8] == ("9", "6")
    assert "rank correlation is +" in charts["Correct pairs by margin"].summary


def test_no_analysis_is_no_section_and_a_broken_one_is_named(tmp_path):
    assert read_quality(tmp_path, "x") is None
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "analysis.json").write_text("{}")
    with pytest.raises(RunFolderError, match="run `anyprefer analyze` again"):
        read_quality(tmp_path, "x")
