"""Talk to LangGraph's server (`make studio`) with its official client: run, watch, decide, open a batch run's threads, fork one.

python examples/server/client.py [--url http://127.0.0.1:8123] [--run RUN_FOLDER TASK_ID]
"""

import argparse
import asyncio
import tomllib
from pathlib import Path
from typing import Any

from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from anyprefer.runs.synthesizer import thread_id

PROMPT = "A farmer has 17 sheep and buys 5 more. How many sheep are there now?"


async def show_schemas(client: LangGraphClient) -> str:
    """The assistant, what it asks for and which settings it has; gives the assistant's id."""
    (assistant,) = await client.assistants.search(graph_id="anyprefer")
    schemas: Any = await client.assistants.get_schemas(assistant["assistant_id"])
    print("input:", ", ".join(schemas["input_schema"]["properties"]))
    for name, setting in schemas["context_schema"]["properties"].items():
        print(f"setting {name} = {setting.get('default')!r}: {setting.get('description', '')}")
    return assistant["assistant_id"]


async def run_and_decide(client: LangGraphClient, assistant: str) -> None:
    """Stream a run until it waits for a reviewer, and accept."""
    thread = await client.threads.create()
    context = {"review": "all"}
    async for part in client.runs.stream(
        thread["thread_id"], assistant, input={"prompt": PROMPT}, context=context, stream_mode=["updates", "custom"]
    ):
        if part.event == "custom":
            print(f"round {part.data['round']}, {part.data['node']}: {part.data['says']}")
    state = await client.threads.get(thread["thread_id"])
    print("status:", state["status"])
    if state["status"] != "interrupted":
        return
    (request,) = (one["value"] for found in state["interrupts"].values() for one in found)
    print("to review, because", ", ".join(request["reasons"]))
    print(f"  chosen: {request['chosen']!r}\n  rejected: {request['rejected']!r}")
    decision = {"decision": "accept", "reviewer": "example"}
    found: Any = await client.runs.wait(thread["thread_id"], assistant, command={"resume": decision}, context=context)
    print("record:", found["record"]["status"], found["record"]["review"])


async def open_batch_thread(client: LangGraphClient, assistant: str, run: Path, task_id: str) -> None:
    """Open a task's thread of the run folder that the server was started with, and fork it from its second step."""
    digest = tomllib.loads((run / "recipe.lock.toml").read_text(encoding="utf-8"))["lock"]["digest"]
    thread = thread_id(digest, task_id)
    await client.threads.create(thread_id=thread, graph_id="anyprefer", if_exists="do_nothing")
    history: Any = await client.threads.get_history(thread, limit=50)
    print(f"task {task_id}, thread {thread}: {len(history)} checkpoints")
    for one in reversed(history):
        print("  next:", ", ".join(one["next"]) or "end")
    early = next((one for one in reversed(history) if "score_candidates" in one["next"]), None)
    if early is None:
        return
    found: Any = await client.runs.wait(thread, assistant, input=None, checkpoint=early["checkpoint"])
    again = found.get("record") or {}
    print("forked before score_candidates:", again.get("status", "waits for a review"))


async def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8123")
    parser.add_argument("--run", nargs=2, metavar=("RUN_FOLDER", "TASK_ID"))
    given = parser.parse_args()
    client = get_client(url=given.url)
    assistant = await show_schemas(client)
    if given.run:
        await open_batch_thread(client, assistant, Path(given.run[0]), given.run[1])
    await run_and_decide(client, assistant)


if __name__ == "__main__":
    asyncio.run(main())
