"""The dialects we read, most specific first; the first whose sign fits explains a config."""

from ssem_advisor.config.dialects import generic, ssem_cifar, ssem_imagenet, supcontrast
from ssem_advisor.config.dialects.core import Case, Dialect, Sign

GENERIC = generic.DIALECT
DIALECTS: tuple[Dialect, ...] = (
    ssem_cifar.DIALECT,
    ssem_imagenet.DIALECT,
    supcontrast.DIALECT,
    GENERIC,
)

__all__ = ["DIALECTS", "GENERIC", "Case", "Dialect", "Sign"]
