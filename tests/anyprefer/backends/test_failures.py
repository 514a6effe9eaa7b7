"""The table of what answers mean, by the words that endpoints really use."""

from collections.abc import Mapping
from typing import Any

import httpx2
import openai
import pytest
from loopback import recipe_data

from anyprefer.backends.failures import Answer, Scope, answer_of, meaning_of, model_errors, read_error
from anyprefer.backends.providers import Backends
from anyprefer.errors import EndpointDownError, ModelError, ModelRefusedError, ModelUnavailableError, StopRunError
from anyprefer.recipes import parse_recipe

ANSWERS: list[tuple[int, str, Scope]] = [
    (401, "Incorrect API key provided", "run"),
    (400, "API key not valid. Please pass a valid API key. Invalid api key", "run"),
    (402, "Insufficient Balance", "run"),
    (429, "You exceeded your current quota, please check your plan and billing details", "run"),
    (429, "insufficient_quota", "run"),
    (
        429,
        "Rate limit reached on requests per min (RPM): Limit 3. Add a payment method at .../billing",
        "passing",
    ),
    (429, "You exceeded your current quota, please check your plan and billing details. Please retry in 35.8s.", "passing"),
    (429, "Rate limit reached on tokens per day (TPD): Limit 100000. Please try again in 7m12.5s.", "run"),
    (400, "Your credit balance is too low to access the API", "run"),
    (400, "Budget has been exceeded! Current cost: 1.02, Max budget: 1.0", "run"),
    (400, "Your credit balance is too low to access the API: insufficient credits", "run"),
    (429, "Rate limit reached for requests per day (RPD): Limit 200", "run"),
    (429, "Daily limit reached, resets at midnight", "run"),
    (429, "Rate limit reached for requests per minute", "passing"),
    (429, "", "passing"),
    (403, "You do not have access to this model", "run"),
    (403, "Your chosen model requires moderation and your input was flagged", "task"),
    (404, "The model `gpt-9` does not exist", "run"),
    (404, "", "run"),
    (404, "No endpoints found that can handle the requested parameters.", "call"),
    (404, "No endpoints found that support tool use", "call"),
    (401, "Invalid token", "run"),
    (400, "invalid access token", "run"),
    (400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "call"),
    (400, "Request parameter n is too large: at most 2", "call"),
    (400, "top_p with model m-5 is not supported", "call"),
    (400, "Invalid model parameter 'top_p'", "call"),
    (400, "The model `gpt-9` does not exist or you do not have access to it", "run"),
    (400, "Invalid model: m is not a valid model ID", "run"),
    (400, "m is unknown: model_not_found", "run"),
    (405, "Method Not Allowed", "run"),
    (410, "This model has been retired", "run"),
    (302, "moved", "run"),
    (400, "This model's maximum context length is 2048 tokens", "task"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "task"),
    (400, "the request exceeds the available context size", "task"),
    (500, "context length exceeded", "task"),
    (413, "Payload Too Large", "task"),
    (400, "The response was filtered due to the prompt triggering the content management policy", "task"),
    (400, "Unsupported parameter: 'top_p' is not supported with this model", "call"),
    (400, "For this model, response_format is not supported", "call"),
    (422, "seed: Extra inputs are not permitted", "call"),
    (400, "System role not supported", "call"),
    (400, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens", "call"),
    (400, "Bad Request", "call"),
    (500, "failed to parse grammar", "call"),
    (501, "n > 1 is not implemented", "call"),
    (500, "Internal Server Error", "passing"),
    (502, "Bad Gateway", "passing"),
    (503, "overloaded", "passing"),
    (529, "Overloaded", "passing"),
    (408, "", "passing"),
    (409, "", "passing"),
    (200, "upstream is overloaded", "passing"),
    (200, "Insufficient balance", "run"),
    (200, "Invalid API key", "run"),
    (200, "blocked by content_filter", "task"),
    (200, "maximum context length exceeded", "task"),
    (200, "response_format is not supported", "call"),
    (200, "The model is not available at the moment", "passing"),
]


@pytest.mark.parametrize(("status", "message", "scope"), ANSWERS)
def test_what_an_answer_means(status: int, message: str, scope: Scope) -> None:
    assert meaning_of(Answer(status, message)).scope == scope


@pytest.mark.parametrize(
    ("seconds", "scope"), [("20", "passing"), ("86400", "run"), ("x", "passing"), ("-5", "passing"), ("inf", "passing")]
)
def test_a_long_wait_is_no_wait(seconds: str, scope: Scope) -> None:
    assert meaning_of(Answer(429, "slow down", headers={"retry-after": seconds})).scope == scope


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"message": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "no"}]}, '[{"loc": ["body", "seed"], "msg": "no"}]'),
        ([{"error": {"message": "no"}}], "no"),
        ("no", "no"),
        (None, "what else was said"),
        ({"error": {"message": None}}, "what else was said"),
    ],
)
def test_errors_are_read_in_every_shape(body: Any, message: str) -> None:
    assert read_error(body, 400, or_else="what else was said").message == message


