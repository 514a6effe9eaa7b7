"""The first recipe of a user: written with comments that say what one is likely to turn, and with a few tasks if need be."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from anyprefer.applications.registry import find_application
from anyprefer.backends.served import is_small
from anyprefer.config import Recipe
from anyprefer.data.rows import read_rows
from anyprefer.data.tasks import load_tasks
from anyprefer.errors import ConfigError
from anyprefer.recipe_tables import parse_recipe
from anyprefer.redaction import quote
from anyprefer.runs.session import Session

Source = Literal["endpoint", "server", "embedded"]
"""An endpoint of somebody else, a server of one's own, or the embedded models."""

SAMPLE = (
    ("bakery", "A baker makes 12 trays of 8 rolls and sells 75 rolls. How many rolls are left?", "21"),
    ("train", "A train leaves at 9:40 and arrives at 13:05. How many minutes does the journey take?", "205"),
    ("garden", "A garden is 14 m long and 9 m wide. How many metres of fence go around it?", "46"),
    ("discount", "A coat costs 80 euros and is reduced by 15 %. What does it cost now, in euros?", "68"),
    ("books", "Mia reads 25 pages a day. On which day does she finish a book of 310 pages?", "13"),
)
"""Id, prompt and reference of each sample task."""


@dataclass(frozen=True)
class Draft:
    """What `anyprefer init` has found out.

    Attributes:
        name: Of the recipe.
        source: What answers.
        target: The model to be aligned, as a recipe names it.
        judge: The model that judges, likewise.
        tasks: The task file as the recipe gives it, relative to the recipe.
        base_url: The endpoint of the target.
        judge_url: The endpoint of the judge; None is the provider's own.
        key_env: The variable that holds the key of `base_url`; None where none is needed.
        columns: What of the first row is used, for a comment.
        meanings: Role -> columns of the task file that have it, where their names do not say so.
        num_tasks: How many tasks the file has.
        with_sample: Whether the task file is the sample, which is not there yet.
    """

    name: str
    source: Source
    target: str
    judge: str
    tasks: str
    base_url: str | None = None
    judge_url: str | None = None
    key_env: str | None = None
    columns: str = ""
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    num_tasks: int = 0
    with_sample: bool = False

    def recipe(self) -> Recipe:
        """The recipe that the text makes.

        Raises:
            ConfigError: It makes none.
        """
        return parse_recipe(tomllib.loads(self.text()), self.name)

    def text(self) -> str:
        """The recipe as TOML, with comments; a commented line that begins with a key works as it stands."""
        return "\n\n".join(part for part in self._parts() if part) + "\n"

    def _parts(self) -> list[str]:
        return [
            _HEAD.format(
                name=_quoted(self.name), tasks=_quoted(self.tasks), columns=f"  # {self.columns}" if self.columns else ""
            ),
            tomli_w.dumps({"columns": dict(self.meanings)}).strip() if self.meanings else "",
            "\n".join((_ALIGNED, "[target]", *self._connection(self.target, self.base_url), _TARGET[self.source].strip())),
            "\n".join((self._about_judge(), "[judge]", *self._connection(self.judge, self.judge_url), self._judging())),
            self._loop(),
            _EMBEDDED if self.source == "embedded" else _PRICES.format(target=_quoted(self.target)),
        ]

    def _loop(self) -> str:
        critic, threshold = (_SMALL_CRITIC, 6) if is_small(self.judge) else ("", 7)
        return _LOOP.format(critic=critic, threshold=threshold, concurrency=_CONCURRENCY[self.source])

    def _connection(self, model: str, url: str | None) -> list[str]:
        lines = [f"model = {_quoted(model)}"]
        if url is not None:
            lines.append(f"base_url = {_quoted(url)}")
        if url is not None and url == self.base_url and self.key_env is not None:
            lines.append(f"api_key_env = {_quoted(self.key_env)}  # the variable, never the key")
        if self.source != "endpoint":
            lines.append("timeout_seconds = 900  # of one request; a small machine needs minutes")
        return lines

    def _about_judge(self) -> str:
        is_same = (self.judge, self.judge_url) == (self.target, self.base_url)
        return _SAME_MODEL if is_same else _OTHER_MODEL

    def _judging(self) -> str:
        return _SMALL_JUDGE if is_small(self.judge) else _LARGE_JUDGE


_HEAD = """\
# Written by `anyprefer init`. A line such as "# key = value" can be turned on as it stands.
# To spend no more than so much: anyprefer run RECIPE --budget-tokens 2000000
name = {name}
tasks = {tasks}{columns}
field = "general knowledge"  # the expertise that judge and critic bring, such as organic chemistry"""

_ALIGNED = "# The model to be aligned. It answers each prompt several times; the best and the worst answer become a pair."

