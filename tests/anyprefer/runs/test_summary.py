"""What a run's records add up to."""

from anyprefer.runs.index import Tally
from anyprefer.types import Attempt, Critique, PreferenceRecord, Prompts, Task, Verdict


def record(*scores: tuple[float, ...]) -> PreferenceRecord:
    verdicts = tuple(Verdict(candidate=i, analysis="", score=sum(each) / len(each), scores=each) for i, each in enumerate(scores))
    attempt = Attempt(round=0, prompts=Prompts(), candidates=(), verdicts=verdicts, critique=Critique(analysis="x", score=8))
    return PreferenceRecord(task=Task(prompt="q"), status="exhausted", attempts=(attempt,))


def test_flips_are_counted_between_best_and_worst_of_each_attempt() -> None:
    tally = Tally()
    tally.add(record((9, 8), (5, 5), (2, 1)))
    tally.add(record((9, 1), (5, 5), (2, 7)))
    tally.add(record((9,), (2,)))
    assert (tally.flips[True], tally.flips[False]) == (1, 1)
    assert tally.total == 3


def test_one_judgement_cannot_flip() -> None:
    tally = Tally()
    tally.add(record((9,), (2,)))
    tally.add(record())
    assert not tally.flips
