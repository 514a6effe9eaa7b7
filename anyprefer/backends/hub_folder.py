"""A model's folder: one that is here, or the hub's snapshot of it."""

from collections.abc import Iterable
from pathlib import Path


def find_model_folder(place: str, files: Iterable[str]) -> Path:
    """A folder as it is, or the snapshot of a hub's model, fetched if it is not in the cache.

    Args:
        place: The folder, or the model's name on the hub.
        files: Patterns of what is fetched.

    Raises:
        OSError: There is no such folder, or the hub does not give it.
        ValueError: That is no name on the hub.
        ImportError: huggingface_hub is missing.
    """
    folder = Path(place).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or place.startswith((".", "~")):
        raise FileNotFoundError(f"no folder {place!r}")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(place, allow_patterns=list(files)))
