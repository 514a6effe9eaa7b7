import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lineage import side
from typer.testing import CliRunner

from anyprefer.analysis.dataset import load_dataset
from anyprefer.applications.text import TextApplication
from anyprefer.cli import app
from anyprefer.config import Recipe
from anyprefer.data.pairs import read_preferences
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError, DataError, RunFolderError
from anyprefer.recipes import digest_of, parse_recipe
from anyprefer.training.export import _publish, export_pairs
from anyprefer.training.rows import preference_row
from anyprefer.types import (
    Attempt,
    Critique,
    Evidence,
    Finding,
    Image,
    Knowledge,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Review,
    Task,
    Text,
    ToolCall,
    normalize,
)

APPLICATION = TextApplication()
FORMATS = ("jsonl", "parquet", "hf")
RECIPE = parse_recipe({"name": "demo", "target": {"model": "openai:small"}, "judge": {"model": "openai:big"}})


@pytest.fixture(autouse=True)
def offline_datasets(monkeypatch, tmp_path_factory):
    """Keep the caches of `datasets` away from the user's, whether or not it is imported already."""
    datasets = pytest.importorskip("datasets")
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    datasets.disable_progress_bars()


def picture(digit):
    return Image(sha256=digit * 64, media_type="image/png")


def illustrated(name, *digits):
    """A task with a prompt of pictures and a question."""
    parts = (*map(picture, digits), Text(text=f"{name}?"))
    return Task(id=name, prompt=(Message(role="user", content=parts),))


def record(name="t", status="accepted", *, chosen="yes", rejected="no", score=8, **fields):
    attempt = Attempt(
        round=0,
        prompts=Prompts(),
        candidates=(),
        evidence=(Evidence(call=ToolCall(tool="calculator"), finding=Finding(content="4"), seconds=0.1),),
        pair=PreferencePair(chosen=side(0, chosen, 9), rejected=side(1, rejected, 2)),
        critique=Critique(analysis="clear", score=score),
    )
    task = fields.pop("task", None) or Task(id=name, prompt=f"{name}?")
    return PreferenceRecord(task=task, status=status, attempts=(attempt,), best_attempt=0, **fields)


def make_run(folder: Path, records, recipe: Recipe = RECIPE):
    folder.mkdir(parents=True, exist_ok=True)
    files = RunDir(folder)
    files.lock.write_text(files.lock_of(recipe, digest_of(recipe), {}).text, encoding="utf-8")
    with RecordFile(folder / "records.jsonl") as file:
        for one in records:
            file.append(one)
    return folder


def load(folder, layout):
    import datasets

    if layout == "hf":
        return datasets.load_from_disk(str(folder))
    return datasets.load_dataset(str(folder), split="train", cache_dir=str(folder.parent / "cache"))


@pytest.mark.parametrize("layout", FORMATS)
def test_export_loads_back_without_arguments(tmp_path, layout):
    records = [record(f"t{number}", seed=number or None) for number in range(1200)]
    run = make_run(
        tmp_path / "run", [*records, record("x", "exhausted"), PreferenceRecord(task=Task(prompt="y"), status="failed")]
    )
    summary = export_pairs(run, tmp_path / "out", layout)
    assert (summary.num_rows, summary.format) == (1200, layout)
    assert summary.statuses == {"accepted": 1200, "exhausted": 1, "failed": 1}
    assert load(summary.path, layout).to_list() == [preference_row(one, APPLICATION) for one in records]


@pytest.mark.parametrize("layout", FORMATS)
def test_folder_that_was_loaded_before_gives_the_new_pairs_after_another_export(tmp_path, layout):
    for number, name in enumerate(("first", "second")):
        run = make_run(tmp_path / f"run{number}", [record(name)])
        assert load(export_pairs(run, tmp_path / "out", layout).path, layout)["task_id"][:] == [name]


