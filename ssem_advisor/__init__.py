"""Which loss weights and temperatures of supervised contrastive learning avoid class collapse, with a proof.

Names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Setting": "domain",
    "AdvisorError": "domain",
    "SettingError": "domain",
    "NotCovered": "domain",
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
    "recommend": "advice",
    "assert_safe": "lint.unit",
    "measure": "measurement",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
