"""A run's log holds what was said, tracebacks included, and nothing that forges a line, moves a cursor or gives a key away."""

import logging
from pathlib import Path

from anyprefer.runs.log import log_file


def test_foreign_words_cannot_forge_a_record(tmp_path: Path) -> None:
    logger = logging.getLogger("anyprefer.test")
    with log_file(tmp_path / "run.log"):
        error = RuntimeError("no\x1b[2J\n2030-01-01 INFO anyprefer: all is well \u202e sk-abcdefgh12345")
        logger.error("task %s:\nfailed", "t1\x9b2J", exc_info=error)
        logger.info("next")
    first, *further, last = (tmp_path / "run.log").read_text().splitlines()
    assert first.endswith("ERROR anyprefer.test: task t1:")
    assert further == ["    failed", "    RuntimeError: no", "    2030-01-01 INFO anyprefer: all is well  [redacted]"]
    assert last.endswith("INFO anyprefer.test: next")
