"""A loopback server that speaks the OpenAI chat protocol, for tests.

It runs in a thread of the test process, so that subprocesses can talk to it and tests can see every request. Replies are
functions of the request body alone, so a resumed run gets the same ones. A test changes a reply by putting a function under a
schema's title (or None for free text) in `replies`, and injects faults with `before`, which may return an HTTP status, with a
body of its own. A schema that stands in the prompt is heeded like one beside it.
"""

import asyncio
import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

from anyprefer.backends.probing import PROBE

Body = dict[str, Any]
Reply = Callable[[Body, int], Any]
"""(request body, choice number) -> text, or a JSON-able value."""


class LoopbackModel:
    """One server with one scripted model."""

    def __init__(self) -> None:
        self.requests: list[Body] = []
        self.completed: Counter[str] = Counter()
        """SHA-256 of a request body -> replies sent in full."""
        self.before: Callable[[Body], int | tuple[int, str | Body] | None] = lambda body: None
        """Gives the status, or status and message or body, of a request that is not answered well."""
        self.finish: Callable[[Body, int], str] = lambda body, choice: "stop"
        """How a choice ends, as the server calls it."""
        self.delay_seconds = 0.0
        self.probes: list[Body] = []
        """The small requests before a run's first task, which reach neither `requests` nor `before`."""
        self.counts_probes = False
        """Whether those are treated like any other."""
        self.usage: Callable[[Body], Any] = lambda body: ...
        """What a reply says of its tokens; ... is the truth, None nothing."""
        self.choices: int | None = None
        """How many choices every reply has; None: as many as are asked for."""
        self.ignores_schemas = False
        """Whether a schema beside the prompt changes nothing."""
        self.listed: list[Body] = []
        """What the list of models holds, beside adapters."""
        self.adapters: dict[str, str] | None = None
        """Name -> path of the adapters that were loaded as vLLM loads them; None: the server takes none."""
        self.logprobs = True
        """Whether the server knows log-probabilities."""
        self.distribution: Callable[[str], Any] = lambda text: {"content": [_token(letter) for letter in text]}
        """The log-probabilities of a reply."""
        self.replies: dict[str | None, Reply] = {
            None: free_text, "ToolChoice": no_tools, "Notes": lambda body, choice: {"text": "notes"},
            "ScoreSheet": scores_by_text, "PairReview": review(9), "JointRewrite": rewrite, "TargetRewrite": rewrite,
            "JudgeRewrite": rewrite, "Score": score_by_text, "SideReview": grade_by_text,
            "MetaVerdict": lambda body, choice: {"analysis": "x", "better": "B"}, "Rubric": rubric, "Rulings": rulings_by_text,
        }  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def titles(self) -> list[str | None]:
        """The schema title of every request so far, None for free text."""
        return [title_of(body) for body in list(self.requests)]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/load_lora_adapter", self._load_adapter)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        if is_probe(body) and not self.counts_probes:
            self.probes.append(body)
            return web.json_response(self._completion(body, raw))
        self.requests.append(body)
        if answer := self.before(body):
            status, said = answer if isinstance(answer, tuple) else (answer, f"scripted {answer}")
            return web.json_response(said if isinstance(said, dict) else {"error": {"message": said}}, status=status)
        await asyncio.sleep(self.delay_seconds)
        response = web.json_response(self._completion(body, raw))
        await response.prepare(request)
        await response.write_eof()
        self.completed[hashlib.sha256(raw).hexdigest()] += 1
        return response

    def _completion(self, body: Body, raw: bytes) -> Body:
        choices = [self._choice(body, number) for number in range(self.choices or body.get("n") or 1)]
        usage = {
            "prompt_tokens": len(raw) // 4,
            "completion_tokens": 7 * len(choices),
            "total_tokens": len(raw) // 4 + 7 * len(choices),
        }
        said = self.usage(body)
        usage = usage if said is ... else said
        return {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices, "usage": usage}

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [*self.listed, *({"id": name} for name in self.adapters or ())]})

    async def _load_adapter(self, request: web.Request) -> web.Response:
        if self.adapters is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        body = await request.json()
        if body["lora_name"] in self.adapters:
            return web.json_response({"error": {"message": f"{body['lora_name']!r} has already been loaded."}}, status=400)
        self.adapters[body["lora_name"]] = body["lora_path"]
        return web.Response(text=f"Success: LoRA adapter '{body['lora_name']}' added successfully.")

    def _choice(self, body: Body, number: int) -> Body:
        seen = {**body, "response_format": None} if self.ignores_schemas else body
        value = {"yes": True} if is_probe(body) else self.replies[title_of(seen)](seen, number)
        if isinstance(value, dict) and "tool_calls" in value:
            return {"index": number, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, **value}}
        text = value if isinstance(value, str) else json.dumps(value)
        choice = {"index": number, "finish_reason": self.finish(body, number), "message": {"role": "assistant", "content": text}}
        if body.get("logprobs") and self.logprobs:
            choice["logprobs"] = self.distribution(text)
        return choice


