"""The floor: preference pairs with a bare aiohttp client and asyncio, nothing kept. Prints one JSON line.

python benchmarks/arm_raw.py URL PAIRS IN_FLIGHT w1|w2
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

SCORES = {
    "title": "Scores", "type": "object", "required": ["scores"],
    "properties": {"scores": {
        "type": "array", "minItems": 5, "maxItems": 5, "items": {"type": "integer", "minimum": 1, "maximum": 10},
    }},
}  # fmt: skip


async def main(url: str, pairs: int, in_flight: int, workload: str) -> None:
    """Ask, judge, pick; one worker per place in flight."""
    left, made = iter(range(pairs)), 0
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        gate = asyncio.Semaphore(in_flight)

        async def ask(body: dict[str, Any]) -> list[str]:
            async with gate, session.post(f"{url}/chat/completions", json={"model": "mock", **body}) as reply:
                return [choice["message"]["content"] for choice in (await reply.json())["choices"]]

        async def pair(number: int) -> bool:
            prompt = [{"role": "user", "content": f"Question {number}: explain topic {number * 7919 % 10007} with an example."}]
            if workload == "w1":
                texts = await ask({"messages": prompt, "n": 5})
            else:
                replies = await asyncio.gather(*(ask({"messages": prompt, "seed": seed}) for seed in range(5)))
                texts = [text for reply in replies for text in reply]
            form = {"type": "json_schema", "json_schema": {"name": "Scores", "schema": SCORES}}
            shown = "\n\n".join(texts)
            (judged,) = await ask({"messages": [{"role": "user", "content": shown}], "response_format": form})
            scores = json.loads(judged)["scores"]
            return max(scores) > min(scores)

        async def work() -> None:
            nonlocal made
            for number in left:
                contrast = await pair(number)
                made += contrast

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"pairs": made, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
