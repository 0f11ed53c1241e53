"""A search space for Optuna that is the safe range of `recommend`: no trial asks for class collapse."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from ssem_advisor.advice import Outlook, outlook_of, recommend
from ssem_advisor.domain import NotCovered, Setting, a_setting
from ssem_advisor.theory.network import Network

if TYPE_CHECKING:
    import optuna

# Without a range given, temperatures between the recommended one divided and multiplied by this.
_FACTOR = 2.0


def suggest(
    trial: optuna.Trial,
    setting: Setting,
    *,
    temperature: tuple[float, float] | None = None,
    network: Network | None = None,
) -> Setting:
    """The setting with a temperature and a weight alpha from the safe range at that temperature.

    The space is static, as samplers like TPE need it: `temperature` (log scale) first, then `alpha_fraction`, how far
    alpha lies from the lower to the upper end of the safe weights at that temperature. temperature: the range to
    search, cut to where some weight is safe; None = a factor of 2 around the recommended temperature. network: as for
    `recommend`. The trial's user attributes keep `alpha`, `collapse_threshold` (no class is collapsed above it) and
    `free_spread`, the one to expect.

    Raises ValueError for an empty range, SettingError without a batch size, NotCovered if no weight is safe at any
    of its temperatures.
    """
    if temperature is not None and not 0 < temperature[0] < temperature[1] < math.inf:
        raise ValueError(f"temperature={temperature!r}: must be a range 0 < low < high")
    if a_setting(setting).sampler != "full":
        setting.need("batch_size")
    outlook = outlook_of(setting.with_(alpha=None, temperature=None), network)
    low, high = _span(outlook, network, temperature)
    tau = trial.suggest_float("temperature", low, high, log=True)
    fraction = trial.suggest_float("alpha_fraction", 0.0, 1.0)
    safe, limits = outlook.safe_weights(tau), outlook.limits(tau)
    if safe is None or limits is None:
        raise NotCovered(f"no alpha is safe at temperature {tau:.3g}")
    alpha = min(safe[0] + fraction * (safe[1] - safe[0]), safe[1])
    trial.set_user_attr("alpha", alpha)
    trial.set_user_attr("collapse_threshold", limits.open_above)
    trial.set_user_attr("free_spread", outlook.spread(alpha, tau))
    return setting.with_(temperature=tau, alpha=alpha)


@lru_cache(maxsize=32)  # the same for every trial of a study
def _span(outlook: Outlook, network: Network | None, wanted: tuple[float, float] | None) -> tuple[float, float]:
    """The temperatures of the wanted range at which some weight is safe."""
    if wanted is None:
        start = recommend(outlook.setting, network=network).recommended
        if start is None:
            raise NotCovered("no alpha and temperature are safe here; `ssem-advisor recommend` says why")
        inside, wanted = start.temperature, (start.temperature / _FACTOR, start.temperature * _FACTOR)
    else:
        steps = [wanted[0] * (wanted[1] / wanted[0]) ** (i / 20) for i in range(21)]
        safe = [tau for tau in steps if outlook.safe_weights(tau) is not None]
        if not safe:
            raise NotCovered(
                f"no alpha is safe at temperatures {wanted[0]:.3g} to {wanted[1]:.3g}: draw more instances of each "
                "class into a batch, take two views, or move the range"
            )
        inside = min(safe, key=lambda tau: abs(math.log(tau / 0.1)))
    return _last_safe(outlook, inside, wanted[0]), _last_safe(outlook, inside, wanted[1])


def _last_safe(outlook: Outlook, inside: float, end: float) -> float:
    """The temperature nearest to `end` up to which some weight is safe, coming from one at which that is so."""
    if outlook.safe_weights(end) is not None:
        return end
    while abs(math.log(end / inside)) > 1e-3:
        middle = math.sqrt(inside * end)
        inside, end = (middle, end) if outlook.safe_weights(middle) is not None else (inside, middle)
    return inside
