"""The class means that the package finds where every class is one point, for tests that judge them by another road."""

from ssem_advisor.theory import classes
from ssem_advisor.theory.crowd import Crowd


def class_means(setting):
    """Unit vectors (classes, dim) of the collapsed minimiser."""
    if setting.unequal and setting.dim < setting.classes:
        return Crowd(setting).minima()[0]
    sizes, own = classes._sizes(setting), float(classes.own_view_weight(setting))
    batch, others = classes._batches(setting, sizes), classes._expected_others(setting, sizes)
    return classes._collapsed_minima(setting, sizes, own, batch, others)[0].vectors
