"""A tool of one's own, made known by its name: it says whether a response names the unit that the task asks for.

python examples/own_tool/main.py [--recipe recipes/text/quickstart.toml]
"""

import argparse
import asyncio
from pathlib import Path
from typing import Annotated

from anyprefer import Candidate, Task, load_recipe, register_tool, synthesize, tool


@register_tool
@tool
def names_unit(unit: Annotated[str, "The unit to look for, such as km."], candidate: Candidate) -> bool:
    """Checks that a response names a unit; use it where the task asks for a quantity."""
    return unit in candidate.text


async def main(recipe: Path) -> None:
    """Make one record, and print what the tool found about each response."""
    tools = ('tools.names = ["names_unit"]', 'tools.choose = "arguments"')
    task = Task(prompt="A train takes 3 hours at 80 km an hour. How far does it go?", reference="240 km")
    async for record in synthesize([task], load_recipe(recipe, tools)):
        print(f"{record.task.text}: {record.status}")
        for attempt in record.attempts:
            for found in attempt.evidence:
                print(f"  {found.tool} on response {found.candidate + 1}: {found.finding.supports}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/text/quickstart.toml"))
    asyncio.run(main(parser.parse_args().recipe))
