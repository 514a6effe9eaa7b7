"""What each provider can do, as the conformance suite measures it; run as a script, it prints the table for the docs."""

CAPABILITIES: dict[str, str] = {
    "text": "plain replies",
    "system": "system messages",
    "several samples": "five candidates of one prompt",
    "seed": "seeded sampling",
    "JSON schema": "replies held to a schema",
    "JSON object": "replies held to be JSON",
    "log-probabilities": "how sure a judge is of each digit",
    "tool calls": "tools of a task, calls and results both ways",
    "reasoning": "thoughts apart from answers",
    "usage": "tokens as the endpoint counts them",
    "cut off": "the length limit is noticed",
    "held back": "the provider's filter is noticed",
    "odd ending": "any other ending is no good one",
}

FAULTS: dict[str, str] = {"401": "run", "402": "run", "404": "run", "429": "retried", "500": "retried", "529": "retried"}
"""Status -> what it means, for every provider; half a body, an empty one and a reply that does not come are retried as well."""

_BY_PROTOCOL = {
    "text": "yes", "system": "yes", "several samples": "one request", "seed": "yes", "JSON schema": "yes", "JSON object": "yes",
    "log-probabilities": "yes", "tool calls": "yes", "reasoning": "yes", "usage": "yes", "cut off": "yes", "held back": "yes",
    "odd ending": "yes",
}  # fmt: skip

CONFORMANCE: dict[str, dict[str, str]] = {
    "openai": _BY_PROTOCOL,
    "vllm": _BY_PROTOCOL,
    "chat:openai": {**_BY_PROTOCOL, "reasoning": "no"},
    "chat:anthropic": {
        **_BY_PROTOCOL, "several samples": "one each", "seed": "no", "JSON object": "as a schema", "log-probabilities": "no",
    },
    "chat:google_genai": {**_BY_PROTOCOL, "JSON object": "as a schema", "log-probabilities": "no"},
    "chat:ollama": {**_BY_PROTOCOL, "several samples": "one each"},
}  # fmt: skip
"""Provider -> capability -> how: what it cannot do is done without (`no`), or in another way."""


EMBEDDED: dict[str, str] = {
    what: how
    for what, how in _BY_PROTOCOL.items()
    if what not in ("tool calls", "reasoning", "held back", "odd ending")  # the small model of the tests has no use for them
}
"""Likewise of `llamacpp:`, measured with a real model."""


def markdown() -> str:
    """The table for people; `-` is not measured."""
    columns = {**CONFORMANCE, "llamacpp": EMBEDDED}
    head = ["capability", *(f"`{name}:`" for name in columns)]
    rows = [[what, *(one.get(what, "-") for one in columns.values())] for what in CAPABILITIES]
    faults = {f"status {status}": meaning for status, meaning in FAULTS.items()}
    faults |= dict.fromkeys(("half a body", "an empty body", "no answer in time"), "retried")
    rows += [[what, *(meaning for _ in CONFORMANCE), "-"] for what, meaning in faults.items()]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - what the script is for
