"""The values of one synthesis, a file a concept, in the order in which they come into being.

All are frozen pydantic models that refuse unknown fields. They are what nodes exchange, what checkpoints hold (the list
`VALUES` is the checkpoint serializer's allowlist) and what `records.jsonl` stores.
"""

from anyprefer.types.base import Value, normalize
from anyprefer.types.candidate import Candidate, Ending, ending_of
from anyprefer.types.content import Image, Message, Part, Reasoning, Text, ToolResult, ToolUse, images_of, text_of
from anyprefer.types.evidence import Evidence, Finding, Knowledge, ToolCall
from anyprefer.types.output import Output, Reply, Trajectory, same_output
from anyprefer.types.pair import PERSON, REFERENCE, Critique, Origin, PreferencePair, Review, Side, Verdict, disagree
from anyprefer.types.record import RECORD_VERSION, Attempt, Cut, Failure, PreferenceRecord, Prompts, RoleUsage
from anyprefer.types.rubric import Criterion, Difference, Ruling, find_differences
from anyprefer.types.shortfall import REASONS, Reason, Shortfall
from anyprefer.types.task import Task, content_id

VALUES: tuple[type[Value], ...] = (
    Text, Image, Reasoning, ToolUse, ToolResult, Message, Reply, Trajectory, Task, Candidate, ToolCall, Finding, Evidence,
    Knowledge, Criterion, Ruling, Verdict, Origin, Side, Difference, PreferencePair, Critique, Prompts, Shortfall, Cut, Attempt,
    Review, RoleUsage, Failure,
    PreferenceRecord,
)  # fmt: skip

__all__ = [
    "PERSON", "REASONS", "RECORD_VERSION", "REFERENCE", "VALUES", "Attempt", "Candidate", "Criterion", "Critique", "Cut",
    "Difference", "Ending", "Evidence", "Failure", "Finding", "Image", "Knowledge", "Message", "Origin", "Output", "Part",
    "PreferencePair", "PreferenceRecord", "Prompts", "Reason", "Reasoning", "Reply", "Review", "RoleUsage", "Ruling",
    "Shortfall", "Side", "Task", "Text", "ToolCall", "ToolResult", "ToolUse", "Trajectory", "Value", "Verdict", "content_id",
    "disagree", "ending_of", "find_differences", "images_of", "normalize", "same_output", "text_of",
]  # fmt: skip
