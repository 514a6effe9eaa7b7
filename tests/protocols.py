"""A loopback server that speaks four protocols: OpenAI's, Anthropic's, Google's Gemini and Ollama's, for tests.

What a model says is scripted once and put into each protocol's own shape, errors included; the shapes are those of the providers'
public references.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

Body = dict[str, Any]
Fault = int | Literal["half", "hang", "empty"] | None


@dataclass(frozen=True)
class Said:
    """One choice, whatever the protocol."""

    text: str = "Four"
    thought: str = ""
    call: tuple[str, Body] | None = None
    end: Literal["stop", "length", "filter", "odd", "blocked"] = "stop"
    usage: tuple[int, int] | None = (11, 7)
    """Prompt and reply tokens, thoughts included."""


class ProtocolServer:
    """One server with one scripted model."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Body, dict[str, str]]] = []
        """Path, body and headers of each."""
        self.listed: list[dict[str, str]] = []
        """The headers of each request for a list."""
        self.said: Callable[[Body], Said] = lambda body: Said()
        self.fault: Callable[[int], Fault] = lambda number: None
        """Takes the number of the request, from 0; gives what goes wrong with it."""
        self.error = "scripted"
        self.headers: dict[str, str] = {}
        """Sent with every error."""
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body, _ in list(self.requests)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.listed.append(dict(self.headers.items()))
                outer._send(self, 404, {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = len(outer.requests)
                outer.requests.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
                outer._answer(self, self.path, body, number)

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, path: str, body: Body, number: int) -> None:
        fault, protocol = self.fault(number), protocol_of(path)
        if fault == "hang":
            self._stopped.wait(20)
        elif isinstance(fault, int):
            self._send(handler, fault, _ERRORS[protocol](fault, self.error), self.headers)
        else:
            good = _REPLIES[protocol](self.said(body), body)
            self._send(handler, 200, {} if fault == "empty" else good, cut=fault == "half")

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, body: Body, more: Body | None = None, *, cut: bool = False
    ) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(more or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if cut else data)


def protocol_of(path: str) -> str:
    ends = {"/chat/completions": "openai", "/v1/messages": "anthropic", ":generateContent": "google", "/api/chat": "ollama"}
    return next(name for end, name in ends.items() if path.partition("?")[0].endswith(end))


def _openai(said: Said, body: Body) -> Body:
    message: Body = {"role": "assistant", "content": said.text}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.call:
        function = {"name": said.call[0], "arguments": json.dumps(said.call[1])}
        message |= {"content": None, "tool_calls": [{"id": "call_9", "type": "function", "function": function}]}
    end = {"stop": "stop", "length": "length", "filter": "content_filter", "odd": "pause"}[said.end]
    choice: Body = {"finish_reason": "tool_calls" if said.call else end, "message": message}
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [_token(letter) for letter in said.text]}
    choices = [{"index": number, **choice} for number in range(body.get("n") or 1)]
    found = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices}
    if said.usage:
        prompt, reply = said.usage[0], said.usage[1] * len(choices)
        found["usage"] = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    return found


def _anthropic(said: Said, body: Body) -> Body:
    content: list[Body] = [{"type": "thinking", "thinking": said.thought, "signature": "c2ln"}] if said.thought else []
    content += [{"type": "text", "text": said.text}] if said.text else []
    content += [{"type": "tool_use", "id": "toolu_9", "name": said.call[0], "input": said.call[1]}] if said.call else []
    end = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "odd": "pause_turn"}[said.end]
    usage = (
        {"input_tokens": said.usage[0] - 1, "cache_read_input_tokens": 1, "output_tokens": said.usage[1]} if said.usage else None
    )
    return {
        "id": "msg_x", "type": "message", "role": "assistant", "model": body["model"], "content": content,
        "stop_reason": "tool_use" if said.call else end, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _google(said: Said, body: Body) -> Body:
    if said.end == "blocked":
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11}}
    parts: list[Body] = [{"text": said.thought, "thought": True}] if said.thought else []
    parts += [{"functionCall": {"name": said.call[0], "args": said.call[1]}}] if said.call else [{"text": said.text}]
    end = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "odd": "LANGUAGE"}[said.end]
    number = body.get("generationConfig", {}).get("candidateCount", 1)
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": end}
    found: Body = {"candidates": [{**candidate, "index": place} for place in range(number)], "modelVersion": "gemini-2.5-flash"}
    if said.usage:
        prompt, reply, thought = said.usage[0], said.usage[1] * number, 2 if said.thought else 0
        found["usageMetadata"] = {
            "promptTokenCount": prompt, "candidatesTokenCount": reply - thought, "thoughtsTokenCount": thought,
            "totalTokenCount": prompt + reply,
        }  # fmt: skip
    return found


def _ollama(said: Said, body: Body) -> Body:
    message: Body = {"role": "assistant", "content": "" if said.call else said.text}
    if said.thought:
        message["thinking"] = said.thought
    if said.call:
        message["tool_calls"] = [{"function": {"name": said.call[0], "arguments": said.call[1]}}]
    end = {"stop": "stop", "length": "length", "filter": "content_filter", "odd": "unload"}[said.end]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(0))
    found = {"model": body["model"], "created_at": stamp, "message": message, "done": True, "done_reason": end}
    if body.get("logprobs"):
        found["logprobs"] = [_token(letter) for letter in said.text]
    return found | ({"prompt_eval_count": said.usage[0], "eval_count": said.usage[1]} if said.usage else {})


def _token(letter: str) -> Body:
    others = [(letter, -0.5), ("0", -1.0)] if letter.isdigit() else [(letter, 0.0)]
    tops = [{"token": other, "logprob": chance, "bytes": list(other.encode())} for other, chance in others]
    return {**tops[0], "top_logprobs": tops}


_REPLIES: dict[str, Callable[[Said, Body], Body]] = {
    "openai": _openai, "anthropic": _anthropic, "google": _google, "ollama": _ollama,
}  # fmt: skip

_ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}

_ERRORS: dict[str, Callable[[int, str], Body]] = {
    "openai": lambda status, said: {"error": {"message": said, "type": "error", "param": None, "code": None}},
    "anthropic": lambda status, said: {
        "type": "error", "error": {"type": _ANTHROPIC_TYPES.get(status, "api_error"), "message": said}, "request_id": "req_x",
    },
    "google": lambda status, said: {
        "error": {"code": status, "message": said, "status": _GOOGLE_STATUSES.get(status, "INTERNAL"), "details": []},
    },
    "ollama": lambda status, said: {"error": said},
}  # fmt: skip
