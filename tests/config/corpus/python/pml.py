from pytorch_metric_learning import losses, samplers
from torch.utils.data import DataLoader

BATCH = 96
loss_func = losses.SupConLoss()
sampler = samplers.MPerClassSampler(labels, m=4, batch_size=BATCH)
loader = DataLoader(train_set, batch_size=BATCH, sampler=sampler)
