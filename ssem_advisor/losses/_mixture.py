"""From similarities to losses: positives through class and instance sums, averages, the mixture of two terms."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssem_advisor.domain import Loss
from ssem_advisor.losses._groups import Groups
from ssem_advisor.losses._log_sum_exp import dense_log_sum_exp
from ssem_advisor.losses._spread import spread_sums


class MixedLoss(NamedTuple):
    """What makes a loss of the sums of :func:`pair_sums` (*, 2, instances).

    positives: (2, instances), how many one anchor has in L_sup and in L_self. alpha: None = all alike.
    """

    groups: Groups
    positives: Tensor
    alpha: float | Tensor | None
    reduction: str = "anchors"

    def total(self, sums: Tensor) -> Tensor:
        """The loss: (*,)."""
        if self.alpha is None:
            return (sums * self._weights(self.positives.sum(0))).sum((-2, -1))
        sup, self_ = self.terms(sums).unbind(-1)
        return (1 - self.alpha) * sup + self.alpha * self_

    def terms(self, sums: Tensor) -> Tensor:
        """L_sup and L_self: (*, 2)."""
        return (sums * self._weights(self.positives)).sum(-1)

    def _weights(self, positives: Tensor) -> Tensor:
        """Of a pair in the average over pairs, or over the positives of an anchor and then over anchors."""
        if self.reduction == "pairs":
            return (self.groups.views * positives).sum(-1, keepdim=True).clamp(min=1).reciprocal()
        return (self.groups.embeddings * positives.clamp(min=1)).reciprocal()


def pair_sums(rows: Tensor, groups: Groups, positives: Tensor, loss: Loss, tile: int | None = None) -> Tensor:
    """Sums of -log p over the pairs of L_sup and over those of L_self, by instance of the anchor: (*, 2, instances).

    rows: (*, embeddings, dim), the embeddings over the square root of the temperature. tile: only for l_spread, whose
    similarities it bounds; the others hold all.
    """
    squares = groups.per_instance(rows.square().sum(-1), -1)
    instance = groups.per_instance(rows, -2)
    if loss != "l_spread":
        lse = dense_log_sum_exp(rows, loss == "supcon")
        return softmax_sums(lse, instance, groups.of_class(instance, -2), squares, groups, positives, loss)
    sup, within = spread_sums(rows.unflatten(-2, (len(groups.classes), -1)), groups.classes, tile)
    return torch.stack((sup, within - (instance.square().sum(-1) - squares)), -2)


def softmax_sums(
    lse: Tensor,
    instance: Tensor,
    of_class: Tensor,
    squares: Tensor,
    groups: Groups,
    positives: Tensor,
    loss: Loss,
) -> Tensor:
    """The same from what it is made of.

    lse: (*, embeddings) logarithms of the denominators. instance, of_class: (*, instances, dim) sums of the rows of
    each instance and of its class. squares: (*, instances) of the lengths of the rows, summed.
    """
    own = (instance * instance).sum(-1)
    same_class = (instance * of_class).sum(-1)
    pulls = torch.stack((own - same_class, -own if loss == "ssem" else squares - own), -2)
    return torch.addcmul(pulls, positives, groups.per_instance(lse, -1).unsqueeze(-2))
