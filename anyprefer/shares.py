"""A share with its interval, as reports, dataset cards and analyses give it."""

from math import sqrt

from pydantic import BaseModel, ConfigDict

Z = 1.959964
"""Standard errors on either side of a 95 % interval."""


class Share(BaseModel):
    """A share of pairs with its 95 % Wilson interval, which stays within 0 and 1 and needs no resampling."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    count: int
    """Pairs that it is a share of."""
    value: float
    """0 to 1."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""

    @classmethod
    def of(cls, successes: float, count: int) -> "Share":
        """Wilson's interval (1927); a tie may count as half a success.

        Raises:
            ValueError: There is nothing to take a share of.
        """
        if count < 1:
            raise ValueError("a share needs at least one pair")
        value = successes / count
        middle = (value + Z * Z / (2 * count)) / (1 + Z * Z / count)
        reach = Z / (1 + Z * Z / count) * sqrt(value * (1 - value) / count + Z * Z / (4 * count * count))
        return cls(count=count, value=value, low=max(0.0, min(value, middle - reach)), high=min(1.0, max(value, middle + reach)))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def share_or_none(successes: float, count: int) -> Share | None:
    """A share, or None of nothing."""
    return Share.of(successes, count) if count else None