@pytest.mark.parametrize("layout", FORMATS)
def test_schema_is_the_same_however_empty_the_columns(tmp_path, layout):
    empty = record("t1").attempts[0].model_copy(update={"evidence": (), "critique": Critique(analysis="")})
    bare = make_run(tmp_path / "bare", [record("t1").model_copy(update={"attempts": (empty,)})])
    full = make_run(tmp_path / "full", [record("t1", seed=1, models={"target": "openai:x"})])
    export_pairs(bare, tmp_path / "one", layout)
    export_pairs(full, tmp_path / "two", layout)
    assert load(tmp_path / "one", layout).features == load(tmp_path / "two", layout).features


@pytest.mark.parametrize("layout", FORMATS)
def test_images_are_a_column_where_some_task_has_images(tmp_path, layout):
    records = [record("a"), record("b", task=illustrated("b", "1", "2"))]
    export_pairs(make_run(tmp_path / "run", records), tmp_path / "out", layout)
    assert load(tmp_path / "out", layout)["images"][:] == [[], ["1" * 64, "2" * 64]]
    export_pairs(make_run(tmp_path / "plain", records[:1]), tmp_path / "out", layout)
    assert "images" not in load(tmp_path / "out", layout).column_names


@pytest.mark.parametrize("layout", FORMATS)
def test_thoughts_are_a_field_of_every_message_and_the_analysis_does_not_see_them(tmp_path, layout):
    import yaml

    both = record("a", chosen=Reply.of("yes", "because"), rejected=Reply.of("no", "since"))
    run = make_run(tmp_path / "run", [both, record("b", chosen=Reply.of("yes", "because"))])
    digests = set()
    for reasoning in ("none", "field", "inline"):
        out = export_pairs(run, tmp_path / reasoning, layout, reasoning=reasoning).path
        digests.add(load_dataset(out).digest)
    assert digests == {load_dataset(run).digest}
    rows = load(tmp_path / "field", layout)
    assert [row["chosen"][0]["reasoning_content"] for row in rows] == ["because", None]
    assert load(tmp_path / "inline", layout)["rejected"][0][0]["content"] == "<think>\nsince\n</think>\n\nno"
    card = (tmp_path / "field" / "README.md").read_text(encoding="utf-8")
    assert "in `reasoning_content`, of both sides of 1 pairs; left out where one side alone has any (1 pairs)" in card
    front = yaml.safe_load(card.split("---\n")[1])["dataset_info"]["features"]
    assert [part["name"] for part in front[0]["list"]] == ["role", "content", "reasoning_content"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FILLED = TEXT.filter(str.strip)
PAIRS = st.tuples(FILLED, FILLED).filter(lambda texts: normalize(texts[0]) != normalize(texts[1]))
THOUGHTS = st.tuples(TEXT, TEXT)
JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@st.composite
def accepted_records(draw):
    chosen, rejected = (Reply.of(text, thought) for text, thought in zip(draw(PAIRS), draw(THOUGHTS), strict=True))
    low = draw(st.floats(1, 9.5))
    attempt = Attempt(
        round=draw(st.integers(0, 20)),
        prompts=Prompts(target=draw(TEXT), judge=draw(TEXT), version=draw(st.integers(0, 20))),
        candidates=(),
        evidence=draw(
            st.lists(
                st.builds(
                    Evidence,
                    call=st.builds(ToolCall, tool=TEXT),
                    finding=st.builds(Finding, content=TEXT),
                    ok=st.booleans(),
                    seconds=st.floats(0, 9),
                ),
                max_size=2,
            )
        ),
        knowledge=draw(st.none() | st.builds(Knowledge, text=TEXT)),
        pair=PreferencePair(
            chosen=side(0, chosen, draw(st.floats(low, 10, exclude_min=True))),
            rejected=side(1, rejected, low),
            certainty=draw(st.none() | st.floats(0, 1)),
        ),
        critique=Critique(analysis=draw(TEXT), score=draw(st.integers(1, 10))),
    )
    prompt = draw(FILLED | st.builds(lambda system, user: (Message(role="system", content=system), user), TEXT, USER))
    task = Task(id=draw(TEXT), prompt=prompt, reference=draw(st.none() | TEXT), metadata=draw(METADATA))
    review = draw(st.none() | st.builds(Review, decision=st.just("accept"), reason=TEXT, reviewer=TEXT))
    return PreferenceRecord(
        task=task, status="accepted", attempts=(attempt,), best_attempt=0, models=draw(MODELS), seed=draw(st.none() | SEEDS),
        review=review,
    )  # fmt: skip


PICTURES = st.lists(st.sampled_from("123").map(picture), max_size=2)
USER = st.builds(lambda text, pictures: Message(role="user", content=(*pictures, Text(text=text))), FILLED, PICTURES)
METADATA = st.dictionaries(TEXT, JSON, max_size=3)
MODELS = st.dictionaries(st.sampled_from(["target", "judge", "critic"]), TEXT)
SEEDS = st.integers(0, 2**31 - 1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.data_too_large])
@given(
    records=st.lists(accepted_records(), min_size=1, max_size=4),
    layout=st.sampled_from(FORMATS),
    reasoning=st.sampled_from(["none", "field", "inline"]),
)
def test_any_accepted_record_exports_and_loads_back_equal(tmp_path_factory, records, layout, reasoning):
    folder = tmp_path_factory.mktemp("any")
    export_pairs(make_run(folder / "run", records), folder / "out", layout, reasoning=reasoning)
    with_images = any(one.task.images for one in records)
    rows = load(folder / "out", layout).to_list()
    assert rows == [preference_row(one, APPLICATION, with_images=with_images, reasoning=reasoning) for one in records]
    assert all(row["chosen"] != row["rejected"] and row["margin"] > 0 for row in rows)


