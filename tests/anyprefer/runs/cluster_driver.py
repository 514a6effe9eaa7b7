"""Run a recipe on a Ray cluster of two nodes on this machine and kill one of them half way; prints the summary as JSON.

cluster_driver.py RECIPE TASKS OUT STORE_URL NUM_RECORDS_BEFORE_THE_KILL [ACCEPT]
"""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray._private import state as ray_state
from ray.cluster_utils import Cluster
from rich.console import Console

from anyprefer.config import ClusterOptions
from anyprefer.recipes import load_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session


def kill_later(cluster: Cluster, node: Any, records: Path, count: int, killed: dict[str, int]) -> None:
    """Take the node away, its processes killed, once so many records are there and one of the actors is on it."""
    while not records.exists() or records.read_bytes().count(b"\n") < count or not has_actor(node):
        time.sleep(0.05)
    killed["records_at_kill"] = records.read_bytes().count(b"\n")
    cluster.remove_node(node, allow_graceful=False)


def has_actor(node: Any) -> bool:
    """Whether an actor works on a node."""
    actors = ray_state.actors().values()
    return any(actor["State"] == "ALIVE" and actor["Address"]["NodeID"] == node.node_id for actor in actors)


def main() -> None:
    """Start the cluster, the run and the killer."""
    recipe, tasks, out, url, count, *accept = sys.argv[1:]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    killed: dict[str, int] = {}
    if int(count):
        arguments = (cluster, node, Path(out) / "records.jsonl", int(count), killed)
        threading.Thread(target=kill_later, args=arguments, daemon=True).start()
    session = Session(
        load_recipe(recipe), Path(tasks), Path(out), store=url, accept=int(accept[0]) if accept else None,
        cluster=ClusterOptions(block_size=4),
    )  # fmt: skip
    summary = asyncio.run(run_session(session, Progress(Console(stderr=True))))
    sys.stdout.write(json.dumps({**summary.model_dump(mode="json"), **killed}) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
