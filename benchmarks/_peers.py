"""What the losses are compared with: the usual public N x N form of SupCon, and pytorch-metric-learning's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainSupCon(nn.Module):
    """SupCon as most public code computes it: every similarity at once and a positive mask as large.

    Takes (instances, views, dim) and (instances,), normalises the rows, averages over all anchors.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        views = z.shape[1]
        rows = torch.cat(torch.unbind(F.normalize(z, dim=-1), dim=1), dim=0)
        same_class = torch.eq(labels.view(-1, 1), labels.view(1, -1)).float().repeat(views, views)
        not_itself = torch.ones_like(same_class).fill_diagonal_(0)
        positives = same_class * not_itself

        similarity = torch.matmul(rows, rows.T) / self.temperature
        logits = similarity - similarity.max(dim=1, keepdim=True).values.detach()
        exponentials = torch.exp(logits) * not_itself
        log_probability = logits - torch.log(exponentials.sum(1, keepdim=True))
        per_anchor = (positives * log_probability).sum(1) / positives.sum(1)
        return -per_anchor.mean()


class MetricLearningSupCon(nn.Module):
    """pytorch-metric-learning's SupConLoss on the same input; a view more of an instance is a row with its label."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        from pytorch_metric_learning.losses import SupConLoss

        self.loss = SupConLoss(temperature=temperature)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.loss(z.flatten(0, 1), labels.repeat_interleave(z.shape[1]))
