"""Measuring trained embeddings and loss values against class collapse; numpy alone."""

from ssem_advisor.measurement.embeddings import Measurement, measure
from ssem_advisor.measurement.loading import Embeddings, load
from ssem_advisor.measurement.loss_value import LossPlacement, place_loss
from ssem_advisor.measurement.moments import SSEMFit
from ssem_advisor.measurement.prediction import Comparison
from ssem_advisor.measurement.rows import MeasurementError
from ssem_advisor.measurement.spread import Measured, Spread, spread_of
from ssem_advisor.measurement.verdict import SpreadVerdict, judge_spread

__all__ = [
    "Comparison",
    "Embeddings",
    "LossPlacement",
    "Measured",
    "Measurement",
    "MeasurementError",
    "SSEMFit",
    "Spread",
    "SpreadVerdict",
    "judge_spread",
    "load",
    "measure",
    "place_loss",
    "spread_of",
]
