"""What foreign parties say is printable, short and without secrets before it is shown, logged or kept."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyprefer.redaction import LEAST_SECRET_CHARS, REDACTED, clean, quote

KEY = "Zq7xW-9vLm2Kp4Rt"
HIDDEN = "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\u202e", "\u200b", "\x00", "\x9b2J", "\x08"

texts = st.text() | st.lists(st.sampled_from([*HIDDEN, "\n", "\t", "a", " ", "\u2028", "\ud800", "[red]", "é"])).map("".join)


@given(texts, st.integers(20, 400))
def test_a_quote_is_one_short_printable_line(text: str, limit: int) -> None:
    found = quote(text, limit)
    assert found.isprintable()
    assert len(found) <= limit
    assert "  " not in found
    assert found == found.strip()


@given(texts)
def test_what_is_plain_already_stays(text: str) -> None:
    assert quote(quote(text)) == quote(text)


@given(st.text(alphabet="abcdefgh (.,)!?'0123456789é", max_size=200))
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert quote(text) == " ".join(text.split())


@given(texts, texts, st.sampled_from([*HIDDEN, ""]), st.integers(0, len(KEY)), st.integers(20, 400))
def test_the_value_of_a_secret_variable_never_shows(before: str, after: str, hidden: str, place: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOME_VENDORS_KEY", KEY)
        found = quote(f"{before}{KEY[:place]}{hidden}{KEY[place:]}{after}", limit)
        whole = clean(f"{before}\n{KEY}\n{after}")
    for text in (found, whole):
        assert not any(KEY[i : i + 6] in text for i in range(len(KEY) - 5))


@pytest.mark.parametrize("name", ["MY_API_KEY", "hf_token", "DB_PASSWORD", "AwsSecretId"])
def test_variables_are_known_by_their_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "correct horse\n")
    monkeypatch.setenv("SHORT_TOKEN", "x" * (LEAST_SECRET_CHARS - 1))
    monkeypatch.setenv("LANGUAGE", "long enough")
    assert quote("use correct \n horse, xxxxxxx, long enough") == f"use {REDACTED}, xxxxxxx, long enough"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefgh12345", "sk-ant-api03-AbC_dEf-123", "sk-proj-abcdefghijklmnopqrstuvwxyz", "hf_AbCdEfGh12", "ghp_abcdefghij",
        "github_pat_11AAAA_bbbb", "AIzaSyA-abcdefgh", "xai-abcdefgh1", "gsk_abcdefgh1", "nvapi-abc_def-1234",
        "AKIAIOSFODNN7EXAMPLE", "xoxb-1234567890", "eyJhbGciOiJI.eyJzdWIiOiIx.abc_def", "sk-ab12**********yz89",
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["{}", "wrong key: '{}'.", '{{"key": "{}"}}', "({})", "key={}"])
def test_keys_of_the_usual_forms_are_redacted(secret: str, shape: str) -> None:
    assert quote(shape.format(secret)) == shape.format(REDACTED)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123==", f"Authorization: Bearer {REDACTED}"),
        ("bearer\nabcdef123 is wrong", f"bearer {REDACTED} is wrong"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", f"{{'authorization': 'Basic {REDACTED}'}}"),
        ('{"x-api-key": "12345678", "n": 3}', f'{{"x-api-key": "{REDACTED}", "n": 3}}'),
        ("Incorrect API key: mine-mine", f"Incorrect API key: {REDACTED}"),
        ("https://h/v1?key=abc1&n=2", f"https://h/v1?key={REDACTED}&n=2"),
        ("https://h/v1?n=2&access_token=a.b1#top", f"https://h/v1?n=2&access_token={REDACTED}#top"),
        ("postgres://me:p@ss@db:5432/runs", f"postgres://{REDACTED}@db:5432/runs"),
        ("password=hunter2 refused", f"password={REDACTED} refused"),
    ],
)
def test_what_is_called_a_secret_is_redacted(text: str, shown: str) -> None:
    assert quote(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication required", "This has some basic requirements.", "max_tokens=300 is too large",
        "Unsupported parameter key: 'response_format'", "Unexpected token: '<'", "task-force-on-keys-1234",
        "use scikit: sk-learn", "set the environment variable OPENAI_API_KEY", "hf_transformers and hf_hub_download",
        "mail me@example.org about http://a/b@c",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_secret_stays(text: str) -> None:
    assert quote(text) == text


def test_a_long_text_keeps_both_ends() -> None:
    found = quote("begin " + "x" * 10_000 + " end", 40)
    assert found.startswith("begin xxx")
    assert found.endswith("xxx end")
    assert " ... " in found


@pytest.mark.parametrize(
    "part", ["a", "sk-", "\x1b[", "\x1b]", "://a@", "?a", "api_key=", "eyJ", "Bearer ", "\u202e", "a\n", "[red]"]
)
def test_a_megabyte_takes_no_time(part: str) -> None:
    start = time.perf_counter()
    assert len(quote(part * (2**20 // len(part)))) <= 300
    assert time.perf_counter() - start < 5


def test_lines_of_a_traceback_stay_lines() -> None:
    text = 'Traceback:\n  File "x.py"\r\n\tboom \x1b[31msk-abcdefgh12345\x1b[0m\u2028[red]\n'
    assert clean(text) == f'Traceback:\n  File "x.py"\n    boom {REDACTED} [red]\n'
