"""The review page over a real desk: who gets in, what is shown, what is noted."""

import asyncio
import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("jinja2", reason="needs the extra review")
from lineage import CARRIED, FROM_REFERENCE, RULED, SILENT, TWO_GENERATORS, make_attempt, make_record, side
from loopback import LoopbackModel, recipe_data
from rich.console import Console
from starlette.testclient import TestClient

from anyprefer.differences import marked
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe
from anyprefer.review.desk import Desk, open_desk
from anyprefer.review.web import ACTIONS, POLICY, make_app, serve
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.synthesizer import Waiting
from anyprefer.types import Cut, PreferencePair, PreferenceRecord

TOKEN = "t0ken"
CUT_PAIR = PreferencePair(chosen=side(2, "It is fort", 5), rejected=side(1, "It is 41.", 2))
CUT = make_record("cut", make_attempt(pair=CUT_PAIR))
CUTS = (Cut(role="judge", what="response 1", chars=900), Cut(role="critic", what="task", chars=9))
SHORTENED = make_record("shortened", make_attempt(cuts=CUTS))
EVIL = "<script>alert(1)</script> & <img src=x onerror=alert(1)>"


def with_page(folder: Path, work: Callable[[TestClient, Desk], None], prompt: str = "question") -> list[str]:
    """Run two tasks into review and open the page; gives what finishing did."""
    tasks = folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"{prompt} {i}"}) + "\n" for i in range(2)))
    finished: list[str] = []

    async def main(server: LoopbackModel) -> None:
        recipe = parse_recipe(recipe_data(server.url, review={"mode": "all"}))
        await run_session(Session(recipe, tasks, folder / "out"), Progress(Console(quiet=True)))
        async with open_desk(folder / "out") as desk:
            app = make_app(desk, TOKEN, lambda: finished.append("finished"))
            await asyncio.to_thread(work, TestClient(app, base_url="http://127.0.0.1"), desk)

    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: f"{EVIL} {choice}"
        asyncio.run(main(server))
    return finished


def test_only_who_has_the_token_gets_in(tmp_path: Path) -> None:
    def work(client: TestClient, desk: Desk) -> None:
        assert client.get("/").status_code == 403
        assert client.get("/?token=wrong").status_code == 403
        assert client.post("/decide", json={"task_id": "t0", "review": {"decision": "accept"}}).status_code == 403
        assert not desk.decisions
        entered = client.get(f"/?token={TOKEN}")
        assert entered.status_code == 200
        assert TOKEN not in str(entered.url)
        assert entered.headers["content-security-policy"] == POLICY
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400

    with_page(tmp_path, work)


def test_another_page_of_this_machine_decides_nothing(tmp_path: Path) -> None:
    def work(client: TestClient, desk: Desk) -> None:
        client.get(f"/?token={TOKEN}")
        choice = {"task_id": "t0", "review": {"decision": "accept"}}
        for origin in ("http://127.0.0.1:8000", "https://evil.example", "null"):
            assert client.post("/decide", json=choice, headers={"origin": origin}).status_code == 403
        assert not desk.decisions
        assert client.post("/decide", json=choice, headers={"origin": "http://127.0.0.1"}).status_code == 200

    with_page(tmp_path, work)


def test_decisions_undo_reload_and_finish(tmp_path: Path) -> None:
    def work(client: TestClient, desk: Desk) -> None:
        client.get(f"/?token={TOKEN}")

        def decide(task: str, review: Any) -> Any:
            return client.post("/decide", json={"task_id": task, "review": review})

        assert decide("t0", {"decision": "accept"}).json() == {"decided": 1, "items": 2}
        assert client.get("/items/0").json()["review"]["decision"] == "accept"
        assert decide("t1", {"decision": "reject"}).status_code == 422
        assert decide("t1", {"decision": "reject"}).json()["problem"] == "'reject' takes a reason"
        assert "does not wait" in decide("t7", {"decision": "accept"}).json()["problem"]
        assert decide("t0", None).json()["decided"] == 0
        assert client.get("/items/9").status_code == 404
        assert client.post("/finish", json={}).json() == {"applied": 0}

    assert with_page(tmp_path, work) == ["finished"]


def test_text_of_models_is_never_markup(tmp_path: Path) -> None:
    def work(client: TestClient, desk: Desk) -> None:
        client.get(f"/?token={TOKEN}")
        html = client.get("/items/0").json()["html"]
        assert "&lt;script&gt;" in html
        for dangerous in ("<script", "<img", "onerror=alert(1)>"):
            assert dangerous not in html
        page = client.get("/").text
        assert page.count("<script") == 1

    with_page(tmp_path, work, prompt=EVIL)


def empty_page() -> str:
    """The page where nothing waits."""
    with TestClient(make_app(cast("Desk", Shelf([])), TOKEN, lambda: None), base_url="http://127.0.0.1") as client:
        return client.get(f"/?token={TOKEN}").text


def test_every_action_has_a_button_with_its_key_and_a_word_of_help() -> None:
    page = empty_page()
    for action in ACTIONS:
        words = (f'data-action="{action.name}"', f'aria-keyshortcuts="{" ".join(action.keys)}"', f'title="{action.says}"')
        assert (
            f'<button type="button" {" ".join(words)}>{action.label} <kbd aria-hidden="true">{action.keys[0]}</kbd></button>'
            in page
        )
    names = {"accept", "swap", "edit", "reject", "undo", "previous", "next", "skip", "finish"}
    assert {action.name for action in ACTIONS} == names
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    for action in ACTIONS:
        assert f"<dd>{action.says}</dd>" in page