def test_dates_in_json_are_warned_about_and_parquet_keeps_them(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    run = make_run(
        tmp_path / "run", [record("2020-01-01", chosen="2020-01-02", rejected="maybe", task=Task(id="2020-01-01", prompt="?"))]
    )
    export_pairs(run, tmp_path / "json")
    assert "every text of chosen, task_id looks like a date" in caplog.text
    caplog.clear()
    export_pairs(run, tmp_path / "parquet", "parquet")
    assert not caplog.text
    assert load(tmp_path / "parquet", "parquet")["task_id"][0] == "2020-01-01"


def test_exhausted_pairs_on_request(tmp_path):
    run = make_run(tmp_path / "run", [record("a"), record("b", "exhausted", score=5), record("c", "exhausted", score=3)])
    assert export_pairs(run, tmp_path / "one").num_rows == 1
    assert export_pairs(run, tmp_path / "two", include_exhausted=True).num_rows == 3
    assert export_pairs(run, tmp_path / "two", include_exhausted=True, min_reward=5).num_rows == 2
    assert [row["status"] for row in load(tmp_path / "two", "jsonl")] == ["accepted", "exhausted"]


def test_no_pair_says_how_many_of_what_and_what_to_do(tmp_path):
    failed = PreferenceRecord(task=Task(prompt="y"), status="failed")
    run = make_run(tmp_path / "run", [record("b", "exhausted"), failed])
    with pytest.raises(DataError, match=r"0 accepted, 1 exhausted, 1 failed.*--include-exhausted.*--retry-failed"):
        export_pairs(run, tmp_path / "out")
    with pytest.raises(DataError, match="run some tasks first"):
        export_pairs(make_run(tmp_path / "empty", []), tmp_path / "out")
    with pytest.raises(DataError, match="lower the least reward 9"):
        export_pairs(make_run(tmp_path / "low", [record()]), tmp_path / "out", min_reward=9)
    assert not (tmp_path / "out").exists()


def certain(name, certainty, **fields):
    """A record whose pair has votes behind it."""
    one = record(name, **fields)
    pair = one.attempts[0].pair.model_copy(update={"certainty": certainty})
    return one.model_copy(update={"attempts": (one.attempts[0].model_copy(update={"pair": pair}),)})


@pytest.mark.parametrize("layout", FORMATS)
def test_least_certainty_leaves_out_and_counts_pairs_with_fewer_votes_and_with_none(tmp_path, layout):
    records = [
        certain("all", 1.0),
        certain("most", 0.8),
        certain("split", 0.6),
        record("none"),
        certain("exhausted", 1.0, status="exhausted"),
    ]
    run = make_run(tmp_path / "run", records)
    summary = export_pairs(run, tmp_path / "out", layout, min_certainty=0.8)
    assert (summary.num_rows, summary.uncertain, summary.unverified) == (2, 1, 1)
    assert load(tmp_path / "out", layout)["certainty"][:] == [1.0, 0.8]
    whole = export_pairs(run, tmp_path / "whole", layout)
    assert (whole.num_rows, whole.uncertain, whole.unverified) == (4, 0, 0)
    assert load(tmp_path / "whole", layout)["certainty"][:] == [1.0, 0.8, 0.6, None]
    assert [pair.columns["certainty"] for pair in read_preferences(tmp_path / "whole")][:2] == [1.0, 0.8]
    assert summary.lines()[1] == "left out: 1 less certain, 1 that nobody voted on"


@pytest.mark.parametrize("layout", FORMATS)
def test_certainty_of_pairs_that_nobody_voted_on_is_a_number_that_is_missing(tmp_path, layout):
    export_pairs(make_run(tmp_path / "run", [record("a")]), tmp_path / "out", layout)
    data = load(tmp_path / "out", layout)
    assert data.features["certainty"].dtype == "float64"
    assert data["certainty"][:] == [None]


@pytest.mark.parametrize("least", [0, -0.5, 1.01, float("nan")])
def test_least_certainty_is_a_share(tmp_path, least):
    with pytest.raises(ConfigError, match=r"least certainty .*: give a share of the votes above 0 and up to 1"):
        export_pairs(make_run(tmp_path / "run", [certain("a", 1.0)]), tmp_path / "out", min_certainty=least)


def test_no_certain_pair_says_so(tmp_path):
    with pytest.raises(DataError) as both:
        export_pairs(make_run(tmp_path / "run", [certain("a", 0.8), record("b")]), tmp_path / "out", min_certainty=0.9)
    assert "lower the least certainty 0.9, which 1 pairs do not have" in str(both.value)
    assert "ask for no certainty to have the 1 pairs that nobody voted on" in str(both.value)
    with pytest.raises(DataError) as unvoted:
        export_pairs(make_run(tmp_path / "other", [record("b")]), tmp_path / "out", min_certainty=0.9)
    assert "lower" not in str(unvoted.value)


def test_card_says_which_certainty_was_asked_for(tmp_path):
    run = make_run(tmp_path / "run", [certain("a", 1.0), certain("b", 0.6), record("c")])
    export_pairs(run, tmp_path / "out", min_certainty=0.8)
    line = "| Least certainty | 0.8; 1 less certain pairs and 1 that nobody voted on are left out |"
    assert line in (tmp_path / "out" / "README.md").read_text()
    export_pairs(run, tmp_path / "whole")
    assert "Least certainty" not in (tmp_path / "whole" / "README.md").read_text()


def test_command_says_what_was_left_out_and_what_references_confirm(tmp_path):
    answered = {"chosen": "Answer: 4", "rejected": "Answer: 5"}
    tasks = [Task(id=name, prompt="2 + 2?", reference="4") for name in ("a", "b")]
    run = make_run(tmp_path / "run", [certain("a", 1.0, task=tasks[0], **answered), record("b", task=tasks[1], **answered)])
    result = CliRunner().invoke(app, ["export", str(run), "--to", str(tmp_path / "out"), "--min-certainty", "0.5"])
    first, *others = result.stdout.splitlines()
    assert first.startswith("1 pairs -> ")
    assert others[0] == "left out: 0 less certain, 1 that nobody voted on"
    assert others[1].split("; ") == [
        "by the references: chosen 1 right, 0 wrong, 0 undecided", "rejected 1 wrong, 0 right, 0 undecided",
        "1 of 1 decided pairs are right against wrong",
    ]  # fmt: skip
    whole = CliRunner().invoke(app, ["export", str(run), "--to", str(tmp_path / "out"), "--json"])
    assert json.loads(whole.stdout)["references"]["right_against_wrong"] == 2


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_earlier_export_is_replaced_as_a_whole(tmp_path, first, second):
    export_pairs(make_run(tmp_path / "one", [record("a")]), tmp_path / "out", first)
    export_pairs(make_run(tmp_path / "two", [record("b")]), tmp_path / "out", second)
    assert load(tmp_path / "out", second)["task_id"][:] == ["b"]
    fresh = export_pairs(tmp_path / "two", tmp_path / "fresh", second).path
    assert {path.name for path in fresh.rglob("*")} == {path.name for path in (tmp_path / "out").rglob("*")}
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_folder_with_other_things_is_left_alone(tmp_path):
    run = make_run(tmp_path / "run", [record()])
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="neither empty nor an earlier export"):
        export_pairs(run, out)
    (out / "notes.txt").unlink()
    export_pairs(run, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"'notes\.txt' in it is not ours"):
        export_pairs(run, out)
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="neither empty nor"):
        export_pairs(run, run)
    with pytest.raises(ConfigError, match="it is a file"):
        export_pairs(run, run / "records.jsonl")


