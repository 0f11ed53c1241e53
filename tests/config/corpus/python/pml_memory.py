from pytorch_metric_learning.losses import CrossBatchMemory, SupConLoss

base = SupConLoss(temperature=0.05)
loss_func = CrossBatchMemory(base, 128, memory_size=4096)