def test_a_key_and_its_button_do_the_same_thing_by_one_way() -> None:
    script = files("anyprefer.review").joinpath("static", "review.js").read_text()
    (idle,) = re.findall(r"const isIdle = \{(.*?)\n\};", script, re.DOTALL)
    assert set(re.findall(r"(\w+): \(\) =>", idle)) == {action.name for action in ACTIONS}
    done = "".join(re.findall(r"const (?:decisions|moves|actions) = \{(.*?)\};", script, re.DOTALL))
    assert {action.name for action in ACTIONS} <= set(re.findall(r"\w+", done))
    assert script.count("actions[name]") == 1, "keys and buttons both come through here"
    assert (script.count('ask("/decide"'), script.count('ask("/finish"')) == (1, 1)


def test_the_page_fits_a_phone() -> None:
    page = empty_page()
    assert 'name="viewport" content="width=device-width, initial-scale=1' in page
    assert not re.search(r"maximum-scale|user-scalable", page), "whoever needs larger letters can zoom"
    assert not re.search(r"\son\w+=|<script>|style=", page), "the policy would refuse it"


def test_a_page_for_the_network_is_called_by_one_name_alone() -> None:
    with TestClient(make_app(cast("Desk", Shelf([])), TOKEN, lambda: None, "desk.lan")) as client:
        assert client.get(f"/?token={TOKEN}", headers={"host": "desk.lan:8000"}, follow_redirects=False).status_code == 303
        assert client.get(f"/?token={TOKEN}", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("host", "port", "problem"),
    [
        ("0.0.0.0", 0, "give the one that the other device knows it by"), ("127.0.0.1", None, "Address already in use"),
        ("192.0.2.1", 0, "cannot listen on '192.0.2.1', port 0"),
    ],
)  # fmt: skip
def test_where_nothing_can_listen_is_said(host: str, port: int | None, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = taken.getsockname()[1] if port is None else port
        with pytest.raises(ConfigError, match=problem):
            asyncio.run(serve(cast("Desk", Shelf([])), given, lambda line: None, host))


@dataclass(frozen=True)
class Shelf:
    """What the page asks of a desk, without a run behind it."""

    items: list[Waiting]
    decisions: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path("run")


def item_of(record: PreferenceRecord) -> str:
    """How the page shows the pair of a record, as text."""
    assert record.best is not None
    waiting = Waiting(record.task, record.best, {"reasons": ("every pair is reviewed",)}, record.attempts)
    app = make_app(cast("Desk", Shelf([waiting])), TOKEN, lambda: None)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.get(f"/?token={TOKEN}")
        shown: str = client.get("/items/0").json()["html"]
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub("</?mark>", "", shown)).split())


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        (
            TWO_GENERATORS,
            [
                "chosen 9 of 10 response 1 of round 1, openai:big; calculator: 4 of 5 votes It is 42. Thoughts, 24 characters",
                "Judge analysis 0 calculator speaks for it, 4 of 5 votes 6*7 = 42",
                "rejected 2 of 10 response 2 of round 1, openai:small It is 41. Judge analysis 1 calculator speaks against it",
                "Certainty 80 %",
            ],
        ),
        (
            FROM_REFERENCE,
            [
                "chosen no score the task&#39;s reference Forty-two, that is 42. rejected",
                "rejected 2 of 10 response 2 of round 1, openai:small It is 41. Judge analysis 1",
            ],
        ),
        (
            CARRIED,
            [
                "chosen 9 of 10 response 1 of round 1, openai:big; calculator: 4 of 5 votes It is 42. Thoughts, 24 characters",
                "Judge judged again calculator speaks for it, 4 of 5 votes 6*7 = 42",
                "rejected 1 of 10 response 5 of round 2, openai:small It is 44. Judge off by two calculator speaks against it",
            ],
        ),
        (
            RULED,
            [
                "Critic reward 7.25/10 (grades: chosen 9, rejected 2.5) fine",
                "Criteria on which they differ names the &lt;unit&gt;: chosen met (42 apples), rejected unknown",
                "What stood in the way: low reward, cut off: The reward is below the threshold.",
                "chosen no score response 1 of round 1",
            ],
        ),
        (SHORTENED, ["Shortened for who read it: critic: task, judge: response."]),
        (SILENT, ["Judge analysis 0 calculator looked at 0 rejected"]),
        (CUT, ["chosen 5 of 10 response 3 of round 1, openai:small, cut off It is fort Judge analysis 2"]),
    ],
)
def test_a_side_says_whose_it_is_and_what_was_found_about_it(record: PreferenceRecord, parts: list[str]) -> None:
    shown = item_of(record)
    assert [part for part in parts if part not in shown] == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("the answer is 4", "the answer is 5", ("the answer is <mark>4</mark>", "the answer is <mark>5</mark>")),
        ("a <b>", "a <i>", ("a &lt;<mark>b</mark>&gt;", "a &lt;<mark>i</mark>&gt;")),
        ("same", "same", ("same", "same")),
        ("", "new", ("", "<mark>new</mark>")),
        ("one\n\ntwo  three.", "one two four.", ("one\n\ntwo  <mark>three</mark>.", "one two <mark>four</mark>.")),
        ("a b c d ", "a b e d", ("a b <mark>c</mark> d ", "a b <mark>e</mark> d")),
        ("x " + "y " * 3000 + "z", "x " + "w " * 3000 + "z", tuple(f"x <mark>{f'{c} ' * 2999}{c}</mark> z" for c in "yw")),
    ],
)
def test_differences_are_marked(first: str, second: str, expected: tuple[str, str]) -> None:
    assert marked(first, second) == expected
