"""Stands where the command `vllm` stands: takes its arguments, loads for a moment, serves OpenAI's protocol."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

arguments = sys.argv[1:]
if "--refuse" in arguments:
    sys.exit("ValueError: No available memory for the cache blocks")
port = int(arguments[arguments.index("--port") + 1])
modules = arguments[arguments.index("--lora-modules") + 1 :] if "--lora-modules" in arguments else []
names = [arguments[1], *(module.partition("=")[0] for module in modules if "=" in module)]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = body["model"] in names
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"I am {body['model']}"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        found = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }
        self.answer(200 if known else 404, found if known else {"error": {"message": "no such model"}})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


time.sleep(0.3)
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
