"""What an answer means that is no good reply: one table, for every provider.

passing     it may go well the next time: retried
call        this request cannot be answered so: put another way, else the task fails
task        no way of putting it helps: the task fails
run         no task can go on: the run stops, its tasks stay unfinished
"""

import email.utils
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
import openai

from anyprefer.backends.foreign_errors import causes_of, status_of, trouble_of
from anyprefer.errors import AnypreferError, EndpointDownError, ModelRefusedError, ModelUnavailableError, TroubleKind
from anyprefer.redaction import quote

Scope = Literal["passing", "call", "task", "run"]

LONGEST_RETRY_AFTER_SECONDS = 600.0
"""Longest wait that an endpoint may ask for; one that asks for more is of no use to this run."""

MOST_SAID_CHARS = 20_000
"""What is read of a message: some endpoints send whole pages, and every pattern is looked for in it."""


@dataclass(frozen=True)
class Meaning:
    """A row of the table: which answers it is about, and what they mean."""

    scope: Scope
    statuses: tuple[int, ...] = ()
    """HTTP statuses, `4` and `5` standing for all of that hundred; empty: any."""
    words: str = ""
    """A pattern in what was said, codes and types included; empty: anything."""
    kind: TroubleKind = "error"
    advice: str = ""
    """What to do; `{role}` is the role."""


_KEY = "set the environment variable of {role}.api_key_env to a key that may use this model, then run the same command again"
_MODEL = "correct {role}.model or {role}.base_url (`anyprefer doctor --recipe` tries them), then run the same command again"
_LONG = "shorten the task, lower {role}.max_tokens, or set {role}.context_tokens"
_LATER = "retries were used up: run the same command again later"

MEANINGS: tuple[Meaning, ...] = (
    Meaning("run", (402,), advice="pay for the account or use another key, then run the same command again"),
    Meaning(
        "run", (429,), r"per.?day|daily|\b[rt]pd\b|per.?month|monthly|quota.{0,40}(reset|renew)",
        advice="wait until the quota is renewed, then run the same command again",
    ),
    Meaning(
        "passing", (429,), r"per.?(min|sec)|\b[rt]pm\b|(try|retry).{0,8} in \d", kind="throttled", advice=_LATER,
    ),
    Meaning(
        "run", (4,),
        r"insufficient.{0,10}(quota|balance|credit|funds)|credit balance|billing|(exceeded|reached).{0,30}(spend|budget|monthly)"
        r"|monthly.{0,20}(limit|exceeded|reached)|budget.{0,10}been exceeded|budget_exceeded",
        advice="pay for the account or use another key, then run the same command again",
    ),
    Meaning("run", (401,), advice=_KEY),
    Meaning(
        "run", (400, 403),
        r"(invalid|incorrect|missing|expired).{0,12}(api.?key|credential)|api.?key.{0,8}(not valid|invalid|expired)"
        r"|(invalid|incorrect|missing|expired).((access|api|auth\w*|bearer|session).)?token\b(?! (count|limit))"
        r"|unauthori[sz]ed",
        advice=_KEY,
    ),
    Meaning(
        "task", (400, 403, 422), r"content.{0,20}(filter|policy|management)|moderation|flagged|safety|blocked by",
        advice="leave the task out",
    ),
    Meaning(
        "task", (4, 5),
        r"context.{0,3}(length|window|size)|too many (input |prompt )?tokens"
        r"|(prompt|input|request)(?! (param|field|value))[^:'\"`]{0,20}too (long|large|big)"
        r"|(max|limit|exceed).{0,30}\btokens\b.{0,40}(prompt|input|request|messages)|reduce the length|exceed_context",
        advice=_LONG,
    ),
    Meaning("task", (413,), advice=_LONG),
    Meaning(
        "run", (400, 404, 422),
        r"(?<!with )(?<!for )(?<!by )(?<!on )(?<!for this )\bmodel:?(\s+['\"`]?[^\s,;]{1,80})?"
        r"\s+(is |was |has been |could )?"
        r"(not (be )?(found|exist|available|accessible|supported)|does ?n[o']t exist|unknown|invalid|decommissioned|deprecated)"
        r"|(unknown|invalid|no such|unsupported|nonexistent) model(?! (param|option|field|setting))"
        r"|not a valid model|model_not_found",
        advice=_MODEL,
    ),
    Meaning("call", (404,), r"requested parameters|no endpoints found that support"),
    Meaning("run", (403, 404, 405, 410), advice=_MODEL),
    Meaning("passing", (429,), kind="throttled", advice=_LATER),
    Meaning("passing", (408, 504, 524), kind="timeout", advice=_LATER),
    Meaning("passing", (503, 529), kind="overloaded", advice=_LATER),
    Meaning("passing", (409, 425, 499), advice=_LATER),
    Meaning("call", (500, 501, 502), r"grammar|json.?schema|response_format|unsupported (param|value|field)|not implemented"),
    Meaning("passing", (5,), advice=_LATER),
    Meaning("run", (3,), advice="correct {role}.base_url: the server redirects elsewhere"),
    Meaning("call", (4,)),
)  # fmt: skip
"""The first row that fits counts."""

OTHERWISE = Meaning("passing", advice="retries were used up: check {role}.base_url, or run the same command again later")
"""Of an answer that says nothing known, such as a reply that nobody can read."""


