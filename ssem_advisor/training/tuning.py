"""A search space for Optuna in which no trial asks for class collapse."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from ssem_advisor import theory
from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.measurement.prediction import threshold_of

if TYPE_CHECKING:
    import optuna

# Away from both ends of (threshold, 1): at the lower one embeddings collapse, at the upper one labels are unused.
_FRACTION = (0.01, 0.99)


def suggest(trial: optuna.Trial, setting: Setting, *, temperature: tuple[float, float] = (0.03, 1.0)) -> Setting:
    """The setting with a temperature and an alpha above the collapse threshold at that temperature.

    The space is static, as samplers like TPE need it: `temperature` (log scale) first, then `alpha_fraction`, the
    fraction of (threshold, 1) at which alpha lies. The range of temperatures is cut where the threshold reaches 1. The
    trial's user attributes keep `alpha`, `collapse_threshold` and, where theory gives it, `optimal_variance`.

    Raises NotCovered if no weight prevents collapse at any of the temperatures.
    """
    low, high = temperature
    if not 0 < low < high < math.inf:
        raise ValueError(f"temperature={temperature!r}: must be a range 0 < low < high")
    high = _highest(setting, low, high)
    tau = trial.suggest_float("temperature", low, high, log=True)
    fraction = trial.suggest_float("alpha_fraction", *_FRACTION)
    threshold = threshold_of(setting.with_(temperature=tau))
    alpha = threshold + fraction * (1 - threshold)
    chosen = setting.with_(temperature=tau, alpha=alpha)
    trial.set_user_attr("alpha", alpha)
    trial.set_user_attr("collapse_threshold", threshold)
    if not setting.unequal:
        trial.set_user_attr("optimal_variance", float(theory.optimal_variance(chosen)))
    return chosen


@lru_cache(maxsize=32)  # the same for every trial of a study
def _highest(setting: Setting, low: float, high: float) -> float:
    """The highest temperature of the range with a threshold below 1; the threshold grows with temperature."""

    def open_at(tau: float) -> bool:
        return threshold_of(setting.with_(temperature=tau)) < 1

    if open_at(high):
        return high
    if not open_at(low):
        raise NotCovered(
            f"no alpha prevents class collapse at temperature {low:.3g} or above: draw more instances of each class "
            "into a batch, take two views, or start the range lower"
        )
    inside, outside = low, high
    while outside / inside > 1.001:
        middle = math.sqrt(inside * outside)
        inside, outside = (middle, outside) if open_at(middle) else (inside, middle)
    return inside
