"""What theory predicts for embeddings trained in a setting, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssem_advisor import theory
from ssem_advisor.domain import NotCovered, Setting, SettingError

TARGET = 0.25  # within-class variance to recommend


@dataclass(frozen=True)
class Comparison:
    """Within-class variance from the optimum down to the measured one, each step with what it takes into account.

    optimum: of the loss, in enough dimensions; finite_dimension: estimate in this dimension; network: estimate with
    the measured view reliability and effective dimension (None with one view).
    share_of_optimum: NaN where the optimum is 0.
    """

    alpha: float
    temperature: float
    threshold: float
    optimum: float
    finite_dimension: float
    network: float | None
    measured: float
    recommendation: str

    @property
    def share_of_optimum(self) -> float:
        return self.measured / self.optimum if self.optimum > 0 else float("nan")


def compare(
    setting: Setting | None,
    *,
    classes: int,
    dim: int,
    measured: float,
    reliability: float | None,
    effective_dim: float,
) -> tuple[Comparison | None, list[str]]:
    """The comparison, or None with a note that says what is missing or which assumption fails."""
    if setting is None:
        return None, []
    notes = []
    if setting.classes != classes:
        notes.append(f"the setting says classes={setting.classes}, these embeddings have {classes}")
    if setting.dim is None:
        setting = setting.with_(dim=dim)
    elif setting.dim != dim:
        notes.append(
            f"the setting says dim={setting.dim}, these embeddings have {dim}: another layer than the loss sees?"
        )
    try:
        alpha = float(setting.need("alpha"))
        threshold = threshold_of(setting)
        network = None
        if reliability is not None and 0 < reliability <= 1 and np.isfinite(effective_dim):
            network = float(
                theory.expected_variance(setting, view_reliability=reliability, effective_dim=effective_dim)
            )
        comparison = Comparison(
            alpha=alpha,
            temperature=float(setting.need("temperature")),
            threshold=threshold,
            optimum=float(theory.optimal_variance(setting)),
            finite_dimension=float(theory.expected_variance(setting)),
            network=network,
            measured=measured,
            recommendation=recommendation_for(setting),
        )
    except (SettingError, NotCovered) as error:
        return None, [*notes, f"no comparison with theory: {error}"]
    return comparison, notes


def threshold_of(setting: Setting) -> float:
    """The weight above which no class collapses."""
    if setting.unequal:
        return float(np.max(theory.class_thresholds(setting)))
    return float(theory.collapse_threshold(setting))


def recommendation_for(setting: Setting) -> str:
    """One clause that names a weight or says that there is none; the weight is rounded up, to the safe side."""
    threshold = threshold_of(setting)
    if not threshold < 1:
        return "no alpha prevents collapse here; lower the temperature or draw more instances of each class"
    alpha = float(theory.alpha_for_variance(setting, TARGET))
    alpha = np.ceil(max(alpha, threshold) * 1000) / 1000
    if not threshold < alpha < 1:
        return f"lower the temperature: at {setting.temperature:.3g} the threshold is {threshold:.3g}"
    return f"alpha={alpha:.3g} has its optimum at a variance of about {TARGET}"