GOOD = 200
"""The status of an error inside a reply that counts as good: its words alone tell what it means."""


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered in place of a good reply."""

    status: int | None
    message: str
    param: str = ""
    code: str = ""
    """Code and type of the error, as the endpoint calls them."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """All that it said, for patterns."""
        return f"{self.message} {self.code}".lower()


class BadReplyError(Exception):
    """Raised by chat models of ours for a reply that counts as good and is none."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


def _asks_too_long(answer: Answer) -> bool:
    wait = retry_after(answer.headers)
    return wait is not None and wait > LONGEST_RETRY_AFTER_SECONDS


def meaning_of(answer: Answer) -> Meaning:
    """The row that an answer falls under."""
    if _asks_too_long(answer):
        return Meaning("run", advice="run the same command again after that")
    status = answer.status or 0
    for row in MEANINGS if status else ():
        fits = not row.statuses or status in row.statuses or status // 100 in row.statuses
        fits = fits or (status == GOOD and bool(row.words) and 404 not in row.statuses)
        if fits and (not row.words or re.search(row.words, answer.said)):
            return row
    return OTHERWISE


@contextmanager
def model_errors(role: str, model_id: str) -> Iterator[None]:
    """Turn what client libraries raise into errors of ours that name role, model and fix.

    Raises:
        ModelUnavailableError: It may go well the next time.
        ModelRefusedError: The request cannot be answered so.
        EndpointDownError: No request could be: every task would fail.
    """
    try:
        yield
    except AnypreferError:
        raise
    except BadReplyError as error:
        raise explain(f"{role} model {quote(model_id)!r}", role, error.answer) from error
    except Exception as error:
        who = f"{role} model {quote(model_id)!r}"
        found = answer_of(error)
        if found is not None:
            raise explain(who, role, found) from error
        if not isinstance(error, _FOREIGN) and not _is_foreign(error):
            raise
        raise _translate(who, role, error) from error


_FOREIGN = (openai.OpenAIError, httpx2.HTTPError, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError)


def _is_foreign(error: Exception) -> bool:
    return not type(error).__module__.startswith(("anyprefer", "builtins"))


def _translate(who: str, role: str, error: Exception) -> ModelUnavailableError:
    """An error without a status: no connection, or a reply that nobody can read."""
    first = causes_of(error)[-1]
    trouble, said = trouble_of(error), quote(str(first) or type(first).__name__)
    if trouble == "timeout":
        advice = f"raise {role}.timeout_seconds or lower run.max_in_flight"
        return _unavailable(f"{who} did not answer in time", advice, trouble)
    if trouble == "unreachable":
        return _unavailable(f"{who} cannot be reached ({said})", f"check that the endpoint is up and {role}.base_url", trouble)
    if trouble == "lost":
        return _unavailable(f"{who} broke the connection off ({said})", _LATER, trouble)
    what = quote(str(error) or type(error).__name__)
    return _unavailable(f"{who} sent something that is no chat completion: {what}", f"check {role}.base_url", "error")


def explain(who: str, role: str, answer: Answer) -> AnypreferError:
    """An answer as the error that it means."""
    row = meaning_of(answer)
    status = "with an error" if answer.status in (None, GOOD) else answer.status
    what = f"{who} answered {status}: {quote(answer.message) or 'nothing'}"
    if _asks_too_long(answer):
        what = f"{what} (and asks to wait for {retry_after(answer.headers):.0f} seconds)"
    text = f"{what}; {row.advice.format(role=role)}" if row.advice else what
    error: ModelUnavailableError | ModelRefusedError | EndpointDownError
    if row.scope == "passing":
        error = ModelUnavailableError(text, row.kind, retry_after(answer.headers))
    elif row.scope == "run":
        error = EndpointDownError(text)
    else:
        error = ModelRefusedError(text, said=answer.said, param=answer.param, of_request=row.scope == "task")
    error.cause = what
    return error


def _unavailable(what: str, advice: str, kind: TroubleKind) -> ModelUnavailableError:
    error = ModelUnavailableError(f"{what}: {advice}", kind)
    error.cause = what
    return error


def answer_of(error: BaseException) -> Answer | None:
    """Status and words of what an SDK raised, whichever it is; None where it has no status."""
    found = status_of(error)
    return None if found is None else read_error(found.body, found.status, found.headers, or_else=found.message)


def read_error(body: Any, status: int | None, headers: Mapping[str, str] | None = None, or_else: str = "") -> Answer:
    """The error object of a body, in any of the shapes that endpoints use."""
    found = body
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, Mapping) and found.get("error"):
        found = found["error"]
    if not isinstance(found, Mapping):
        said = found if isinstance(found, str) and found else or_else
        return Answer(status, said[:MOST_SAID_CHARS], headers=headers or {})
    message = found.get("message") or found.get("detail") or found.get("msg") or or_else
    words = [str(found[key]) for key in ("code", "type", "status") if found.get(key)]
    words += [json.dumps(more, default=str)[:1000] for name in ("metadata", "details") if (more := found.get(name))]
    text = message if isinstance(message, str) else json.dumps(message, default=str)
    return Answer(status, text[:MOST_SAID_CHARS], str(found.get("param") or ""), " ".join(words), headers or {})


def inner_status(error: Any) -> int | None:
    """The HTTP status that an error inside a good reply names."""
    found = (str(error.get(key, "")) for key in ("code", "status")) if isinstance(error, Mapping) else ()
    return next((int(value) for value in found if value.isdecimal() and 400 <= int(value) < 600), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (a number or an HTTP date); None where there is none to read."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(str(headers.get(name, ""))) / scale
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
