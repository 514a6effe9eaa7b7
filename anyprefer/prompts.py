"""Prompt files: Markdown with `{{placeholders}}`, checked when loaded, filled in one pass.

A file has the headings `# System` and `# User`; what stands under each becomes one message. Untrusted text goes in through
`fence`, which wraps it in markers that are the same in every prompt and breaks what looks like one in the text, so that the text
cannot close its own fence and a text gets the same score wherever it is asked about.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyprefer.errors import ConfigError
from anyprefer.types import Message

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_HEADING = re.compile(r"^# (System|User)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """A loaded prompt file."""

    name: str
    system: str
    user: str
    sha256: str

    def fill(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Put the values into both messages; a value is never scanned for placeholders again.

        Raises:
            KeyError: A placeholder has no value: a programming error, since loading checked the names.
        """
        system = _PLACEHOLDER.sub(lambda match: values[match[1]], self.system).strip()
        user = _PLACEHOLDER.sub(lambda match: values[match[1]], self.user).strip()
        return (*((Message(role="system", content=system),) if system else ()), Message(role="user", content=user))


def load_prompt(path: Path, placeholders: frozenset[str]) -> Prompt:
    """Read a prompt file and check that it uses the placeholders it must and no others.

    Raises:
        ConfigError: The file is missing, has no `# User` part, or its placeholders are not the expected ones.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read prompt file {str(path)!r}: {error}") from error
    parts = _HEADING.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    if "User" not in sections or parts[0].strip():
        raise ConfigError(f"prompt file {str(path)!r} must consist of '# System' (optional) and '# User' parts")
    found = set(_PLACEHOLDER.findall(text))
    if found != placeholders:
        missing, unknown = sorted(placeholders - found), sorted(found - placeholders)
        raise ConfigError(
            f"prompt file {str(path)!r}: missing placeholders {missing}, unknown placeholders {unknown}; "
            f"it must use exactly {sorted(placeholders)}"
        )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(name=path.stem, system=sections.get("System", ""), user=sections["User"], sha256=digest)


_MARKER = re.compile(r"<(?=<[^\S\n]*/?[^\S\n]*(?:end[^\S\n]+\w|[^\W\d][^<>\n]*>>))", re.IGNORECASE)
"""The first sign of what may be read as a marker of ours, but not of `<<8*3=24>>`, `cout << x` or a shell's `<<EOF`."""

_CONTROL = re.compile(
    r"(?:<(?=[|\uff5c][^<>\n]{1,40}[|\uff5c]>)|<(?=/?s>|(?:start|end)_of_turn>|</?SYS>>)|\[(?=/?INST\]))", re.IGNORECASE
)
"""The first sign of a chat template's control tokens, which a server may read as such wherever they stand."""


def fence(text: str, label: str) -> str:
    """Wrap untrusted text between markers that it cannot hold: a space goes into what looks like a marker or a control token.

    Args:
        text: Data from a model, a tool, the web or a user's file.
        label: What the data is, for the reader: "response A".
    """
    return f"<<{label}>>\n{_CONTROL.sub(_split, _MARKER.sub(_split, text))}\n<<end {label}>>"


def _split(match: re.Match[str]) -> str:
    return f"{match[0]} "
