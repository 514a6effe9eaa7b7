"""Another package adds a kind of task: its rows, its sampler, its outputs and its columns go through the whole loop."""

import asyncio

import pytest
from loopback import LoopbackModel, prompt_of, recipe_data

from anyprefer.agents.team import build_team
from anyprefer.applications.base import Column
from anyprefer.applications.registry import APPLICATIONS, find_application, register_application
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.data.tasks import load_tasks
from anyprefer.errors import ConfigError
from anyprefer.graph.builder import build_graph
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Task, Text, Trajectory

WALKS = """
from anyprefer.applications.base import Column
from anyprefer.types import Candidate, Task, Text, Trajectory


class WalkSampler:
    async def sample(self, task, prompts, round_, earlier=()):
        lengths = range(1, 4)
        return tuple(
            Candidate(index=i, output=Trajectory(actions=((1.0,),) * n, facts={"fell": n > 2}), model="policy")
            for i, n in enumerate(lengths)
        )


class Walks:
    name = "walks"

    def read_task(self, where, row, folder, blobs=None):
        return Task(id=str(row["walk"]), prompt=f"Walk to {row['goal']}.", application=self.name)

    def sampler(self, team):
        return WalkSampler()

    def show(self, output, *, reasoning=False):
        return (Text(text=f"a walk of {len(output.actions)} steps; fell: {output.facts['fell']}"),)

    def same(self, a, b):
        return a.actions == b.actions

    def columns(self, record):
        steps = len(record.pair.chosen.output.actions)
        return {"num_steps": Column(kind="int64", meaning="Steps of the chosen walk.", value=steps)}

    def trainer(self):
        raise NotImplementedError
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A real distribution with an entry point on the path."""
    site = tmp_path / "site"
    info = site / "walks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: walks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[anyprefer.applications]\nwalks = walks_package:Walks\n")
    (site / "walks_package.py").write_text(WALKS)
    monkeypatch.syspath_prepend(site)


def synthesize(name, rows, tmp_path):
    """One task through the loop, with a real judge model."""
    path = tmp_path / "tasks.jsonl"
    path.write_text(rows)
    (task,) = load_tasks(path, read=find_application(name).read_task)
    with LoopbackModel() as model:
        recipe = parse_recipe(recipe_data(model.url, application=name, sampling={"num_candidates": 3}))
        model.replies["ScoreSheet"] = lambda body, choice: {"analyses": ["x"] * 3, "scores": [9, 5, 2]}

        async def main():
            async with Backends(recipe) as backends:
                team = build_team(recipe, backends, MemoryCalls())
                return (await build_graph(team).compile().ainvoke({"task": task}))["record"]

        return asyncio.run(main()), [prompt_of(body) for body in model.requests]


def test_an_installed_application_is_found_by_name_and_goes_through_the_loop(installed, tmp_path):
    record, prompts = synthesize("walks", '{"walk": 1, "goal": "the door"}\n', tmp_path)
    assert record.status == "accepted"
    assert record.pair.chosen.output == Trajectory(actions=((1.0,),), facts={"fell": False})
    assert (record.pair.rejected.score, record.model_of(record.pair.rejected)) == (2, "policy")
    assert all("a walk of 3 steps; fell: True" in prompt for prompt in prompts)
    assert find_application("walks").columns(record)["num_steps"] == Column(
        kind="int64", meaning="Steps of the chosen walk.", value=1
    )


class Shouts:
    """Registered by a notebook: replies that are compared without regard to case."""

    def __init__(self):
        self.text = find_application("text")

    def read_task(self, where, row, folder, blobs=None):
        return Task(prompt=row["say"])

    def sampler(self, team):
        return self

    async def sample(self, task, prompts, round_, earlier=()):
        return tuple(Candidate(index=i, output=word) for i, word in enumerate(("hey", "HEY", "Hey")))

    def show(self, output, *, reasoning=False):
        return (Text(text=output.text),)

    def same(self, a, b):
        return a.text.lower() == b.text.lower()


def test_a_registered_application_says_what_equal_means(tmp_path):
    register_application("shouts", Shouts)
    try:
        record, _ = synthesize("shouts", '{"say": "something"}\n', tmp_path)
        assert record.pair is None
        assert "same text" in record.attempts[0].critique.analysis
    finally:
        del APPLICATIONS.registered["shouts"]


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="application = 'txt': there is no such application; did you mean 'text'"):
        find_application("txt")
    with pytest.raises(ConfigError, match="'text' is built in"):
        register_application("text", Shouts)
