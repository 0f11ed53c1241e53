import torch
from torch import nn


class SupConLoss(nn.Module):
    """Supervised contrastive loss, as in the paper."""

    def __init__(self, temperature=0.07, contrast_mode="all", base_temperature=0.07):
        super().__init__()
        self.temperature = temperature
