"""Questions at a terminal; where there is none, the flag that answers them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import typer

from anyprefer.errors import ConfigError, DataError
from anyprefer.redaction import quote

T = TypeVar("T")

_SHOWN = 20
"""Most entries of a list that are shown."""


@dataclass(frozen=True)
class Asker:
    """Asks a person, or takes what is proposed, or says which flag is missing.

    Attributes:
        on_terminal: Whether there is somebody to ask.
        takes_proposals: Whether nobody is to be asked.
    """

    on_terminal: bool
    takes_proposals: bool

    def ask(self, question: str, proposal: str | None, flag: str = "") -> str:
        """An answer; Enter takes the proposal.

        Args:
            question: Without a question mark.
            proposal: What is likely right.
            flag: What answers the question where nobody can be asked; without one the proposal is taken there.

        Raises:
            ConfigError: There is nobody to ask.
            typer.Abort: Ctrl-C.
        """
        if self.on_terminal:
            return str(typer.prompt(question, default=proposal, err=True)).strip()
        if proposal is not None and (self.takes_proposals or not flag):
            return proposal
        or_yes = "" if proposal is None else f", or --yes for {proposal!r}"
        raise ConfigError(f"there is no terminal to ask at: give {flag}{or_yes}")

    def choose(self, names: Sequence[str], question: str, proposal: str | None, flag: str = "") -> str:
        """A name, or its number in a list that is shown first; a name that is not in the list is taken too."""
        shown = names[:_SHOWN]
        if self.on_terminal and shown:
            lines = [f"  {number:2}  {quote(name, 80)}" for number, name in enumerate(shown, start=1)]
            self.say("\n".join([*lines, *([f"      and {len(names) - len(shown)} more"] * (len(names) > len(shown)))]))
        answer = self.ask(f"{question}, number or name" if shown else question, proposal, flag)
        return shown[int(answer) - 1] if answer.isdecimal() and 1 <= int(answer) <= len(shown) else answer

    def until_right(self, given: str | None, ask: Callable[[], str], read: Callable[[str], T]) -> T:
        """What can be made of what is given, else of the first answer that is right.

        Raises:
            ConfigError: It is wrong, and there is nobody to ask.
            DataError: Likewise.
        """
        while True:
            try:
                return read(ask() if given is None else given)
            except (ConfigError, DataError) as error:
                if not self.on_terminal:
                    raise
                self.say(str(error))
                given = None

    def agree(self, problem: str, question: str) -> bool:
        """Whether somebody wants to go on in spite of a problem.

        Raises:
            ConfigError: There is nobody to ask.
        """
        if not self.on_terminal:
            raise ConfigError(problem)
        self.say(problem)
        return typer.confirm(question, default=False, err=True)

    @staticmethod
    def say(text: str) -> None:
        """Tell the person at the terminal, or the log."""
        typer.echo(text, err=True)
