"""What client libraries raise, told apart by what it has and what it is called: none of them is imported for it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from anyprefer.errors import TroubleKind

_NAMES: Mapping[TroubleKind, frozenset[str]] = {
    "unreachable": frozenset({
        "ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "NewConnectionError", "gaierror",
        "UnsupportedProtocol", "InvalidURL",
    }),
    "timeout": frozenset({
        "TimeoutError", "TimeoutException", "Timeout", "APITimeoutError", "ModelTimeoutError", "DeadlineExceeded",
    }),
    "lost": frozenset({
        "TransportError", "HTTPError", "APIConnectionError", "ClientConnectionError", "ClientPayloadError", "IncompleteRead",
        "ModelConnectionError", "OSError",
    }),
}  # fmt: skip
"""Trouble -> classes that stand for it, in the libraries of OpenAI, Anthropic, Google and Ollama and in those below them. The
first kind counts that any cause of an error belongs to: a connection that cannot be made also ends as a time-out."""


class Status(NamedTuple):
    """An answer that is no good reply."""

    status: int
    body: Any
    """As the library read it; None where it keeps none."""
    message: str
    headers: Mapping[str, str]
    """Names in lower case."""


def status_of(error: BaseException) -> Status | None:
    """The HTTP answer behind an error, or behind the error that it was raised from; None where there was none."""
    for found in _chain(error, lambda one: one.__cause__):
        if (status := _number(found)) is not None:
            response = getattr(found, "response", None)
            bodies = (getattr(found, name, None) for name in ("body", "details", "error"))
            headers = {str(name).lower(): str(value) for name, value in dict(getattr(response, "headers", None) or {}).items()}
            message = getattr(found, "message", None)
            return Status(status, next((one for one in bodies if one), None), str(message or found), headers)
    return None


def trouble_of(error: BaseException) -> TroubleKind | None:
    """What kept a reply away, of an error without a status; None where it came and could not be read."""
    names = {kind.__name__ for one in causes_of(error) for kind in type(one).__mro__}
    return next((kind for kind, known in _NAMES.items() if names & known), None)


def causes_of(error: BaseException) -> list[BaseException]:
    """An error and what it was raised from, the nearest first."""
    return _chain(error, lambda one: one.__cause__ or one.__context__)


def _chain(error: BaseException, before: Callable[[BaseException], BaseException | None]) -> list[BaseException]:
    """Errors from the last to the first; libraries raise some from each other in a circle."""
    found: dict[int, BaseException] = {}
    one: BaseException | None = error
    while one is not None and id(one) not in found:
        found[id(one)] = one
        one = before(one)
    return list(found.values())


def _number(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    places = [getattr(error, "status_code", None), getattr(response, "status_code", None), getattr(error, "status", None)]
    if response is not None:  # parsers of HTTP have codes of their own
        places.append(getattr(error, "code", None))
    numbers = (one for one in places if isinstance(one, int) and not isinstance(one, bool))
    return next((one for one in numbers if 100 <= one < 600), None)
