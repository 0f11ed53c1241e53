"""Every theorem of the project."""

from ssem_advisor.theory.collapse import (
    alpha_for_variance,
    collapse_threshold,
    critical_temperature,
    optimal_variance,
)

__all__ = ["alpha_for_variance", "collapse_threshold", "critical_temperature", "optimal_variance"]