_TARGET: dict[Source, str] = {
    "endpoint": """
max_tokens = 1024  # of one answer; a model that thinks before it answers needs 4096 or more
# requests_per_minute = 60  # most requests to the model, over all roles; and tokens_per_minute
# What the endpoint takes is found out before the first task. A key forces it, here and in [judge]:
# reply_format = "text"  # how replies are held to a schema: json_schema, json_object, or text in the prompt
# omit = ["top_p", "seed"]  # fields that are never sent
# system_role = "user"  # system text goes into the first user message
# length_field = "max_tokens"  # or max_completion_tokens
# context_tokens = 32768  # where the endpoint does not tell; long texts are shortened to fit""",
    "server": """
max_tokens = 1024  # of one answer; a model that thinks before it answers needs 4096 or more
# context_tokens = 8192  # where the server does not tell; long texts are shortened to fit
# What the server takes is found out before the first task. A key forces it, here and in [judge]:
# reply_format = "text"  # how replies are held to a schema: json_schema, json_object, or text in the prompt
# omit = ["n"]  # fields that are never sent; without n, five answers are five requests
# system_role = "user"  # system text goes into the first user message
# length_field = "max_tokens"  # or max_completion_tokens""",
    "embedded": """
max_tokens = 200  # of one answer""",
}

_OTHER_MODEL = "# The model that scores the answers, criticises the pairs and rewrites the prompts."
_SAME_MODEL = f"{_OTHER_MODEL} Here the target judges itself:\n# a larger model, or one of another maker, is the better judge."

_LARGE_JUDGE = """\
max_tokens = 2048  # of one judgement; a model that thinks before it answers needs 8192 or more
# permutations = 2  # score several orderings of the answers and average, against position bias
# method = "pointwise"  # one answer at a time: what small judges need"""

_SMALL_JUDGE = """\
max_tokens = 600
method = "pointwise"  # a small judge scores one answer at a time; "listwise" reads all at once, as the paper does
expected_score = true  # how sure it is of each digit, instead of the digit alone
analysis_chars = 0  # no analysis before the score, which small models talk themselves into"""

_SMALL_CRITIC = """
[critic]
expected_score = true
analysis_chars = 0
"""

_LOOP = """\
# What the judge is helped by. The calculator recomputes every equation; more tools: `anyprefer tools list`.
[tools]
names = ["calculator"]
choose = "always"  # "judge" asks the judge which tools to call, which is worth it with several
# Where answers can be computed, add "python" to the names, choose "arguments" and 5 samples (see docs/tools.md): then programs of
# the judge vote on every answer, and only pairs of a right and a wrong one are accepted.

# Findings of the calculator are short and need no summary; with tools that search, remove this section.
[aggregator]
enabled = false

# A critic scores each pair. Below the threshold, prompts are rewritten and the task is tried again.{critic}
[loop]
threshold = {threshold}  # 1 to 10; higher keeps fewer and better pairs
max_rounds = 1  # rewrites; 0 is a single pass

[run]
concurrency = {concurrency}  # tasks in progress at once

[sampling]
# num_candidates = 5  # answers to each prompt"""

_CONCURRENCY: dict[Source, int] = {"endpoint": 8, "server": 4, "embedded": 2}

_PRICES = """\
# With prices, records carry their cost, and `--budget-usd 5` never spends 6. Each model needs a table
# of its own: turn on all three lines.
# [prices.{target}]
# prompt_usd = 2.5  # US dollars per million tokens
# completion_usd = 10.0"""

_EMBEDDED = """\
[embedded]
context_tokens = 4096  # of one sequence, prompt and answer together
# threads = 4  # 0, the default, is one per core"""


def describe_tasks(source: str, recipe: Recipe) -> tuple[int, str]:
    """How many tasks a source has, and which columns of its first row are used.

    Args:
        source: A path, or `hf:OWNER/NAME`.
        recipe: Whose application reads it.

    Raises:
        DataError: A row cannot be used.
        ConfigError: Reading it needs an extra.
    """
    path = Path(source)
    number = Session(recipe, path, path).count_tasks()
    _, row = next(read_rows(path))
    task = next(load_tasks(path, limit=1, read=find_application(recipe.application).read_task, columns=recipe.columns))
    used = [name for name, value in row.items() if value is not None and name not in {*task.metadata, "metadata"}]
    others = ", ".join(quote(name, 40) for name in task.metadata)
    return number, f"columns used: {', '.join(quote(name, 40) for name in used)}" + (
        f"; kept as metadata: {others}" if others else ""
    )


def sample_text() -> str:
    """The sample tasks as JSON Lines."""
    rows: list[dict[str, Any]] = [{"id": name, "prompt": prompt, "reference": answer} for name, prompt, answer in SAMPLE]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_file(path: Path, text: str, *, force: bool) -> None:
    """Write a file that is not there yet.

    Args:
        path: Where; its folder is made.
        text: What.
        force: Whether one that is there may be replaced.

    Raises:
        ConfigError: There is one, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{str(path)!r} is there already: give another name, or --force to replace it") from None
    except OSError as error:
        raise ConfigError(f"cannot write {str(path)!r}: {error.strerror}") from error


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return tomli_w.dumps({"x": text}).removeprefix("x = ").rstrip("\n")
