"""What an endpoint can do: tried once before the first task, learned from what it refuses, kept in the run folder.

A request has features (a schema, several choices, a seed, ...). A refusal that names one of them has it left out or put another
way from then on; one that names nothing has each feature tried by itself, in requests of a few tokens. What a recipe forces is
never left out: the error then names the key.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from anyprefer.backends.asking import Ask
from anyprefer.backends.logprobs import TOP
from anyprefer.config import LengthField, OptionalField, ReplyFormat, RoleConfig
from anyprefer.errors import ModelRefusedError
from anyprefer.redaction import quote
from anyprefer.types import ending_of

Feature = Literal["reply_format", "n", "logprobs", "system_role", "seed", "top_p", "temperature", "max_tokens", "tools"]

FEATURES: tuple[Feature, ...] = get_args(Feature)
"""In the order in which they are tried one by one."""

_FORMATS: tuple[ReplyFormat, ...] = get_args(ReplyFormat)
_LENGTHS: tuple[LengthField, ...] = get_args(LengthField)

_WORDS: dict[Feature, str] = {
    "reply_format": (
        r"response.?format|json.?schema|json.?object|json mode|structured.?outputs?|guided.?(json|decoding)|grammar"
        r"|output.?schema|invalid schema|output_config"
    ),
    "n": (
        r"(?<![\w.])n(?!\w)|number of (choices|completions)|multiple (choices|completions)|candidate.?count"
        r"|num_return_sequences"
    ),
    "logprobs": r"(top_)?log.?prob(abilitie)?s",
    "system_role": (
        r"system.{0,20}(role|message|prompt|instruction)|(role|message|prompt|instruction).{0,20}system|developer instruction"
        r"|only user and assistant|must alternate|first message.{0,40}user"
    ),
    "seed": r"\bseed\b",
    "top_p": r"\btop_?p\b",
    "temperature": r"\btemperature\b",
    "max_tokens": r"max_(completion_|output_|new_)?tokens",
    "tools": r"\btools?\b|function.?call",
}
"""How refusals call the features."""

_PARAMS: dict[Feature, tuple[str, ...]] = {
    "reply_format": ("response_format",), "logprobs": ("logprobs", "top_logprobs"), "max_tokens": _LENGTHS,
    "tools": ("tools", "tool_choice"),
}  # fmt: skip
"""Fields of a request that belong to a feature of another name."""

_TOO_LARGE = re.compile(r"too (large|many|long|high)|at most|exceed|greater than|maximum|less than or equal|valid range|between")

IGNORED_REPLIES = 2
"""Replies in a row without its keys, at an endpoint that accepted a schema, after which it counts as ignoring schemas."""

MOST_ENDINGS = 5
"""Finish reasons that are told of."""


class Capabilities(BaseModel):
    """What an endpoint takes and gives; what nobody has asked yet has the value that is tried first."""

    model_config = ConfigDict(frozen=True)

    reply_format: ReplyFormat = "json_schema"
    """How it is held to a schema."""
    full_schemas: bool = False
    """Whether its schemas may go beyond strict mode, such as by lengths of texts, which small models need."""
    max_n: int | None = Field(default=None, ge=1)
    """Most choices in one request; None: as many as are asked for."""
    top_logprobs: int = TOP
    """Most alternatives of a token whose log-probabilities it gives; 0: none."""
    length_field: LengthField = "max_completion_tokens"
    """What it calls the longest reply."""
    system_role: bool = True
    """Whether messages may have the role "system"."""
    omit: tuple[OptionalField, ...] = ()
    """Further fields that it refuses."""
    tools: bool = True
    """Whether it takes functions that the model may call."""
    images: bool | None = None
    """Whether it takes pictures; None where nobody asked."""
    usage: bool | None = None
    """Whether it says how many tokens a request took; what is missing is estimated."""
    context_tokens: int | None = None
    """The model's context, where it is known."""
    reasons: dict[str, str] = {}
    """Feature -> what the endpoint said about it."""

    def splits(self, n: int) -> bool:
        """Whether so many choices take several requests."""
        return self.max_n is not None and self.max_n < n

    def under(self, config: RoleConfig) -> "Capabilities":
        """What is left of them under a role's own wishes."""
        changes: dict[str, object] = {"omit": tuple(sorted({*self.omit, *config.omit}))}
        if config.reply_format != "auto":
            changes["reply_format"] = config.reply_format
        if config.length_field != "auto":
            changes["length_field"] = config.length_field
        if config.system_role != "auto":
            changes["system_role"] = config.system_role == "system"
        if "n" in config.omit:
            changes["max_n"] = 1
        if "logprobs" in config.omit:
            changes["top_logprobs"] = 0
        return self.model_copy(update=changes)

    def used_by(self, ask: Ask) -> frozenset[str]:
        """The features that a request has under them, each as it is put: `reply_format=json_object`, `seed`."""
        found = {
            "reply_format": ask.schema is not None and self.reply_format != "text", "n": ask.n > 1 and not self.splits(ask.n),
            "logprobs": bool(ask.top_logprobs and self.top_logprobs),
            "system_role": self.system_role and any(message.role == "system" for message in ask.messages),
            "seed": ask.seed is not None and "seed" not in self.omit, "top_p": "top_p" not in self.omit,
            "temperature": "temperature" not in self.omit, "max_tokens": "max_tokens" not in self.omit, "tools": bool(ask.tools),
        }  # fmt: skip
        put = {"reply_format": self.reply_format, "max_tokens": self.length_field, "logprobs": str(self.top_logprobs)}
        return frozenset(f"{name}={put[name]}" if name in put else name for name, used in found.items() if used)

    def without(self, feature: Feature, said: str, ask: Ask) -> "Capabilities | None":
        """The next way to ask, once a feature of a request was refused; None where there is none."""
        change: dict[str, object] = {}
        if feature == "reply_format" and self.reply_format != "text":
            change = {"reply_format": _FORMATS[_FORMATS.index(self.reply_format) + 1]}
        elif feature == "n" and self.max_n != 1:
            change = {"max_n": _limit_in(said, below=ask.n) or 1}
        elif feature == "logprobs" and self.top_logprobs:
            change = {"top_logprobs": _limit_in(said, below=self.top_logprobs) or 0}
        elif feature == "system_role" and self.system_role:
            change = {"system_role": False}
        elif feature == "max_tokens" and not _TOO_LARGE.search(said):
            other = next(name for name in _LENGTHS if name != self.length_field)
            change = {"length_field": other} if "max_tokens" not in self.reasons else {"omit": (*self.omit, "max_tokens")}
        elif feature in ("seed", "top_p", "temperature"):
            change = {"omit": tuple(sorted({*self.omit, feature}))}
        if not change:
            return None
        return self.model_copy(
            update={**change, "reasons": {**self.reasons, feature: quote(said, 120) or "refused without a reason"}}
        )

    def barest(self) -> "Capabilities":
        """The plainest way to ask."""
        return self.model_copy(
            update={
                "reply_format": "text", "max_n": 1, "top_logprobs": 0, "system_role": False,
                "omit": ("max_tokens", "seed", "temperature", "top_p"),
            }
        )  # fmt: skip

    def like(self, other: "Capabilities", feature: Feature) -> "Capabilities":
        """These, but with one feature as in `other`."""
        if feature in ("seed", "top_p", "temperature", "max_tokens"):
            kept = {name for name in self.omit if name != feature} | ({feature} & set(other.omit))
            return self.model_copy(update={"omit": tuple(sorted(kept)), "length_field": other.length_field})
        names = {"n": "max_n", "logprobs": "top_logprobs"}
        name = names.get(feature, feature)
        return self.model_copy(update={name: getattr(other, name)})


