"""What the reading of task files reads: which columns mean what."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from anyprefer.config.base import Section


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A column's name, or several."""
Column = Annotated[Columns, Field(max_length=1)]
"""Likewise, and at most one."""


class ColumnsConfig(Section):
    """Which columns of a task file mean what, where their names do not say it; `--map prompt=question` says the same.

    A role that is not named here is found by the usual names of its columns (`anyprefer.data.columns.ROLES`).
    """

    prompt: Column = ()
    """What is asked: text, or a conversation."""
    input: Column = ()
    """What an instruction works on; it goes below the instruction."""
    system: Column = ()
    """The system message."""
    context: Columns = ()
    """Texts to answer from; they go before the question, each between tags."""
    history: Column = ()
    """Earlier turns: messages, or pairs of what the user and the assistant said."""
    reference: Column = ()
    """The trusted answer; of a list of acceptable ones the first, the metadata keep all."""
    id: Column = ()
    """What names the task."""
    images: Column = ()
    """Pictures."""
    tools: Column = ()
    """What the target may call, as JSON schemas."""
    chosen: Column = ()
    """The preferred response of a pair that is there already; see `sampling.existing`."""
    rejected: Column = ()
    """The other response, likewise."""
    metadata: Columns = ()
    """What is kept and shown to no model; `"*"` stands for every column without another meaning."""
