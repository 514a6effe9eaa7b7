"""`anyprefer --help` is quick because nothing heavy is imported before a verb needs it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = set("datasets ddgs langchain_core langgraph lxml mcp numpy openai pyarrow sympy torch xllamacpp".split())


def run_python(code, *args):
    return subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.mark.parametrize("module", ["anyprefer", "anyprefer.cli"])
def test_import_loads_nothing_heavy(module):
    loaded = json.loads(run_python(f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"))
    assert module in loaded
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_help_names_the_verbs(record_testsuite_property):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = run_python("import sys; from anyprefer.cli import main; sys.argv[0] = 'anyprefer'; main()", "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    record_testsuite_property("help_cpu_seconds", round(seconds, 3))  # for the report only: a limit would depend on the machine
    assert all(verb in printed for verb in ("run", "export", "models", "tools"))
