"""Inside a training run: collapse monitor, class-balanced batches, search space.

Callbacks live beside their frameworks: `ssem_advisor.training.lightning` and `ssem_advisor.training.huggingface`.
"""

from ssem_advisor.extras import need

need("torch", __name__)

from ssem_advisor.training.monitor import CollapseMonitor, CollapseWarning  # noqa: E402
from ssem_advisor.training.sampler import BalancedBatchSampler  # noqa: E402
from ssem_advisor.training.tuning import suggest  # noqa: E402

__all__ = ["BalancedBatchSampler", "CollapseMonitor", "CollapseWarning", "suggest"]
