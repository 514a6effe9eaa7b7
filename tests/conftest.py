"""What every test starts from: LangGraph's strict serializer and an environment without keys or tracing."""

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # LangGraph reads it once, at import
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # likewise torch: threads that spin slow each other down

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Take away what a developer's shell may hold, so that no test depends on a key or sends a trace."""
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(("LANGCHAIN_", "LANGSMITH_")):
            monkeypatch.delenv(name)
