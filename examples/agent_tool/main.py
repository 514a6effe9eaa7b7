"""An agent that makes preference pairs when it is asked to: the loop as a LangChain tool.

OPENAI_API_KEY=... python examples/agent_tool/main.py [--model gpt-4o] [--base-url URL] [--recipe RECIPE] [REQUEST]
"""

import argparse
import asyncio
from pathlib import Path

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from anyprefer import load_recipe, preference_tool


async def main(recipe: Path, model: ChatOpenAI, request: str) -> None:
    """Ask, and print every step."""
    agent = create_agent(model, tools=[preference_tool(load_recipe(recipe))])
    result = await agent.ainvoke({"messages": [("user", request)]})
    for message in result["messages"]:
        calls = ", ".join(f"{call['name']}({call['args']})" for call in getattr(message, "tool_calls", ()))
        print(f"{message.type}: {calls or message.content}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/text/quickstart.toml"))
    parser.add_argument("--model", default="gpt-4o")
    parser.add_argument("--base-url")
    parser.add_argument("request", nargs="?", default="Make a preference pair for the prompt 'What is 12 * 12?'")
    given = parser.parse_args()
    asyncio.run(main(given.recipe, ChatOpenAI(model=given.model, base_url=given.base_url), given.request))
