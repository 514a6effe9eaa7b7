"""The registry finds tools of this and of other packages and explains every mistake in a recipe."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import distribution
import pytest

from anyprefer.backends.calls import MemoryCalls
from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError
from anyprefer.recipes import load_recipe
from anyprefer.tools import registry
from anyprefer.tools.base import Case, Tool
from anyprefer.tools.registry import available_tools, build_tools, load_tool_class, register
from anyprefer.tools.toolbox import Toolbox, run_tool
from anyprefer.types import Candidate, Finding, Task, ToolCall

TOOL = """
from anyprefer.tools.base import Tool, ToolArgs, ToolOptions
from anyprefer.tools.function import tool
from anyprefer.types import Candidate

class EchoOptions(ToolOptions):
    times: int = 1

class Echo(Tool[ToolArgs, EchoOptions]):
    name = "echo"
    description = "Repeats the task."
    async def run(self, args, case):
        return case.task.text * self.options.times

class Needy(Echo):
    name = "needy"
    def __init__(self, options):
        import a_package_that_nobody_has

class Hollow(Tool):
    name = "hollow"
    scope = "galaxy"
    aclose = None
    Args = int
    def run(self, args, case):
        pass

class Structural:
    name = "structural"
    description = "Looks like a tool."

@tool
def is_short(limit: int, candidate: Candidate) -> bool:
    '''Checks that a response is short.

    Args:
        limit: Most characters.
    '''
    return len(candidate.text) <= limit

def unmarked(limit: int) -> str:
    '''Says nothing.'''
"""

BAD_FUNCTION = """
from anyprefer.tools.function import tool

@tool
def bad(limit) -> str:
    '''Says nothing.'''
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    return lambda name, points, source=TOOL: distribution.install(monkeypatch, tmp_path, name, source, "anyprefer.tools", points)


def mistakes_of(names, **options):
    with pytest.raises(ConfigError) as caught:
        build_tools(ToolsConfig(names=names, options=options))
    return str(caught.value).splitlines()


def test_built_in_tools_are_listed():
    assert {"calculator", "corpus_search"} <= set(available_tools())


def test_listing_imports_no_tool():
    code = (
        "import sys; from anyprefer.tools.registry import available_tools; available_tools();"
        "families = ('arithmetic', 'corpus', 'consensus', 'foreign', 'python', 'reward_model', 'web');"
        "print([m for m in sys.modules if m.startswith(tuple(f'anyprefer.tools.{part}' for part in families)) or m == 'ddgs'])"
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
        (("calculater",), {}, "tools.names = 'calculater': there is no such tool; did you mean 'calculator'?"),
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
    assert await run_tool(tool, {}, Case(task)) == Finding(content="haha")


async def test_a_function_of_another_package_works(install):
    install("short_tools", {"is_short": "short_tools:is_short"})
    [tool] = build_tools(ToolsConfig(names=("is_short",))).values()
    case = Case(Task(prompt="ha"), candidate=Candidate(index=0, output="ha"))
    assert (await run_tool(tool, {"limit": 2}, case)).supports is True


@pytest.mark.parametrize(("attribute", "args", "content"), [("Echo", {}, "haha"), ("is_short", {"limit": 1}, None)])
async def test_a_path_in_a_recipe_names_a_tool_which_runs_and_is_journalled_under_it(install, attribute, args, content):
    install("path_tools", {})
    name = f"path_tools:{attribute}"
    options = {name: {"times": 2}} if attribute == "Echo" else {}
    tools = build_tools(ToolsConfig(names=(name,), options=options))
    assert tools[name].name == name
    box, task, response = Toolbox(tools, 10.0, MemoryCalls()), Task(prompt="ha"), Candidate(index=0, output="hm")
    call = ToolCall(tool=name, args=args, candidate=0 if tools[name].scope == "candidate" else None)
    [evidence] = await box.gather([call], task, (response,), 0)
    assert (evidence.tool, evidence.ok) == (name, True)
    assert content in (None, evidence.text)
    assert evidence.finding.supports is (None if attribute == "Echo" else False)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("lost_tools:Missing", r"tool 'lost_tools:Missing' cannot be imported: AttributeError"),
        ("no_such_module_anywhere:Tool", r"cannot be imported: ModuleNotFoundError.*set PYTHONPATH"),
        ("lost_tools:unmarked", "is no tool: unmarked is a function without the decorator"),
        ("lost_tools:Structural", "is no tool: it is .*not a subclass of Tool"),
        ("os:path", "is no tool: it is .*not a subclass of Tool"),
    ],
)
def test_a_path_that_leads_to_no_tool_is_explained(install, path, message):
    install("lost_tools", {})
    with pytest.raises(ConfigError, match=message):
        build_tools(ToolsConfig(names=(path,)))


