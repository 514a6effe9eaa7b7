"""Recipe mistakes give one clear error each, naming key, value and fix."""

import tomllib
from pathlib import Path

import pytest

from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError
from anyprefer.recipes import digest_of, load_recipe, parse_recipe, tracked_values

MINIMAL = '[target]\nmodel = "openai:t"\n[judge]\nmodel = "openai:j"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\n' + MINIMAL + "[lop]\nthreshold = 3", ["unknown key lop", "did you mean 'loop'"]),
        ('name = "x"\n' + MINIMAL + "[loop]\ntreshold = 3", ["unknown key loop.treshold = 3", "did you mean 'threshold'"]),
        ('name = "x"\n' + MINIMAL + "[judge.escalate]\nmodl = 3", ["key judge.escalate.modl = 3", "did you mean 'model'"]),
        ('name = "x"\n' + MINIMAL + "[[judge.panel]]\nmodl = 3", ["unknown key judge.panel.0.modl = 3", "did you mean 'model'"]),
        ('name = "x"\n' + MINIMAL + "[prices.x]\nprompt = 3", ["unknown key prices.x.prompt = 3", "did you mean 'prompt_usd'"]),
        ('name = "x"\n' + MINIMAL + "[loop]\nthreshold = 30", ["loop.threshold = 30", "less than or equal to 10"]),
        ('name = "x"\n' + MINIMAL + '[loop]\nthreshold = "7"', ["loop.threshold = '7'", "valid number"]),
        ('name = "x"\n' + MINIMAL + '[loop]\nfeedback = "both"', ["loop.feedback = 'both'", "'joint'"]),
        ('name = "x"\n' + MINIMAL + "[pair]\nmin_margin = 0", ["pair.min_margin = 0"]),
        ('name = "x"\n' + MINIMAL + "[pair]\nchosen_rank = 5", ["pair.chosen_rank 5"]),
        ('name = "x"\n' + MINIMAL + "[pair]\nrejected_rank = 9", ["must not exceed sampling.num_candidates = 5"]),
        (MINIMAL, ["missing key name"]),
        ('name = "x"\n[judge]\nmodel = "openai:j"', ["missing key target"]),
        ('name = "x"\n[target]\n[judge]\nmodel = "openai:j"', ["target.model is empty"]),
        ("name = ", ["not valid TOML"]),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2 problem\(s\)"):
        load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL + "[loop]\nthreshold = 30\nmax_rounds = -1"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe at"):
        load_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("loop.threshold=3", "loop.threshold", 3),
        ("judge.model=openai:gpt-4o", "judge.model", "openai:gpt-4o"),
        ('tools.names=["calculator"]', "tools.names", ["calculator"]),
        ("target.temperature=5e-1", "target.temperature", 0.5),
    ],
)
def test_override_is_typed(tmp_path: Path, override: str, key: str, value: object) -> None:
    recipe = load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL), [override])
    assert tracked_values(recipe)[key] == value


@pytest.mark.parametrize("override", ["loop.threshold", "=3", "name.x=3", "loop..threshold=3"])
def test_bad_override_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL), [override])


def test_lock_reads_back_to_the_same_digest(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL))
    saved = tomllib.loads(RunDir("").lock_of(recipe, digest_of(recipe), {}).text)
    header = saved.pop("lock")
    assert digest_of(parse_recipe(saved)) == header["digest"] == digest_of(recipe)


