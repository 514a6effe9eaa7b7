"""What a request came to: read from the chat model's answer, kept in the journal, read back from there.

LangChain's usage figures are wrong for n > 1 (every choice carries the whole request's), so usage is read from the reply's
own totals, once per request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.outputs import LLMResult

from anyprefer.backends.asking import Ask
from anyprefer.backends.calls import CallSite, StoredCall
from anyprefer.backends.logprobs import Digits, find_digits
from anyprefer.backends.messages import finish_reason_of, reply_of
from anyprefer.errors import ModelUnavailableError
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Ending, Reply, ending_of

BYTES_PER_TOKEN = 3.0
"""For tokens that nobody counted: cautious, most tokenizers take 3 to 5 bytes of UTF-8 a token."""

MOST_BYTES_SHARE, MOST_OVER_LIMIT = 4, 8
"""A count of prompt tokens of more than so many for each byte, or of reply tokens of more than so many times what was asked for,
is no count: templates and thoughts take more than one reads, but not that much."""

MOST_BYTES_PER_TOKEN = 7.0
"""Of several choices: where fewer tokens are said to have come, only the first choice was counted, as llama.cpp does."""

PROMPT_OVERHEAD = 4096
"""Prompt tokens that a template, or tools that a server adds, may take beside the text."""


@dataclass(frozen=True)
class Completion:
    """The choices of one call."""

    replies: tuple[Reply, ...]
    endings: tuple[Ending, ...]
    key: str
    digits: Digits | None = None
    """Of the first choice, where they were asked for and the server gave them."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What was said, thoughts apart."""
        return tuple(reply.answer for reply in self.replies)


def join_completions(parts: Sequence[Completion]) -> Completion:
    """One completion of several requests for the same; its key is the first one's."""
    replies = tuple(reply for part in parts for reply in part.replies)
    endings = tuple(ending for part in parts for ending in part.endings)
    return Completion(replies, endings, parts[0].key, parts[0].digits)


def store_call(
    key: str, site: CallSite, result: LLMResult, ask: Ask, seconds: float, *, recounted: bool = False
) -> StoredCall:  # fmt: skip
    """A chat model's answer for the journal; choices beyond those asked for are dropped.

    Args:
        key: Of the call.
        site: Where it belongs.
        result: The answer.
        ask: What was asked.
        seconds: How long it took.
        recounted: Whether the tokens of several choices are counted afterwards, so that what is said of them does not matter.

    Raises:
        ModelUnavailableError: There is no choice at all.
    """
    generations = result.generations[0][: ask.n]
    if not generations:
        raise ModelUnavailableError(
            f"{site.role} model gave no choice at all: check that the endpoint is a chat completion server"
        )
    replies, endings = zip(*(_read(generation) for generation in generations), strict=True)
    digits = _digits_of(generations[0], replies[0])
    estimate = estimate_usage(ask, replies)
    usage = usage_of(result, ask, num_bytes=int(estimate[1] * BYTES_PER_TOKEN))
    if usage and len(replies) > 1 and not recounted and usage[1] * MOST_BYTES_PER_TOKEN < estimate[1] * BYTES_PER_TOKEN:
        usage = None
    prompt_tokens, completion_tokens = usage or estimate
    return StoredCall(
        key=key, site=site, kind="model", seconds=seconds,
        reply={
            "replies": [_written(reply) for reply in replies], "endings": list(endings),
            **({} if digits is None else {"digits": digits}), **({} if usage else {"estimated": True}),
        },
        prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
    )  # fmt: skip


def _digits_of(generation: Any, reply: Reply) -> Digits | None:
    """The digits of a reply; None where the server gave no log-probabilities, or none that can be read."""
    try:
        content = ((generation.generation_info or {}).get("logprobs") or {}).get("content")
        return find_digits(reply.answer, content) if content else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def usage_of(result: LLMResult, ask: Ask, *, num_bytes: int = 0) -> tuple[int, int] | None:
    """Prompt and completion tokens: the totals of the request or, of chat models that give none, what the messages say.

    Args:
        result: The answer.
        ask: What was asked.
        num_bytes: Length of the replies, which may be longer than was asked for: a token has a byte or more.

    Returns:
        None where nothing is said, or nothing that can be.
    """
    totals = (result.llm_output or {}).get("token_usage")
    if isinstance(totals, dict) and totals:
        prompt, completion = _count(totals.get("prompt_tokens")), _count(totals.get("completion_tokens"))
    else:
        said = getattr(getattr(result.generations[0][0], "message", None), "usage_metadata", None) or {}
        prompt, completion = _count(said.get("input_tokens")), _count(said.get("output_tokens"))
    if not prompt or completion is None or prompt > MOST_BYTES_SHARE * ask.num_bytes + PROMPT_OVERHEAD:
        return None
    most = max(MOST_OVER_LIMIT * ask.n * ask.max_tokens, num_bytes) + PROMPT_OVERHEAD
    return None if completion > most else (prompt, completion)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def estimate_usage(ask: Ask, replies: Sequence[Reply]) -> tuple[int, int]:
    """Tokens of a request that nobody counted, from the bytes of what was sent and of what came back."""
    texts = (part for reply in replies for part in (reply.answer, reply.reasoning, *(str(call.args) for call in reply.calls)))
    said = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return int(ask.num_bytes / BYTES_PER_TOKEN) + 1, int(said / BYTES_PER_TOKEN) + len(replies)


def read_call(call: StoredCall) -> Completion:
    """What a journalled call said; rows without endings hold texts and the server's finish reasons."""
    places = [(place, chances) for place, chances in call.reply.get("digits") or ()] or None
    if "endings" in call.reply:
        replies = (Reply.of(one) if isinstance(one, str) else Reply.model_validate(one) for one in call.reply["replies"])
        return Completion(tuple(replies), tuple(call.reply["endings"]), call.key, places)
    found = [_apart(text, reason) for text, reason in zip(call.reply["texts"], call.reply["finish_reasons"], strict=True)]
    return Completion(tuple(reply for reply, _ in found), tuple(ending for _, ending in found), call.key, places)


def _read(generation: Any) -> tuple[Reply, Ending]:
    return reply_of(generation.message, finish_reason_of(generation))


def _written(reply: Reply) -> Any:
    """A reply for the journal: its text, where it is nothing else."""
    content = reply.messages[0].content
    return content if isinstance(content, str) and len(reply.messages) == 1 else reply.model_dump(mode="json")


def _apart(text: str, reason: str | None) -> tuple[Reply, Ending]:
    thought, answer, closed = split_thoughts(text)
    return Reply.of(answer, thought), ending_of(reason) if closed else "cut"
