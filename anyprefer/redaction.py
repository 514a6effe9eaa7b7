"""What a foreign party said, made fit for a terminal, a log and a record: printable, short, and without secrets.

Endpoints, servers and libraries put into their messages whatever they like: terminal codes, megabytes, the key that was sent.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

REDACTED = "[redacted]"
"""Stands for a secret."""

LEAST_SECRET_CHARS = 8
"""A shorter value of a variable is a word or a number that may stand in any text."""

MOST_CHARS = 20_000
"""Longest text of several lines."""

_MARK = " ... "

_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,16}[0-~]"
)
"""Terminal codes: control sequences; titles and links; the rest."""

_UNPRINTABLE = {"Cc": "", "Cf": "", "Zs": " ", "Zl": " ", "Zp": " "}
"""Control and format characters, bidirectional ones among them, go; rare spaces become plain ones."""

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)

_TOKEN = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        (?:(?:sk|pk|rk|csk|xai|nvapi|pplx|glpat)[-_]|(?:gsk|hf|r8|fw|tgp_v1|lsv2_pt|lsv2_sk|api_org)_)(?=[A-Za-z_-]{0,60}[\d*])[\w*-]{8,}
      | sk-[\w*-]{20,} | hf_[A-Za-z0-9*]{20,}
      | gh[pousr]_\w{8,} | github_pat_\w{8,} | xox[a-z]-[\w-]{8,}
      | AIza[\w-]{8,} | AKIA[0-9A-Z]{12,} | ya29\.[\w-]{8,}
      | eyJ[\w-]{8,2000}\.[\w-]{4,}(?:\.[\w-]*)?
    )""",
    re.VERBOSE | re.ASCII,
)
"""Keys as the usual providers form them, whole or half hidden already; the last are JSON web tokens."""

_BEARER = re.compile(r"\b(Bearer\s+)(?!(?:auth\w*|tokens?|scheme|realm|keys?|format)\b)[\w.~+/*-]{6,}=*", re.IGNORECASE)

_NAMED = re.compile(
    r"""(?P<name>
        [?&][\w.-]{0,60}(?:key|token|secret|password|passwd|sig|signature|auth)=
      | (?:api[_\- ]?key|access[_-]?key|[_-]token|secret|passw(?:or)?d|authorization)["']?\s{0,3}[=:]\s{0,3}["']?
        (?:(?:Bearer|Basic)\s+)?
    )[^\s"'<>&\#,;{}]{4,}""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""Parameters of URLs, headers and assignments whose name says that the value is a secret."""

_LOGIN = re.compile(r"(?<=://)[^\s/?#@]{1,400}(?:@[^\s/?#@]{1,400}){0,3}@")
"""Name and password within a URL."""

_told: set[str] = set()


def quote(text: str, limit: int = 300) -> str:
    """A foreign text as one printable line, without secrets.

    Args:
        text: What somebody said.
        limit: Most characters; of a longer text both ends are kept.
    """
    return _shorten(" ".join(_redact(" ".join(_plain(text).split())).split()), limit)


def clean(text: str, limit: int = MOST_CHARS) -> str:
    """Likewise for a text of several lines, such as a traceback: lines and indentation stay."""
    return _shorten(_redact("\n".join(_plain(line).rstrip() for line in text.expandtabs(4).split("\n"))), limit)


def _plain(text: str) -> str:
    """Printable characters alone."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _replace(char) for char in _CODES.sub("", text))


def _replace(char: str) -> str:
    return " " if char.isspace() else _UNPRINTABLE.get(unicodedata.category(char), "\N{REPLACEMENT CHARACTER}")


def _redact(text: str) -> str:
    if values := _secrets(os.environ):
        text = _any_of(values).sub(REDACTED, text)
    text = _LOGIN.sub(f"{REDACTED}@", text)
    text = _TOKEN.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    return _NAMED.sub(rf"\g<name>{REDACTED}", text)


def keep_secret(variable: str) -> None:
    """Treat an environment variable's value as a secret, whatever its name."""
    _told.add(variable)


def _secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that are secret by name, or that we were told of, the longest first, as `_plain` leaves them."""
    named = [environment[name] for name in environment if name in _told or _is_telling(name)]
    plain = {" ".join(_plain(value).split()) for value in named if len(value) >= LEAST_SECRET_CHARS}
    return tuple(sorted((value for value in plain if len(value) >= LEAST_SECRET_CHARS), key=lambda value: (-len(value), value)))


@lru_cache(maxsize=1024)
def _is_telling(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=8)
def _any_of(values: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, values)))


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    room = max(0, limit - len(_MARK))
    tail = room // 3
    return text[: room - tail].rstrip() + _MARK[:limit] + (text[-tail:].lstrip() if tail else "")
