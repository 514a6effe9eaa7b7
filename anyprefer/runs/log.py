"""The log of a run folder: what the process said, with nothing in it that a terminal would act on and no secret."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyprefer.redaction import clean


class CleanFormatter(logging.Formatter):
    """Writes a record so that no foreign text in it can pass for another record: its further lines are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return clean(super().format(record)).replace("\n", "\n    ")


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write what the package logs to a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("anyprefer")
    root.addHandler(handler)
    level, root.level = root.level, min(root.level or logging.INFO, logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
