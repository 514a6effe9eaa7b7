"""A loopback chat server in a process of its own: prints its URL, serves until its input ends."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loopback import LoopbackModel


def main() -> None:
    """Serve replies after a fixed latency."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    with LoopbackModel() as model:
        model.delay_seconds = parser.parse_args().latency_ms / 1000
        sys.stdout.write(f"{model.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
