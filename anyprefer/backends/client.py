"""One role's way to its model: journalled completions, and structured replies with one repair."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from anyprefer.backends.asking import Ask
from anyprefer.backends.caller import Caller
from anyprefer.backends.calls import CallSite, CallStore, call_key
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.logprobs import TOP
from anyprefer.backends.reading import has_form, read_form
from anyprefer.backends.replies import Completion, join_completions, read_call
from anyprefer.errors import MalformedReplyError
from anyprefer.redaction import quote
from anyprefer.shortening import shorten
from anyprefer.types import Message

Form = TypeVar("Form", bound=BaseModel)
Result = TypeVar("Result")

MAX_GRAMMAR_CHARS = 2000
"""Longest text limit that is sent to a server; llama.cpp refuses grammars that repeat a rule more often."""


@dataclass(frozen=True)
class ModelClient:
    """A chat model with a role, a journal and a seed."""

    role: str
    model_id: str
    """As the recipe names it, with the endpoint where one is set; part of every call's key."""
    caller: Caller
    """Makes the calls that the journal does not have."""
    calls: CallStore
    seed: int = 0

    @property
    def capabilities(self) -> Capabilities:
        """What the endpoint takes, as far as is known, under the role's own wishes."""
        return self.caller.capabilities

    @property
    def context_tokens(self) -> int | None:
        """The model's context, prompt and reply together; None where nobody knows it."""
        return self.caller.config.context_tokens or self.capabilities.context_tokens

    @property
    def max_tokens(self) -> int:
        """Longest reply in tokens."""
        return self.caller.config.max_tokens

    async def complete(
        self, messages: Sequence[Message], site: CallSite, *, n: int = 1, schema: dict[str, Any] | None = None,
        digits: bool = False, temperature: float | None = None, tools: Sequence[dict[str, Any]] = (),
    ) -> Completion:  # fmt: skip
        """Ask for `n` replies, or hand back the journalled ones; several requests where the endpoint gives fewer in one.

        Args:
            messages: The conversation.
            site: Where in the run the call belongs.
            n: Number of replies.
            schema: A JSON schema that the replies must fit; the endpoint is held to it as far as it can be.
            digits: Ask for the log-probabilities of the reply's digits as well.
            temperature: In place of the role's own.
            tools: JSON schemas of functions that the model may call.

        Raises:
            ModelUnavailableError: No answer after all retries.
            ModelRefusedError: The endpoint rejected the request.
        """
        return await self._answer(
            Ask(messages, n, schema, temperature=temperature, top_logprobs=TOP if digits else 0, tools=tools), site
        )

    async def _answer(self, ask: Ask, site: CallSite) -> Completion:
        config = self.caller.config
        ask = replace(
            ask, seed=site.seed(self.seed), top_p=config.top_p, max_tokens=config.max_tokens, extra_body=config.extra_body
        )
        key = call_key(site, self._key_of(ask))
        call = await self.calls.get(key)
        if call is None and not self.capabilities.splits(ask.n):
            call = await self.caller.pay(key, ask, site)
        found = [] if call is None else [read_call(call)]
        missing = ask.n - sum(len(one.replies) for one in found)
        most = self.capabilities.max_n or max(missing, 1)
        first = ask.n - missing
        rest = [
            self._answer(replace(ask, n=min(most, missing - start)), replace(site, step=f"{site.step}.{first + number}"))
            for number, start in enumerate(range(0, missing, most))
        ]
        return join_completions([*found, *await complete_all(rest)]) if rest else found[0]

    def _key_of(self, ask: Ask) -> dict[str, Any]:
        """What changes the reply; how it is put to the endpoint is no part of it."""
        params = self.caller.config.model_dump(include={"temperature", "top_p", "max_tokens", "extra_body"})
        options = {"digits": TOP if ask.top_logprobs else None, "temperature": ask.temperature, "tools": list(ask.tools) or None}
        return {
            "model": self.model_id, "params": params, "messages": [message.keyed() for message in ask.messages], "n": ask.n,
            "schema": ask.schema, "seed": ask.seed, **{name: value for name, value in options.items() if value is not None},
        }  # fmt: skip

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
        if first.endings[0] == "complete":
            self.caller.dialect.heed(self.caller.config, has_form=has_form(first.texts[0], schema))
        try:
            return read_form(first.texts[0], schema), first
        except ValidationError as error:
            repair = _repair_messages(messages, first.texts[0], error)
        again = CallSite(site.task_id, site.role, site.round, f"{site.step}/repair")
        ask = Ask(repair, schema=form, top_logprobs=TOP if digits else 0, spell=not has_form(first.texts[0], schema))
        second = await self._answer(ask, again)
        try:
            return read_form(second.texts[0], schema), second
        except ValidationError as error:
            for completion in (first, second):
                await self.calls.mark_bad(completion.key)
            raise self._malformed(second, schema, error) from None

    def _malformed(self, completion: Completion, schema: type[BaseModel], error: ValidationError) -> MalformedReplyError:
        """What to say of a second reply that does not fit either."""
        who, ending, text = f"{self.role} model {self.model_id!r}", completion.endings[0], completion.texts[0]
        if ending == "cut":
            thought = completion.replies[0].reasoning and not text.strip()
            why = "used up its tokens on thinking and answered nothing" if thought else "was cut off by its length limit"
            what, advice = f"{who} {why}", f"raise {self.role}.max_tokens = {self.caller.config.max_tokens}"
        else:
            what = f"{who} did not fit {schema.__name__} in two tries ({_first_problem(error)}; it ended {ending!r})"
            advice = f"use a model that follows JSON schemas, or set {self.role}.reply_format = 'text'"
        found = MalformedReplyError(f"{what}; last reply: {quote(text, 200)!r}; {advice}")
        found.cause = f"{who} {'ran out of tokens' if ending == 'cut' else f'did not fit {schema.__name__}'}; {advice}"
        return found

    async def structured_samples(
        self, messages: Sequence[Message], site: CallSite, schema: type[Form], n: int, temperature: float
    ) -> list[Form]:
        """Ask for several replies and keep those that fit; where none does, ask once more for one.

        Raises:
            MalformedReplyError: No reply fits.
        """
        done = await self.complete(messages, site, n=n, schema=strict_schema(schema), temperature=temperature)
        replies = []
        for text in done.texts:
            with suppress(ValidationError):
                replies.append(read_form(text, schema))
        if replies:
            return replies
        again = CallSite(site.task_id, site.role, site.round, f"{site.step}/single")
        return [await self.structured(messages, again, schema)]


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


def _repair_messages(messages: Sequence[Message], reply: str, error: ValidationError) -> tuple[Message, ...]:
    complaint = (
        f"That reply does not fit the JSON schema: {_first_problem(error)}. Reply again with JSON that fits it, and nothing else."
    )
    return (*messages, Message(role="assistant", content=shorten(reply, 2000) or "{}"), Message(role="user", content=complaint))


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
