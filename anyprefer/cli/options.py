"""Arguments that several verbs share, and those that a verb has too many of to spell them out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

RecipeArg = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (TOML).")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a recipe key.")]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="ROLE=COLUMN,...", help="What columns mean whose names do not say it."),
]
ChangedTasks = Annotated[
    Literal["keep", "redo"] | None,
    typer.Option(help="Records of changed tasks: keep them, or do the tasks again. Without it, such a run is refused."),
]
Reuse = Annotated[
    Path | None, typer.Option(metavar="DIR", help="For a new folder: take over the completed calls of another run.")
]
JudgeExisting = Annotated[
    bool, typer.Option("--judge-existing", help="Sample nothing: judge the chosen and rejected of each row.")
]
StoreUrl = Annotated[str | None, typer.Option(envvar="ANYPREFER_STORE", help="postgres://... for journal and checkpoints.")]