def test_a_function_with_a_bad_signature_is_explained(install):
    install("bad_tools", {"bad": "bad_tools:bad"}, BAD_FUNCTION)
    message = "the function bad_tools:bad is no tool: the parameter 'limit' has no annotation"
    for name in ("bad", "bad_tools:bad"):
        assert mistakes_of((name,))[0].startswith(message)


@pytest.fixture
def registered(monkeypatch):
    """What is registered here is forgotten afterwards."""
    monkeypatch.setattr(registry, "TOOLS", replace(registry.TOOLS, registered={}))


async def test_a_registered_function_works_and_can_be_registered_anew(registered):
    def count_words(candidate: Candidate) -> float:
        """Counts the words of a response."""
        return len(candidate.text.split())

    assert register(count_words) is count_words
    register(count_words)
    assert available_tools()["count_words"].endswith("count_words")
    [tool] = build_tools(ToolsConfig(names=("count_words",))).values()
    case = Case(Task(prompt="ha"), candidate=Candidate(index=0, output="one two"))
    assert (await run_tool(tool, {}, case)).value == 2


async def test_a_registered_class_works(registered):
    @register
    class Silence(Tool):
        name = "silence"
        description = "Says nothing much."

        async def run(self, args, case):
            return "..."

    [tool] = build_tools(ToolsConfig(names=("silence",), choose="always")).values()
    task = Task(prompt="ha")
    assert await run_tool(tool, tool.default_args(task).model_dump(), Case(task)) == Finding(content="...")


def test_what_is_no_tool_cannot_be_registered(registered):
    class calculator(Tool):  # noqa: N801 - a thief
        name = "calculator"
        description = "Steals a name."

        async def run(self, args, case):
            return ""

    for found, message in [
        (3, "3 is no function"),
        (int, "not a subclass of Tool"),
        (len, "is no function"),
        (lambda: "", "has no docstring"),
        (calculator, "'calculator' is built in"),
    ]:
        with pytest.raises(ConfigError, match=message):
            register(found)
    assert "calculator" not in registry.TOOLS.registered


def test_arguments_that_nobody_can_guess_need_a_judge(install):
    install("short_tools", {"is_short": "short_tools:is_short"})
    message = (
        "tools.choose = 'always' cannot call 'is_short': 'is_short' needs limit: only a judge can choose these arguments; "
        "set tools.choose = 'judge'"
    )
    with pytest.raises(ConfigError) as caught:
        build_tools(ToolsConfig(names=("is_short",), choose="always"))
    assert str(caught.value) == message


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
        "aclose",
        "run must be a coroutine method of its own",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("broken_tools:Missing", "AttributeError"),
        ("no_such_module_anywhere:Tool", "ModuleNotFoundError"),
        ("broken_tools:Echo.name", "AttributeError"),
        ("broken_tools:TOOLS", "it is 3, not a subclass of Tool"),
        ("broken_tools:Structural", "not a subclass of Tool"),
        ("broken_tools:unmarked", "without the decorator"),
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
    [line] = mistakes_of(("needy",))
    assert "a_package_that_nobody_has" in line
    assert line.endswith("install what needy_tools needs")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("web_search", "ddgs", "tools"), ("reward_model", "torch", "train")],
)
def test_a_missing_package_of_a_built_in_tool_names_its_extra(monkeypatch, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    [line] = mistakes_of((name,))
    assert line.startswith(f"the tool {name!r} needs a package that is not installed (")
    assert line.endswith(f"pip install 'anyprefer[{extra}]'")


def test_two_packages_with_one_name_are_refused(install):
    install("first_tools", {"echo": "first_tools:Echo"})
    install("second_tools", {"echo": "second_tools:Echo"})
    with pytest.raises(ConfigError, match=r"claimed by first_tools:Echo and second_tools:Echo"):
        load_tool_class("echo")


def test_a_built_in_name_cannot_be_taken(install):
    install("thief_tools", {"calculator": "thief_tools:Echo"})
    assert load_tool_class("calculator").__module__.startswith("anyprefer.tools.")


WEIGHER = TOOL.replace(
    "    times: int = 1",
    """    times: int = 1
    weights: Path = Path("unset")
    fallback: Path | None = None
    shards: tuple[Path, ...] = ()
    parts: dict[str, Path] = {}
    corpus: str = "German" """,
).replace("from anyprefer.types", "from pathlib import Path\nfrom anyprefer.types")
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
