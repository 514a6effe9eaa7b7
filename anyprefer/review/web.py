"""The review page: a local web application over a `Desk`. It listens on loopback, unless told otherwise, and asks for a token."""

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from anyprefer.agents.pooling import evidence_about, evidence_behind, verdict_about
from anyprefer.differences import marked
from anyprefer.errors import AnypreferError, ConfigError
from anyprefer.review.desk import Desk
from anyprefer.runs.naming import (
    ENDINGS,
    name_certainty,
    name_difference,
    name_finding,
    name_reasons,
    name_reward,
    name_score,
    name_side,
    name_votes,
)
from anyprefer.runs.synthesizer import Waiting
from anyprefer.types import Review, Side

COOKIE = "anyprefer_review"
LOOPBACK = "127.0.0.1"

POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
"""Nothing that a model wrote can load or send anything, should it ever get past the escaping."""


@dataclass(frozen=True)
class Action:
    """Something that a reviewer can do: a button of the page, and its keys."""

    name: str
    label: str
    keys: tuple[str, ...]
    """As the browser calls them; the first one stands on the button."""
    says: str


ACTIONS = (
    Action("accept", "Accept", ("a",), "record the pair as it is"),
    Action("swap", "Swap", ("s",), "exchange the sides: the judge had them the wrong way round"),
    Action("edit", "Edit", ("e",), "write a side anew"),
    Action("reject", "Reject", ("r",), "drop the pair, for a reason"),
    Action("undo", "Undo", ("u",), "take the last decision back"),
    Action("previous", "Back", ("k", "ArrowLeft"), "look at the pair before this one"),
    Action("next", "Next", ("j", "ArrowRight"), "look at the pair after this one"),
    Action("skip", "Skip", ("n",), "go to the next pair that is undecided"),
    Action("finish", "Finish", ("q",), "record what was decided, and close the page"),
)
"""In the order of the buttons."""


class Choice(BaseModel):
    """What the page sends."""

    task_id: str
    review: Review | None
    """None takes the decision back."""


class TokenGuard(BaseHTTPMiddleware):
    """Lets in who knows the token; the first visit carries it in the address and gets a cookie.

    Another page of this machine has the cookie sent along, since cookies know no ports; so nothing is decided from there.
    """

    def __init__(self, app: Any, token: str) -> None:
        super().__init__(app)
        self._token = token

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Check, and add the headers that keep the page to itself."""
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers["host"]:
            response: Response = Response("this is asked from another page", status_code=403)
        elif _same(request.query_params.get("token"), self._token):
            response = RedirectResponse(request.url.path, status_code=303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        elif not _same(request.cookies.get(COOKIE), self._token):
            response = Response("give the address that `anyprefer review` printed, with its token", status_code=403)
        else:
            response = await call_next(request)
        response.headers.update({
            "Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        })  # fmt: skip
        return response


@dataclass(frozen=True)
class Pages:
    """The page and what it asks for."""

    desk: Desk
    finish: Callable[[], None]
    templates: Environment

    async def overview(self, request: Request) -> Response:
        """The page itself, with every item's state."""
        rows = [_state(self.desk, i) for i in range(len(self.desk.items))]
        return HTMLResponse(self.templates.get_template("page.html").render(items=rows, folder=self.desk.folder.name))

    async def item(self, request: Request) -> Response:
        """One item, as HTML in JSON."""
        number = int(request.path_params["number"])
        if number >= len(self.desk.items):
            return JSONResponse({"problem": "there is no such item"}, status_code=404)
        html = self.templates.get_template("item.html").render(_details(self.desk, number))
        return JSONResponse({**_state(self.desk, number), "html": html})

    async def decide(self, request: Request) -> Response:
        """Note a decision, or take one back."""
        try:
            choice = Choice.model_validate_json(await request.body())
            if choice.review is None:
                self.desk.undo(choice.task_id)
            else:
                self.desk.decide(choice.task_id, choice.review)
        except ValidationError as error:
            said = (str(one["msg"]).removeprefix("Value error, ") for one in error.errors())
            return JSONResponse({"problem": "; ".join(said)}, status_code=422)
        except AnypreferError as error:
            return JSONResponse({"problem": str(error)}, status_code=422)
        return JSONResponse({"decided": len(self.desk.decisions), "items": len(self.desk.items)})

    async def done(self, request: Request) -> Response:
        """The reviewer is done."""
        self.finish()
        return JSONResponse({"applied": len(self.desk.decisions)})


