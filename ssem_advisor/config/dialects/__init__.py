"""How single training code bases spell the facts, and what they leave to their code."""

from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign
from ssem_advisor.config.dialects.table import DIALECTS, GENERIC

__all__ = ["DIALECTS", "GENERIC", "Dialect", "LossCase", "Sign"]
