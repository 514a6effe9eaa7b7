"""The whole loop as one LangChain tool, for agents."""

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from anyprefer.config import Recipe
from anyprefer.runs.in_memory import synthesize
from anyprefer.types import PreferencePair, Reply, Task

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


class PreferenceArgs(BaseModel):
    """What an agent gives."""

    prompt: str = Field(description="The prompt to make a preference pair for.")
    reference: str | None = Field(default=None, description="A trusted answer, if there is one.")


def preference_tool(recipe: Recipe) -> "BaseTool":
    """A tool that makes a preference pair for a prompt and answers with it as JSON.

    Example:
        agent = create_agent("openai:gpt-4o", tools=[preference_tool(load_recipe("my.toml"))])
    """
    from langchain_core.tools import StructuredTool

    async def run(prompt: str, reference: str | None = None) -> str:
        async for record in synthesize([Task(prompt=prompt, reference=Reply.of(reference) if reference else None)], recipe):
            error = {"error": record.error.message} if record.error else {}
            reward = {} if error and record.pair is None else {"reward": record.best.reward if record.best else None}
            return json.dumps({"status": record.status, **error, **reward, **_texts(record.pair)})
        raise AssertionError("one task makes one record")

    return StructuredTool.from_function(
        coroutine=run, name="make_preference_pair", args_schema=PreferenceArgs,
        description="Make a preference pair (chosen, rejected) for a prompt: responses are sampled, judged and criticised.",
    )  # fmt: skip


def _texts(pair: PreferencePair | None) -> dict[str, str | float | None]:
    if pair is None:
        return {}
    chosen, rejected = pair.chosen, pair.rejected
    return {"chosen": chosen.text, "rejected": rejected.text, "chosen_score": chosen.score, "rejected_score": rejected.score}