def make_app(desk: Desk, token: str, finish: Callable[[], None], host: str = LOOPBACK) -> Starlette:
    """The application.

    Args:
        desk: Open.
        token: Whoever has it may decide.
        finish: Called when the reviewer is done; the caller stops the server and applies the decisions.
        host: What the page is called besides the names of loopback.
    """
    templates = Environment(loader=PackageLoader("anyprefer.review"), autoescape=True)
    templates.globals.update(name_finding=name_finding, actions=ACTIONS)
    pages = Pages(desk, finish, templates)
    routes = [
        Route("/", pages.overview), Route("/items/{number:int}", pages.item), Route("/decide", pages.decide, methods=["POST"]),
        Route("/finish", pages.done, methods=["POST"]),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]  # fmt: skip
    hosts = [LOOPBACK, "localhost", host]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(TokenGuard, token=token)]
    return Starlette(routes=routes, middleware=guards)


async def serve(desk: Desk, port: int, say: Callable[[str], None], host: str = LOOPBACK) -> bool:
    """Serve the page until the reviewer is done, which is True, or a signal comes, which is False.

    Args:
        desk: Open.
        port: 0 takes a free one.
        say: Told the address.
        host: A name or address of this machine; the page can be reached under it alone.

    Raises:
        ConfigError: Nothing can listen there.
    """
    finished = False

    def finish() -> None:
        nonlocal finished
        finished = True
        server.should_exit = True

    token = secrets.token_urlsafe(24)
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(f"cannot listen on {host!r}, port {port}: {error.strerror}; give another --port or --host") from error
    if listener.getsockname()[0] == "0.0.0.0":  # noqa: S104 - this is what refuses it
        listener.close()
        raise ConfigError(f"--host {host!r} is every address of this machine: give the one that the other device knows it by")
    config = uvicorn.Config(make_app(desk, token, finish, host), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    say(f"{len(desk.items)} pairs at http://{host}:{listener.getsockname()[1]}/?token={token}")
    await server.serve(sockets=[listener])
    return finished


def _state(desk: Desk, number: int) -> dict[str, Any]:
    item = desk.items[number]
    review = desk.decisions.get(item.task.id)
    return {"number": number, "task_id": item.task.id, "review": review.model_dump(mode="json") if review else None}


def _details(desk: Desk, number: int) -> dict[str, Any]:
    """What the page shows of an item; every text is escaped by the template, or here where differences are marked."""
    item = desk.items[number]
    pair, attempt = item.attempt.pair, item.attempt
    assert pair is not None  # noqa: S101 - only pairs are reviewed
    texts = marked(pair.chosen.text, pair.rejected.text)
    sides = [_side(item, side, text) for side, text in zip((pair.chosen, pair.rejected), texts, strict=True)]
    return {
        "task": item.task, "attempt": attempt, "reasons": item.request["reasons"], "certainty": name_certainty(pair.certainty),
        "differences": [name_difference(one) for one in pair.differences], "reward": name_reward(attempt.critique),
        "shortfall": attempt.shortfall and f"{name_reasons(attempt.shortfall)}: {attempt.shortfall.text}",
        "sides": dict(zip(("chosen", "rejected"), sides, strict=True)), "number": number, "count": len(desk.items),
        "shared": [one for one in evidence_behind(item.attempts, attempt) if one.candidate is None],
    }  # fmt: skip


def _side(item: Waiting, side: Side, text: Markup) -> dict[str, Any]:
    """A side with whose it is, and what judge and tools said of it; an earlier round may have sampled it."""
    attempt = item.attempt
    candidate = next((found for one in item.attempts if (found := one.candidate_of(side))), None)
    evidence = evidence_about(item.attempts, attempt, side)
    return {
        "text": text, "score": name_score(side.score), "author": name_side(side, candidate.model if candidate else None),
        "thoughts": side.output.reasoning, "ending": ENDINGS[candidate.ending] if candidate else "",
        "verdict": verdict_about(item.attempts, attempt, side), "evidence": evidence, "votes": name_votes(evidence),
    }  # fmt: skip


def _same(given: str | None, token: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), token.encode())
