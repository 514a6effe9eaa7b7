"""A name for a set of pairs, whatever their order: tells whether findings are about the pairs that are there now."""

import hashlib


class PairDigest:
    """Adds up pairs; equal sets have equal digests."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, task_id: str, chosen: str, rejected: str) -> None:
        """Take in a pair."""
        text = f"{task_id}\0{chosen}\0{rejected}".encode("utf-8", "backslashreplace")
        self._sum += int.from_bytes(hashlib.sha256(text).digest())

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum % 2**256:064x}"
