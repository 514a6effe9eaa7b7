"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

RecipeArg = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (TOML).")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a recipe key.")]
