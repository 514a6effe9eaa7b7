"""Records one by one in plain Python; `notebook.ipynb` beside it does the same in a notebook.

python examples/library/main.py [--recipe recipes/text/quickstart.toml]
"""

import argparse
import asyncio
from pathlib import Path

from anyprefer import Task, load_recipe, synthesize


async def main(recipe: Path) -> None:
    """Make two records."""
    tasks = [Task(prompt="What is 12 * 12?", reference="144"), Task(prompt="Name a prime between 20 and 30.")]
    async for record in synthesize(tasks, load_recipe(recipe)):
        print(f"{record.task.text}: {record.status}")
        if record.pair:
            print(f"  chosen:   {record.pair.chosen.text!r}\n  rejected: {record.pair.rejected.text!r}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/text/quickstart.toml"))
    asyncio.run(main(parser.parse_args().recipe))