@pytest.mark.parametrize("override", ["run.concurrency=99", "target.timeout_seconds=1", "description=other"])
def test_digest_ignores_what_does_not_change_the_data(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    assert digest_of(load_recipe(path, [override])) == digest_of(load_recipe(path))


@pytest.mark.parametrize("place", [("judge", "panel"), ("sampling", "generators")])
def test_digest_of_further_models_ignores_how_they_are_reached(place: tuple[str, str]) -> None:
    def digest(**config: object) -> str:
        data = {"name": "x", "target": {"model": "openai:t"}, "judge": {"model": "openai:j"}}
        data[place[0]] = {**data.get(place[0], {}), place[1]: [{"model": "openai:p", **config}]}
        return digest_of(parse_recipe(data))

    assert digest() == digest(timeout_seconds=60.0) == digest(max_retries=0) == digest(api_key_env="OTHER")
    assert digest() != digest(model="openai:q")


@pytest.mark.parametrize("section", [
    {"prices": {"openai:t": {"prompt_usd": 1.0, "completion_usd": 1.0}}}, {"review": {"mode": "all"}}, {"rounds": {"count": 9}},
    {"training": {"epochs": 9.0}},
])  # fmt: skip
def test_digest_ignores_what_is_read_beside_or_after_the_loop(section: dict[str, object]) -> None:
    data = {"name": "x", "target": {"model": "openai:t"}, "judge": {"model": "openai:j"}}
    assert digest_of(parse_recipe({**data, **section})) == digest_of(parse_recipe(data))


def test_relative_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    text = """
name = "x"
tasks = "tasks.jsonl"
[target]
model = "openai:t"
prompts = {sample = "prompts/mine.md"}
[judge]
model = "openai:j"
panel = [{model = "openai:p", prompts = {score = "p.md"}}]
[tools.servers.wiki]
command = ["./serve"]
cwd = "server"
[rounds]
benchmark = "exact"
benchmark_data = "../held_out.jsonl"
"""
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.tasks == str(tmp_path / "tasks.jsonl")
    assert recipe.target.prompts == {"sample": tmp_path / "prompts" / "mine.md"}
    assert recipe.judge.panel[0].prompts == {"score": tmp_path / "p.md"}
    assert recipe.tools.servers["wiki"].cwd == tmp_path / "server"
    assert recipe.tools.servers["wiki"].command == ("./serve",)
    assert recipe.rounds.benchmark_data == tmp_path.parent / "held_out.jsonl"
    saved = tomllib.loads(RunDir("").lock_of(recipe, "", {}).text)
    del saved["lock"]
    assert parse_recipe(saved) == recipe


def test_tasks_of_the_hub_are_no_path(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\ntasks = "hf:openai/gsm8k:test"\n' + MINIMAL)
    assert load_recipe(path).tasks == "hf:openai/gsm8k:test"


def test_digest_follows_everything_else(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    assert digest_of(load_recipe(path, ["run.seed=1"])) != digest_of(load_recipe(path))


def test_role_without_a_model_borrows_the_judges_connection(tmp_path: Path) -> None:
    recipe = load_recipe(
        write(tmp_path, 'name = "x"\n' + MINIMAL), ["judge.base_url=http://127.0.0.1:1/v1", "critic.max_tokens=9"]
    )
    critic = recipe.role("critic")
    assert (critic.model, critic.base_url, critic.max_tokens) == ("openai:j", "http://127.0.0.1:1/v1", 9)


def test_what_a_role_sets_itself_is_not_borrowed(tmp_path: Path) -> None:
    judge = ["judge.api_key_env=JUDGE_KEY", "judge.reply_format=json_object", "judge.timeout_seconds=7"]
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    critic = load_recipe(path, [*judge, "critic.reply_format=text", "critic.omit=['seed']"]).role("critic")
    assert (critic.model, critic.reply_format, critic.omit, critic.timeout_seconds) == ("openai:j", "text", ("seed",), 7)
    assert critic.api_key_env == "JUDGE_KEY"
    assert load_recipe(path, [*judge, "critic.api_key_env=MINE"]).role("critic").api_key_env == "MINE"
    assert load_recipe(path, [*judge, "critic.base_url=http://127.0.0.1:2/v1"]).role("critic").api_key_env == "OPENAI_API_KEY"


def test_every_knob_is_documented() -> None:
    from anyprefer.config import Recipe, Section

    def undocumented(section: type[Section]) -> list[str]:
        names = []
        for name, field in section.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, Section):
                names += undocumented(kind)
            elif not field.description:
                names.append(f"{section.__name__}.{name}")
        return names

    assert undocumented(Recipe) == []


def test_extending_recipe_holds_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        'name = "base"\ntasks = "t.jsonl"\n[target]\nmodel = "openai:m"\nmax_tokens = 7\n[judge]\nmodel = "openai:j"\n'
        '[tools]\nnames = ["calculator"]\n'
    )
    (tmp_path / "mine.toml").write_text(
        'extends = "base.toml"\nname = "mine"\n[target]\nmodel = "openai:n"\n[tools]\nnames = []\n'
    )
    recipe = load_recipe(tmp_path / "mine.toml", ["target.temperature=0.5"])
    assert (recipe.name, recipe.target.model, recipe.target.max_tokens) == ("mine", "openai:n", 7)
    assert (recipe.tools.names, recipe.judge.model, recipe.target.temperature) == ((), "openai:j", 0.5)
    assert recipe.tasks == str(tmp_path / "t.jsonl")


@pytest.mark.parametrize("base", ["mine.toml", "../base.toml", "missing.toml", "other.toml"])
def test_recipe_that_extends_nothing_useful_is_refused(tmp_path: Path, base: str) -> None:
    (tmp_path / "mine.toml").write_text(f'extends = "{base}"\nname = "mine"\n')
    (tmp_path / "other.toml").write_text('extends = "mine.toml"\n')
    with pytest.raises(ConfigError, match=r"extends|no recipe at"):
        load_recipe(tmp_path / "mine.toml")
