"""The dialects we read, most specific first; the first whose sign fits explains a config."""

from ssem_advisor.config.dialects import (
    bcl,
    generic,
    hydra_objects,
    keras_example,
    lightly,
    lightning_cli,
    openmmlab,
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
from ssem_advisor.config.dialects.core import Case, Dialect, Sign

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
        lightly,
        keras_example,
        supcontrast,
        openmmlab,
        lightning_cli,
        hydra_objects,
        generic,
    )
)

__all__ = ["DIALECTS", "GENERIC", "Case", "Dialect", "Sign"]
