"""Pictures of the theory, and of what was measured beside what was predicted."""

from ssem_advisor.report.plots.canvas import Paper, check_ending
from ssem_advisor.report.plots.curves import class_openings, loss_values, threshold_vs_batch, variance_vs_alpha
from ssem_advisor.report.plots.measured import measured_embeddings, measured_report
from ssem_advisor.report.plots.phase import RECIPES, TEMPERATURES, phase_diagram, terminal_heat_map

__all__ = [
    "RECIPES",
    "TEMPERATURES",
    "Paper",
    "check_ending",
    "class_openings",
    "loss_values",
    "measured_embeddings",
    "measured_report",
    "phase_diagram",
    "terminal_heat_map",
    "threshold_vs_batch",
    "variance_vs_alpha",
]
