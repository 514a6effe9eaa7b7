"""Run folders that earlier code has left in `fixtures/`, and the scripted server that they were made with.

Their recipes name no endpoint, so that no address stands in a lock or in a journal's keys: OPENAI_BASE_URL leads to the server.
"""

import random
import re
import shutil
from pathlib import Path

from loopback import Body, LoopbackModel, prompt_of, responses_in

FIXTURES = Path(__file__).parent / "fixtures"


def copy_folder(name: str, to: Path) -> Path:
    """A copy of a fixture to work in: its recipe, its tasks and the run folder `out`."""
    return shutil.copytree(FIXTURES / name, to / name)


def play(model: LoopbackModel) -> None:
    """Answer as the server did that the folders were made with, going by the tag that every prompt begins with."""
    model.replies |= {
        None: _calculate, "ToolChoice": _choose_both, "ScoreSheet": _score, "PairReview": _review,
    }  # fmt: skip


def tag_of(body: Body) -> str:
    """Which task a request is about."""
    found = re.search(r"\[(\w+)\]", "".join(message["content"] for message in body["messages"]))
    assert found is not None, body
    return found[1]


def _calculate(body: Body, choice: int) -> str:
    first, second = map(int, re.findall(r"(\d+) \* (\d+)", prompt_of(body))[0])
    luck = random.Random(f"{body['model']}{body['messages']}{body.get('seed')}{choice}")
    given = first * second + luck.choice((0, 0, 1, -1, 2, 10))
    opening = luck.choice(("Easy:", "We get", "Let me see.", "So", "Well,", "Clearly"))
    return f"{opening} {first} * {second} = {given}. The answer is {given}."


def _choose_both(body: Body, choice: int) -> Body:
    names = ("calculator", "consensus")
    return {"calls": [{"tool": name, "why": "to check the arithmetic", "args": {}} for name in names]}


def _score(body: Body, choice: int) -> Body | str:
    if tag_of(body) == "failed":
        return "I would rather not say."
    texts = responses_in(body)
    return {"analyses": ["about it"] * len(texts), "scores": [random.Random(text).randint(1, 10) for text in texts]}


def _review(body: Body, choice: int) -> Body:
    poor = tag_of(body) == "exhausted" or (tag_of(body) == "again" and body["seed"] % 2 == 0)  # the seed of its first round
    return {"preferred_analysis": "good", "dispreferred_analysis": "bad", "score": 3 if poor else 9}
