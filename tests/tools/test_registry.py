"""The registry finds tools of this and of other packages and explains every mistake in a recipe."""

import subprocess
import sys
from pathlib import Path

import distribution
import pytest

from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError
from anyprefer.recipes import load_recipe
from anyprefer.tools.base import Case
from anyprefer.tools.registry import ENTRY_POINTS, available_tools, build_tools, load_tool_class
from anyprefer.types import Task

TOOL = """
from typing import ClassVar
from anyprefer.tools.base import ToolArgs, ToolOptions

class Echo:
    name = "echo"
    description = "Repeats the task."
    scope = "task"
    class Args(ToolArgs):
        pass
    class Options(ToolOptions):
        times: int = 1
    def __init__(self, options):
        self.options = options
    def default_args(self, task):
        return self.Args()
    async def run(self, args, case):
        return case.task.text * self.options.times
    async def aclose(self):
        pass

class Needy(Echo):
    name = "needy"
    def __init__(self, options):
        import a_package_that_nobody_has

class Hollow:
    name = "hollow"
    scope = "galaxy"
    def run(self, args, task, candidate):
        pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    return lambda name, points, source=TOOL: distribution.install(monkeypatch, tmp_path, name, source, ENTRY_POINTS, points)


def mistakes_of(names, **options):
    with pytest.raises(ConfigError) as caught:
        build_tools(ToolsConfig(names=names, options=options))
    return str(caught.value).splitlines()


def test_built_in_tools_are_listed():
    assert {"calculator", "corpus_search"} <= set(available_tools())


def test_listing_imports_no_tool():
    code = (
        "import sys; from anyprefer.tools.registry import ENTRY_POINTS, available_tools; available_tools();"
        "print([m for m in sys.modules if m.startswith('anyprefer.tools.c') or m == 'sympy'])"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_tools_come_in_the_recipe_order(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYPREFER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "corpus.jsonl").write_text('{"text": "Ants are insects."}')
    options = {"corpus_search": {"path": str(tmp_path / "corpus.jsonl")}}
    assert list(build_tools(ToolsConfig(names=("corpus_search", "calculator"), options=options))) == [
        "corpus_search",
        "calculator",
    ]
    assert build_tools(ToolsConfig()) == {}


@pytest.mark.parametrize(
    ("names", "options", "line"),
    [
        (("calculater",), {}, "tools.names: there is no tool 'calculater'; did you mean 'calculator'?"),
        (("calculator", "calculator"), {}, "tools.names: 'calculator' stands there twice; remove one"),
        (("calculator",), {"calculater": {}},
         "tools.options.calculater: there is no such tool in tools.names; did you mean tools.options.calculator?"),
        (("calculator",), {"corpus_search": {}},
         "tools.options.corpus_search: add 'corpus_search' to tools.names or remove the options"),
        (("calculator",), {"calculator": {"depth": 3}},
         "tools.options.calculator.depth = 3: there is no such option; there are none"),
        (("corpus_search",), {}, "tools.options.corpus_search.path is missing: corpus_search cannot do without it"),
        (("corpus_search",), {"corpus_search": {"path": "x", "passage_char": 9}},
         "tools.options.corpus_search.passage_char = 9: there is no such option; did you mean 'passage_chars'?"),
        (("corpus_search",), {"corpus_search": {"path": "x", "passage_chars": 9}},
         "tools.options.corpus_search.passage_chars = 9: input should be greater than or equal to 100"),
    ],
)  # fmt: skip
def test_each_mistake_is_explained(names, options, line):
    assert mistakes_of(names, **options) == [line]


def test_several_mistakes_are_told_at_once():
    assert len(mistakes_of(("calculater", "corpus_search"), corpus_search={"pth": 1}, other={})) == 4


async def test_a_tool_of_another_package_works(install):
    install("echo_tools", {"echo": "echo_tools:Echo"})
    assert available_tools()["echo"] == "echo_tools:Echo"
    [tool] = build_tools(ToolsConfig(names=("echo",), options={"echo": {"times": 2}})).values()
    task = Task(prompt="ha")
    assert await tool.run(tool.default_args(task), Case(task)) == "haha"


def test_a_foreign_class_that_is_no_tool_is_explained(install):
    install("hollow_tools", {"hollow": "hollow_tools:Hollow"})
    with pytest.raises(ConfigError) as caught:
        load_tool_class("hollow")
    message = str(caught.value)
    assert "tool 'hollow' (hollow_tools:Hollow) is no tool" in message
    for part in (
        "description",
        "scope must be 'task' or 'candidate', not 'galaxy'",
        "Args",
        "Options",
        "default_args",
        "aclose",
        "run",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("broken_tools:Missing", "AttributeError"),
        ("no_such_module_anywhere:Tool", "ModuleNotFoundError"),
        ("broken_tools:Echo.name", "AttributeError|not a class"),
        ("broken_tools:TOOLS", "not a class"),
    ],
)
def test_a_broken_entry_point_is_named(install, path, message):
    install("broken_tools", {"broken": path}, TOOL + "\nTOOLS = 3\n")
    with pytest.raises(ConfigError, match=rf"tool 'broken' \({path}\).*({message})"):
        load_tool_class("broken")


def test_a_module_that_crashes_is_named(install):
    install("crash_tools", {"crash": "crash_tools:Tool"}, "1 / 0")
    with pytest.raises(ConfigError, match=r"crash.*ZeroDivisionError"):
        load_tool_class("crash")


def test_a_name_other_than_the_entry_point_is_refused(install):
    install("alias_tools", {"alias": "alias_tools:Echo"})
    with pytest.raises(ConfigError, match="name must be 'alias', not 'echo'"):
        load_tool_class("alias")


def test_a_missing_dependency_is_named(install):
    install("needy_tools", {"needy": "needy_tools:Needy"})
    assert "a_package_that_nobody_has" in mistakes_of(("needy",))[0]


def test_two_packages_with_one_name_are_refused(install):
    install("first_tools", {"echo": "first_tools:Echo"})
    install("second_tools", {"echo": "second_tools:Echo"})
    with pytest.raises(ConfigError, match=r"claimed by first_tools:Echo and second_tools:Echo"):
        load_tool_class("echo")


def test_a_built_in_name_cannot_be_taken(install):
    install("thief_tools", {"calculator": "thief_tools:Echo"})
    assert load_tool_class("calculator").__module__ == "anyprefer.tools.calculator"


WEIGHER = TOOL.replace(
    "class Options(ToolOptions):",
    """class Options(ToolOptions):
        weights: Path = Path("unset")
        fallback: Path | None = None
        shards: tuple[Path, ...] = ()
        parts: dict[str, Path] = {}
        corpus: str = "German" """,
).replace("from typing import ClassVar", "from pathlib import Path")
RECIPE = """
name = "x"
[target]
model = "openai:a"
[judge]
model = "openai:b"
[tools]
names = ["echo"]
[tools.options.echo]
"""


def test_paths_of_a_foreign_tool_are_those_that_its_options_call_paths(install, tmp_path):
    install("weighing_tools", {"echo": "weighing_tools:Echo"}, WEIGHER)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE + 'weights = "w.bin"\nshards = ["a", "/b"]\nparts = {one = "c"}\ncorpus = "English"\ntimes = 3\n')
    recipe = load_recipe(path)
    assert recipe.tools.options["echo"] == {
        "weights": str(tmp_path / "w.bin"), "shards": [str(tmp_path / "a"), "/b"], "parts": {"one": str(tmp_path / "c")},
        "corpus": "English", "times": 3,
    }  # fmt: skip
    [tool] = build_tools(recipe.tools).values()
    assert tool.options.weights == tmp_path / "w.bin"


def test_options_that_a_tool_refuses_are_explained_when_the_tools_are_made(install, tmp_path):
    install("weighing_tools", {"echo": "weighing_tools:Echo"}, WEIGHER)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE + 'wieghts = "w.bin"\n')
    recipe = load_recipe(path)
    with pytest.raises(ConfigError, match="did you mean 'weights'"):
        build_tools(recipe.tools)


def test_settings_of_a_langchain_tool_are_left_as_they_are(tmp_path):
    path, name = tmp_path / "recipe.toml", "langchain:some.module:Tool"
    path.write_text(RECIPE.replace('["echo"]', f'["{name}"]').replace("options.echo", f'options."{name}"') + 'path = "x"\n')
    assert load_recipe(path).tools.options[name] == {"path": "x"}