def test_bad_arguments_are_named(tmp_path):
    run = make_run(tmp_path / "run", [record()])
    with pytest.raises(ConfigError, match=r"format = 'csv': there is no such export format; known are: hf, jsonl, parquet"):
        export_pairs(run, tmp_path / "out", "csv")
    with pytest.raises(ConfigError, match="unknown reasoning 'all': give one of none, field, inline"):
        export_pairs(run, tmp_path / "out", reasoning="all")
    with pytest.raises(RunFolderError, match="is no run folder"):
        export_pairs(tmp_path / "missing", tmp_path / "out")
    (run / "recipe.lock.toml").write_text("not toml")
    with pytest.raises(RunFolderError, match="cannot read"):
        export_pairs(run, tmp_path / "out")


@pytest.mark.parametrize(("layout", "package"), [("parquet", "pyarrow"), ("hf", "datasets")])
def test_missing_package_names_the_extra(tmp_path, layout, package):
    run = make_run(tmp_path / "run", [record()])
    code = (
        "import sys, importlib.abc\n"
        "finders = list(sys.meta_path)\n"
        f"class Without(importlib.abc.MetaPathFinder):\n"
        f"    def find_spec(self, name, path, target=None):\n"
        f"        found = (finder.find_spec(name, path, target) for finder in finders)\n"
        f"        return None if name == {package!r} else next((spec for spec in found if spec), None)\n"
        f"sys.meta_path = [Without()]\n"
        f"from anyprefer.training.export import export_pairs\n"
        f"export_pairs(*sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, str(run), str(tmp_path / "out"), layout]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"ConfigError: format '{layout}' needs {package}: pip install 'anyprefer[parquet]'" in done.stderr


FULL_DISK = """
import resource, sys
from anyprefer.errors import RunFolderError
from anyprefer.training.export import export_pairs

resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
try:
    export_pairs(*sys.argv[1:])
except RunFolderError as error:
    print(error)
"""


@pytest.mark.parametrize("layout", FORMATS)
def test_export_that_fails_half_way_leaves_the_earlier_one(tmp_path, layout):
    export_pairs(make_run(tmp_path / "one", [record("a")]), tmp_path / "out", layout)
    words = (f"{number} {number**7} {number**11}" for number in range(3000))
    run = make_run(tmp_path / "two", [record(str(number), chosen=text) for number, text in enumerate(words)])
    command = [sys.executable, "-c", FULL_DISK, str(run), str(tmp_path / "out"), layout]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot write dataset" in done.stdout
    assert load(tmp_path / "out", layout)["task_id"][:] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["one", "out", "two"]


def test_earlier_export_comes_back_when_the_new_one_cannot_take_its_place(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("earlier")
    with pytest.raises(FileNotFoundError):
        _publish(tmp_path / "vanished.tmp", tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/README.md"]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({}, ["a judge scored", "Chosen is the answer ranked 1, rejected the answer ranked last"]),
        ({"tools": {"names": ["calculator"]}}, ["the answers were ranked by what tools found, then by a judge's scores"]),
        ({"tools": {"names": ["calculator"]}, "pair": {"require": "none"}}, ["a judge with tools scored"]),
        ({"pair": {"chosen": "reference"}}, ["Chosen is the task's reference answer, rejected the answer ranked last"]),
        ({"pair": {"chosen_rank": 3, "rejected_rank": 5}}, ["ranked 3, rejected the answer ranked 5"]),
    ],
)
def test_card_describes_the_method_of_the_recipe(tmp_path, sections, words):
    recipe = parse_recipe({**RECIPE.model_dump(exclude_none=True, include={"name", "target", "judge"}), **sections})
    export_pairs(make_run(tmp_path / "run", [record()], recipe), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert all(word in " ".join(card.split()) for word in words)


HOSTILE = '"quoted": \\ [link](x) <script>alert(1)</script> | `code` --- {num_rows}\n---\nconfigs: \x1b[31m \x85\ufffe'


@pytest.mark.parametrize("layout", FORMATS)
def test_card_says_what_and_where_from_and_survives_hostile_text(tmp_path, layout):
    import yaml

    recipe = RECIPE.model_copy(update={"name": HOSTILE, "description": HOSTILE})
    models = {"target": "openai:small|big", "judge": HOSTILE}
    records = [record("a", models=models), record("b", models=models, score=9), record("c", "exhausted")]
    export_pairs(make_run(tmp_path / "run", records, recipe), tmp_path / "out", layout)
    _, front, body = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    meta = yaml.safe_load(front)
    assert meta["pretty_name"].startswith('"quoted": \\ [link](x) <script>')
    assert set(meta) == {"pretty_name", "tags", "size_categories", "dataset_info"} | ({"configs"} if layout != "hf" else set())
    assert meta["size_categories"] == ["n<1K"]
    assert {"preference", "dpo", "trl", "synthetic"} <= set(meta["tags"])
    assert "language" not in meta
    assert "<script>" not in body
    assert "[link](x)" not in body
    assert r"| Model: target | openai:small\|big |" in body
    assert "| Tasks by outcome | 2 accepted, 1 exhausted |" in body
    assert "| Tools | calculator (2 pairs) |" in body
    assert f"| Recipe digest | {digest_of(recipe)} |" in body
    assert "| 8 | 1 |\n| 9 | 1 |" in body
    assert "| 7 to 8 | 2 |" in body
    assert len(load(tmp_path / "out", layout)) == 2


def test_card_front_matter_is_the_schema_that_was_written(tmp_path):
    import datasets
    import yaml

    records = [record("b", task=illustrated("b", "1"))]
    export_pairs(make_run(tmp_path / "run", records), tmp_path / "out", "parquet")
    front = yaml.safe_load((tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    written = datasets.Dataset.from_parquet(str(next((tmp_path / "out" / "data").iterdir())), cache_dir=str(tmp_path / "cache"))
    assert datasets.Features._from_yaml_list(front["dataset_info"]["features"]) == written.features


def test_run_that_goes_on_meanwhile_is_exported_as_far_as_it_was(tmp_path):
    run = make_run(tmp_path / "run", [record("a")])
    with (run / "records.jsonl").open("ab") as file:
        file.write(b'{"task": {"id": "half')
    assert export_pairs(run, tmp_path / "out").num_rows == 1


def test_jsonl_is_plain_json_lines(tmp_path):
    records = [record("a", chosen="größer \u2028 \x85 ok")]
    export_pairs(make_run(tmp_path / "run", records), tmp_path / "out")
    lines = (tmp_path / "out" / "train.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == [preference_row(one, APPLICATION) for one in records]


@pytest.mark.parametrize("layout", FORMATS)
def test_trl_takes_the_export_as_conversational_preferences(tmp_path, layout):
    trl = pytest.importorskip("trl")
    export_pairs(make_run(tmp_path / "run", [record("a")]), tmp_path / "out", layout)
    row = load(tmp_path / "out", layout)[0]
    assert trl.is_conversational({name: row[name] for name in ("prompt", "chosen", "rejected")})