def named_in(error: ModelRefusedError, used: frozenset[str]) -> Feature | None:
    """The feature of a request that its refusal is about: the one whose field it names, else the first that its words name."""
    present = [name for name in FEATURES if any(one.partition("=")[0] == name for one in used)]
    param = error.param.partition(".")[0].partition("[")[0]
    for name in present:
        if param and param in _PARAMS.get(name, (name,)):
            return name
    places = {name: found.start() for name in present if (found := re.search(_WORDS[name], error.said, re.IGNORECASE))}
    return min(places, key=lambda name: places[name], default=None)


def _next_way(known: Capabilities, feature: Feature, said: str, ask: Ask, config: RoleConfig) -> Capabilities | None:
    """The next way to ask; None where there is none, or where the recipe forces the one that was refused."""
    lower = known.without(feature, said, ask)
    is_other = lower is not None and lower.under(config).used_by(ask) != known.under(config).used_by(ask)
    return lower if is_other else None


def _limit_in(said: str, below: int) -> int | None:
    """The largest number in a refusal that is smaller than what was asked for."""
    numbers = (int(number) for number in re.findall(r"(?<![\w.])\d{1,4}(?![\w.]*\d)", said))
    return max((number for number in numbers if 0 < number < below), default=None)


def advice_on(feature: Feature, role: str) -> str:
    """The recipe's key for a feature that an endpoint refuses, and what to set it to."""
    advice = {
        "reply_format": f"{role}.reply_format = 'text' puts schemas into the prompt",
        "system_role": f"{role}.system_role = 'user' puts system text into the first user message",
        "max_tokens": f"{role}.max_tokens and {role}.length_field say how long a reply may be, and what that is called",
        "tools": f"tools of a task cannot be left out: use a {role} model that takes them",
    }
    return advice.get(feature, f"{role}.omit = [{feature!r}] leaves it out")


