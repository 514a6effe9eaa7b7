"""One role's way to its model: journalled completions, and structured replies with one repair.

LangChain's usage figures are wrong for n > 1 (every choice carries the whole request's), so usage is read from the reply's
own totals, once per request.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import LLMResult
from pydantic import BaseModel, ValidationError

from anyprefer import telemetry
from anyprefer.backends.budget import Budget, Cost, PromptGauge, price_of
from anyprefer.backends.calls import CallSite, CallStore, StoredCall, call_key
from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.logprobs import TOP, Digits, find_digits
from anyprefer.backends.messages import reply_of, to_langchain
from anyprefer.backends.retry import Persistence
from anyprefer.config import Price
from anyprefer.errors import MalformedReplyError
from anyprefer.prompts import clip
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Ending, Message, Reply, ending_of

Form = TypeVar("Form", bound=BaseModel)
Result = TypeVar("Result")

MAX_GRAMMAR_CHARS = 2000
"""Longest text limit that is sent to a server; llama.cpp refuses grammars that repeat a rule more often."""


@dataclass(frozen=True)
class Completion:
    """The choices of one request."""

    replies: tuple[Reply, ...]
    endings: tuple[Ending, ...]
    key: str
    digits: Digits | None = None
    """Of the first choice, where they were asked for and the server gave them."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What was said, thoughts apart."""
        return tuple(reply.answer for reply in self.replies)


