"""What foreign client libraries raise is told apart without them; the conformance suite has the real ones."""

import pytest

from anyprefer.backends.foreign_errors import status_of, trouble_of


class Response:
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code, self.headers = status, headers or {}


def made(name: str, *bases: type, **fields: object) -> Exception:
    error = type(name, bases or (Exception,), {})("words")
    for key, value in fields.items():
        setattr(error, key, value)
    return error


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def test_a_status_is_found_wherever_a_library_keeps_it() -> None:
    with_response = made("ApiError", response=Response(429, {"Retry-After": "3"}), body={"error": "slow"}, message="slow down")
    assert status_of(with_response) == (429, {"error": "slow"}, "slow down", {"retry-after": "3"})
    with_code = made("ApiError", code=403, response=object(), details={"error": {"message": "no"}})
    assert status_of(with_code) == (403, {"error": {"message": "no"}}, "words", {})
    assert status_of(raised_from(made("Wrapped"), with_code)) == status_of(with_code)
    assert status_of(made("ResponseError", status_code=404, error="no such model")) == (404, "no such model", "words", {})


@pytest.mark.parametrize(
    "error",
    [
        made("ResponseError", status_code=-1),
        made("BadHttpMessage", code=400),
        made("ApiError", response=Response(0), code="rate_limit"),
        raised_from(made("PayloadError"), made("BadHttpMessage", code=400)),
        made("Odd", status_code=True),
    ],
)
def test_what_only_looks_like_a_status_is_none(error: Exception) -> None:
    assert status_of(error) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (made("ReadTimeout", made("TimeoutException", made("TransportError").__class__).__class__), "timeout"),
        (raised_from(made("APITimeoutError"), made("ConnectTimeout")), "unreachable"),
        (ConnectionRefusedError(), "unreachable"),
        (made("ReadError", made("TransportError").__class__), "lost"),
        (ConnectionResetError(), "lost"),
        (ValueError("no JSON"), None),
    ],
)
def test_troubles_are_told_by_name_and_cause(error: Exception, kind: str | None) -> None:
    assert trouble_of(error) == kind


def test_errors_that_were_raised_from_each_other_in_a_circle_come_to_an_end() -> None:
    first, second = made("One"), made("Two")
    raised_from(first, raised_from(second, first))
    assert (status_of(first), trouble_of(second)) == (None, None)
