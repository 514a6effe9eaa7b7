"""Why a run fails is said once, at once and harmlessly: by run, status, report, JSON, log and records."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomli_w
from loopback import Body, LoopbackModel, recipe_data, title_of
from rich.console import Console

from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.troubles import FIRST_REFUSALS, Trouble
from anyprefer.cli import main
from anyprefer.data.records import RecordFile
from anyprefer.errors import EndpointDownError
from anyprefer.runs.live import read_picture
from anyprefer.runs.progress import Progress
from anyprefer.runs.summary import read_summary

NUM_TASKS = 12
KEY = "Zq7xW9vLm2Kp4Rt8"
HOSTILE = (
    "begin \x1b[31mred\x1b[0m \x1b]0;title\x07\r\nERROR next line \u202eesrever \u2066[red]markup[/red] "
    f"<script>alert(1)</script> key {KEY} sk-abcdefgh12345 {'x' * 2**20}\x9b2J end"
)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


class Done(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Done]
Run = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls the command line as a shell would, in this process."""

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setattr(sys, "argv", ["anyprefer", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Done(int(left.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def run(cli: Cli, model: LoopbackModel, tmp_path: Path) -> Run:
    """Runs twelve tasks into `out`."""

    def call(*arguments: str, **sections: Any) -> Done:
        tables = {"run": {"concurrency": 2}, "target": {"max_retries": 8}, "judge": {"max_retries": 8}, **sections}
        (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, **tables)))
        lines = (json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS))
        (tmp_path / "tasks.jsonl").write_text("".join(lines))
        where = ("--tasks", tmp_path / "tasks.jsonl", "--out", tmp_path / "out")
        return cli("run", tmp_path / "recipe.toml", *where, *arguments)

    return call


def statuses(folder: Path) -> dict[str, str]:
    return {record.task.id: record.status for record in RecordFile(folder / "out" / "records.jsonl")}


def after(calls: int, status: int, message: str, title: str | None = "ScoreSheet") -> Any:
    """Answers calls of a kind past a number with an error."""
    seen = 0

    def before(body: Body) -> tuple[int, str] | None:
        nonlocal seen
        seen += title_of(body) == title
        return (status, message) if seen > calls and title_of(body) == title else None

    return before


def test_an_endpoint_without_money_stops_the_run_and_says_so_once(
    model: LoopbackModel, run: Run, cli: Cli, tmp_path: Path
) -> None:
    model.before = after(4, 402, "Insufficient Balance")
    done = run()
    assert done.code == 2
    assert done.err.count("Insufficient Balance") == 1
    assert "was stopped by an endpoint: 4 tasks" in done.out
    assert set(statuses(tmp_path).values()) <= {"accepted", "exhausted"}
    summary = read_summary(tmp_path / "out")
    assert summary is not None
    assert (summary.stopped, summary.tasks, summary.failed, summary.causes) == ("endpoint", 4, 0, {})
    assert summary.stop_cause.endswith("answered 402: Insufficient Balance")
    shown = cli("status", tmp_path / "out").out
    assert f"stopped by an endpoint: {summary.stop_cause}\n" in shown
    model.before = lambda body: None
    assert run().code == 0
    assert len(statuses(tmp_path)) == NUM_TASKS
    mended = read_summary(tmp_path / "out")
    assert mended is not None
    assert (mended.stopped, mended.stop_cause, mended.repeated_calls) == ("finished", "", 0)
    assert read_picture(tmp_path / "out")[0].stop_cause == ""


def test_json_holds_what_stopped_the_run(model: LoopbackModel, run: Run, cli: Cli, tmp_path: Path) -> None:
    model.counts_probes = True
    model.before = lambda body: (404, "The model `m` does not exist")
    done = run("--json")
    found = json.loads(done.out)
    assert done.code == 2
    assert done.err.count("does not exist") == 1
    assert (found["stopped"], found["tasks"]) == ("endpoint", 0)
    assert found["stop_cause"].endswith("answered 404: The model `m` does not exist")
    (troubles,) = found["troubles"].values()
    assert [(one["message"], one["effect"]) for one in troubles] == [(found["stop_cause"], "run")]
    status = json.loads(cli("status", tmp_path / "out", "--json").out)
    assert status["stop_cause"] == found["stop_cause"]
    assert f"(an endpoint stopped it: {found['stop_cause']})" in cli("report", tmp_path / "out").err


def test_an_endpoint_that_refuses_every_call_stops_the_run_early(model: LoopbackModel, run: Run, tmp_path: Path) -> None:
    model.before = after(0, 400, "we do not like request 17")
    done = run()
    assert done.code == 2
    assert f"{FIRST_REFUSALS} calls in a row were refused" in done.err
    assert done.err.count("we do not like request") == 2, "when it happened first, and when it stopped the run"
    summary = read_summary(tmp_path / "out")
    assert summary is not None
    assert summary.tasks == summary.failed == sum(summary.causes.values()) == FIRST_REFUSALS - 1
    assert summary.stopped == "endpoint"
    model.before = lambda body: None
    assert run("--retry-failed").code == 0
    assert len(statuses(tmp_path)) == NUM_TASKS
    assert "failed" not in statuses(tmp_path).values()


def test_causes_of_failed_tasks_and_passing_troubles_are_counted(
    model: LoopbackModel, run: Run, cli: Cli, tmp_path: Path
) -> None:
    refused, failed = after(3, 400, "flagged by our content filter"), 0

    def before(body: Body) -> Any:
        nonlocal failed
        failed += title_of(body) is None
        if title_of(body) is None and failed % 2:
            return 500, f"pod {failed} gave up"
        return refused(body)

    model.before = before
    done = run()
    summary = read_summary(tmp_path / "out")
    assert summary is not None
    ((cause, number),) = summary.causes.items()
    assert cause.endswith("answered 400: flagged by our content filter")
    assert number == summary.failed == NUM_TASKS - 3
    (troubles,) = summary.troubles.values()
    passing = next(one for one in troubles if one.effect == "passing")
    assert passing.count >= NUM_TASKS
    assert done.err.count("content filter") == done.err.count("gave up (tried again)") == 1
    lines = (f"{number} tasks ended early: {cause}", f"{passing.count} calls failed for the time being: {passing.message}")
    status = cli("status", tmp_path / "out").out
    cli("report", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    for line in lines:
        assert line in done.out
        assert line in status
        assert f"<li>{line.replace(chr(39), '&#39;')}</li>" in page


def test_earlier_causes_are_news_again_only_where_they_happen_again(model: LoopbackModel, run: Run) -> None:
    model.before = after(1, 400, "flagged by our content filter")
    assert "content filter" in run("--limit", "4").err
    model.before = lambda body: None
    assert "content filter" not in run("--limit", "6").err
    model.before = after(1, 400, "flagged by our content filter")
    assert "content filter" in run().err


def check_harmless(text: str) -> None:
    assert "begin red" in text
    assert not {unicodedata.category(char) for char in text} & {"Cf", "Co", "Cs"}
    assert not set(text) & {chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)]}
    assert KEY not in text
    assert "sk-abcdefgh12345" not in text
    assert "x" * 2000 not in text


