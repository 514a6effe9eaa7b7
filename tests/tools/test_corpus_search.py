"""Corpus search finds passages, indexes once and says what is wrong with a corpus."""

import asyncio
import json
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case
from anyprefer.tools.corpus.index import cut_passages
from anyprefer.tools.corpus.search import CorpusSearch, match_expression
from anyprefer.types import Task

TASK = Task(prompt="Which rivers flow through Vienna?")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    root = tmp_path / "cache"
    monkeypatch.setenv("ANYPREFER_CACHE", str(root))
    return root


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [
        {"title": "Vienna", "text": "Vienna lies on the Danube.\nIts river port is large."},
        {"title": "Paris", "text": "Paris lies on the Seine."},
        {"text": "The Danube flows into the Black Sea."},
    ]
    (folder / "cities.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (folder / "rivers.md").write_text("# Rivers\n\nThe Rhine flows through Basel.\n")
    (folder / "notes.txt").write_text("Whales are mammals.", encoding="utf-8-sig")
    (folder / "ignored.csv").write_bytes(b"\xff")
    return folder


def find_shared():
    """The folder of shared test data: ANYPREFER_SHARED, else ../shared beside the repository."""
    return Path(os.environ.get("ANYPREFER_SHARED") or Path(__file__).parents[2].parent / "shared")


def open_tool(path, **options):
    return CorpusSearch(CorpusSearch.Options(path=path, **options))


async def search(tool, query, num_results=3):
    return (await tool.run(tool.Args(query=query, num_results=num_results), Case(TASK))).text


async def test_the_best_passage_comes_first_with_its_title(corpus):
    report = await search(open_tool(corpus), "Which river flows through Vienna?")
    assert report.startswith("[1] Vienna\nVienna lies on the Danube.")
    assert report.count("[2]") == 1


async def test_words_match_in_other_forms(corpus):
    assert "Whales are mammals" in await search(open_tool(corpus), "mammal whale")


async def test_no_hit_says_so(corpus):
    assert await search(open_tool(corpus), "xylophone") == "no passage matches"
    assert await search(open_tool(corpus), "?!") == "no passage matches"


async def test_a_document_is_quoted_once(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "long.txt").write_text("\n".join(f"The comet came back in the year {n}." for n in range(100)))
    (folder / "short.txt").write_text("A comet is ice.")
    report = await search(open_tool(folder, passage_chars=100), "comet", num_results=10)
    assert report.count("] long") == report.count("] short") == 1


@pytest.mark.parametrize(
    "query", ['"', "NEAR(a b)", "title : x", "a AND NOT", "* ^ -", "danube' OR 1=1 --", "(", "a\0b", "🦜", "{x}"]
)
async def test_queries_are_never_syntax(corpus, query):
    assert await search(open_tool(corpus), query)


@given(st.text())
def test_any_query_is_a_valid_expression(query):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = 'porter unicode61')")
    expression = match_expression(query)
    if expression:
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_stop_words_go_unless_nothing_else_is_there():
    assert match_expression("What is the Danube?") == '"danube"'
    assert match_expression("to be or not to be") == '"to" OR "be" OR "or" OR "not"'


def test_the_task_is_the_default_query(corpus):
    assert open_tool(corpus).default_args(TASK).query == TASK.text
    assert len(open_tool(corpus).default_args(Task(prompt="river " * 1000)).query) <= 1000


def test_the_index_is_built_once_and_anew_when_files_change(corpus, cache):
    open_tool(corpus)
    [index] = cache.glob("corpus/*")
    built = index.stat().st_mtime_ns
    open_tool(corpus)
    assert index.stat().st_mtime_ns == built
    (corpus / "more.txt").write_text("Ants are insects.")
    open_tool(corpus)
    assert len(list(cache.glob("corpus/*"))) == 2


