"""From what is known of a run (its setting, its loss curve, its embeddings) to one verdict with reasons."""

from ssem_advisor.diagnosis.curves import Curve, CurveError, read_curve
from ssem_advisor.diagnosis.verdict import Diagnosis, Reason, diagnose

__all__ = ["Curve", "CurveError", "Diagnosis", "Reason", "diagnose", "read_curve"]
