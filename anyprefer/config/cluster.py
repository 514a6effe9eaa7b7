"""How a run is spread over a cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterOptions:
    """How the work is spread."""

    address: str = "auto"
    """Of the Ray cluster; "auto" is the one that this machine belongs to, "local" starts one here."""
    workers: int = 0
    """Most actors; 0 is one per CPU of the cluster."""
    block_size: int = 64
    """Tasks of one block: what a dying actor's successor goes through again (without paying again)."""
