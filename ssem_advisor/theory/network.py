"""What a trained network makes of a setting: the share of its within-class variance that tells instances apart.

A minimiser tells every instance apart in every view; a network does not. Two numbers say how far it gets, both
measurable with several views per instance: view reliability rho, the share of the within-class variance that is the
instance's own, and the effective number of directions that this variance uses. The part rho v of the per-view variance
v is the free spread: what instances of one class differ in, the quantity that finer labels need. It is an estimate,
built on `estimates.expected_variance` (derived here); for the minimiser it is the exact v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ssem_advisor.domain import Setting, SettingError
from ssem_advisor.theory.estimates import alpha_for_expected_variance, directions_left, expected_variance

# Networks on real images at the weights worth training (CIFAR-100 coarse and CIFAR-10 pairs, dim 64): reliability .3 to
# .65 at temperature .1, rising with alpha, and about half of the directions that the minimiser uses. With more
# dimensions the directions hardly grow: 31 to 47 of 512 on five classes of CIFAR-100, as of 64.
TYPICAL_RELIABILITY, TYPICAL_RANGE, TYPICAL_SHARE, TYPICAL_MOST = 0.5, (0.3, 0.65), 0.5, 32.0


@dataclass(frozen=True)
class Network:
    """How far a network gets from the minimiser.

    view_reliability: share of the within-class variance that different views of an instance have in common, in (0, 1].
    directions: effective number of directions of the within-class variance, tr(C)^2 / tr(C^2) >= 1; None = all that
        the minimiser uses (`directions_left`).
    reliability_range: the least and the greatest reliability that are plausible; None = it is certain.
    """

    view_reliability: float
    directions: float | None = None
    reliability_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for value in (self.view_reliability, *(self.reliability_range or ())):
            if not 0 < value <= 1:
                raise SettingError(f"view_reliability={value!r}: must be in (0, 1]")
        if self.directions is not None and not 1 <= self.directions < np.inf:
            raise SettingError(f"directions={self.directions!r}: must be a finite number >= 1")

    def at_spread(self, measured: float, wanted: float) -> Network:
        """The same network trained to another free spread: reliability rises with what there is to tell apart.

        measured: spread of the instances' own, reliability times within-class variance, at which the reliability was
        measured, > 0; wanted: the one to train for. The odds rho / (1 - rho) grow like the square root of it: an
        empirical rule (exponents .3 to .6 between recorded runs on digits, CIFAR-10 pairs and CIFAR-100 coarse), used
        over a factor of at most 10.
        """
        if self.view_reliability == 1.0:
            return self
        growth = math.sqrt(min(max(wanted / max(measured, 1e-300), 0.1), 10.0))

        def moved(rho: float) -> float:
            return growth * rho / (1.0 - rho + growth * rho)

        ends = self.reliability_range
        return replace(
            self,
            view_reliability=moved(self.view_reliability),
            reliability_range=None if ends is None else (moved(ends[0]), moved(ends[1])),
        )


PERFECT = Network(1.0)


def typical(setting: Setting) -> Network:
    """The network to expect where none was measured: reliability .5 and half of the minimiser's directions, up to 32.

    So it is the same in every large dimension, and where the dimension is not known it is taken to be large.
    """
    directions = min(max(1.0, TYPICAL_SHARE * directions_left(setting)), TYPICAL_MOST)
    return Network(TYPICAL_RELIABILITY, directions, TYPICAL_RANGE)


def shares_directions(setting: Setting) -> bool:
    """Whether much of the spread needs directions that the class means use too, so that it cannot be told from
    confusion: about half of the dimensions or more hold class means."""
    return setting.dim is not None and setting.dim - setting.classes + 1 < 0.7 * directions_left(setting)


def expected_free_spread(setting: Setting, network: Network) -> Any:
    """Estimate of the free spread that a network reaches, in [0, view_reliability]; needs alpha.

    Raises NotCovered for l_spread and for unequal classes.
    """
    return network.view_reliability * expected_variance(setting, network.view_reliability, network.directions)


def alpha_for_free_spread(setting: Setting, wanted: Any, network: Network) -> Any:
    """Estimate of the weight alpha at which a network reaches a free spread: `expected_free_spread` inverted.

    May exceed 1, and is inf for more than the view reliability: no weight reaches it. At wanted 0 it is the weight up
    to which such a network spreads nothing: the collapse threshold for PERFECT, above it for every other network.
    """
    within = np.asarray(wanted, dtype=float) / network.view_reliability
    weight = alpha_for_expected_variance(
        setting, np.clip(within, 0.0, 1.0), network.view_reliability, network.directions
    )
    weight = np.where(within > 1, np.inf, weight)
    return float(weight) if np.ndim(weight) == 0 else weight
