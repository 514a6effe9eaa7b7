"""PromptRewriter: turns what a round came to into better guidance, a textual gradient (paper: section 2.4, equation 2).

A known reason has its sentence and asks no model. Where a model is asked, it sees what tools found, and what it writes is refused
where it states an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field

from anyprefer.agents.feedback import PLAYERS, KnownAdvice, Player, is_known, join_reasons
from anyprefer.agents.leaks import LEAKS, Leak, Withheld, find_leak, withhold
from anyprefer.agents.material import Show, lay_out, show_text, task_block, text_block
from anyprefer.agents.round_view import RoundView
from anyprefer.backends.calls import CallSite
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.config import Feedback
from anyprefer.prompts import Prompt
from anyprefer.types import Attempt, Candidate, Message, Prompts, Task

_Gradient = Annotated[str, Field(min_length=1, max_length=400)]
_Guidance = Annotated[str, Field(min_length=1, max_length=600)]


class TargetRewrite(BaseModel):
    """New guidance for the target, after the reason for it."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    target_guidance: _Guidance


class JudgeRewrite(BaseModel):
    """New guidance for the judge, after the reason for it."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    judge_guidance: _Guidance


class JointRewrite(BaseModel):
    """New guidance for both players from one gradient, so that they can adapt to each other."""

    model_config = ConfigDict(extra="forbid")

    gradient: _Gradient
    target_guidance: _Guidance
    judge_guidance: _Guidance


class Written(NamedTuple):
    """What came of a request."""

    words: Mapping[Player, str]
    """Guidance that states nothing it may not."""
    refused: Mapping[Player, Leak]
    """Whose guidance did, in both tries, and what."""


@dataclass(frozen=True, kw_only=True)
class PromptRewriter:
    """Rewrites p_t, p_j or both, as the recipe's feedback mode says."""

    model: ModelClient
    both_prompt: Prompt
    target_prompt: Prompt
    judge_prompt: Prompt
    feedback: Feedback
    known: KnownAdvice
    verifiers: frozenset[str] = frozenset()
    """The tools that can show a response to be right."""
    evidence_chars: int = 2000
    show: Show = show_text

    async def rewrite(self, task: Task, attempt: Attempt, *, earlier: Sequence[Candidate] = ()) -> Prompts:
        """Make the next round's prompts from the last attempt, and from its critique where its reason is no known one.

        Args:
            task: The task.
            attempt: The last one.
            earlier: Candidates of the rounds before it.

        Raises:
            ModelError: The model failed.
        """
        old, reasons = attempt.prompts, attempt.shortfall.reasons if attempt.shortfall else ()
        holding = join_reasons(old.reasons, reasons)
        ask = not is_known(reasons)
        written = await self._ask_all(task, attempt, earlier) if ask else Written({}, {})
        guidance = {"target": old.target, "judge": old.judge}
        for player in PLAYERS[self.feedback]:
            guidance[player] = self.known.join(player, holding, written.words.get(player, guidance[player]))
        refused = "; ".join(f"guidance of the {player}: {LEAKS[leak]}" for player, leak in written.refused.items())
        return Prompts(
            **guidance, version=old.version + 1, reasons=holding, rewritten_by="model" if ask else "rules", refused=refused
        )

    async def _ask_all(self, task: Task, attempt: Attempt, earlier: Sequence[Candidate]) -> Written:
        """Ask the model for all players at once, or for each by itself."""
        view = RoundView(attempt, earlier, self.verifiers, self.evidence_chars, self.show)
        withheld = withhold(task, view.responses, attempt.evidence)
        if self.feedback == "joint":
            return await self._ask(task, view, withheld, self.both_prompt, JointRewrite)
        single: dict[Player, tuple[Prompt, type[BaseModel]]] = {
            "target": (self.target_prompt, TargetRewrite), "judge": (self.judge_prompt, JudgeRewrite),
        }  # fmt: skip
        found = await complete_all(self._ask(task, view, withheld, *single[player]) for player in PLAYERS[self.feedback])
        return Written(
            {player: text for one in found for player, text in one.words.items()},
            {player: leak for one in found for player, leak in one.refused.items()},
        )

    async def _ask(self, task: Task, view: RoundView, withheld: Withheld, prompt: Prompt, schema: type[BaseModel]) -> Written:
        """Ask for guidance, and where it states what it may not, once more; what still does is left out."""
        site = CallSite(task.id, "rewriter", view.attempt.round, prompt.name)
        messages = self._messages(task, view, prompt)
        reply = await self.model.structured(messages, site, schema)
        words, leaks = self._read(reply, withheld)
        if not leaks:
            return Written(words, {})
        again = CallSite(site.task_id, site.role, site.round, f"{site.step}/again")
        second = await self.model.structured((*messages, *_refusal(reply, leaks)), again, schema)
        better, left = self._read(second, withheld)
        words = {**words, **better}
        return Written(words, {player: leak for player, leak in left.items() if player not in words})

    def _read(self, reply: BaseModel, withheld: Withheld) -> tuple[dict[Player, str], dict[Player, Leak]]:
        """The guidance of a reply that may be used, and what the rest of it states."""
        words: dict[Player, str] = {}
        leaks: dict[Player, Leak] = {}
        for name, text in reply.model_dump(exclude={"gradient"}).items():
            player = cast(Player, name.removesuffix("_guidance"))
            own = self.known.strip(player, text)
            if (leak := find_leak(own, withheld)) is None:
                words[player] = own
            else:
                leaks[player] = leak
        return words, leaks

    def _messages(self, task: Task, view: RoundView, prompt: Prompt) -> tuple[Message, ...]:
        attempt = view.attempt
        return lay_out(self.model, lambda: prompt.fill({
            "task": task_block(task), "outcome": view.describe(),
            "critique": text_block(attempt.critique.analysis, "critique"),
            "target_guidance": text_block(attempt.prompts.target, "current guidance of the target"),
            "judge_guidance": text_block(attempt.prompts.judge, "current guidance of the judge"),
        }))  # fmt: skip


def _refusal(reply: BaseModel, leaks: Mapping[Player, Leak]) -> tuple[Message, Message]:
    """The reply, and what is wrong with it; what it states is not said again."""
    faults = " and ".join(f"the guidance of the {player} states {LEAKS[leak]}" for player, leak in leaks.items())
    complaint = (
        f"That cannot be used: {faults}. Reply again with JSON. Say how to work on a task of this kind, whatever its numbers and "
        "its answer are, and use words of your own."
    )
    return Message(role="assistant", content=reply.model_dump_json()), Message(role="user", content=complaint)
