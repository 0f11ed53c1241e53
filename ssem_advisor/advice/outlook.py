"""What a setting holds for one network: thresholds, weights for a wanted free spread, safe ranges, single points."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ssem_advisor.advice.answer import Basis, Point, State
from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.theory.collapse import optimal_variance
from ssem_advisor.theory.estimates import (
    alpha_for_expected_variance,
    expected_variance,
    expected_variance_range,
    is_exact,
)
from ssem_advisor.theory.network import (
    PERFECT,
    Network,
    alpha_for_free_spread,
    expected_free_spread,
    shares_directions,
)
from ssem_advisor.theory.regime import CollapseLimits, Regime, collapse_limits, opening_margin, regime_of

# At larger weights accuracy on the trained labels was below that of plain SupCon in every recorded study of images at
# temperatures up to 0.2, with 5, 10, 20 and 100 classes, whatever the free spread.
LARGEST_WEIGHT = 0.8
# Within these temperatures a safe interval is looked for; smaller ones underflow in float32 losses.
_TEMPERATURES = np.geomspace(1e-3, 10.0, 400)


@dataclass(frozen=True)
class Outlook:
    """A complete setting (its alpha and temperature are ignored) and a network, from which every number follows.

    safe_spread: least and largest free spread that counts as safe.
    """

    setting: Setting
    network: Network
    safe_spread: tuple[float, float]

    # -- the threshold -------------------------------------------------------------------------------------------------

    @property
    def regime(self) -> Regime:
        return regime_of(self.setting)

    @property
    def by_class(self) -> bool:
        """Whether every class has its own threshold."""
        return self.regime.by_class

    def limits(self, temperature: float) -> CollapseLimits | None:
        """Where collapse is the optimum and where it is excluded; None where not covered."""
        try:
            return collapse_limits(self.setting.with_(temperature=float(temperature)))
        except NotCovered:
            return None

    def threshold(self, temperature: float) -> float | None:
        """The weight up to which some class is collapsed: all of them, where they have one threshold."""
        limits = self.limits(temperature)
        return None if limits is None else limits.threshold

    def why_no_limits(self, temperature: float) -> str:
        """Why no threshold is covered; empty where one is."""
        try:
            collapse_limits(self.setting.with_(temperature=temperature))
        except NotCovered as reason:
            return str(reason)
        return ""

    # -- free spread ---------------------------------------------------------------------------------------------------

    @cached_property
    def why_not_covered(self) -> str | None:
        """Why there is no estimate of the spread; None where there is one."""
        try:
            self.weight(self.safe_spread[0], 0.1)
        except NotCovered as reason:
            return str(reason)
        return None

    @property
    def basis(self) -> Basis:
        setting = self.setting
        exact = is_exact(setting) and not setting.unequal  # a stand-in of equal classes answers for unequal ones
        if self._minimiser_only:
            return Basis.exact if exact else Basis.minimiser
        if self.network == PERFECT and exact:
            return Basis.exact
        return Basis.rough if setting.unequal or shares_directions(setting) else Basis.estimate

    @property
    def _minimiser_only(self) -> bool:
        """No estimate with imperfect views is derived for this loss: the minimiser stands in."""
        return self.setting.loss == "l_spread"

    def weight(self, spread: float, temperature: Any) -> Any:
        """The weight at which a free spread is expected, inf for none; temperatures may be an array.

        Raises NotCovered where nothing is derived.
        """
        if np.ndim(temperature):
            return self._weight(spread, temperature)
        known = self._weights
        if (spread, temperature) not in known:
            known[spread, temperature] = self._weight(spread, temperature)
        return known[spread, temperature]

    @cached_property
    def _weights(self) -> dict[tuple[float, float], Any]:
        """Those asked for before: the same few ends are needed again and again."""
        return {}

    def _weight(self, spread: float, temperature: Any) -> Any:
        at = self.stand_in.with_(temperature=temperature, alpha=None)
        if self._minimiser_only:
            return alpha_for_expected_variance(at, spread)
        return alpha_for_free_spread(at, spread, self.network)

    def spread(self, alpha: float, temperature: float, network: Network | None = None) -> float:
        """The free spread to expect. Raises NotCovered where nothing is derived."""
        at = self.stand_in.with_(temperature=temperature, alpha=alpha)
        if self._minimiser_only:
            return float(expected_variance(at))
        return float(expected_free_spread(at, network or self.network))

    @cached_property
    def stand_in(self) -> Setting:
        """Classes of equal mean size in place of unequal ones, for the estimates."""
        setting = self.setting
        if not setting.unequal:
            return setting
        counts = setting.class_counts or ()
        each = None if setting.sampler == "balanced" else max(2, round(sum(counts) / len(counts)))
        batch = None if setting.sampler == "full" else setting.batch_size
        if each is not None and batch is not None:
            batch = min(batch, each * len(counts))
        return setting.with_(class_counts=None, instances_per_class=each, batch_size=batch)

    # -- safe ranges ---------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether no weight can be safe, whatever the temperature: one view, or points on a line."""
        setting = self.setting
        return setting.dim == 1 or (setting.loss != "ssem" and setting.views < 2)

    def safe_weights(self, temperature: float) -> tuple[float, float] | None:
        """The safe interval of alpha: nothing collapsed, expected free spread inside the safe range."""
        if self.closed or self.why_not_covered is not None:
            return None
        low = float(self.weight(self.safe_spread[0], temperature))
        high = min(float(self.weight(self.safe_spread[1], temperature)), LARGEST_WEIGHT)
        limits = self.limits(temperature) if low < high else None  # nothing that limits could add, and they take longer
        if limits is None:
            return None
        low = max(low, float(np.nextafter(limits.open_above, math.inf)))
        return (low, high) if low < high else None

    def best_weight(self, wanted: float, temperature: float) -> float | None:
        """The weight for a wanted free spread; where the safe interval is cut, as far along what is left of it."""
        safe = self.safe_weights(temperature)
        if safe is None:
            return None
        low, high = self.safe_spread
        least, most = (self.spread(end, temperature) for end in safe)
        aim = least + (wanted - low) / (high - low) * (most - least)
        return min(max(float(self.weight(aim, temperature)), safe[0]), safe[1])

    def safe_temperatures(self, alpha: float, near: float) -> tuple[tuple[float, float] | None, bool]:
        """The safe interval of the temperature at a weight that holds `near`, or the nearest one; whether it is the
        only one."""
        if self.closed or self.why_not_covered is not None or alpha > LARGEST_WEIGHT:
            return None, True
        inside = self._is_safe(alpha, _TEMPERATURES)
        if self._is_safe(alpha, np.array([near]))[0]:
            inside[np.argmin(np.abs(np.log(_TEMPERATURES / near)))] = True
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
        pieces = [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        if not pieces:
            return None, True
        grid = np.log(_TEMPERATURES)
        first, last = min(pieces, key=lambda p: max(grid[p[0]] - math.log(near), math.log(near) - grid[p[1]], 0.0))
        low, high = self._edge(alpha, first, -1), self._edge(alpha, last, +1)
        opened, margin = near, -math.inf
        if self._is_safe(alpha, np.array([near]))[0] and (limits := self.limits(near)) is not None:
            margin = alpha - limits.open_above  # by the very threshold that the answer shows
        if margin > 0:
            low, high = min(low, near), max(high, near)  # what opens here opens at every smaller temperature
        else:
            opened, margin = low, self._margin(alpha, low)
            if not margin > 0:
                return None, True
        return (low, self._open_end(alpha, opened, margin, high)), len(pieces) == 1

    def _is_safe(self, alpha: float, temperatures: np.ndarray) -> np.ndarray:
        """Whether the expected free spread is inside the safe range."""
        low, high = self.safe_spread
        return np.asarray((self.weight(low, temperatures) <= alpha) & (self.weight(high, temperatures) >= alpha))

    def _edge(self, alpha: float, index: int, step: int) -> float:
        """The last safe temperature between a safe one of the grid and its neighbour; safe itself."""
        inside = float(_TEMPERATURES[index])
        if not 0 <= index + step < len(_TEMPERATURES):
            return inside
        outside = float(_TEMPERATURES[index + step])
        for _ in range(3):
            grid = np.geomspace(inside, outside, 50)
            safe = self._is_safe(alpha, grid)
            safe[0], safe[-1] = True, False  # as they were found, whatever rounding makes of them
            last = int(np.argmin(safe)) - 1
            inside, outside = float(grid[last]), float(grid[last + 1])
        return inside

    def _open_end(self, alpha: float, low: float, margin: float, high: float) -> float:
        """The largest temperature up to `high` at which nothing is collapsed, as at `low`; thresholds grow with it.

        margin: that of `low`. Where margins are numbers, a straight line between the nearest two says where to look.
        """
        beyond = self._margin(alpha, high)
        if beyond > 0:
            return high
        step = 1.04 if self.by_class else 1.001  # class by class a question takes a while
        while high / low > step * (1 + 1e-9):  # a step from one end to the other, rounded, is no further question
            share = min(max(margin / (margin - max(beyond, -1.0)), 0.1), 0.9)
            ahead = min(max(low * (high / low) ** share / math.sqrt(step), low * step), high / step)
            found = self._margin(alpha, ahead)
            if found > 0:
                low, margin = ahead, found
            else:
                high, beyond = ahead, found
        return low

    def _margin(self, alpha: float, temperature: float) -> float:
        """By how much alpha is above the weight at which the last class opens; negative where one is collapsed."""
        try:
            return opening_margin(self.setting.with_(temperature=temperature, alpha=alpha))
        except NotCovered:
            return -1.0

    # -- a single point ------------------------------------------------------------------------------------------------

    def point(self, alpha: float, temperature: float) -> Point:
        """What to expect at a weight and temperature."""
        limits = self.limits(temperature)
        point = Point(alpha, temperature, State.not_covered)
        if limits is None:
            return point
        try:
            optimum: float | None = float(optimal_variance(self.setting.with_(alpha=alpha, temperature=temperature)))
        except NotCovered:
            optimum = None
        point = replace(point, optimal_variance=optimum, minimum_range=self._minimum_range(alpha, temperature))
        if alpha <= limits.collapse_up_to:
            return replace(point, state=State.collapse, free_spread=0.0, basis=Basis.exact, within_class_variance=0.0)
        if self.closed or self.why_not_covered is not None:
            return point
        spread = self.spread(alpha, temperature)
        point = replace(
            point,
            free_spread=spread,
            spread_range=self._spread_range(alpha, temperature, spread),
            basis=self.basis,
            within_class_variance=spread if self._minimiser_only else spread / self.network.view_reliability,
        )
        return replace(point, state=self._state(alpha, temperature, spread, limits))

    def _state(self, alpha: float, temperature: float, spread: float, limits: CollapseLimits) -> State:
        if alpha <= limits.open_above:
            return State.may_collapse
        safe = self.safe_weights(temperature)
        # The ends of a safe range are safe: compare with the weights that define them.
        if safe is not None and safe[0] <= alpha <= safe[1]:
            return State.safe
        return State.too_little if spread < self.safe_spread[0] else State.too_much

    def _minimum_range(self, alpha: float, temperature: float) -> tuple[float, float] | None:
        """Of the variance of the loss's own minimum, whatever the network."""
        if self.setting.unequal:
            return None
        try:
            return expected_variance_range(self.setting.with_(alpha=alpha, temperature=temperature))
        except NotCovered:
            return None

    def _spread_range(self, alpha: float, temperature: float, own: float) -> tuple[float, float] | None:
        """own: the spread to expect of this network."""
        if self.network == PERFECT:
            ends = self._minimum_range(alpha, temperature)
            return None if ends is None or ends[0] == ends[1] else ends
        if self._minimiser_only or self.network.reliability_range is None:
            return None
        # Hot, the free spread may fall where reliability grows: the network's own value is no mean of the two ends.
        found = [
            self.spread(alpha, temperature, replace(self.network, view_reliability=r))
            for r in self.network.reliability_range
        ]
        return min(own, *found), max(own, *found)
