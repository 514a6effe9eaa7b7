"""Any LangChain tool serves as one of ours: found by name, described by its schema, its failures turned into evidence."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from anyprefer.backends.calls import MemoryCalls
from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, ToolArgs
from anyprefer.tools.registry import build_tools
from anyprefer.tools.toolbox import Toolbox
from anyprefer.types import Candidate, Task, ToolCall

TASK = Task(prompt="legs of ants")


def make(attribute, choose="judge", **options):
    name = f"langchain:langchain_example:{attribute}"
    return build_tools(ToolsConfig(names=(name,), choose=choose, options={name: options} if options else {}))[name]


async def call(tool, candidate=None, **args):
    return (await tool.run(tool.Args.model_validate(args), Case(TASK, candidate=candidate))).text


def mistake(attribute, **options):
    with pytest.raises(ConfigError) as caught:
        make(attribute, **options)
    return str(caught.value)


async def test_an_instance_works():
    tool = make("look_up", choose="always")
    assert tool.name == "langchain:langchain_example:look_up"
    assert tool.description == "Looks facts up in a small encyclopedia; use it when responses state facts."
    assert tool.scope == "task"
    assert (await tool.run(tool.default_args(TASK), Case(TASK))).text == "3 facts about legs of ants: ants have six legs"
    assert await call(tool, query="bees", limit=1) == "1 facts about bees: ants have six legs"


async def test_a_class_takes_the_options():
    assert await call(make("Shout", times=2), text="a") == "AA"
    assert await call(make("Shout"), text="a") == "A"


async def test_a_factory_takes_the_options():
    assert await call(make("make_shout"), text="a") == "AA"
    assert await call(make("make_shout", times=3), text="a") == "AAA"


@pytest.mark.parametrize(("attribute", "found"), [("plain", "heard legs of ants"), ("only_async", "later legs of ants")])
async def test_plain_and_async_functions_work(attribute, found):
    tool = make(attribute, choose="always")
    assert (await tool.run(tool.default_args(TASK), Case(TASK))).text == found


def test_arguments_come_from_the_tools_schema():
    tool = make("look_up")
    assert issubclass(tool.Args, ToolArgs)
    assert tool.Args.model_fields["query"].description == "What to look up."
    assert tool.Args.model_json_schema()["required"] == ["query"]
    with pytest.raises(ValidationError, match="extra_forbidden"):
        tool.Args(query="a", page=2)
    assert set(make("choose").Args.model_fields) == {"query", "kind"}  # what LangChain injects is not for the judge
    with pytest.raises(ValidationError, match="literal_error"):
        make("choose").Args(query="a", kind="film")


async def test_a_json_schema_is_taken_over():
    tool = make("by_schema")
    assert tool.description == "Described by a JSON schema. With a second line."
    given = {"query": "q", "max-results": 2, "schema": "s", "where": {"x": 1.5, "next": {"x": 2.0}}, "tags": ["a"]}
    assert set(tool.Args.model_json_schema()["properties"]) == set(given)
    stored = tool.Args.model_validate(given).model_dump(mode="json")  # as the judge hands it to the toolbox
    assert "'max-results', 2" in await call(tool, **stored)
    assert await call(tool, query="q") == "[('query', 'q')]"
    for wrong in ({"max-results": 0}, {"tags": ["c"]}, {"tags": ["a", "b", "a"]}, {"where": {"y": 1}}, {"query": "q" * 21}):
        with pytest.raises(ValidationError):
            tool.Args.model_validate({"query": "q", **wrong})
    assert len(tool.default_args(Task(prompt="x" * 100)).query) == 20


@pytest.mark.parametrize(
    ("attribute", "reason"), [("fail", "ToolException: no luck with a"), ("crash", "ZeroDivisionError: division by zero")]
)
async def test_a_failure_is_a_tool_error(attribute, reason):
    with pytest.raises(ToolError, match=reason):
        await call(make(attribute), query="a")


async def test_results_become_text():
    assert await call(make("show_picture"), query="a") == "before\n[image omitted]\nafter"
    assert (await call(make("tell_numbers"), query="a")).startswith('{"ä": [1, 2.5, null]')


async def test_a_candidate_tool_reads_the_response():
    tool = make("count_words", choose="always", scope="candidate", response_argument="text")
    assert tool.scope == "candidate"
    assert not tool.Args.model_fields
    assert await call(tool, candidate=Candidate(index=0, output="one two")) == "2 words"
    with pytest.raises(ToolError, match="call it once per candidate"):
        await call(tool)


async def test_a_tool_with_several_arguments_needs_a_judge():
    with pytest.raises(ToolError, match="needs query, kind"):
        make("choose").default_args(TASK)
    assert "tools.choose = 'always' cannot call" in mistake("choose", choose="always")


async def test_the_toolbox_runs_it_under_its_full_name():
    tool = make("look_up")
    box = Toolbox({tool.name: tool}, 10.0, MemoryCalls())
    [evidence] = await box.gather([ToolCall(tool=tool.name, args=tool.default_args(TASK).model_dump(mode="json"))], TASK, (), 0)
    assert (evidence.tool, evidence.ok) == ("langchain:langchain_example:look_up", True)
    await box.aclose()


@pytest.mark.parametrize(
    ("attribute", "options", "message"),
    [
        ("loook_up", {}, "langchain_example has no 'loook_up'; did you mean 'look_up'?"),
        ("NUMBER", {}, "is 3, not a LangChain tool"),
        ("make_nothing", {}, "makes 'nothing', not a LangChain tool"),
        ("look_up", {"times": 3}, "is a finished tool and takes no options"),
        ("Shout", {"time": 3}, ".time = 3: there is no such option; did you mean 'times'?"),
        ("Shout", {"times": "many"}, "cannot be made from its options: ValidationError"),
        ("make_shout", {"loud": True}, ".loud = True: there is no such option; known are: times"),
        ("count_words", {"scope": "candidate"}, "response_argument and scope = 'candidate' need each other; arguments are: text"),
        ("count_words", {"response_argument": "text"}, "need each other"),
        ("count_words", {"scope": "candidate", "response_argument": "txt"}, "= 'txt': there is no such argument, only text"),
        ("count_words", {"scope": "galaxy"}, ".scope = 'galaxy': input should be 'task' or 'candidate'"),
    ],
)
def test_mistakes_are_explained(attribute, options, message):
    assert message in mistake(attribute, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("langchain:", "must be 'langchain:module.path:NAME'"),
        ("langchain:langchain_example", "must be 'langchain:module.path:NAME'"),
        ("langchain:no_such_module:tool", "no_such_module cannot be imported: ModuleNotFoundError"),
        (
            "langchian:langchain_example:look_up",
            "'langchian:langchain_example:look_up'.* cannot be imported: .*one of the prefixes langchain:, mcp:",
        ),
    ],
)
def test_wrong_names_are_explained(name, message):
    with pytest.raises(ConfigError, match=message):
        build_tools(ToolsConfig(names=(name,)))


def test_the_packages_own_deprecations_do_no_harm():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from anyprefer.config import ToolsConfig; from anyprefer.tools.registry import build_tools\n"
        "print(*build_tools(ToolsConfig(names=('langchain:langchain_example:look_up',))))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:langchain_example", "-c", code],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("langchain:langchain_example:look_up", "")
