"""What texts are scanned for: personal data, secrets, unsafe words, instructions to models, signs of damage.

Personal data and keys are found by their shape and, where there is one, their checksum; words stand in
`anyprefer.analysis.phrases`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Literal, get_args

from anyprefer.analysis.phrases import (
    DISCLOSURE,
    INJECTION,
    PROFANITY,
    REFUSAL,
    SELF_HARM,
    SEXUAL,
    SLUR,
    WEAPONS,
)

Kind = Literal[
    "e-mail", "phone", "card number", "iban", "ip address", "social security number", "secret", "profanity", "slur", "self-harm",
    "weapons", "sexual", "injection", "template", "refusal", "disclosure", "encoding", "control", "empty", "cut off",
]  # fmt: skip

KINDS: tuple[Kind, ...] = get_args(Kind)
PERSONAL: tuple[Kind, ...] = ("e-mail", "phone", "card number", "iban", "ip address", "social security number")
UNSAFE: tuple[Kind, ...] = ("profanity", "slur", "self-harm", "weapons", "sexual")

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?P<host>[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,24})\b", re.IGNORECASE
)
_PLACEHOLDER_HOST = re.compile(
    r"(?:^|\.)(?:example|test|invalid|localhost|domain|yourdomain|email|mail|company|yourcompany)\.", re.IGNORECASE
)
_PHONE = re.compile(r"(?<![\w+.,/=*-])(?:\+[1-9](?:[ .()-]{0,2}\d){7,14}|\(?[2-9]\d\d\)?[ .-][2-9]\d\d[.-]\d{4})(?![\w-]|[.,]\d)")
_FICTION = re.compile(r"555\D?01\d\d\Z|123\D?4567\Z|555\D?\d{4}\Z")
_CARD = re.compile(r"(?<![\w.-])[3-6]\d{3}(?:[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,4}|[ -]?\d{6}[ -]?\d{5})(?![\w-]| \d|\.\d)")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_IP = re.compile(r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_SECRET = re.compile(
    r"(?<![\w-])(?:sk-(?:ant-|proj-|live-)?[A-Za-z0-9_-]{20,}|[rs]k_live_[A-Za-z0-9]{16,}|A[KS]IA[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})|-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----"
)
_TEMPLATE = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|user|assistant|system)\|>|\[/?INST\]|<</?SYS>>|</s>"
    r"|<(?:start|end)_of_turn>|^### (?:Instruction|Response):",
    re.MULTILINE,
)
_ENCODING = re.compile(r"\ufffd|Ã[\x80-\xbf©¨¼¶¤±³¡]|â€[™œ¢¦“”\x9d\x93\x94\u02dc]|Â[\xa0-\xbf]|ï»¿")
"""The replacement character, and UTF-8 that was read as Latin-1 or Windows-1252."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line ends, and signs that turn the direction of writing, which can hide text."""

_LINE_THAT_ENDS_ANYHOW = re.compile(r"\s{0,12}(?:[-*•+]|\d{1,3}[.)]|#{1,6}\s|\||https?:|>|[A-Z][\w ]{0,30}:)")
LEAST_WORDS_CUT_OFF = 20
"""A shorter response without a full stop is a short answer."""
VERSE_WORDS = 10
"""Words per line below which a text of four lines or more is taken for verse."""


def kinds_in(text: str, *, is_response: bool) -> Iterator[Kind]:
    """Yield what a text holds, each kind once.

    Args:
        text: A prompt or a response.
        is_response: Whether refusals, self-disclosures and cut-off ends are looked for too.
    """
    if not text.strip():
        yield "empty"
        return
    yield from (kind for kind, test in _TESTS.items() if test(text))
    if is_response:
        yield from (kind for kind, test in _RESPONSE_TESTS.items() if test(text))


def is_cut_off(text: str) -> bool:
    """Whether a response seems to stop in mid-sentence or inside a code block; lists, headings and verse may end as they like."""
    if text.count("```") % 2:
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    if len(text.split()) < LEAST_WORDS_CUT_OFF or len(lines[-1].split()) < 6 or _LINE_THAT_ENDS_ANYHOW.match(lines[-1]):
        return False
    is_verse = len(lines) >= 4 and sum(len(line.split()) for line in lines) < VERSE_WORDS * len(lines)
    if is_verse or "#" in lines[-1]:
        return False
    return text.rstrip()[-1].isalnum() or text.rstrip()[-1] in ",;-\u2013\u2014("


def _has_email(text: str) -> bool:
    return "@" in text and any(not _PLACEHOLDER_HOST.search(match["host"]) for match in _EMAIL.finditer(text))


def _has_phone(text: str) -> bool:
    return any(not _FICTION.search(match[0]) for match in _PHONE.finditer(text))


def _has_card(text: str) -> bool:
    return any(_passes_luhn([int(digit) for digit in match[0] if digit.isdigit()]) for match in _CARD.finditer(text))


def _passes_luhn(digits: list[int]) -> bool:
    """ISO/IEC 7812-1: every second digit from the right counts double."""
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 2 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _has_iban(text: str) -> bool:
    return any(_is_iban(match[0].replace(" ", "")) for match in _IBAN.finditer(text))


def _is_iban(number: str) -> bool:
    """ISO 13616: the number with its first four signs at the end, letters as 10 to 35, is 1 modulo 97."""
    return 15 <= len(number) <= 34 and int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def _has_ip(text: str) -> bool:
    return any(_is_public(match[0]) for match in _IP.finditer(text))


def _is_public(address: str) -> bool:
    try:
        return IPv4Address(address).is_global and address not in ("8.8.8.8", "8.8.4.4", "1.1.1.1")
    except AddressValueError:
        return False


def _holds(pattern: re.Pattern[str], chars: int | None = None) -> Callable[[str], bool]:
    return lambda text: pattern.search(text[:chars]) is not None


_TESTS: Mapping[Kind, Callable[[str], bool]] = {
    "e-mail": _has_email, "phone": _has_phone, "card number": _has_card, "iban": _has_iban, "ip address": _has_ip,
    "social security number": _holds(_SSN), "secret": _holds(_SECRET), "profanity": _holds(PROFANITY), "slur": _holds(SLUR),
    "self-harm": _holds(SELF_HARM), "weapons": _holds(WEAPONS), "sexual": _holds(SEXUAL), "injection": _holds(INJECTION),
    "template": _holds(_TEMPLATE), "encoding": _holds(_ENCODING), "control": _holds(_CONTROL),
}  # fmt: skip
_RESPONSE_TESTS: Mapping[Kind, Callable[[str], bool]] = {
    "refusal": _holds(REFUSAL, 400), "disclosure": _holds(DISCLOSURE), "cut off": is_cut_off,
}  # fmt: skip
