"""Registries: what is built in, what other packages bring along, and what a program registers itself, by name.

A built-in entry is an import path, so that nothing is imported before it is named. Another package registers through an entry
point; a notebook, or a program of one's own, through `register`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from anyprefer.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Things of one kind by name.

    Args:
        kind: What they are called in messages, such as "judge method".
        group: The entry-point group in which other packages register theirs.
        built_in: Name -> `module:attribute`. No other package can take such a name.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]
    registered: dict[str, T] = field(default_factory=dict)

    def register(self, name: str, thing: T) -> None:
        """Add a thing to this process, or replace one that was added before.

        Raises:
            ConfigError: The name is a built-in one.
        """
        if name in self.built_in:
            raise ConfigError(f"{self.kind} {name!r} is built in: register yours under another name")
        self.registered[name] = thing

    def names(self) -> dict[str, str]:
        """Name -> where it comes from, without importing anything."""
        foreign = {point.name: point.value for point in entry_points(group=self.group)}
        own = {
            name: f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', thing)}"
            for name, thing in self.registered.items()
        }
        return {**foreign, **own, **self.built_in}

    def load(self, name: str, place: str) -> T:
        """Find a thing by name, importing it if need be.

        Args:
            name: As a recipe gives it.
            place: The recipe's key, for messages.

        Raises:
            ConfigError: There is none, two packages claim the name, or it cannot be imported.
        """
        if name in self.registered:
            return self.registered[name]
        if name in self.built_in:
            return self._import(name, self.built_in[name])
        known = self.names()
        if name not in known:
            raise ConfigError(f"{place} = {name!r}: there is no such {self.kind}; {suggest(name, known)}")
        claims = sorted({point.value for point in entry_points(group=self.group, name=name)})
        if len(claims) > 1:
            raise ConfigError(f"{place}: {name!r} is claimed by {' and '.join(claims)}; uninstall all but one")
        return self._import(name, known[name])

    def __contains__(self, name: str) -> bool:
        """Whether there is a thing of this name, without importing it."""
        return name in self.built_in or name in self.registered or bool(entry_points(group=self.group, name=name))

    def _import(self, name: str, path: str) -> T:
        try:
            return cast("T", import_object(path))
        except ConfigError:  # says what is wrong already
            raise
        except Exception as error:  # importing foreign code can raise anything
            raise ConfigError(
                f"{self.kind} {name!r} ({path}) cannot be imported: {type(error).__name__}: {error}; mend or uninstall its "
                "package"
            ) from error


def import_object(path: str) -> Any:
    """What `module:attribute` names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module.strip()), attribute.strip())


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint at what could have been meant."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known are: {', '.join(names)}" if names else "there are none"
