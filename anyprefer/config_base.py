"""The base of all recipe sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of all recipe sections: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
