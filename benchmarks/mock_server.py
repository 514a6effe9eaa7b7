"""A fast chat server on loopback that makes up replies, with faults on demand; for measurements and campaigns.

A request with a JSON schema gets an instance of it, any other gets prose, and one that asks for distilabel's ratings gets those.
Replies depend on the request alone. A fault is a share of requests, drawn anew when a request is repeated:

    --throttled 429 with Retry-After    --failing 500       --hanging no answer at all    --dropped connection reset
    --malformed half a reply            --empty no text     --tied all numbers of a reply equal

`GET /stats` gives counters, `POST /reset` sets them to nothing. Prints its URL, and serves until its input ends.

    python benchmarks/mock_server.py --latency-ms 200 --throttled 0.3
"""

import argparse
import asyncio
import hashlib
import json
import math
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

RATED = re.compile(r"<text (\d+)>")
"""How distilabel's UltraFeedback prompt marks the texts to rate."""

PROSE = "first take the numbers apart then add what is left and check the sum against the question before you answer".split()
FAULTS = ("throttled", "failing", "hanging", "dropped", "malformed", "empty", "tied")


class Dice:
    """Reproducible draws for one request."""

    def __init__(self, body: bytes, turn: int) -> None:
        self._seed = hashlib.sha1(body, usedforsecurity=False).digest()
        self._turn = turn
        self.random = random.Random(self._seed)

    def hits(self, fault: str, share: float) -> bool:
        """Whether a fault of this share strikes; faults of the transport are drawn anew each time."""
        if not share:
            return False
        text = self._seed + fault.encode() + (b"" if fault == "tied" else self._turn.to_bytes(4, "big"))
        return int.from_bytes(hashlib.sha1(text, usedforsecurity=False).digest()[:4], "big") < share * 2**32


def make_value(schema: dict[str, Any], dice: Dice, defs: dict[str, Any], *, tied: bool) -> Any:
    """A value that fits a schema as pydantic writes it."""
    if reference := schema.get("$ref"):
        return make_value(defs[reference.rpartition("/")[2]], dice, defs, tied=tied)
    if options := schema.get("anyOf") or schema.get("enum"):
        option = dice.random.choice(options)
        return make_value(option, dice, defs, tied=tied) if schema.get("anyOf") else option
    kind = schema.get("type")
    if kind == "object":
        return {name: make_value(field, dice, defs, tied=tied) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        least = schema.get("minItems", 0)
        count = dice.random.randint(least, max(least, min(schema.get("maxItems", least + 1), least + 2)))
        return [make_value(schema["items"], dice, defs, tied=tied) for _ in range(count)]
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 10)
        return min(max(5, low), high) if tied else dice.random.randint(math.ceil(low), math.floor(high))
    text = " ".join(dice.random.choices(PROSE, k=6))[: schema.get("maxLength", 1000)]
    return {"boolean": dice.random.random() < 0.5, "null": None}.get(str(kind), text)


def make_texts(request: dict[str, Any], dice: Dice, words: int, *, tied: bool) -> Iterator[str]:
    """One text per choice."""
    form = (request.get("response_format") or {}).get("json_schema", {}).get("schema")
    rated = [int(number) for number in RATED.findall(str(request["messages"][-1]["content"]))] if form is None else []
    for _ in range(request.get("n") or 1):
        if form is not None:
            yield json.dumps(make_value(form, dice, form.get("$defs", {}), tied=tied))
        elif rated:
            scores = [3 if tied else dice.random.randint(1, 5) for _ in range(max(rated))]
            yield "\n\n".join(
                f"#### Output for Text {i}\nRating: {score}\nRationale: as seen" for i, score in enumerate(scores, 1)
            )
        else:
            yield f"{dice.random.getrandbits(40)}: {' '.join(dice.random.choices(PROSE, k=words))}"