async def test_an_edit_of_the_same_length_is_noticed(corpus):
    notes = corpus / "notes.txt"
    open_tool(corpus)
    status = notes.stat()
    notes.write_text("Snails eat cabbage.", encoding="utf-8-sig")
    os.utime(notes, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert notes.stat().st_size == status.st_size
    assert "Snails" in await search(open_tool(corpus), "snails")


async def test_a_named_index_is_rebuilt_when_files_change(corpus, tmp_path):
    index = tmp_path / "deep" / "index.sqlite"
    open_tool(corpus, index=index)
    (corpus / "more.txt").write_text("Ants are insects.")
    assert "Ants" in await search(open_tool(corpus, index=index), "ants")
    assert [path.name for path in index.parent.iterdir()] == ["index.sqlite"]


@pytest.mark.parametrize("content", [b"my diary", b""])
def test_a_file_that_is_no_index_is_not_overwritten(corpus, tmp_path, content):
    other = tmp_path / "diary.txt"
    other.write_bytes(content)
    with pytest.raises(ConfigError, match=r"diary\.txt"):
        open_tool(corpus, index=other)
    assert other.read_bytes() == content


def test_the_cache_follows_the_desktop_standard(corpus, tmp_path, monkeypatch):
    monkeypatch.delenv("ANYPREFER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    open_tool(corpus)
    assert len(list((tmp_path / "xdg/anyprefer/corpus").glob("*.sqlite"))) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "fine"}\n{oops\n', r"a\.jsonl', line 2: not JSON"),
        ("a.jsonl", b'{"title": "x"}\n', r"a\.jsonl', line 1: no text"),
        ("a.jsonl", b'{"text": " "}\n', r"line 1: no text"),
        ("a.jsonl", b'["text"]\n', r"line 1: no text"),
        ("a.jsonl", b'{"text": 5}\n', r"line 1: no text"),
        ("a.jsonl", b"[" * 100_000, r"line 1: not JSON"),
        ("a.jsonl", b'{"text": "\xff"}\n', r"a\.jsonl' is not UTF-8"),
        ("a.txt", b"caf\xe9", r"a\.txt' is not UTF-8"),
        ("a.txt", b" \n\n", "holds no text"),
        ("a.csv", b"x", "has no .txt"),
    ],
)
def test_a_bad_corpus_is_refused(tmp_path, cache, name, content, message):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        open_tool(folder)
    assert not list(cache.rglob("*.*"))


def test_a_missing_corpus_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file or folder"):
        open_tool(tmp_path / "nowhere")


async def test_a_single_file_with_escapes_that_utf8_cannot_hold(tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text('{"title": "odd \\ud800", "text": "comet \\udfff"}')
    assert "comet ?" in await search(open_tool(path), "comet")


async def test_an_index_that_is_gone_is_a_tool_error(corpus, cache):
    tool = open_tool(corpus)
    next(cache.glob("corpus/*")).unlink()
    with pytest.raises(ToolError, match="cannot be read"):
        await search(tool, "danube")


async def test_searches_run_side_by_side(corpus):
    tool = open_tool(corpus)
    reports = await asyncio.gather(*(search(tool, "Danube") for _ in range(50)))
    assert len(set(reports)) == 1


@given(st.lists(st.text(max_size=200), max_size=20), st.integers(20, 200))
def test_passages_keep_every_word_within_the_limit(lines, limit):
    passages = list(cut_passages(lines, limit))
    assert all(0 < len(passage) <= limit for passage in passages)
    assert "".join("".join(passages).split()) == "".join("".join(lines).split())


@pytest.mark.skipif(not find_shared().is_dir(), reason="the shared data is not here")
async def test_wikipedia_introductions():
    tool = open_tool(find_shared() / "data/wiki/wiki_vital_10k_en.jsonl")
    assert "Fleming" in await search(tool, "Alexander Fleming penicillin antibiotic")
    assert await search(tool, "qzxqzx") == "no passage matches"
