"""The checkpointer that `langgraph.json` names: a run folder's own, so that the server opens, forks and resumes its threads.

ANYPREFER_RUN names the folder. Without it threads are kept in `.langgraph_api/`, beside the rest of the server's state.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from anyprefer.data.run_dir import RunDir
from anyprefer.graph.state import state_serializer


@asynccontextmanager
async def open_checkpointer() -> AsyncIterator[AsyncSqliteSaver]:
    """Open it; the serializer revives our values and no other class."""
    folder = Path(os.environ.get("ANYPREFER_RUN") or ".langgraph_api")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with AsyncSqliteSaver.from_conn_string(str(RunDir(folder).checkpoints)) as saver:
        saver.serde = state_serializer()
        await saver.setup()
        yield saver