class Desk:
    """What all connections share: options and counters."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.turns: Counter[bytes] = Counter()
        """Digest of a request's body -> how often it came."""
        self.answered: set[bytes] = set()
        """Digests of the bodies that were answered in full."""
        self.reset()

    def reset(self) -> None:
        """Count from nothing."""
        self.counts: Counter[str] = Counter()
        self.turns.clear()
        self.answered.clear()
        self.busy = self.most_busy = 0
        self.busy_seconds = 0.0
        self.first = self.last = 0.0

    def move(self, step: int) -> None:
        """A call came in or went out."""
        now = time.perf_counter()
        self.busy_seconds += self.busy * (now - self.last) if self.first else 0.0
        self.first, self.last = self.first or now, now
        self.busy += step
        self.most_busy = max(self.most_busy, self.busy)

    def stats(self) -> dict[str, Any]:
        """Counters, and how many calls were in flight."""
        seconds = self.last - self.first
        mean = self.busy_seconds / seconds if seconds else 0.0
        return {**self.counts, "seconds": round(seconds, 3), "mean_in_flight": round(mean, 2), "most_in_flight": self.most_busy}


class Caller(asyncio.Protocol):
    """One connection, which may send one request after another."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.data = bytearray()
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Start on every request that is whole."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].decode("latin-1")
            size = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
            length = int(size[1]) if size else 0
            if len(self.data) < end + 4 + length:
                return
            body = bytes(self.data[end + 4 : end + 4 + length])
            del self.data[: end + 4 + length]
            task = asyncio.ensure_future(self.answer(head.split(" ", 2)[1], body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def answer(self, path: str, body: bytes) -> None:
        """Answer one request."""
        if path == "/stats":
            self.send(200, self.desk.stats())
        elif path == "/reset":
            self.desk.reset()
            self.send(200, {})
        elif path.endswith("/models"):
            self.send(200, {"object": "list", "data": []})
        else:
            self.desk.move(+1)
            try:
                await self.complete(body)
            finally:
                self.desk.move(-1)

    async def complete(self, body: bytes) -> None:
        """Answer a chat completion, or fail as asked."""
        desk, options = self.desk, self.desk.options
        key = hashlib.sha1(body, usedforsecurity=False).digest()
        desk.turns[key] += 1
        dice = Dice(body, desk.turns[key])
        found = {fault for fault in FAULTS if dice.hits(fault, getattr(options, fault))}
        desk.counts.update({"requests", *found})
        seconds = options.latency_ms / 1000
        if options.jitter:
            seconds *= min(5.0, math.exp(random.Random(desk.counts["requests"]).gauss(0, options.jitter)))
        if "dropped" in found:
            self.transport.abort()
        elif "hanging" in found:
            await asyncio.sleep(3600)
        elif "throttled" in found:
            await asyncio.sleep(seconds / 10)
            self.send(429, {"error": {"message": "too many requests"}}, "Retry-After: 1\r\n")
        elif "failing" in found:
            self.send(500, {"error": {"message": "something broke"}})
        else:
            await asyncio.sleep(seconds)
            self.send(200, self.completion(body, dice, found))
            desk.counts["completed"] += 1
            desk.counts["completed_again"] += key in desk.answered
            desk.answered.add(key)

    def completion(self, body: bytes, dice: Dice, found: set[str]) -> dict[str, Any]:
        """The reply's JSON."""
        request = json.loads(body)
        texts = list(make_texts(request, dice, self.desk.options.words, tied="tied" in found))
        if "malformed" in found:
            texts = [text[: len(text) // 2] for text in texts]
        if "empty" in found:
            texts = [""] * len(texts)
        usage = {"prompt_tokens": len(body) // 4, "completion_tokens": sum(map(len, texts)) // 4}
        choices = [
            {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            for i, text in enumerate(texts)
        ]
        return {
            "id": "mock", "object": "chat.completion", "created": 0, "model": request.get("model", "mock"), "choices": choices,
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }  # fmt: skip

    def send(self, status: int, value: dict[str, Any], headers: str = "") -> None:
        """Write a response."""
        content = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        if not self.transport.is_closing():
            self.transport.write(head.encode() + content)


async def serve(options: argparse.Namespace) -> None:
    """Serve until standard input ends."""
    desk, loop = Desk(options), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(desk), "127.0.0.1", options.port, backlog=4096)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0, help="sigma of a lognormal factor on the latency, at most 5")
    parser.add_argument("--words", type=int, default=100, help="length of prose")
    for fault in FAULTS:
        parser.add_argument(f"--{fault}", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
