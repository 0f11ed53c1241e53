from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler

loss = SupervisedContrastiveLoss(0.2, 0.1, gather="ddp")
batches = BalancedBatchSampler(labels, classes_per_batch=10, instances_per_class=16)
num_classes = 50
n_views = 2
