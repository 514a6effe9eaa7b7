"""A changed recipe in a folder with records: what it changes, which records depend on that, and what others come to under it.

No model is asked here. A record depends on a role that worked for it, or whose failure ended it; on a setting that is no single
role's, every record does. Threshold and rounds are applied to the attempts that a record has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anyprefer.agents.library import PLACEHOLDERS
from anyprefer.agents.outcome import best_pair_of, fall_short, is_accepted, reasons_for_review
from anyprefer.config import ROLES, Recipe
from anyprefer.config.base import Section, drop_untracked
from anyprefer.data.run_dir import Lock
from anyprefer.graph.builder import NODES
from anyprefer.recipe_tables import tracked_values
from anyprefer.types import Attempt, PreferenceRecord

JUDGED_AGAIN = ("loop.threshold", "loop.max_rounds")
"""Settings under which records that exist can be judged again."""

_CHARS = 80
"""Of a value that is shown."""


@dataclass(frozen=True)
class RecipeChange:
    """What a recipe and its prompts say differently from a folder's own.

    Attributes:
        lines: Each difference, for a person.
        roles: Roles that work differently.
        judged_again: Whether records are to be judged again.
        by_all: Whether every record depends on one of the differences.
    """

    lines: tuple[str, ...]
    roles: frozenset[str]
    judged_again: bool
    by_all: bool

    def concerns(self, record: PreferenceRecord) -> bool:
        """Whether a record would perhaps not have come out as it did."""
        return self.by_all or not self.roles.isdisjoint(roles_behind(record))


def compare_recipes(lock: Lock, recipe: Recipe, prompts: Mapping[str, str]) -> RecipeChange | None:
    """What has changed since a folder took on its recipe; None where it says the same.

    Raises:
        ConfigError: The folder's recipe names a setting that there is no longer.
    """
    before = lock.recipe
    old, new = tracked_values(before), tracked_values(recipe)
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    texts = [name for name, digest in prompts.items() if lock.prompts.get(name, digest) != digest]
    if not keys and not texts:
        return None
    return RecipeChange(
        lines=(
            *(f"{key}: {_shown(old.get(key))} -> {_shown(new.get(key))}" for key in keys),
            *(f"prompt {name}: another text" for name in texts),
        ),
        roles=frozenset((*_changed_roles(before, recipe), *(_role_of_prompt(name) for name in texts))),
        judged_again=any(key in JUDGED_AGAIN for key in keys),
        by_all=any(key not in JUDGED_AGAIN and not _is_of_a_role(key) for key in keys),
    )


def roles_behind(record: PreferenceRecord) -> frozenset[str]:
    """The roles that worked for a record or ended it, all of them where nobody knows which one did."""
    if record.error and record.error.node not in NODES:
        return frozenset(ROLES)
    found = {*record.usage, NODES[record.error.node] if record.error else ""}
    for attempt in record.attempts:
        worked = {
            "target": attempt.candidates, "judge": attempt.tool_calls or attempt.verdicts, "aggregator": attempt.knowledge,
            "critic": attempt.critique.score, "rewriter": attempt.prompts.version,
        }  # fmt: skip
        found.update(role for role, work in worked.items() if work)
    return frozenset(found.intersection(ROLES))


def judge_again(
    record: PreferenceRecord, recipe: Recipe, digest: str, verifiers: frozenset[str] = frozenset()
) -> PreferenceRecord | None:
    """What a record comes to under another threshold and another number of rounds.

    What a person decided stays, and so does a task that an error ended, unless a pair of its is good enough now.

    Args:
        record: Its attempts count, whatever recipe they were judged by.
        recipe: The new one.
        digest: Of the new one; a record that it changes carries it.
        verifiers: Tools of the recipe that can verify.

    Returns:
        The record as it is, or with another status; None where the task is to go on, or a person has to look at its pair.
    """
    if record.review is not None or record.status == "failed":
        return record
    best = best_pair_of(record.attempts)
    accepted = best is not None and is_accepted(recipe, record.attempts[best])
    ended = accepted or record.error or not recipe.rewrites or len(record.attempts) > recipe.loop.max_rounds
    if not ended or (best is not None and reasons_for_review(recipe, record.task.id, record.attempts[best], verifiers)):
        return None
    status = "accepted" if accepted else "exhausted"
    if (status, best) == (record.status, record.best_attempt):
        return record
    attempts = tuple(_measured(attempt, recipe) for attempt in record.attempts)
    return record.model_copy(update={"status": status, "best_attempt": best, "attempts": attempts, "recipe_digest": digest})


def _measured(attempt: Attempt, recipe: Recipe) -> Attempt:
    """An attempt that says whether its reward reaches the recipe's threshold, if it has one; nothing else of it changes."""
    if attempt.pair is None or attempt.critique.score is None:
        return attempt
    return attempt.model_copy(update={"shortfall": fall_short(recipe, attempt, None)})


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}..."


def _changed_roles(old: Recipe, new: Recipe) -> Iterator[str]:
    """A role that borrows a model changes with whom it borrows it from."""
    before, after = old.members(), new.members()
    for name in {**before, **after}:
        if name not in before or name not in after or _tracked(before[name]) != _tracked(after[name]):
            yield "target" if name.startswith("sampling.") else name.partition(".")[0]
    if _tracked(old.sampling) != _tracked(new.sampling):
        yield "target"


def _tracked(section: Section) -> Any:
    return drop_untracked(section, section.model_dump(mode="json"))


def _is_of_a_role(key: str) -> bool:
    """Whether a setting says how one role works; whether it works at all is everybody's business."""
    return key.partition(".")[0] in (*ROLES, "sampling") and not key.endswith(".enabled")


def _role_of_prompt(name: str) -> str:
    """Whose prompt it is; one that nobody else has was brought along by a judge."""
    return next((role for role, names in PLACEHOLDERS.items() if name in names), "judge")
