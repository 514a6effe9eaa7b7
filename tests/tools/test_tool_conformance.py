"""What every tool must do, run over every built-in one, one tool of each adapter and tools made from functions."""

import asyncio
import time
from typing import get_type_hints

import pytest
from loopback_mcp import McpHttpServer
from loopback_web import LoopbackWeb
from pydantic import ValidationError, create_model

from anyprefer.config import ServerConfig, ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, ToolArgs, ToolOptions
from anyprefer.tools.registry import TOOLS, build_tools, list_problems, load_tool_class
from anyprefer.types import Candidate, Finding, Task

TASK = Task(prompt="How many legs have 3 * 7 ants?")

HOSTILE = {
    "empty": "",
    "controls": "".join(map(chr, range(32))) + "\x7f\x85\u2028 3 + 4 = 8",
    "brackets": "(" * 1_000_000,
    "sums": "1+" * 500_000,
    "words": "ant " * 250_000,
    "dashes": "-" * 1_000_000,
    "one word": "9" * 1_000_000,
    "surrogates": "\ud800 3 * 7 = 22 \udfff" * 1000,
    "format": "{0} %s {{x}} \\ ' \" ; DROP TABLE passages; --",
}


FOREIGN = ("langchain:langchain_example:look_up", "mcp:example/look_up")
"""One tool of each adapter; the rest of what adapters do has tests of its own."""
FUNCTIONS = ("tool_example:look_up", "tool_example:names_unit", "tool_example:count_words")
"""Functions with the decorator: about the task, and about a response, plain and async."""


@pytest.fixture(params=sorted(TOOLS.built_in))
def kind(request):
    return load_tool_class(request.param)


@pytest.fixture(params=[*sorted(TOOLS.built_in), *FOREIGN, *FUNCTIONS])
def tool_name(request):
    return request.param


@pytest.fixture(scope="module")
def mcp_server():
    with McpHttpServer() as server:
        yield server


@pytest.fixture
def web():
    with LoopbackWeb() as server:
        yield server


@pytest.fixture
async def tool(tool_name, tmp_path, monkeypatch, request):
    monkeypatch.setenv("ANYPREFER_CACHE", str(tmp_path / "cache"))
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"title": "Ants", "text": "Ants have six legs."}\n' * 3)
    options = {"corpus_search": {"path": str(corpus)}}
    if tool_name == "reward_model":
        options[tool_name] = {"model": str(request.getfixturevalue("reward_model_folder")), "device": "cpu", "max_tokens": 2048}
    if tool_name == "web_search":
        options[tool_name] = {"endpoint": request.getfixturevalue("web").search_url, "spacing_seconds": 0.0}
    servers = {"example": ServerConfig(url=request.getfixturevalue("mcp_server").url)} if tool_name.startswith("mcp:") else {}
    used = {tool_name: options[tool_name]} if tool_name in options else {}
    try:
        [made] = build_tools(ToolsConfig(names=(tool_name,), options=used, servers=servers)).values()
    except ConfigError as error:
        if tool_name == "python":  # a machine without isolation, which the tool rightly refuses
            pytest.skip(str(error))
        raise
    yield made
    await made.aclose()


def candidate_for(tool, text="3 * 7 = 22"):
    if tool.name == "python" and text not in HOSTILE.values():
        text = "```python\nprint(3 * 7)\n```"  # by default it runs the response's code, and says so where there is none
    return Candidate(index=0, output=text) if tool.scope == "candidate" else None


async def run(tool, args, case):
    """As the toolbox runs it."""
    finding = await tool.run(args, case)
    assert isinstance(finding, Finding)
    return finding


def test_class_fits_the_protocol(kind):
    assert list_problems(kind.name, kind) == []
    assert issubclass(kind.Args, ToolArgs)
    assert issubclass(kind.Options, ToolOptions)


def test_description_is_one_sentence(kind):
    assert kind.description.endswith(".")
    assert ". " not in kind.description
    assert "\n" not in kind.description
    assert 20 <= len(kind.description) <= 200


