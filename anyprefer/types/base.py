"""The base of all values."""

from functools import lru_cache

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of all values: frozen, no unknown fields, floats always finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@lru_cache(maxsize=64)  # each response of a task is compared with all the others
def normalize(text: str) -> str:
    """Fold white space, so that texts which differ only in layout count as the same."""
    return " ".join(text.split())
