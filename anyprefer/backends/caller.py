"""Makes the calls that the journal does not have: within the budget, through the endpoint's gate, in a way that it takes."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import LLMResult

from anyprefer import telemetry
from anyprefer.backends.asking import Ask, join_system, spell_schema
from anyprefer.backends.budget import Budget, Cost, PromptGauge, Settle, price_of, reserved
from anyprefer.backends.calls import CallSite, CallStore, StoredCall, call_key
from anyprefer.backends.capabilities import Capabilities, Dialect, advice_on, named_in
from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.messages import finish_reason_of, to_langchain
from anyprefer.backends.probing import PROBE, PROBE_TOKENS
from anyprefer.backends.rates import Admission, RateLimiter
from anyprefer.backends.replies import store_call
from anyprefer.backends.retry import Persistence
from anyprefer.config import Price, RoleConfig
from anyprefer.errors import ModelRefusedError, ModelUnavailableError


@dataclass(frozen=True)
class Caller:
    """One role's connection to its model."""

    role: str
    model_id: str
    config: RoleConfig
    connect: Callable[[], Awaitable[BaseChatModel]]
    """Gives the chat model, starting its server on first use."""
    phrase: Callable[[Ask, Capabilities], dict[str, Any]]
    """Puts a request into the chat model's own options; see `Provider.options`."""
    calls: CallStore
    endpoint: Endpoint
    persistence: Persistence
    dialect: Dialect = field(default_factory=Dialect)
    rates: RateLimiter = field(default_factory=RateLimiter)
    price: Price | None = None
    budget: Budget | None = None
    gauge: PromptGauge = field(default_factory=PromptGauge)
    count_tokens: Callable[[Sequence[str]], Awaitable[int]] | None = None
    """Counts the tokens of several choices, for servers whose usage covers only the first of them."""

    @property
    def capabilities(self) -> Capabilities:
        """What the endpoint takes, as far as is known, under the role's own wishes."""
        return self.dialect.known.under(self.config)

    async def probe(self, ask: Ask) -> None:
        """Send a small request as the role's own are put, so that what the endpoint refuses is known before any work.

        A refusal that is about this request alone, such as by a filter, says nothing of others and is passed over.

        Raises:
            ModelError: It was refused for good, or did not come through.
            StopRunError: No request can be answered, such as with a wrong key or an unknown model.
        """
        site = CallSite("", self.role, 0, "probe")
        try:
            if await self.pay(None, ask, site) is None:
                await self.pay(None, replace(ask, n=1), site)
        except ModelRefusedError as error:
            if not error.of_request:
                raise

    async def pay(self, key: str | None, ask: Ask, site: CallSite) -> StoredCall | None:
        """Make a call within the budget and keep it; None where the endpoint turns out to give fewer choices in one request.

        Args:
            key: Of the call; None gives it one that no other call has.
            ask: The request.
            site: Where it belongs.
        """
        key = key or call_key(site, {"probe": secrets.token_hex(8)})
        bounds = self._bounds(ask)
        async with reserved(self.budget, bounds) as settle:
            call = await self._put(key, ask, site, lost=partial(self._lose, bounds, settle))
            if call is None:
                return None
            settle(Cost(call.prompt_tokens + call.completion_tokens, call.cost_usd or 0.0))
            self.gauge.learn_reply(ask.max_tokens, -(-call.completion_tokens // ask.n))
            if not call.estimated:
                self.gauge.learn(ask.num_bytes, call.prompt_tokens)
            await self.calls.put(call)
        return call

    def _bounds(self, ask: Ask) -> Cost:
        """What a request costs at most."""
        prompt, replies = self.gauge.estimate(ask.num_bytes), self.gauge.most_of_reply(ask.max_tokens) * ask.n
        return Cost(prompt + replies, price_of(prompt, replies, self.price) or 0.0)

    def _lose(self, bounds: Cost, settle: Settle) -> None:
        """Count a request whose end is unknown as spent, and see that the next try fits as well."""
        settle(bounds)
        if self.budget is not None:
            self.budget.check()

    async def _put(self, key: str, ask: Ask, site: CallSite, lost: Callable[[], None]) -> StoredCall | None:
        """Put a request to the endpoint in the ways that it may take, until it takes one."""
        while not self.capabilities.splits(ask.n):
            able = self.capabilities
            try:
                call = await self._request(key, ask, site, able, lost)
            except ModelRefusedError as error:
                if error.of_request or not await self.dialect.adapt(error, ask, self.config, able, self._try_out):
                    refusal = self._with_key(error, able.used_by(ask))
                    self.endpoint.note_refusal(refusal, f"{self.role}/{site.step}")
                    raise refusal from error
                continue
            self.dialect.prove(able.used_by(ask))
            self._heed_reply(call, ask, able)
            self.endpoint.note_success(f"{self.role}/{site.step}")
            return call
        return None

    def _with_key(self, error: ModelRefusedError, used: frozenset[str]) -> ModelRefusedError:
        """A refusal with the recipe's key that it is about."""
        named = None if error.of_request else named_in(error, used)
        if named is None:
            return error
        found = ModelRefusedError(f"{error}; {advice_on(named, self.role)}", said=error.said, param=error.param)
        found.cause = error.cause
        return found

    async def _try_out(self, ask: Ask, able: Capabilities) -> ModelRefusedError | None:
        site = CallSite("", self.role, 0, "probe")
        small = replace(ask, messages=PROBE if able.system_role else PROBE[1:], max_tokens=min(ask.max_tokens, PROBE_TOKENS))
        settle: Settle = (lambda cost: None) if self.budget is None else self.budget.spend
        lost = partial(self._lose, self._bounds(small), settle)
        try:
            call = await self._request(call_key(site, {"probe": secrets.token_hex(8)}), small, site, able, lost)
        except ModelRefusedError as error:
            return error
        settle(Cost(call.prompt_tokens + call.completion_tokens, call.cost_usd or 0.0))
        await self.calls.put(call)
        return None

    def _heed_reply(self, call: StoredCall, ask: Ask, able: Capabilities) -> None:
        """Learn from how a request was answered: fewer choices than asked for, a length limit that was ignored, no usage."""
        known, num = self.dialect.known, len(call.reply["replies"])
        changes: dict[str, Any] = {} if known.usage is not None else {"usage": not call.estimated}
        reasons = dict(known.reasons)
        if num < ask.n:
            changes["max_n"] = min(num, known.max_n or num)
            reasons["n"] = f"{num} of {ask.n} choices came"
        is_too_long = not call.estimated and call.completion_tokens > 2 * ask.n * ask.max_tokens + PROBE_TOKENS
        if is_too_long and "max_tokens=max_completion_tokens" in able.used_by(ask):
            changes["length_field"] = "max_tokens"
            reasons["max_tokens"] = f"max_completion_tokens was ignored: {call.completion_tokens} tokens came"
        self.dialect.learn(known.model_copy(update={**changes, "reasons": reasons}))

    def _word(self, ask: Ask, able: Capabilities) -> Ask:
        """A request with its messages and temperature as they are sent."""
        put = spell_schema(ask) if ask.spell or able.reply_format != "json_schema" else ask
        put = put if able.system_role else join_system(put)
        return put if put.temperature is not None else replace(put, temperature=self.config.temperature)

    async def _request(
        self, key: str, ask: Ask, site: CallSite, able: Capabilities, lost: Callable[[], None]
    ) -> StoredCall:  # fmt: skip
        """Send a request in one way, again and again where that makes sense."""
        chat = await self.connect()
        put = self._word(ask, able)
        conversation, options = to_langchain(put.messages), self.phrase(put, able)
        admissions: list[Admission] = []
        start = 0.0

        async def admit() -> None:
            admissions.append(await self.rates.admit(self._bounds(put).tokens))

        async def request() -> LLMResult:
            nonlocal start
            start = time.perf_counter()
            return await chat.agenerate([conversation], **options)

        def on_trouble(error: ModelUnavailableError) -> None:
            if error.kind in ("timeout", "lost"):
                lost()
            else:
                self.rates.correct(admissions[-1], 0)

        name = self.model_id.partition(":")[2].partition("@http")[0]
        with telemetry.span(f"chat {name}", gen_ai__operation__name="chat", gen_ai__request__model=name) as note:
            try:
                result = await self.persistence.ask(
                    request, self.endpoint, self.role, self.model_id, priority=site.round, on_trouble=on_trouble, admit=admit
                )
            except ModelRefusedError:
                self.rates.correct(admissions[-1], 0)
                raise
            call = store_call(key, site, result, put, time.perf_counter() - start, recounted=self.count_tokens is not None)
            note(gen_ai__usage__input_tokens=call.prompt_tokens, gen_ai__usage__output_tokens=call.completion_tokens)
        for generation in result.generations[0]:
            self.dialect.heed_ending(finish_reason_of(generation))
        _measure(call, name)
        self.rates.correct(admissions[-1], call.prompt_tokens + call.completion_tokens)
        return await self._with_cost(call, result)

    async def _with_cost(self, call: StoredCall, result: LLMResult) -> StoredCall:
        """A call with its cost, its tokens counted here where the server's count covers one choice alone."""
        if len(call.reply["replies"]) > 1 and self.count_tokens is not None:
            texts = [generation.text for generation in result.generations[0]]
            call = replace(call, completion_tokens=await self.count_tokens(texts))
        return replace(call, cost_usd=price_of(call.prompt_tokens, call.completion_tokens, self.price))


def _measure(call: StoredCall, model: str) -> None:
    about = {"gen_ai__operation__name": "chat", "gen_ai__request__model": model, "anyprefer__role": call.site.role}
    telemetry.measure("gen_ai.client.operation.duration", call.seconds, **about)
    for kind, tokens in (("input", call.prompt_tokens), ("output", call.completion_tokens)):
        telemetry.measure("gen_ai.client.token.usage", tokens, gen_ai__token__type=kind, **about)
