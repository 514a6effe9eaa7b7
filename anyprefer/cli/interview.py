"""What `anyprefer init` has to know, from flags and from questions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer.cli.asking import Asker
from anyprefer.errors import ConfigError

if TYPE_CHECKING:
    from anyprefer.backends.served import Served
    from anyprefer.runs.starter import Draft, Source

_TARGET, _JUDGE = "Model to be aligned", "Model that judges"
_EMBEDDED = {_TARGET: "qwen2.5-coder-0.5b", _JUDGE: "qwen2.5-coder-1.5b"}
_SAMPLE = "sample"
_SAMPLE_FILE = "sample_tasks.jsonl"


@dataclass(frozen=True)
class Interview:
    """Takes what flags say and asks for the rest.

    Attributes:
        asker: Asks.
        recipe: Where the recipe will be.
        model: The flag `--model`; None where it is missing, as with those below.
        judge: `--judge`.
        key_env: `--key-env`.
        tasks: `--tasks`.
        meanings: `--map`, read.
        offline: Whether endpoints are not looked at.
    """

    asker: Asker
    recipe: Path
    model: str | None
    judge: str | None
    key_env: str | None
    tasks: str | None
    meanings: Mapping[str, tuple[str, ...]]
    offline: bool = False

    @property
    def name(self) -> str:
        """Of the recipe: its file's, or its folder's."""
        home = self.recipe.resolve()
        return (home.parent.name if home.stem == "recipe" else home.stem) or "recipe"

    def embedded(self) -> "Draft":
        """A recipe for models of the catalogue, or of GGUF files.

        Raises:
            ConfigError: There is no such model.
        """
        from anyprefer.backends.catalogue import CATALOGUE
        from anyprefer.runs.starter import Draft

        names = [entry.name for entry in CATALOGUE if entry.chat]

        def pick(question: str, given: str | None) -> str:
            return self.asker.until_right(given, lambda: self.asker.choose(names, question, _EMBEDDED[question]), _find_weights)

        return Draft(self.name, "embedded", pick(_TARGET, self.model), pick(_JUDGE, self.judge), _SAMPLE_FILE)

    def served(self, source: "Source", address: str | None) -> "Draft":
        """A recipe for an endpoint.

        Raises:
            ConfigError: It does not answer, it refuses the key, or it has no such model; and there is nobody to ask.
        """
        from anyprefer.backends.served import propose_judge
        from anyprefer.runs.starter import Draft

        found = self.asker.until_right(address, lambda: self._ask_address(source), lambda given: self._look(source, given))
        names = found.chat_models
        first = names[0] if names else None
        flag = "--model NAME" if len(names) != 1 else ""
        target = self.asker.until_right(
            self.model, lambda: self.asker.choose(names, _TARGET, first, flag), lambda given: _find_model(found, given)
        )
        proposal = propose_judge(target, names)
        judge, judge_url = self.asker.until_right(
            self.judge, lambda: self.asker.choose(names, _JUDGE, proposal), lambda given: _find_judge(found, given)
        )
        return Draft(
            self.name, source, f"openai:{target}", judge, _SAMPLE_FILE, base_url=found.url, judge_url=judge_url,
            key_env=self._key_env(found.url),
        )  # fmt: skip

    def with_tasks(self, draft: "Draft") -> "Draft":
        """The draft with its task file.

        Raises:
            DataError: It cannot be used, and there is nobody to ask.
            ConfigError: Likewise.
        """

        def ask() -> str:
            return self.asker.ask("Task file, one prompt a row", _SAMPLE, "--tasks FILE")

        return self.asker.until_right(self.tasks, ask, lambda given: self._read_tasks(draft, given))

    def _key_env(self, url: str) -> str | None:
        from anyprefer.backends.served import key_name, needs_key

        return self.key_env or (key_name(url) if needs_key(url) else None)

    def _ask_address(self, source: "Source") -> str:
        from anyprefer.backends.served import OPENAI, find_running

        if source == "endpoint":
            return self.asker.ask("Address", OPENAI, "--endpoint URL")
        return self.asker.ask("Name or address", find_running(), "--server NAME")

    def _look(self, source: "Source", given: str) -> "Served":
        from anyprefer.backends.served import Served, find_server, look_at, read_address

        address = find_server(given) if source == "server" else given
        url = read_address(address)
        if self.offline:
            return Served(url)
        found = look_at(address, self._key_env(url) or "")
        if found.problem and not self.asker.agree(found.problem, "Write the recipe all the same?"):
            raise ConfigError("Then give another address.")
        if not found.problem and not found.models:
            self.asker.say(f"{found.url} lists no models: names are taken as they are")
        return found

    def _read_tasks(self, draft: "Draft", given: str) -> "Draft":
        from anyprefer.runs.starter import SAMPLE, describe_tasks

        home = self.recipe.parent
        if given == _SAMPLE and not (home / _SAMPLE_FILE).exists():
            return replace(draft, columns="columns used: id, prompt, reference", num_tasks=len(SAMPLE), with_sample=True)
        path = home / _SAMPLE_FILE if given == _SAMPLE else Path(given).expanduser()
        source = given if given.startswith("hf:") else str(path)
        draft = replace(draft, meanings=self.meanings)
        number, columns = describe_tasks(source, draft.recipe())
        in_recipe = given if given.startswith("hf:") else os.path.relpath(path.resolve(), home.resolve())
        return replace(draft, tasks=in_recipe, columns=columns, num_tasks=number)


def _find_weights(name: str) -> str:
    from anyprefer.backends.catalogue import find_entry
    from anyprefer.backends.weights import resolve_weights

    if name.lower().endswith(".gguf"):
        return f"llamacpp:{resolve_weights(name).resolve()}"
    return f"llamacpp:{find_entry(name.removeprefix('llamacpp:')).name}"


def _find_model(found: "Served", given: str) -> str:
    """A name as the endpoint has it.

    Raises:
        ConfigError: It has none like that.
    """
    from anyprefer.redaction import quote
    from anyprefer.registry import suggest

    name = given.removeprefix("openai:")
    if not name:
        raise ConfigError("a model needs a name: give --model NAME")
    if not found.models or name in found.models or f"{name}:latest" in found.models:
        return name
    raise ConfigError(f"{found.url} has no model {name!r}: {quote(suggest(name, found.models), 1000)}")


def _find_judge(found: "Served", given: str) -> tuple[str, str | None]:
    """A judge as a recipe names it, and its endpoint; one of another provider brings its prefix."""
    from anyprefer.backends.registry import available_providers

    provider, _, rest = given.partition(":")
    if rest and provider in available_providers() and given not in (found.models or ()):
        return (given, None) if provider != "llamacpp" else (_find_weights(rest), None)
    return f"openai:{_find_model(found, given)}", found.url
