"""What a run reads: how tasks are worked through."""

from typing import Literal

from pydantic import Field

from anyprefer.config.base import Section, Untracked


class RunConfig(Section):
    """How tasks are worked through."""

    concurrency: Untracked[int] = Field(default=8, ge=1)
    """Tasks in progress at once. More than `max_in_flight` calls keep an endpoint busy while some tasks wait to retry."""
    max_in_flight: Untracked[int] = Field(default=100, ge=1)
    """Most calls at once to one model; below it the limit adapts to 429s, 503s and time-outs. An embedded model has its slots."""
    outage_seconds: Untracked[float] = Field(default=120.0, gt=0)
    """How long a model may fail every call before the run stops, leaving unfinished tasks for a later session."""
    max_tries: Untracked[int] = Field(default=3, ge=1)
    """How often a task may bring down its worker, or the whole process, before it is recorded as failed."""
    durability: Untracked[Literal["sync", "async", "exit"]] = "exit"
    """When LangGraph writes checkpoints. Completed calls survive in the journal in every mode, so `exit` loses nothing to a
    crash: the task is worked through again from the journal. The others write ten times as much, and show tasks as they run."""
    keep_threads: Untracked[bool] = False
    """Keep the checkpoints of finished tasks, so that Studio can open and fork them. With `durability = "async"` that is
    every step, 150 KB a task; with "exit" the end alone."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Start of the seeds sent with requests. Servers that batch may still differ from run to run; the journal is what makes a
    resume exact."""
    max_failed_share: Untracked[float] = Field(default=0.1, ge=0, le=1)
    """Share of tasks that an error ended, with a pair or without, above which the command ends with exit code 1."""