@dataclass(frozen=True)
class ModelClient:
    """A chat model with a role, a journal and a seed."""

    role: str
    model_id: str
    """As the recipe names it, with the endpoint where one is set; part of every call's key."""
    params: dict[str, Any]
    """Sampling parameters of the model; part of every call's key."""
    connect: Callable[[], Awaitable[BaseChatModel]]
    """Gives the chat model, starting its server on first use."""
    calls: CallStore
    endpoint: Endpoint
    persistence: Persistence
    seed: int = 0
    price: Price | None = None
    budget: Budget | None = None
    gauge: PromptGauge = field(default_factory=PromptGauge)
    count_tokens: Callable[[Sequence[str]], Awaitable[int]] | None = None
    """Counts the tokens of several choices, for servers whose usage covers only the first of them."""

    async def complete(
        self, messages: Sequence[Message], site: CallSite, *, n: int = 1, schema: dict[str, Any] | None = None,
        digits: bool = False, temperature: float | None = None, tools: Sequence[dict[str, Any]] = (),
    ) -> Completion:  # fmt: skip
        """Ask for `n` replies in one request, or hand back the journalled ones.

        Args:
            messages: The conversation.
            site: Where in the run the call belongs.
            n: Number of choices.
            schema: A JSON schema that the server must hold the reply to.
            digits: Ask for the log-probabilities of the reply's digits as well.
            temperature: In place of the role's own.
            tools: JSON schemas of functions that the model may call.

        Raises:
            ModelUnavailableError: No answer after all retries.
            ModelRefusedError: The endpoint rejected the request.
        """
        request = {
            "model": self.model_id, "params": self.params, "messages": [message.keyed() for message in messages],
            "n": n, "schema": schema, "seed": site.seed(self.seed), **({"digits": TOP} if digits else {}),
            **({"temperature": temperature} if temperature is not None else {}), **({"tools": list(tools)} if tools else {}),
        }  # fmt: skip
        key = call_key(site, request)
        call = await self.calls.get(key)
        if call is None:
            options: dict[str, Any] = {"n": n} if n > 1 else {}
            if digits:
                options |= {"logprobs": True, "top_logprobs": TOP}
            if temperature is not None:
                options["temperature"] = temperature
            if tools:
                options["tools"] = [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]
            call = await self._pay(key, messages, site, schema, options)
        return _completion(call)

    async def structured(self, messages: Sequence[Message], site: CallSite, schema: type[Form]) -> Form:
        """Ask for a reply that fits a pydantic model; show the model its error once, then give up.

        Raises:
            MalformedReplyError: Neither reply fits; the message holds the error and the start of the last reply.
        """
        return (await self.structured_completion(messages, site, schema))[0]

    async def structured_completion(
        self, messages: Sequence[Message], site: CallSite, schema: type[Form], *, digits: bool = False
    ) -> tuple[Form, Completion]:
        """Likewise, with the completion that the reply was read from.

        Raises:
            MalformedReplyError: Neither reply fits.
        """
        form = strict_schema(schema)
        first = await self.complete(messages, site, schema=form, digits=digits)
        try:
            return schema.model_validate_json(first.texts[0]), first
        except ValidationError as error:
            repair = _repair_messages(messages, first.texts[0], error)
        again = CallSite(site.task_id, site.role, site.round, f"{site.step}/repair")
        second = await self.complete(repair, again, schema=form, digits=digits)
        try:
            return schema.model_validate_json(second.texts[0]), second
        except ValidationError as error:
            for completion in (first, second):
                await self.calls.mark_bad(completion.key)
            raise MalformedReplyError(
                f"{self.role} model {self.model_id!r} did not fit {schema.__name__} in two tries ({_first_problem(error)}; "
                f"it ended {second.endings[0]!r}); last reply: {clip(second.texts[0], 200)!r}. "
                f"Raise {self.role}.max_tokens if it was cut off, or use a model that follows JSON schemas"
            ) from None

    async def structured_samples(
        self, messages: Sequence[Message], site: CallSite, schema: type[Form], n: int, temperature: float
    ) -> list[Form]:
        """Ask for several replies in one request and keep those that fit; where none does, ask once more for one.

        Raises:
            MalformedReplyError: No reply fits.
        """
        done = await self.complete(messages, site, n=n, schema=strict_schema(schema), temperature=temperature)
        replies = []
        for text in done.texts:
            with suppress(ValidationError):
                replies.append(schema.model_validate_json(text))
        if replies:
            return replies
        again = CallSite(site.task_id, site.role, site.round, f"{site.step}/single")
        return [await self.structured(messages, again, schema)]

    async def _pay(
        self, key: str, messages: Sequence[Message], site: CallSite, schema: dict[str, Any] | None, options: dict[str, Any]
    ) -> StoredCall:
        """Make a call within the budget and keep it."""
        if self.budget is None:
            call = await self._request(key, messages, site, schema, options)
            await self.calls.put(call)
            return call
        num_bytes = sum(len(message.text.encode("utf-8", "replace")) for message in messages) + len(str(schema or ""))
        prompt, completion = self.gauge.estimate(num_bytes), self.params["max_tokens"] * options.get("n", 1)
        async with self.budget.reserve(Cost(prompt + completion, price_of(prompt, completion, self.price) or 0.0)) as settle:
            call = await self._request(key, messages, site, schema, options)
            settle(Cost(call.prompt_tokens + call.completion_tokens, call.cost_usd or 0.0))
            self.gauge.learn(num_bytes, call.prompt_tokens)
            await self.calls.put(call)
        return call

    async def _request(
        self, key: str, messages: Sequence[Message], site: CallSite, schema: dict[str, Any] | None, options: dict[str, Any]
    ) -> StoredCall:
        chat = await self.connect()
        options = {"seed": site.seed(self.seed), **options}
        if schema is not None:
            form = {"type": "json_schema", "json_schema": {"name": schema["title"], "strict": True, "schema": schema}}
            options["extra_body"] = {**self.params.get("extra_body", {}), "response_format": form}
        conversation = to_langchain(messages)
        start = 0.0

        async def request() -> LLMResult:
            nonlocal start
            start = time.perf_counter()
            return await chat.agenerate([conversation], **options)

        name = self.model_id.partition(":")[2].partition("@http")[0]
        with telemetry.span(f"chat {name}", gen_ai__operation__name="chat", gen_ai__request__model=name) as note:
            result = await self.persistence.ask(request, self.endpoint, self.role, self.model_id, priority=site.round)
            call = _stored(key, site, result, time.perf_counter() - start)
            note(gen_ai__usage__input_tokens=call.prompt_tokens, gen_ai__usage__output_tokens=call.completion_tokens)
        _measure(call, name)
        if len(result.generations[0]) > 1 and self.count_tokens is not None:
            texts = [generation.text for generation in result.generations[0]]
            call = replace(call, completion_tokens=await self.count_tokens(texts))
        return replace(call, cost_usd=price_of(call.prompt_tokens, call.completion_tokens, self.price))


