"""A page with the browser of records, with records of every sort in it, and what its tests do in Chromium."""

import re
from contextlib import contextmanager
from typing import Any

from lineage import side

from anyprefer.report.archive import write_archive
from anyprefer.report.assets import read_script, read_style, script_source
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Evidence,
    Failure,
    Finding,
    Image,
    Knowledge,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    RoleUsage,
    Task,
    Text,
    ToolCall,
    Verdict,
)  # fmt: skip

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A run</title>
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; style-src 'unsafe-inline'; script-src {{ source }}; img-src data:">
<style>{{ style }}</style></head>
<body><header><h1>A run</h1><button type="button" id="theme" hidden></button></header>
<nav class="sections"><ul><li><a href="#summary">Summary</a></li></ul></nav>
<main><section id="summary"><a id="case" href="#record=t77">A case</a></section>
{% include "browser.html" %}</main>
"""
NUM_RECORDS = 130
EVIL = "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 1'>"
BIG_SEED = 2**63 + 1
PICTURE = Image(sha256="ca" * 32, media_type="image/png")


def failed_call():
    return Evidence(call=ToolCall(tool="python", candidate=1), finding=Finding(content="boom"), ok=False, seconds=0.5)


def attempt(number, place=0, text="", **changes):
    """A round whose numbers follow from the record's."""
    chosen, rejected = f"Apples cost {number} euros {text}", f"Apples cost {number + 1} euros {text}"
    verdicts = (
        Verdict(candidate=0, analysis="correct sum", score=9, scores=(8, 10)),
        Verdict(candidate=1, analysis="off by one", score=9 - number % 5 - 1),
    )
    values: dict[str, Any] = {
        "round": place, "prompts": Prompts(target=f"Think {'twice' if place else 'once'}." if place else "", version=place),
        "candidates": (Candidate(index=0, output=chosen, model="alpha"), Candidate(index=1, output=rejected, ending="cut")),
        "tool_calls": (ToolCall(tool="python", args={"code": "print(1)"}, candidate=1, why="to be sure"),),
        "evidence": (failed_call(),) if number % 2 else (),
        "knowledge": Knowledge(text="prices are known"), "verdicts": verdicts,
        "pair": PreferencePair(chosen=side(0, chosen, 9, place), rejected=side(1, rejected, verdicts[1].score, place)),
        "critique": Critique(analysis="a clear contrast", score=number % 10 + 1),
    }  # fmt: skip
    return Attempt(**{**values, **({} if number % 2 else {"tool_calls": ()}), **changes})


def make_record(number):
    rounds = number % 3 + 1
    return PreferenceRecord(
        task=Task(
            id=f"t{number}", prompt=f"What do {number} apples cost?", reference=f"{number} euros", metadata={"n": BIG_SEED}
        ),
        status="accepted",
        attempts=tuple(attempt(number, place) for place in range(rounds)),
        best_attempt=rounds - 1,
        models={"target": "alpha"}, usage={"target": RoleUsage(calls=2, prompt_tokens=1234, cost_usd=0.25)},
        prompt_hashes={"sample": "ab" * 32}, cost_usd=0.25, seed=BIG_SEED, recipe_digest="cd" * 32,
    )  # fmt: skip


def special_records():
    """Every way in which a record may be unlike the others."""
    base = make_record(1)
    none = attempt(4, pair=None, critique=Critique(analysis="No contrast at all."))
    yield PreferenceRecord(
        task=Task(id="failed", prompt="fails"),
        status="failed",
        error=Failure(kind="ModelCallError", message="timed out", node="judge"),
    )
    yield PreferenceRecord(task=Task(id="pairless", prompt="never"), status="exhausted", attempts=(none,))
    messages = (Message(role="system", content="Be kind."), Message(role="user", content=(Text(text="Describe it."), PICTURE)))
    yield base.model_copy(update={"task": Task(id="image", prompt=messages)})
    reviews = [Review(decision="swap", reviewer="Ann", reason="the wrong way round"), Review(decision="edit", chosen="by hand")]
    for review in (*reviews, Review(decision="reject", reason="both are bad")):
        status = "rejected" if review.decision == "reject" else "accepted"
        yield base.model_copy(update={"task": Task(id=review.decision, prompt="x"), "review": review, "status": status})
    yield base.model_copy(update={"task": Task(id="long", prompt="long"), "attempts": (attempt(1, text="word " * 20000),) * 2})
    evil = f"{EVIL} \0 \u202e abc"
    task = Task(id=f"{EVIL}&'\"#=%", prompt=f"{EVIL} prompt \u202e", reference=evil, metadata={EVIL: EVIL})
    hostile = attempt(
        1, text=evil, knowledge=Knowledge(text=evil), tool_calls=(ToolCall(tool=EVIL, args={EVIL: EVIL}, why=evil),),
        evidence=(Evidence(call=ToolCall(tool=EVIL, args={EVIL: [EVIL]}), finding=Finding(content=evil), seconds=1),),
        critique=Critique(analysis=evil),
    )  # fmt: skip
    yield base.model_copy(
        update={
            "task": task,
            "attempts": (attempt(1), hostile),
            "best_attempt": 1,
            "models": {EVIL: EVIL},
            "prompt_hashes": {EVIL: EVIL},
        }
    )
    yield base.model_copy(update={"task": Task(id="surrogate", prompt="half \ud83d")})


def write_page(path, records, classes=None):
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(loader=jinja2.PackageLoader("anyprefer.report"), autoescape=True)
    with path.open("w", encoding="utf-8") as file:
        file.write(environment.from_string(PAGE).render(style=Markup(read_style()), source=script_source()))
        write_archive(records, file, classes=classes)
        file.write(f"<script>{read_script()}</script></body></html>")


@contextmanager
def opened(chromium, address, **options):
    """The page, ready; nothing may go wrong in it and nothing but itself may be asked for."""
    page = chromium.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.wait_for_selector("#pairs:not([aria-busy])", state="attached")
    yield page
    assert not problems
    assert {url.partition("#")[0] for url in requests} <= {address.partition("#")[0]}
    page.close()


def expect_count(page, number):
    from playwright.sync_api import expect

    expect(page.locator("#pairs-count")).to_have_text(re.compile(rf"^{number} of 139 records match"))


def expect_open(page, name):
    from playwright.sync_api import expect

    expect(page.locator("#pairs-record-title code")).to_have_text(name)
    expect(page.locator("#pairs-record")).to_be_visible()
