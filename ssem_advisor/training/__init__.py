"""Inside a training run: collapse monitor, class-balanced batches, search space.

Callbacks live beside their frameworks: `ssem_advisor.training.lightning` and `ssem_advisor.training.huggingface`.
"""

from ssem_advisor.training.monitor import CollapseMonitor, CollapseWarning
from ssem_advisor.training.sampler import BalancedBatchSampler
from ssem_advisor.training.tuning import suggest

__all__ = ["BalancedBatchSampler", "CollapseMonitor", "CollapseWarning", "suggest"]