def _token(letter: str) -> Body:
    """One letter; a digit is half as likely as the letter says, the rest goes to 0."""
    others = [(letter, -0.7), ("0", -0.7)] if letter.isdigit() else [(letter, 0.0)]
    tops = [{"token": other, "logprob": value, "bytes": list(other.encode())} for other, value in others]
    return {**tops[0], "top_logprobs": tops}


def title_of(body: Body) -> str | None:
    schema = schema_of(body)
    return None if schema is None else schema["title"]


def schema_of(body: Body) -> Body | None:
    """The JSON schema that the reply must fit, beside the prompt or at its end."""
    form = body.get("response_format") or {}
    if "json_schema" in form:
        found: Body = form["json_schema"]["schema"]
        return found
    last = str(body["messages"][-1]["content"])
    return json.loads(last.rpartition("\n")[2]) if "fits this JSON schema" in last else None


def is_probe(body: Body) -> bool:
    return PROBE[-1].text in str(body["messages"][-1]["content"])


def prompt_of(body: Body) -> str:
    return "\n".join(message["content"] for message in body["messages"])


def responses_in(body: Body) -> list[str]:
    """The fenced responses of a judge's prompt, in the order shown."""
    return re.findall(r"<<response \d+>>\n(.*?)\n<<end response", prompt_of(body), re.DOTALL)


def free_text(body: Body, choice: int) -> str:
    key = json.dumps([body["messages"], body.get("seed"), choice])
    return f"Answer {random.Random(key).randrange(10**9)}."


def no_tools(body: Body, choice: int) -> Body:
    return {"calls": []}


def scores_by_text(body: Body, choice: int) -> Body:
    """A judge without position bias: the score depends on the response's text alone."""
    texts = responses_in(body)
    return {
        "analyses": [f"about {text[:20]}" for text in texts],
        "scores": [1 + random.Random(text).randrange(10) for text in texts],
    }


def score_by_text(body: Body, choice: int) -> Body:
    """The same judge with one response before it; the scale's end stands in the schema."""
    fields = (schema_of(body) or {})["properties"]
    score = random.Random(responses_in(body)[0]).randint(fields["score"]["minimum"], fields["score"]["maximum"])
    return {**({"analysis": "about it"} if "analysis" in fields else {}), "score": score}


def grade_by_text(body: Body, choice: int) -> Body:
    """A critic that sees one response and is of the judges' opinion: the best grade above their middle, else the worst."""
    fields = (schema_of(body) or {})["properties"]
    (text,) = re.findall(r"<<response>>\n(.*?)\n<<end response", prompt_of(body), re.DOTALL)
    grade = fields["grade"]["maximum" if random.Random(text).randrange(10) >= 5 else "minimum"]
    return {**({"analysis": "about it"} if "analysis" in fields else {}), "grade": grade}


def rubric(body: Body, choice: int) -> Body:
    """Three criteria of different weights."""
    texts = ("names the result", "shows the way", "answers in a sentence")
    return {"criteria": [{"text": text, "weight": weight} for text, weight in zip(texts, (5, 2, 1), strict=True)]}


def rulings_by_text(body: Body, choice: int) -> Body:
    """A judge whose rulings depend on the response's text alone."""
    dice = random.Random(responses_in(body)[0])
    fields = (schema_of(body) or {})["properties"]
    return {name: dice.choice(["met", "unmet"]) if name.startswith("ruling") else "it says so" for name in fields}


def review(score: int) -> Reply:
    return lambda body, choice: {"preferred_analysis": "good", "dispreferred_analysis": "bad", "score": score}


def rewrite(body: Body, choice: int) -> Body:
    reply = {"gradient": "be clearer", "target_guidance": "Answer in one line.", "judge_guidance": "Look at the numbers."}
    return {key: reply[key] for key in (schema_of(body) or {})["properties"]}


def half(answer: str, task: Any) -> float:
    """A scorer that finds every answer half right."""
    return 0.5


def recipe_data(url: str, **sections: Any) -> Body:
    """A recipe's tables with target and judge on `url`; keyword tables are merged in.

    The critic is the paper's, so that a test scripts rewards with `review`.
    """
    data: Body = {
        "name": "test",
        "target": {"model": "openai:m", "base_url": url},
        "judge": {"model": "openai:m", "base_url": url},
        "critic": {"method": "paper"},
    }
    for name, table in sections.items():
        data[name] = {**data.get(name, {}), **table} if isinstance(table, dict) else table
    return data
