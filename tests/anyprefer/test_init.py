"""`anyprefer init`: a recipe that runs as it is, from flags or from answers; what is wrong is said before anything is written."""

import contextlib
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import LoopbackModel
from terminal import Terminal
from typer.testing import CliRunner

from anyprefer.backends.served import SERVERS, key_name, propose_judge, read_address
from anyprefer.cli import app
from anyprefer.data.records import RecordFile
from anyprefer.errors import AnypreferError, ConfigError
from anyprefer.recipe_tables import parse_recipe
from anyprefer.recipes import load_recipe
from anyprefer.runs.starter import Draft, sample_text

MODELS = ["m", "text-embedding-9", "big-70b"]


class Endpoint:
    """A server with a list of models and, if it likes, a key."""

    def __init__(self, path: str = "/v1/models", status: int = 200, key: str = "", body: str | None = None) -> None:
        endpoint = self
        self.seen: list[tuple[str, str]] = []
        listed = json.dumps({"data": [{"id": name} for name in MODELS]}) if body is None else body

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.headers.get("Authorization", "")
                endpoint.seen.append((self.path, sent))
                wrong = 401 if key and sent != f"Bearer {key}" else status
                code = wrong if self.path == path else 404
                data = listed.encode() if code == 200 else b"<html>not here</html>"
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.close()


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def init(folder: Path, *arguments: str, **environment: str) -> Done:
    """The command in this process, which has no terminal."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, ["init", *arguments], env=environment)
    if isinstance(result.exception, AnypreferError):
        return Done(2, result.stdout, f"{result.stderr}error: {result.exception}\n")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_init_writes_runs_as_it_is(tmp_path: Path) -> None:
    with LoopbackModel() as model:
        done = init(tmp_path, "--endpoint", model.url, "--model", "m", "--tasks", "sample")
        assert done.returncode == 0, done.stderr
        assert "lists no models" in done.stderr
        commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
        assert commands == ["anyprefer run my.toml", "anyprefer show runs/my --list"]
        for command in commands:
            ran = subprocess.run(
                [sys.executable, "-m", "anyprefer.cli", *command.split()[1:]], cwd=tmp_path, capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("accepted") == 5
    assert {record.status for record in RecordFile(tmp_path / "runs" / "my" / "records.jsonl")} == {"accepted"}


@pytest.mark.parametrize("source", ["endpoint", "server", "embedded"])
@pytest.mark.parametrize("judge", ["openai:gpt-9", "openai:judge-1.5b"])
def test_every_commented_key_can_be_turned_on(source: str, judge: str) -> None:
    draft = Draft(
        'odd "name"', source, "openai:m", judge, "tasks.jsonl", base_url="http://127.0.0.1:1/v1", judge_url="http://127.0.0.1:1/v1",
        key_env="MY_KEY", columns="columns used: prompt", meanings={"prompt": ("my \"odd\" column",)},
    )  # fmt: skip
    text = draft.text()
    plain = draft.recipe()
    assert (plain.name, plain.target.api_key_env, plain.judge.base_url) == ('odd "name"', "MY_KEY", "http://127.0.0.1:1/v1")
    turned_on = re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)
    assert turned_on.count("\n# ") < text.count("\n# ")
    assert parse_recipe(tomllib.loads(turned_on)) != plain
    assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --endpoint URL, --server NAME or --embedded"),
        (("--embedded",), "give --tasks FILE, or --yes for 'sample'"),
        (("--embedded", "--model", "smolm2", "--yes"), "did you mean 'smollm2-135m'"),
        (("--embedded", "--model", "no.gguf", "--yes"), "no weights at 'no.gguf'"),
        (("--embedded", "--tasks", "none.jsonl"), "task file 'none.jsonl' does not exist"),
        (("--embedded", "--tasks", "bad.jsonl"), "bad.jsonl line 2"),
        (("--embedded", "--server", "vllm"), "give one of them"),
        (("--server", "olama"), "did you mean 'ollama'?"),
        (("--endpoint", "http://127.0.0.1:9", "--yes"), "no server answers at http://127.0.0.1:9/v1"),
        (("--endpoint", "http://you:secret@there", "--yes"), "keys come from environment variables"),
        (("--endpoint", "ftp://there", "--yes"), "is no address of an endpoint"),
        (("notes.txt", "--embedded", "--yes"), "a recipe's name ends in .toml"),
        (("http://127.0.0.1:9/v1", "--server", "vllm"), "is an address and no place for a recipe"),
        (("there.toml", "--embedded", "--yes"), "'there.toml' is there already"),
        (("folder", "--embedded", "--yes"), "'folder/recipe.toml' is there already"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "one"}\n{"prompt": 2}\n')
    (tmp_path / "folder").mkdir()
    for name in ("there.toml", "folder/recipe.toml"):
        (tmp_path / name).write_text("mine")
    before = files_in(tmp_path)
    done = init(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert files_in(tmp_path) == before
    assert (tmp_path / "there.toml").read_text() == "mine"


def test_an_endpoint_names_its_models_and_a_judge(endpoint: Endpoint, tmp_path: Path) -> None:
    asked = init(tmp_path, "--endpoint", endpoint.host, "--tasks", "sample")
    assert "give --model NAME, or --yes for 'm'" in asked.stderr
    wrong = init(tmp_path, "--endpoint", endpoint.host, "--model", "big-7b", "--tasks", "sample")
    assert f"http://{endpoint.host}/v1 has no model 'big-7b': did you mean 'big-70b'?" in wrong.stderr
    assert files_in(tmp_path) == []
    assert init(tmp_path, "new/place.toml", "--server", f"{endpoint.host}/v1/chat/completions", "--yes").returncode == 0
    recipe = load_recipe(tmp_path / "new" / "place.toml")
    assert (recipe.name, recipe.target.model, recipe.judge.model) == ("place", "openai:m", "openai:big-70b")
    assert recipe.target.base_url == recipe.judge.base_url == f"http://{endpoint.host}/v1"
    assert recipe.tasks == str(tmp_path / "new" / "sample_tasks.jsonl")
    assert (tmp_path / "new" / "sample_tasks.jsonl").read_text() == sample_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "right"}, "refuses the key in MY_KEY (status 401)"),
        ({"status": 503}, "answers with status 503"),
    ],
)
def test_what_an_endpoint_refuses_is_said(options: dict[str, object], words: str, tmp_path: Path) -> None:
    server = Endpoint(**options)  # type: ignore[arg-type]
    done = init(tmp_path, "--endpoint", server.host, "--key-env", "MY_KEY", "--yes", MY_KEY="wrong-and-secret")
    server.close()
    assert done.returncode == 2
    assert words in done.stderr
    assert "wrong-and-secret" not in done.stderr


def test_the_key_is_that_of_the_variable_and_no_other(tmp_path: Path) -> None:
    server = Endpoint(key="k-98765")
    keys = {"MY_KEY": "k-98765", "OPENAI_API_KEY": "somebody-elses"}
    missing = init(tmp_path, "--endpoint", server.host, "--yes", **keys)
    assert "wants a key" in missing.stderr
    done = init(tmp_path, "--endpoint", server.host, "--key-env", "MY_KEY", "--yes", **keys)
    server.close()
    assert done.returncode == 0, done.stderr
    assert {sent for _, sent in server.seen} == {"", "Bearer k-98765"}
    assert load_recipe(tmp_path / "my.toml").target.api_key_env == "MY_KEY"
    assert "k-98765" not in (tmp_path / "my.toml").read_text()


@pytest.mark.parametrize(
    "body", ["[]", '{"data": []}', '{"data": 3}', "<html>", "[" * 100_000, '[{"id": 3}, 4, {"id": "a\\u001b"}]']
)
def test_a_list_without_names_leaves_the_name_to_the_user(body: str, tmp_path: Path) -> None:
    server = Endpoint(body=body)
    done = init(tmp_path, "--endpoint", server.host, "--model", "any", "--tasks", "sample")
    server.close()
    assert done.returncode == 0, done.stderr
    assert "lists no models: names are taken as they are" in done.stderr
    assert load_recipe(tmp_path / "my.toml").judge.model == "openai:any"


def test_offline_looks_at_nothing_and_the_key_is_asked_for_at_the_end(tmp_path: Path) -> None:
    done = init(tmp_path, "--endpoint", "https://api.groq.invalid/v1", "--model", "m", "--tasks", "sample", "--offline")
    assert done.returncode == 0, done.stderr
    assert "  export GROQ_API_KEY=...\n  anyprefer run my.toml\n" in done.stdout
    assert load_recipe(tmp_path / "my.toml").target.api_key_env == "GROQ_API_KEY"


def test_a_judge_may_be_somewhere_else(endpoint: Endpoint, tmp_path: Path) -> None:
    more = ("--server", endpoint.host, "--model", "m", "--tasks", "sample")
    assert init(tmp_path, "a.toml", *more, "--judge", "openai:gpt-9").returncode == 0
    assert (load_recipe(tmp_path / "a.toml").judge.model, load_recipe(tmp_path / "a.toml").judge.base_url) == (
        "openai:gpt-9",
        None,
    )
    assert init(tmp_path, "b.toml", *more, "--judge", "llamacpp:smollm2-135m").returncode == 0
    assert load_recipe(tmp_path / "b.toml").judge.method == "pointwise"
    assert "has no model 'gpt-9'" in init(tmp_path, "c.toml", *more, "--judge", "gpt-9").stderr


def test_the_users_files_stay(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rows.jsonl").write_text('{"question": "What is 2 + 2?", "answer": "4", "source": "me", "none": null}\n')
    (tmp_path / "sample_tasks.jsonl").write_text('{"prompt": "Name a prime."}\n')
    (tmp_path / "runs" / "my").mkdir(parents=True)
    done = init(tmp_path, "--server", endpoint.host, "--model", "m", "--tasks", "mine/rows.jsonl")
    assert "1 task of mine/rows.jsonl\ncolumns used: question, answer; kept as metadata: source\n" in done.stdout
    assert "  anyprefer run my.toml --out runs/my-2\n  anyprefer show runs/my-2 --list\n" in done.stdout
    assert load_recipe(tmp_path / "my.toml").tasks == str(tmp_path / "mine" / "rows.jsonl")
    again = init(tmp_path, "--server", endpoint.host, "--yes", "--force")
    assert "1 task of sample_tasks.jsonl\ncolumns used: prompt\n" in again.stdout
    assert (tmp_path / "sample_tasks.jsonl").read_text() == '{"prompt": "Name a prime."}\n'


def test_columns_without_a_known_name_are_mapped_in_the_recipe(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("ask,note\nWhat is 2 + 2?,from a book of mine\n")
    more = ("--server", endpoint.host, "--model", "m", "--tasks", "rows.csv")
    assert "--map prompt=COLUMN says which it is" in init(tmp_path, *more).stderr
    done = init(tmp_path, *more, "--map", "prompt=ask,metadata=note")
    assert "columns used: ask; kept as metadata: note\n" in done.stdout
    assert load_recipe(tmp_path / "my.toml").columns.prompt == ("ask",)


def test_three_questions_at_a_terminal(endpoint: Endpoint, tmp_path: Path) -> None:
    with Terminal(tmp_path, "init") as terminal:
        terminal.answer("Number [1]:", "7")
        terminal.answer("'7' is none of 1, 2, 3", "2")
        terminal.answer("Name or address", "http://127.0.0.1:9")
        terminal.answer("no server answers at http://127.0.0.1:9/v1", "n")
        terminal.answer("Name or address", endpoint.host)
        terminal.expect("   1  m\n   2  big-70b\n")
        terminal.answer("Model to be aligned, number or name [m]:", "nobody")
        terminal.answer("has no model 'nobody'", "1")
        terminal.answer("Model that judges, number or name [big-70b]:", "")
        terminal.answer("Task file, one prompt a row [sample]:", "none.jsonl")
        terminal.answer("'none.jsonl' does not exist", "")
        terminal.expect("my.toml is written: openai:m answers, openai:big-70b judges, 5 tasks of sample_tasks.jsonl")
        assert terminal.end() == 0
    assert files_in(tmp_path) == ["my.toml", "sample_tasks.jsonl"]


def test_flags_are_not_asked_for_again(endpoint: Endpoint, tmp_path: Path) -> None:
    with Terminal(tmp_path, "init", "--embedded", "--judge", "smollm2-135m", "--tasks", "sample") as terminal:
        terminal.answer("Model to be aligned, number or name [qwen2.5-coder-0.5b]:", "1")
        assert terminal.end() == 0
        assert "judges" in terminal.text
    recipe = load_recipe(tmp_path / "my.toml")
    assert (recipe.target.model, recipe.judge.model) == ("llamacpp:smollm2-135m", "llamacpp:smollm2-135m")


@pytest.mark.parametrize("question", ["Number [1]:", "Name or address", "Model to be aligned", "Task file"])
def test_ctrl_c_at_any_question_writes_nothing(question: str, endpoint: Endpoint, tmp_path: Path) -> None:
    answers = {
        "Number [1]:": "2",
        "Name or address": endpoint.host,
        "Model to be aligned": "",
        "Model that judges": "",
        "Task": "",
    }
    with Terminal(tmp_path, "init") as terminal:
        for asked, answer in answers.items():
            if question.startswith(asked):
                break
            terminal.answer(asked, answer)
        terminal.expect(question)
        terminal.interrupt()
        terminal.expect("stopped: nothing is written")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:1234/v1/", "http://localhost:1234/v1"),
        ("gpu-box:8000/v1", "http://gpu-box:8000/v1"),
        ("api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://openrouter.ai/api/v1/chat/completions?x=1", "https://openrouter.ai/api/v1"),
        ("http://[::1]:8080/v1/models", "http://[::1]:8080/v1"),
    ],
)
def test_an_address_is_read_as_it_is_meant(given: str, url: str) -> None:
    assert read_address(given) == url


@pytest.mark.parametrize("given", ["", "http://", "foo bar", "http://a:port", "file:///etc/passwd", "http://[::1"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        read_address(given)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        ("https://api.x-ai.example/v1", "X_AI_API_KEY"),
        ("http://10.0.0.7:8000/v1", "SERVER_API_KEY"),
        ("http://gpu-box:8000/v1", "SERVER_API_KEY"),
    ],
)
def test_every_host_has_a_key_of_its_own(url: str, name: str) -> None:
    assert key_name(url) == name


@pytest.mark.parametrize(
    ("target", "models", "judge"),
    [
        ("a", ["a"], "a"),
        ("a", ["a", "b"], "b"),
        ("qwen-7b", ["qwen-7b", "qwen-0.5b", "llama-70b", "other"], "llama-70b"),
        ("gpt-9-mini", ["gpt-9-mini", "o9", "gpt-9"], "gpt-9"),
        ("m0", [f"m{i}" for i in range(50)], "m0"),
    ],
)
def test_the_judge_that_is_proposed(target: str, models: list[str], judge: str) -> None:
    assert propose_judge(target, models) == judge


def test_servers_have_addresses() -> None:
    assert all(read_address(url) == url for url in SERVERS.values())