_CONSEQUENCES = {
    "reply_format": "schemas are asked for in another way", "n": "fewer choices are asked for in one request",
    "logprobs": "fewer log-probabilities are asked for, or none", "system_role": "system text goes into the first user message",
    "max_tokens": "the length limit has another name, or is left out", "seed": "seed is left out", "top_p": "top_p is left out",
    "temperature": "temperature is left out",
}  # fmt: skip


TryOut = Callable[[Ask, Capabilities], Awaitable[ModelRefusedError | None]]
"""Sends a request in a given way; gives the refusal, None where it was answered."""


@dataclass
class Dialect:
    """How one model at one endpoint is asked; shared by all roles that use it.

    Args:
        known: What is known so far.
        on_change: Called when something was learned.
    """

    known: Capabilities = field(default_factory=Capabilities)
    on_change: Callable[[], None] = lambda: None
    on_news: Callable[[str], None] = lambda line: None
    """Takes a line about each thing that was learned."""
    proven: set[frozenset[str]] = field(default_factory=set)
    """Sets of features that were answered together."""
    explored: set[frozenset[str]] = field(default_factory=set)
    exploring: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while features are tried one by one: whoever is refused meanwhile waits for what comes of it."""
    silent_replies: int = 0
    """Replies in a row without the keys that were asked for."""
    odd_endings: set[str] = field(default_factory=set)
    """Finish reasons that are none of the good ones that are known, as far as they came up."""

    def learn(self, known: Capabilities) -> None:
        """Take over what is known now."""
        if known == self.known:
            return
        before, self.known = self.known, known
        self.on_change()
        for feature, reason in known.reasons.items():
            if before.reasons.get(feature) != reason:
                self.on_news(f"{_CONSEQUENCES.get(feature, feature)}: {quote(reason, 120)}")

    @property
    def tried(self) -> frozenset[str]:
        """The features that were answered at least once."""
        return frozenset(one.partition("=")[0] for used in self.proven for one in used)

    def has_answered(self, used: frozenset[str]) -> bool:
        """Whether requests with these features, or more, were answered."""
        return any(used <= answered for answered in self.proven)

    def prove(self, used: frozenset[str]) -> None:
        """Note that a request with these features was answered."""
        if not self.has_answered(used):
            self.proven.add(used)
            self.on_change()

    async def adapt(self, error: ModelRefusedError, ask: Ask, config: RoleConfig, sent: Capabilities, try_out: TryOut) -> bool:
        """Find another way to put a request that was refused.

        Args:
            error: The refusal.
            ask: The request.
            config: Of the role, whose wishes are kept.
            sent: How the request was put.
            try_out: Sends small requests, for refusals that name nothing.

        Returns:
            Whether there is one; `known` then has it.
        """
        if sent != self.known.under(config):
            return True  # another request learned something in the meantime
        used = sent.used_by(ask)
        named = named_in(error, used)
        if named is None:
            async with self.exploring:
                return sent != self.known.under(config) or await self._explore(ask, config, used, try_out)
        lower = _next_way(self.known, named, error.said, ask, config)
        self.learn(lower or self.known)
        return lower is not None

    async def _explore(self, ask: Ask, config: RoleConfig, used: frozenset[str], try_out: TryOut) -> bool:
        """Add the features of a request to the barest one, one after another, unless they were answered together before.

        What is taken stays in, so that a feature that is refused only beside another one is found as well.
        """
        if self.has_answered(used) or used in self.explored:
            return False
        taken, found = self.known.barest(), self.known
        is_taken = await try_out(replace(ask, n=1), taken.under(config)) is None
        for name in FEATURES if is_taken else ():
            while any(one.partition("=")[0] == name for one in found.under(config).used_by(ask)):
                more = taken.like(found, name)
                refusal = await try_out(replace(ask, n=1) if more.splits(ask.n) else ask, more.under(config))
                taken = more if refusal is None else taken
                lower = None if refusal is None else _next_way(found, name, refusal.said, ask, config)
                if lower is None:
                    break
                found = lower
        self.explored.add(used)
        changed = found != self.known
        self.learn(found)
        return changed

    def heed_ending(self, reason: str | None) -> None:
        """Tell once of a finish reason that makes a reply useless: an endpoint may have a word of its own for a good end."""
        if ending_of(reason) == "failed" and reason not in self.odd_endings and len(self.odd_endings) < MOST_ENDINGS:
            self.odd_endings.add(str(reason))
            self.on_news(f"replies with the finish reason {quote(str(reason), 40)!r} count as failed: no pair has one")

    def heed(self, config: RoleConfig, *, has_form: bool) -> None:
        """Note whether a structured reply of a role had the keys of its schema: an endpoint may accept a schema and ignore it."""
        if self.known.under(config).reply_format == "text":
            return  # no schema was sent
        self.silent_replies = 0 if has_form else self.silent_replies + 1
        if self.silent_replies >= IGNORED_REPLIES:
            said = "accepted, but the replies had not its keys"
            self.learn(
                self.known.model_copy(update={"reply_format": "text", "reasons": {**self.known.reasons, "reply_format": said}})
            )