@lru_cache(maxsize=256)
def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema as servers want it; validation still knows the model's own rules.

    Every property is required, as strict servers demand. A long limit of a text goes: as a grammar it would be one state for
    each character.
    """

    def require(node: Any) -> Any:
        if isinstance(node, list):
            return [require(item) for item in node]
        if not isinstance(node, dict):
            return node
        found = {key: require(value) for key, value in node.items()}
        if isinstance(found.get("properties"), dict) and found.get("type") == "object":
            found["required"] = list(found["properties"])
        if isinstance(found.get("maxLength"), int) and found["maxLength"] > MAX_GRAMMAR_CHARS:
            del found["maxLength"]
        return found

    form: dict[str, Any] = require(schema.model_json_schema())
    return form


async def complete_all(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """Await calls side by side to the end of each, then raise the first error.

    A failed call neither cancels its neighbours nor leaves them running: they cost money and belong in the journal.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    done: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _stored(key: str, site: CallSite, result: LLMResult, seconds: float) -> StoredCall:
    generations = result.generations[0]
    if not generations:
        raise MalformedReplyError(f"{site.role} model gave no choice at all: check that the endpoint is a chat completion server")
    prompt_tokens, completion_tokens = _count_tokens(result)
    chances = (generations[0].generation_info or {}).get("logprobs") or {}
    replies, endings = zip(*(_read(generation) for generation in generations), strict=True)
    digits = {"digits": find_digits(replies[0].answer, chances["content"])} if chances.get("content") else {}
    return StoredCall(
        key=key, site=site, kind="model", seconds=seconds,
        reply={"replies": [_written(reply) for reply in replies], "endings": list(endings), **digits},
        prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
    )  # fmt: skip


def _count_tokens(result: LLMResult) -> tuple[int, int]:
    """Prompt and completion tokens: the totals of the request, or, of chat models that give none, what the first message says."""
    if totals := (result.llm_output or {}).get("token_usage"):
        return totals.get("prompt_tokens") or 0, totals.get("completion_tokens") or 0
    usage = getattr(getattr(result.generations[0][0], "message", None), "usage_metadata", None) or {}
    return usage.get("input_tokens") or 0, usage.get("output_tokens") or 0


def _measure(call: StoredCall, model: str) -> None:
    about = {"gen_ai__operation__name": "chat", "gen_ai__request__model": model, "anyprefer__role": call.site.role}
    telemetry.measure("gen_ai.client.operation.duration", call.seconds, **about)
    for kind, tokens in (("input", call.prompt_tokens), ("output", call.completion_tokens)):
        telemetry.measure("gen_ai.client.token.usage", tokens, gen_ai__token__type=kind, **about)


def _read(generation: Any) -> tuple[Reply, Ending]:
    return reply_of(generation.message, (generation.generation_info or {}).get("finish_reason"))


def _written(reply: Reply) -> Any:
    """A reply for the journal: its text, where it is nothing else."""
    content = reply.messages[0].content
    return content if isinstance(content, str) and len(reply.messages) == 1 else reply.model_dump(mode="json")


def _completion(call: StoredCall) -> Completion:
    """What a journalled call said; rows without endings hold texts and the server's finish reasons."""
    places = [(place, chances) for place, chances in call.reply.get("digits") or ()] or None
    if "endings" in call.reply:
        replies = (Reply.of(one) if isinstance(one, str) else Reply.model_validate(one) for one in call.reply["replies"])
        return Completion(tuple(replies), tuple(call.reply["endings"]), call.key, places)
    found = [_apart(text, reason) for text, reason in zip(call.reply["texts"], call.reply["finish_reasons"], strict=True)]
    return Completion(tuple(reply for reply, _ in found), tuple(ending for _, ending in found), call.key, places)


def _apart(text: str, reason: str | None) -> tuple[Reply, Ending]:
    thought, answer, closed = split_thoughts(text)
    return Reply.of(answer, thought), ending_of(reason) if closed else "cut"


def _repair_messages(messages: Sequence[Message], reply: str, error: ValidationError) -> tuple[Message, ...]:
    complaint = (
        f"That reply does not fit the JSON schema: {_first_problem(error)}. Reply again with JSON that fits it, and nothing else."
    )
    return (*messages, Message(role="assistant", content=clip(reply, 2000) or "{}"), Message(role="user", content=complaint))


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
