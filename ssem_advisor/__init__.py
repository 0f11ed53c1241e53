"""Which loss weights and temperatures of supervised contrastive learning avoid class collapse, with a proof.

Names load on first use, so that importing the package costs nothing; type checkers see where each one lives.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ssem_advisor.advice import Advice, recommend
    from ssem_advisor.domain import AdvisorError, NotCovered, Setting, SettingError
    from ssem_advisor.lint.unit import assert_safe
    from ssem_advisor.measurement import Measurement, measure
    from ssem_advisor.theory import (
        ReferenceLosses,
        alpha_for_variance,
        class_openings,
        class_thresholds,
        class_variances,
        collapse_threshold,
        critical_temperature,
        expected_variance,
        open_weight,
        optimal_variance,
        reference_losses,
    )

_HOME = {
    "Setting": "domain",
    "AdvisorError": "domain",
    "SettingError": "domain",
    "NotCovered": "domain",
    "ReferenceLosses": "theory",
    "collapse_threshold": "theory",
    "critical_temperature": "theory",
    "optimal_variance": "theory",
    "expected_variance": "theory",
    "alpha_for_variance": "theory",
    "class_openings": "theory",
    "class_thresholds": "theory",
    "class_variances": "theory",
    "open_weight": "theory",
    "reference_losses": "theory",
    "Advice": "advice",
    "recommend": "advice",
    "assert_safe": "lint.unit",
    "Measurement": "measurement",
    "measure": "measurement",
}

__all__ = [
    "Advice",
    "AdvisorError",
    "Measurement",
    "NotCovered",
    "ReferenceLosses",
    "Setting",
    "SettingError",
    "__version__",
    "alpha_for_variance",
    "assert_safe",
    "class_openings",
    "class_thresholds",
    "class_variances",
    "collapse_threshold",
    "critical_temperature",
    "expected_variance",
    "measure",
    "open_weight",
    "optimal_variance",
    "recommend",
    "reference_losses",
]


if not TYPE_CHECKING:  # to a type checker every misspelt name would be an object

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
