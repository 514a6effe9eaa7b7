"""Classify what a model endpoint can throw, in this one place."""

import email.utils
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2
import openai

from anyprefer.errors import EndpointDownError, ModelRefusedError, ModelUnavailableError, TroubleKind

_TRANSIENT: Mapping[int, TroubleKind] = {408: "timeout", 409: "error", 425: "error", 429: "throttled", 503: "overloaded"}
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""OpenAI's codes for an account without money: sent as 429, but no wait will help."""


@contextmanager
def model_errors(role: str, model_id: str) -> Iterator[None]:
    """Turn the client library's exceptions into errors of ours that name role, model and fix.

    Raises:
        ModelUnavailableError: Connection trouble, a time-out, 429 or 5xx: a retry may help.
        EndpointDownError: The key is rejected or its quota spent: every task would fail.
        ModelRefusedError: Any other status, or a reply that is no chat completion.
    """
    who = f"{role} model {model_id!r}"
    try:
        yield
    except (TimeoutError, openai.APITimeoutError) as error:
        raise ModelUnavailableError(
            f"{who} did not answer in time: raise {role}.timeout_seconds or lower run.max_in_flight", "timeout"
        ) from error
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        raise ModelUnavailableError(
            f"{who} cannot be reached ({cause}): check that the endpoint is up and {role}.base_url", "unreachable"
        ) from error
    except openai.APIStatusError as error:
        raise _status_error(who, role, error) from error
    except httpx2.HTTPError as error:
        raise ModelUnavailableError(f"{who} cannot be reached ({error}): check that the server is up", "unreachable") from error
    except (openai.OpenAIError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ModelRefusedError(f"{who} sent something that is no chat completion: {_short(str(error))}") from error


def _status_error(who: str, role: str, error: openai.APIStatusError) -> Exception:
    status, text = error.status_code, f"{who} answered {error.status_code}: {_short(error.message)}"
    if status == 401 or error.code in _QUOTA_CODES:
        return EndpointDownError(
            f"{text}; set the environment variable of {role}.api_key_env to a key that may use this model and has quota left, "
            "then run the same command again"
        )
    if status in _TRANSIENT or status >= 500:
        kind = _TRANSIENT.get(status, "error")
        return ModelUnavailableError(
            f"{text}; retries were used up: run the same command again later", kind, _retry_after(error.response.headers)
        )
    return ModelRefusedError(f"{text}; check the model name and the request's size")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (a number or an HTTP date); None where there is none to read."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / scale)
        except ValueError:
            continue
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."
