"""A run folder, opened for work: its owner, its store and the team that works in it, whoever asks for it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.budget import Budget
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.errors import RunFolderError
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.stores import Store, open_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """What is open while a process works in a run folder."""

    folder: RunFolder
    store: Store
    backends: Backends
    team: Team
    """Its records carry the folder's digest."""

    async def modernize(self) -> None:
        """Make a folder of an earlier format one of the present.

        Its checkpoints hold values of other shapes, which nothing revives, so they go. The journal has every completed call: the
        unfinished tasks go on from there, and no call is paid again.
        """
        if self.folder.is_current:
            return
        threads = await self.store.threads()
        for thread in threads:
            await self.store.saver.adelete_thread(thread)
        self.folder.mark_current()
        logger.info("run folder of an earlier format: %d unfinished tasks go on from the journal", len(threads))

    async def check_current(self) -> None:
        """See that what waits in the folder can be gone on with.

        Raises:
            RunFolderError: It waits in checkpoints of an earlier format.
        """
        if not self.folder.is_current and await self.store.threads():
            raise RunFolderError(
                f"{str(self.folder.path)!r} was made by earlier code: run its `anyprefer run` command once more, which asks no "
                "completed call again, then review"
            )


@asynccontextmanager
async def open_workplace(
    recipe: Recipe, path: Path, store_url: str | None = None, *, budget: Budget | None = None,
    fetching: Callable[[int, int], None] | None = None,
) -> AsyncIterator[Workplace]:  # fmt: skip
    """Take ownership of a run folder and assemble the team; models connect on first use.

    Args:
        recipe: What is run.
        path: The run folder; made where there is none.
        store_url: `postgres://...` where journal and checkpoints are there; None keeps them in the folder.
        budget: What the models may cost.
        fetching: Called with done and total bytes while weights are fetched.

    Raises:
        RunFolderError: The folder is in use, or belongs to another recipe.
        ConfigError: The recipe's prompts, tools or keys are not here.
    """
    async with Backends(recipe, fetching, budget) as backends:
        folder = RunFolder(path, recipe, prompt_hashes(load_prompts(recipe)))
        try:
            async with open_store(store_url, path, folder.digest) as store:
                team = replace(build_team(recipe, backends, store.journal), recipe_digest=folder.digest)
                try:
                    yield Workplace(folder, store, backends, team)
                finally:
                    await team.toolbox.aclose()
        finally:
            folder.close()
