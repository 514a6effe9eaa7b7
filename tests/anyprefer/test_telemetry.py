"""Telemetry is off unless asked for, and then says what happened without a word of what was said."""

import asyncio
import json
from pathlib import Path

import pytest
from loopback import LoopbackModel, recipe_data
from rich.console import Console

from anyprefer import telemetry
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session


def run(folder: Path) -> None:
    (folder / "tasks.jsonl").write_text('{"id": "t0", "prompt": "a secret question"}\n')
    with LoopbackModel() as model:
        recipe = parse_recipe(recipe_data(model.url, tools={"names": ["consensus"], "choose": "always"}))
        asyncio.run(run_session(Session(recipe, folder / "tasks.jsonl", folder / "out"), Progress(Console(quiet=True))))


def test_nothing_is_exported_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    assert capsys.readouterr().out == ""


def test_spans_and_metrics_name_task_calls_and_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console")
    run(tmp_path)
    out = capsys.readouterr().out
    decoder, at, found = json.JSONDecoder(), 0, []
    while (at := out.find("{", at)) >= 0:
        value, end = decoder.raw_decode(out[at:])
        found.append(value)
        at += end
    spans = {value["name"]: value for value in found if "name" in value}
    assert {"synthesize", "chat m", "execute_tool consensus"} <= spans.keys()
    assert spans["synthesize"]["attributes"]["anyprefer.task_id"] == "t0"
    assert spans["chat m"]["parent_id"] == spans["synthesize"]["context"]["span_id"]
    assert spans["chat m"]["attributes"]["gen_ai.usage.input_tokens"] > 0
    assert "gen_ai.client.token.usage" in out
    assert "anyprefer.tasks" in out
    assert "secret question" not in out


def test_unknown_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "pigeon")
    with pytest.raises(ConfigError, match="pigeon"), telemetry.telemetry():
        pass
