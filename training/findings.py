"""What `anyprefer analyze` left for a dataset card: a section of Markdown and the map, if they are about the exported pairs."""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError

logger = logging.getLogger(__name__)

RESULT, SECTION, MAP = "analysis.json", "card.md", "map.png"
"""The findings for programs; the card's section; the map that the section shows, where there is one."""
BEGIN, END = "<!-- analysis -->", "<!-- /analysis -->"
"""Stand around the section in a card, so that it can be replaced."""


@dataclass(frozen=True)
class CardFindings:
    """What goes into the card's folder."""

    section: str
    map: Path | None


NOTHING = CardFindings("", None)


def read_findings(run_dir: Path, digest: str) -> CardFindings:
    """The findings about exactly these pairs; nothing where there are none, or others were looked at.

    Args:
        run_dir: The run folder.
        digest: Of the pairs (`PairDigest`).

    Raises:
        RunFolderError: They cannot be read.
    """
    folder = RunDir(run_dir).analysis
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if result.get("digest") != digest:
            logger.warning("%s is about other pairs and stays out of the card: run `anyprefer analyze` again", folder / RESULT)
            return NOTHING
        section = (folder / SECTION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return NOTHING
    except (OSError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"cannot read {str(folder)!r}: {error}; run `anyprefer analyze` again, or remove the folder"
        ) from error
    return CardFindings(section, folder / MAP if (folder / MAP).is_file() else None)


def replace_section(card: str, section: str) -> str | None:
    """A card with another section of findings; None where it has no place for one."""
    found = re.search(f"{re.escape(BEGIN)}.*?{re.escape(END)}", card, re.DOTALL)
    return None if found is None else card[: found.start()] + wrap_section(section) + card[found.end() :]


def wrap_section(section: str) -> str:
    """The section between its marks."""
    return f"{BEGIN}\n{section.strip()}\n{END}" if section.strip() else f"{BEGIN}{END}"