class _SdkError(Exception):
    """As the SDKs of other providers raise them."""

    def __init__(self, **fields: Any) -> None:
        super().__init__("an error")
        for name, value in fields.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"status_code": 402, "body": {"type": "error", "error": {"type": "billing", "message": "pay"}}}, 402, "pay"),
        ({"status_code": 404, "error": "model 'x' not found, pull it first"}, 404, "model 'x' not found, pull it first"),
    ],
)  # fmt: skip
def test_foreign_sdks_are_read_by_their_fields(fields: Mapping[str, Any], status: int, message: str) -> None:
    found = answer_of(_SdkError(**fields))
    assert found is not None
    assert (found.status, found.message) == (status, message)


REQUEST = httpx2.Request("POST", "http://127.0.0.1:9/v1/chat/completions")


def raised(error: Exception) -> ModelError | StopRunError:
    with pytest.raises((ModelError, StopRunError)) as caught, model_errors("judge", "openai:m"):
        raise error
    found: ModelError | StopRunError = caught.value
    return found


def status_error(status: int, body: Any) -> openai.APIStatusError:
    return openai.APIStatusError("an error", response=httpx2.Response(status, request=REQUEST), body=body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (status_error(402, {"message": "Insufficient Balance"}), EndpointDownError),
        (status_error(400, {"message": "seed?", "param": "seed"}), ModelRefusedError),
        (status_error(500, None), ModelUnavailableError),
        (openai.APITimeoutError(request=REQUEST), ModelUnavailableError),
        (openai.APIConnectionError(request=REQUEST), ModelUnavailableError),
        (TimeoutError(), ModelUnavailableError),
        (httpx2.RemoteProtocolError("garbage"), ModelUnavailableError),
        (httpx2.ReadError("reset"), ModelUnavailableError),
        (ConnectionResetError("reset"), ModelUnavailableError),
        (ValueError("half a body"), ModelUnavailableError),
        (RecursionError("deep"), ModelUnavailableError),
        (KeyError("choices"), ModelUnavailableError),
    ],
)
def test_every_exception_has_a_class_and_a_cause(error: Exception, kind: type[Exception]) -> None:
    found = raised(error)
    assert type(found) is kind
    assert found.cause.startswith("judge model 'openai:m'")
    assert found.cause.isprintable()


def test_a_refusal_keeps_what_it_was_about() -> None:
    found = raised(status_error(400, {"message": "Unsupported", "param": "seed", "code": "unsupported_parameter"}))
    assert isinstance(found, ModelRefusedError)
    assert (found.param, found.of_request) == ("seed", False)
    assert "unsupported_parameter" in found.said


def test_the_key_of_a_role_is_a_secret_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "something-quiet")
    Backends(parse_recipe(recipe_data("http://127.0.0.1:9/v1", target={"api_key_env": "MINE"})))
    assert "something-quiet" not in str(raised(status_error(401, {"message": "bad key something-quiet"})))


def test_words_of_an_endpoint_are_printable_short_and_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret-value-123")
    said = "bad\x1b[31m key secret-value-123\n" + 5000 * "x"
    found = raised(status_error(401, {"message": said}))
    for text in (str(found), found.cause):
        assert text.isprintable()
        assert "secret-value" not in text
        assert len(text) < 800


def test_faults_of_ours_are_not_the_endpoints() -> None:
    with pytest.raises(AssertionError), model_errors("judge", "openai:m"):
        raise AssertionError