@pytest.mark.parametrize(("status", "is_final"), [(402, True), (500, False), (403, True)])
def test_nothing_hostile_reaches_terminal_log_page_or_record(
    model: LoopbackModel, run: Run, cli: Cli, tmp_path: Path, status: int, *, is_final: bool
) -> None:
    model.before = after(NUM_TASKS // 2, status, HOSTILE)
    done = run(target={"max_retries": 0}, judge={"max_retries": 0})
    assert done.code == (2 if is_final else 1)
    out = tmp_path / "out"
    cli("report", out)
    shown = cli("status", out).out
    texts = [done.err, shown, *((out / name).read_text() for name in ("run.log", "live.json", "summary.json"))]
    page = (out / "report.html").read_text().partition("<main>")[2]
    assert "<script>alert" not in page
    texts.append(page)
    for text in texts:
        check_harmless(text)
    if not is_final:
        check_harmless((out / "records.jsonl").read_text())
        check_harmless(cli("show", out, next(t for t, s in statuses(tmp_path).items() if s == "failed")).out)
    lines = (out / "run.log").read_text().splitlines()
    assert not [line for line in lines if line.startswith("ERROR next line")]


def test_a_crash_of_ours_prints_foreign_words_harmlessly(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli("--version")
    sys.excepthook(RuntimeError, RuntimeError(HOSTILE), None)
    said = capsys.readouterr().err
    assert said.startswith("RuntimeError: begin red")
    assert len(said) < 21_000
    check_harmless(said.replace("x" * 2000, ""))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_trouble_is_shown_at_once_in_both_views(*, is_terminal: bool) -> None:
    console = Console(file=StringIO(), force_terminal=is_terminal, width=200)
    progress, endpoint = Progress(console), Endpoint("m", 1, 1.0)
    progress.start(5, 0)
    progress.note_trouble(endpoint, Trouble("model 'm' answered 500: [red]no[/red]", "error", 1, "passing"))
    progress.note_trouble(endpoint, Trouble("model 'm' answered 500: [red]no[/red]", "error", 1, "passing"))
    progress.note_trouble(endpoint, Trouble("model 'm' answered 402: pay", "EndpointDownError", 1, "run"))
    error = EndpointDownError("model 'm' answered 402: pay; then run again")
    progress.stopping(error)
    progress.stop()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("model 'm' answered 500: [red]no[/red] (tried again)") == 1
    assert said.count("answered 402") == said.count("error: model 'm' answered 402: pay; then run again") == 1
    assert error.told
