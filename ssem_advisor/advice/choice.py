"""Which weight and temperature to start from, and what else is worth training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ssem_advisor.advice.answer import NetworkOrigin, Point, Purpose, State, Trial
from ssem_advisor.advice.outlook import LARGEST_WEIGHT, Outlook
from ssem_advisor.theory.network import PERFECT

# At matched free spread, fine-label probes are equal from 0.05 to 0.2 on CIFAR: 0.1 is the convention in the middle.
USUAL_TEMPERATURE = 0.1
# The usual temperature first, then its neighbours outwards.
TEMPERATURES = (0.1, 0.15, 0.07, 0.2, 0.05, 0.3, 0.03, 0.02, 0.01)
# A measured network may go as warm as its views move the threshold by at most this much, while at least this share of
# the supervised term is left: on the digits (reliability .8) that is 0.3, where probes gain .04 over 0.1.
WARM_TEMPERATURES = (0.5, 0.3, 0.2, 0.15)
LARGEST_SHIFT, LARGEST_WARM_WEIGHT = 0.05, 0.5


@dataclass(frozen=True)
class Choice:
    """How to choose in an outlook: the free spread aimed at, and where the network comes from.

    of_a_run: it was measured in a run, which keeps its temperature: the usual one where none is said.
    """

    outlook: Outlook
    wanted: float
    origin: NetworkOrigin
    of_a_run: bool = False

    def start(self) -> Point | None:
        """Change as little as possible: keep what is given and safe, else move alpha, else the temperature as well."""
        outlook, setting = self.outlook, self.outlook.setting
        if outlook.why_not_covered is not None:
            return None
        if setting.alpha is not None and setting.temperature is not None:
            given = outlook.point(setting.alpha, setting.temperature)
            if given.state is State.safe:
                return given
        elif setting.alpha is not None:
            found = self._temperature_for(setting.alpha)
            if found is not None:
                return outlook.point(setting.alpha, found)
        # The first temperature at which a weight gives what is wanted; of the others the one that gives most.
        cut: list[float] = []
        for temperature in self._candidates():
            if temperature != setting.temperature and outlook.weight(self.wanted, temperature) > LARGEST_WEIGHT:
                cut.append(temperature)  # its safe weights are looked for only if need be: they may take a second
            elif (alpha := outlook.best_weight(self.wanted, temperature)) is not None:
                return outlook.point(alpha, temperature)
        rest = [(alpha, t) for t in cut if (alpha := outlook.best_weight(self.wanted, t)) is not None]
        return outlook.point(*max(rest, key=lambda found: outlook.spread(*found))) if rest else None

    def _candidates(self) -> Iterator[float]:
        given = self.outlook.setting.temperature
        if given is not None:
            yield float(given)
        elif not self.of_a_run:
            yield self.warmest()
        yield from TEMPERATURES

    def warmest(self) -> float:
        """The warmest temperature that the views of a measured network bear."""
        if self.origin is not NetworkOrigin.measured:
            return USUAL_TEMPERATURE
        return next((t for t in WARM_TEMPERATURES if self._bears(t)), USUAL_TEMPERATURE)

    def _bears(self, temperature: float) -> bool:
        """Whether views as imperfect as these leave the threshold at a temperature nearly where it is."""
        outlook = self.outlook
        perfect = replace(outlook, network=replace(PERFECT, directions=outlook.network.directions))
        shift = float(outlook.weight(0.0, temperature)) - float(perfect.weight(0.0, temperature))
        return shift <= LARGEST_SHIFT and float(outlook.weight(self.wanted, temperature)) <= LARGEST_WARM_WEIGHT

    def _temperature_for(self, alpha: float) -> float | None:
        """A safe temperature at a fixed weight: the usual one if it is, else where the spread comes nearest."""
        safe, _ = self.outlook.safe_temperatures(alpha, USUAL_TEMPERATURE)
        if safe is None:
            return None
        if safe[0] <= USUAL_TEMPERATURE <= safe[1]:
            return USUAL_TEMPERATURE
        grid = np.geomspace(*safe, 50)
        misses = [abs(self.outlook.spread(alpha, float(t)) - self.wanted) for t in grid]
        best = float(grid[int(np.argmin(misses))])
        return best if self.outlook.point(alpha, best).state is State.safe else None

    def plan(self, start: Point | None) -> tuple[Trial, ...]:
        """Three to five points worth training, in order: the start, more and less free spread, other temperatures."""
        if start is None:
            return ()
        outlook, temperature = self.outlook, start.temperature
        trials = [Trial(Purpose.start, start)]
        safe = outlook.safe_weights(temperature)
        if safe is not None:
            for purpose, end in ((Purpose.more_spread, safe[1]), (Purpose.less_spread, safe[0])):
                if not math.isclose(end, start.alpha, rel_tol=0.05):
                    trials.append(Trial(purpose, outlook.point(end, temperature)))
        for purpose, factor in ((Purpose.warmer, 2.0), (Purpose.colder, 0.5)):
            for other in (temperature * factor, temperature * math.sqrt(factor)):
                found = self._matched(start, other)
                if found is not None:
                    trials.append(Trial(purpose, found))
                    break
        return tuple(trials)

    def _matched(self, start: Point, temperature: float) -> Point | None:
        """The point with the free spread of another one at another temperature."""
        if start.free_spread is None:
            return None
        alpha = float(self.outlook.weight(start.free_spread, temperature))
        if alpha > LARGEST_WEIGHT:  # told before the safe weights there are looked for, which may take a second
            return None
        safe = self.outlook.safe_weights(temperature)
        return self.outlook.point(alpha, temperature) if safe and safe[0] <= alpha <= safe[1] else None
