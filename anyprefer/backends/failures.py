"""Classify what a model endpoint can throw, in this one place."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from anyprefer.errors import ModelRefusedError, ModelUnavailableError

_TRANSIENT = frozenset({408, 409, 425, 429})


@contextmanager
def model_errors(role: str, model_id: str) -> Iterator[None]:
    """Turn the client library's exceptions into `ModelError`s that name role, model and fix.

    Raises:
        ModelUnavailableError: Connection trouble, a time-out, 429 or 5xx that outlasted the client's retries.
        ModelRefusedError: Any other status, or a reply that is no chat completion.
    """
    who = f"{role} model {model_id!r}"
    try:
        yield
    except openai.APITimeoutError as error:
        raise ModelUnavailableError(
            f"{who} did not answer in time: raise {role}.timeout_seconds or lower run.concurrency"
        ) from error
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        raise ModelUnavailableError(
            f"{who} cannot be reached ({cause}): check that the endpoint is up and {role}.base_url"
        ) from error
    except openai.APIStatusError as error:
        text = f"{who} answered {error.status_code}: {_short(error.message)}"
        if error.status_code in _TRANSIENT or error.status_code >= 500:
            raise ModelUnavailableError(f"{text}; retries were used up: run the same command again later") from error
        raise ModelRefusedError(f"{text}; check the model name, the key and the request's size") from error
    except httpx2.HTTPError as error:
        raise ModelUnavailableError(f"{who} cannot be reached ({error}): check that the server is up") from error
    except (openai.OpenAIError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ModelRefusedError(f"{who} sent something that is no chat completion: {_short(str(error))}") from error


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."
