"""Measuring trained embeddings and loss values against class collapse; numpy alone."""

from ssem_advisor.measurement.embeddings import Measurement, SSEMFit, measure
from ssem_advisor.measurement.files import Embeddings, load
from ssem_advisor.measurement.loss_value import LossPlacement, place_loss
from ssem_advisor.measurement.prediction import Comparison
from ssem_advisor.measurement.rows import MeasurementError
from ssem_advisor.measurement.verdict import Verdict, diagnose

__all__ = [
    "Comparison",
    "Embeddings",
    "LossPlacement",
    "Measurement",
    "MeasurementError",
    "SSEMFit",
    "Verdict",
    "diagnose",
    "load",
    "measure",
    "place_loss",
]
