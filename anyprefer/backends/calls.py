"""The call store: every completed model and tool call of a run, kept so that none is ever paid twice.

`CallSite` says where in a run a call belongs, `StoredCall` is what is kept, `CallStore` is the contract, and `MemoryCalls` the
implementation for callers without a run folder. `anyprefer.runs.journal` has the durable one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from anyprefer.types import RoleUsage


@dataclass(frozen=True)
class CallSite:
    """Where a call belongs: task, role, round of the loop and step within the round ("score/2")."""

    task_id: str
    role: str
    round: int
    step: str

    def seed(self, base: int) -> int:
        """A sampling seed below 2**31 that differs from site to site."""
        text = "\0".join((str(base), self.task_id, self.role, str(self.round), self.step))
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class StoredCall:
    """One completed call."""

    key: str
    site: CallSite
    kind: Literal["model", "tool"]
    reply: dict[str, Any]
    """JSON-able; what a resume hands back instead of calling again."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost_usd: float | None = None
    """None where the recipe has no price for the model."""
    reused: bool = False
    """Whether it was paid in another run."""

    @property
    def estimated(self) -> bool:
        """Whether its tokens are an estimate, since the endpoint did not say."""
        return bool(self.reply.get("estimated")) and not self.reused

    @property
    def usage(self) -> RoleUsage:
        """What this one call adds to its role."""
        return RoleUsage(
            calls=1, prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens, seconds=self.seconds,
            cost_usd=self.cost_usd, estimated=int(self.estimated),
        )  # fmt: skip


class CallStore(Protocol):
    """What model clients and tools need of a journal."""

    async def get(self, key: str) -> StoredCall | None:
        """The completed call under this key, if there is one."""

    async def put(self, call: StoredCall) -> None:
        """Keep a completed call; it must be durable when this returns."""

    async def mark_bad(self, key: str) -> None:
        """Note that the reply could not be used, so that a later `--retry-failed` asks again."""

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """What the task has cost so far, by role; repaired and rejected replies count too."""


def call_key(site: CallSite, request: Mapping[str, Any]) -> str:
    """Content key of a call: everything that changes its reply, and the place in the run that asked for it."""
    content = [site.task_id, site.role, site.round, site.step, request]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass
class MemoryCalls:
    """A call store without a file, for `synthesize` without a folder and for Studio."""

    calls: dict[str, StoredCall] = field(default_factory=dict)

    async def get(self, key: str) -> StoredCall | None:
        """See `CallStore.get`."""
        return self.calls.get(key)

    async def put(self, call: StoredCall) -> None:
        """See `CallStore.put`."""
        self.calls[call.key] = call

    async def mark_bad(self, key: str) -> None:
        """Nothing to note: nobody retries from memory."""

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """See `CallStore.usage`."""
        totals: dict[str, RoleUsage] = {}
        for call in self.calls.values():
            if call.kind == "model" and call.site.task_id == task_id:
                totals[call.site.role] = totals.get(call.site.role, RoleUsage()) + call.usage
        return totals

    def forget(self, task_id: str) -> None:
        """Drop a finished task's calls, so that a long-lived process does not grow."""
        self.calls = {key: call for key, call in self.calls.items() if call.site.task_id != task_id}
