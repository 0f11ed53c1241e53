"""The dialects we read, most specific first; the first whose sign fits explains a config."""

from ssem_advisor.config.dialects import (
    bcl,
    generic,
    keras_example,
    lightning_cli,
    paco,
    pytorch_metric_learning,
    setfit,
    solo_learn,
    ssem_advisor,
    ssem_cifar,
    ssem_imagenet,
    supcontrast,
    thanos,
)
from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

GENERIC = generic.DIALECT
DIALECTS: tuple[Dialect, ...] = tuple(
    module.DIALECT
    for module in (
        ssem_advisor,
        solo_learn,
        thanos,
        ssem_cifar,
        ssem_imagenet,
        bcl,
        paco,
        setfit,
        pytorch_metric_learning,
        keras_example,
        supcontrast,
        lightning_cli,
        generic,
    )
)

__all__ = ["DIALECTS", "GENERIC", "Dialect", "LossCase", "Sign"]