def test_every_field_is_described(kind):
    for model in (kind.Args, kind.Options):
        assert model.__doc__
        assert all(field.description for field in model.model_fields.values())


def test_unknown_keys_are_refused(kind):
    for model in (kind.Args, kind.Options):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            model.model_validate({"no_such_key": 1})


def test_schemas_name_argument_models_by_their_tools_wherever_the_files_lie():
    kinds = {name: load_tool_class(name) for name in TOOLS.built_in}
    together = create_model("Together", **{name: (kind.Args, ...) for name, kind in kinds.items()})
    assert set(together.model_json_schema()["$defs"]) == {
        f"anyprefer__tools__{name}__{kind.__name__}__Args" for name, kind in kinds.items()
    }


def test_tool_fits_the_protocol(tool, tool_name):
    assert tool.name == tool_name
    assert tool.scope in ("task", "candidate")
    assert tool.description
    assert tool.description.isprintable()
    assert len(tool.description) <= 350
    assert issubclass(tool.Args, ToolArgs)
    assert issubclass(tool.Options, ToolOptions)
    assert all(field.description for model in (tool.Args, tool.Options) for field in model.model_fields.values())
    with pytest.raises(ValidationError, match="extra_forbidden"):
        tool.Args.model_validate({"no_such_key": 1})


async def test_default_args_are_valid_for_any_task(tool):
    for task in (TASK, Task(prompt="x" * 1_000_000), Task(prompt=" \n. "), Task(prompt=[{"role": "user", "content": "hi"}])):
        args = tool.default_args(task)
        assert isinstance(args, tool.Args)
        assert tool.Args.model_validate(args.model_dump()) == args


async def test_run_returns_a_finding_which_speaks_of_responses_alone(tool):
    finding = await run(tool, tool.default_args(TASK), Case(TASK, candidate=candidate_for(tool)))
    assert finding.text.strip()
    assert finding.supports is None or tool.scope == "candidate"


def test_run_promises_a_finding(kind):
    assert get_type_hints(kind.run)["return"] is Finding


async def test_call_without_a_response_is_refused(tool):
    if tool.scope == "candidate":
        with pytest.raises(ToolError, match="call it once per candidate"):
            await tool.run(tool.default_args(TASK), Case(TASK))


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_text_yields_text_or_a_tool_error(tool, name):
    task = Task.model_construct(id="x", prompt=HOSTILE[name] or " ", reference=None, application="text", metadata={})
    try:
        args = tool.default_args(task)
    except ValidationError:  # an empty task; the default of a sane one stands in
        args = tool.default_args(TASK)
    try:
        content = (await run(tool, args, Case(task, candidate=candidate_for(tool, HOSTILE[name])))).text
    except ToolError as error:
        content = str(error)
    assert content.strip()
    content.encode()


async def test_run_leaves_the_loop_free(tool):
    beats, running = 0, False

    async def beat():
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += running

    task = Task(prompt="ant " * 250)
    candidate = candidate_for(tool, "(x+y+z+1)^8 = (x+y+z)^8\n" * 3_000)
    heart = asyncio.create_task(beat())
    await asyncio.sleep(0.01)
    running, start = True, time.perf_counter()
    await tool.run(tool.default_args(task), Case(task, candidate=candidate))
    running, seconds = False, time.perf_counter() - start
    heart.cancel()
    assert beats >= 2 or seconds < 0.05  # a run that blocks lets the loop turn once, when it ends


async def test_concurrent_runs_agree(tool):
    calls = [run(tool, tool.default_args(TASK), Case(TASK, candidate=candidate_for(tool))) for _ in range(20)]
    assert len({finding.model_dump_json() for finding in await asyncio.gather(*calls)}) == 1


async def test_reference_is_never_evidence(tool):
    task = Task(prompt=TASK.prompt, reference="zanzibar")
    assert "zanzibar" not in (await run(tool, tool.default_args(task), Case(task, candidate=candidate_for(tool)))).text


async def test_aclose_is_idempotent(tool):
    await tool.aclose()
    await tool.aclose()
