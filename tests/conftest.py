"""What every test starts from, without a key or tracing, and what a run ends with: why tests were skipped."""

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # LangGraph reads it once, at import
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # likewise torch: threads that spin slow each other down

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Take away what a developer's shell may hold, so that no test depends on a key or sends a trace."""
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(("LANGCHAIN_", "LANGSMITH_")):
            monkeypatch.delenv(name)


def pytest_terminal_summary(terminalreporter):
    """Say what was not tested and why: a count for each reason, the most frequent first."""
    reasons = Counter(_reason(report.longrepr) for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("skipped, by reason")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:5}  {reason}")


def _reason(place):
    """The words of a skipped test's place, which is a file, a line and `Skipped: REASON`."""
    text = place[2] if isinstance(place, tuple) else str(place)
    return " ".join(text.removeprefix("Skipped: ").split())
