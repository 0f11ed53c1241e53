import torch
from lightly.loss import SupConLoss
from lightly.models.modules import SimCLRProjectionHead

criterion = SupConLoss(temperature=0.1, gather_distributed=True)
head = SimCLRProjectionHead(512, 2048, 128)
dataloader = torch.utils.data.DataLoader(dataset, batch_size=512, shuffle=True, drop_last=True)
