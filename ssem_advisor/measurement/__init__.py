"""Measuring trained embeddings and loss values against class collapse; numpy alone."""

from ssem_advisor.measurement.embeddings import Measurement, SSEMFit, measure
from ssem_advisor.measurement.files import Embeddings, load
from ssem_advisor.measurement.loss_value import LossPlacement, place_loss
from ssem_advisor.measurement.prediction import Comparison
from ssem_advisor.measurement.rows import MeasurementError
from ssem_advisor.measurement.spread import Estimate, Spread, spread_of
from ssem_advisor.measurement.verdict import Diagnosis, diagnose

__all__ = [
    "Comparison",
    "Diagnosis",
    "Embeddings",
    "Estimate",
    "LossPlacement",
    "Measurement",
    "MeasurementError",
    "SSEMFit",
    "Spread",
    "diagnose",
    "load",
    "measure",
    "place_loss",
    "spread_of",
]
