"""From what is known of a run (its setting, its loss curve, its embeddings) to one verdict with reasons."""

from ssem_advisor.diagnosis.curves import CurveError, LossCurve, read_curve
from ssem_advisor.diagnosis.verdict import Diagnosis, Reason, diagnose, pilot_for

__all__ = ["CurveError", "Diagnosis", "LossCurve", "Reason", "diagnose", "pilot_for", "read_curve"]
