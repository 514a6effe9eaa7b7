"""What an endpoint says of itself before there is a recipe: which models it serves, and what is wrong where it says nothing."""

import ipaddress
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from anyprefer.errors import ConfigError
from anyprefer.redaction import quote
from anyprefer.registry import suggest

OPENAI = "https://api.openai.com/v1"
"""Where models live that are somebody else's."""

SERVERS: Mapping[str, str] = {
    "vllm": "http://127.0.0.1:8000/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "llama.cpp": "http://127.0.0.1:8080/v1",
    "lm-studio": "http://127.0.0.1:1234/v1",
    "sglang": "http://127.0.0.1:30000/v1",
}
"""Server -> where it listens unless it is told otherwise."""

_BASES = ("/v1", "/api/v1", "/openai/v1", "")
"""Where the protocol may begin under an address that names a host alone."""
_MORE = ("/chat/completions", "/completions", "/models", "/responses")
"""Ends of addresses that people copy, beyond the base."""
_NO_CHAT = re.compile(
    r"embed|whisper|tts|dall-e|image|moderation|rerank|realtime|transcri|audio|guard|\bbge-|\be5-", re.IGNORECASE
)
_BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)(b|m)(?![a-z])", re.IGNORECASE)
_LITTLE = re.compile(r"[-_.](?:mini|nano|small|lite|flash|instant|turbo)(?![a-z])", re.IGNORECASE)
_SHORT_LIST = 10
_MOST_BYTES = 2**24
_LONGEST = 300
_SMALL_JUDGE = 4.0
"""Billions of parameters below which a judge needs settings of its own."""


@dataclass(frozen=True)
class Served:
    """What was found at an address.

    Attributes:
        url: The address of the endpoint, as a recipe gives it.
        models: The names of its models; None where it has no list.
        problem: What must be mended before any call can work; empty where nothing is known to be wrong.
    """

    url: str
    models: tuple[str, ...] | None = None
    problem: str = ""

    @property
    def chat_models(self) -> tuple[str, ...]:
        """The models that answer in words, as far as their names say."""
        return tuple(name for name in self.models or () if not _NO_CHAT.search(name))


def look_at(address: str, key_env: str, seconds: float = 10.0) -> Served:
    """Ask an endpoint for its models; nothing is sampled.

    Args:
        address: As a person gives it: without `http://`, or copied with `/chat/completions`.
        key_env: The variable whose value is sent as the key, if it is set.
        seconds: How long it may take.

    Raises:
        ConfigError: It is no address.
    """
    url = read_address(address)
    bases = ("",) if urlsplit(url).path else _BASES
    with httpx2.Client(timeout=seconds) as http:
        for base in bases:
            found = _ask(http, url + base, key_env)
            if found.models is not None or found.problem:
                return found
    return Served(url + bases[0])


def find_server(given: str) -> str:
    """The address of a server that is given by its name, or by its address.

    Raises:
        ConfigError: It is neither.
    """
    if given.lower() in SERVERS:
        return SERVERS[given.lower()]
    if given == "localhost" or any(letter in given for letter in ":/."):
        return given
    raise ConfigError(f"no server is called {quote(given)!r}: {suggest(given, SERVERS)}, or give its address")


def find_running() -> str:
    """The name of the first server that answers on this machine, where it usually does; the first name where none does."""
    return next((name for name, url in SERVERS.items() if look_at(url, "", seconds=1.0).models is not None), next(iter(SERVERS)))


def read_address(address: str) -> str:
    """The base URL that a person means.

    Raises:
        ConfigError: It is none, or it holds a password.
    """
    text = address.strip()
    if "://" not in text:
        text = f"{'http' if is_near(urlsplit(f'//{text}').hostname) else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:-]+", host):
        raise ConfigError(f"{quote(address)!r} is no address of an endpoint: give one such as {SERVERS['vllm']!r} or {OPENAI!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("the address holds a name or a password; keys come from environment variables, see --key-env")
    path = parts.path.rstrip("/")
    for end in _MORE:
        path = path.removesuffix(end)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def is_near(host: str | None) -> bool:
    """Whether a host is this machine, or one of a private network, going by its number or by a name without a dot."""
    try:
        return ipaddress.ip_address(host or "").is_private
    except ValueError:
        return bool(host) and "." not in str(host)


def needs_key(url: str) -> bool:
    """Whether a run refuses to start without a key for this endpoint."""
    return urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")


def key_name(url: str) -> str:
    """The variable in which the key of a host is looked for: `GROQ_API_KEY` for api.groq.com.

    Every host has its own, so that no key goes to another's.
    """
    host = urlsplit(url).hostname or ""
    labels = ["server"] if is_near(host) else host.split(".")
    word = labels[-2] if len(labels) > 1 else labels[0]
    return f"{re.sub('[^A-Z0-9]', '_', word.upper())}_API_KEY"


def propose_judge(target: str, models: Iterable[str]) -> str:
    """Another model to judge a target's answers, the largest as far as names say; the target where there is no other."""
    others = [name for name in models if name != target]
    sizes = {name: size for name in others if (size := billions(name)) is not None}
    if sizes:
        return max(sizes, key=lambda name: sizes[name])
    if (grown := _LITTLE.sub("", target, count=1)) in others:
        return grown
    return others[0] if others and len(others) <= _SHORT_LIST else target


def is_small(model: str) -> bool:
    """Whether a model, going by its name, is too small to judge a list at once."""
    size = billions(model)
    return size is not None and size < _SMALL_JUDGE


def billions(model: str) -> float | None:
    """The billions of parameters that a model's name tells."""
    found = _BILLIONS.findall(model)
    return None if not found else max(float(number) / (1000 if unit in "mM" else 1) for number, unit in found)


def _ask(http: httpx2.Client, url: str, key_env: str) -> Served:
    key = os.environ.get(key_env)
    try:
        with http.stream("GET", f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {}) as reply:
            status, body = reply.status_code, _read(reply)
    except httpx2.HTTPError as error:
        why = quote(str(error)) or type(error).__name__
        return Served(url, problem=f"no server answers at {url} ({why}): start it, or correct the address")
    except UnicodeEncodeError:
        return Served(url, problem=f"the key in {key_env} holds a character that no key has: set it again")
    if status in (401, 403):
        wrong = (
            f"refuses the key in {key_env}" if key else f"wants a key: set the environment variable {key_env}, or name another"
        )
        return Served(url, problem=f"{url} {wrong} (status {status})")
    if status >= 500:
        return Served(url, problem=f"{url} answers with status {status}: try again later, or mend the server")
    return Served(url, _read_names(body) if status == 200 else None)


def _read(reply: httpx2.Response) -> bytes:
    """The body as far as a list of models may go."""
    body = b""
    for chunk in reply.iter_bytes():
        body += chunk
        if len(body) > _MOST_BYTES:
            break
    return body


def list_entries(body: bytes) -> list[dict[str, Any]] | None:
    """The models that an endpoint lists, as it describes them; None where there is no such list."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    rows = found.get("data") if isinstance(found, dict) else found
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def _read_names(body: bytes) -> tuple[str, ...] | None:
    entries = list_entries(body)
    if entries is None:
        return None
    names = (entry.get("id") for entry in entries)
    return tuple(
        dict.fromkeys(name for name in names if isinstance(name, str) and name.isprintable() and 0 < len(name) < _LONGEST)
    )
