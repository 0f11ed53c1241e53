"""Means over seeds with their intervals, and which side of a bound they lie on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ssem_advisor import documents


class Outcome(StrEnum):
    """What the records say of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_TESTED = "not tested"
    NOT_TRAINED = "not trained"

    @property
    def word(self) -> documents.Outcome:
        """As reports write it."""
        return self.value

    @property
    def opposite(self) -> Outcome:
        """Of the contrary claim, on the same records."""
        return {Outcome.CONFIRMED: Outcome.REFUTED, Outcome.REFUTED: Outcome.CONFIRMED}.get(self, self)


def overall(outcomes: Iterable[str]) -> Outcome:
    """The outcome of many: one refuted refutes, one undecided leaves it open; what was not tested does not count."""
    counted = {Outcome(o) for o in outcomes} - {Outcome.NOT_TESTED}
    for decisive in (Outcome.REFUTED, Outcome.UNDECIDED, Outcome.NOT_TRAINED, Outcome.CONFIRMED):
        if decisive in counted:
            return decisive
    return Outcome.UNDECIDED


@dataclass(frozen=True)
class Interval:
    """Mean over seeds and its 95 % t-interval; endless where one seed gives no spread."""

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, stretch: float = 1.0) -> Interval:
        from scipy.special import stdtrit

        data = np.asarray(values, dtype=float)
        mean, n = float(data.mean()), len(data)
        if n < 2:
            return cls(mean, -math.inf, math.inf, n)
        half = stretch * float(stdtrit(n - 1, 0.975)) * float(data.std(ddof=1)) / math.sqrt(n)
        return cls(mean, mean - half, mean + half, n)

    def side(self, bound: float) -> Outcome:
        """CONFIRMED above the bound, REFUTED below it, UNDECIDED across it."""
        if self.low > bound:
            return Outcome.CONFIRMED
        return Outcome.REFUTED if self.high < bound else Outcome.UNDECIDED

    def to_dict(self) -> documents.OverSeeds:
        return {"mean": self.mean, "low": finite(self.low), "high": finite(self.high), "seeds": self.seeds}


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
