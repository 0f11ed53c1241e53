"""Every theorem of the project: exact thresholds and optima, class by class answers, labelled estimates."""

from ssem_advisor.theory.classes import class_thresholds
from ssem_advisor.theory.collapse import (
    alpha_for_variance,
    collapse_threshold,
    critical_temperature,
    optimal_variance,
)
from ssem_advisor.theory.estimates import alpha_for_expected_variance, expected_variance
from ssem_advisor.theory.openings import class_openings, class_variances, open_weight
from ssem_advisor.theory.regime import CollapseLimits, Regime, collapse_limits, regime_of
from ssem_advisor.theory.values import ReferenceLosses, equivalent_alpha, plain_weight, reference_losses

__all__ = [
    "CollapseLimits",
    "ReferenceLosses",
    "Regime",
    "alpha_for_expected_variance",
    "alpha_for_variance",
    "class_openings",
    "class_thresholds",
    "class_variances",
    "collapse_limits",
    "collapse_threshold",
    "critical_temperature",
    "equivalent_alpha",
    "expected_variance",
    "open_weight",
    "optimal_variance",
    "plain_weight",
    "reference_losses",
    "regime_of",
]
