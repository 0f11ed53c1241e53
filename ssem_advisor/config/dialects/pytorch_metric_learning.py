from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_USED = r"pytorch_metric_learning"

DIALECT = Dialect(
    name="pytorch-metric-learning",
    title="pytorch-metric-learning",
    signs=(Sign(text=_USED, keys=("SupConLoss",)), Sign(text=_USED, values={"__call__": r".*\bSupConLoss"})),
    fields={
        "temperature": ("SupConLoss.temperature",),
        "batch_size": ("MPerClassSampler.batch_size", "DataLoader.batch_size", "batch_size bsz train_batch_size"),
        "views": (),
    },
    assumed={"temperature": 0.1},
    cases=(LossCase("supcon", "supcon"),),
    notes="Views are repeated labels, so their number cannot be seen. The mean runs over anchors with a loss above 0.",
)
