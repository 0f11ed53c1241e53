"""From similarities to losses: positives through class and instance sums, averages, the mixture of two terms."""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssem_advisor.domain import LOSSES, Loss, SettingError
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
    kin = (instance * of_class).sum(-1)
    pulls = torch.stack((own - kin, -own if loss == "ssem" else squares - own), -2)
    return torch.addcmul(pulls, positives, groups.per_instance(lse, -1).unsqueeze(-2))


def dense_loss(
    z: Tensor,
    labels: Tensor,
    alpha: float | Tensor | None,
    temperature: float | Tensor,
    loss: Loss = "supcon",
    *,
    normalize: bool = True,
) -> Tensor:
    """(1-alpha) L_sup + alpha L_self, averaged over anchors, of a stack of small models at once.

    For stacks of models with up to a few thousand embeddings each; one large batch belongs to
    :func:`supervised_contrastive_loss`, whose memory is linear. Plain differentiable torch, so autograd of any order
    and mode, ``torch.func`` and ``torch.compile`` apply. The values of the embeddings are not checked.

    z: (*models, instances, views, dim). labels: (instances,) integers, shared by the models. alpha, temperature:
    numbers or tensors that broadcast to (*models,); alpha=None is plain SupCon. loss: "supcon", "ssem" or "l_spread".
    normalize: divide each embedding by
    its length first; without it the rows are used as they are. Returns (*models,), in nats.

    One view is enough for ``ssem``, whose anchor is its own positive; ``l_spread`` needs two, and ``supcon`` with one
    view has no self-supervised term (it counts 0). Raises SettingError for what is outside these domains.
    """
    if loss not in LOSSES:
        raise SettingError(f"loss={loss!r}: must be one of {', '.join(LOSSES)}")
    if alpha is None and loss != "supcon":
        raise SettingError(f"alpha=None: plain SupCon is the supcon loss, not {loss}; give alpha a number in [0, 1]")
    if isinstance(alpha, Real) and not 0 <= alpha <= 1:
        raise SettingError(f"alpha={alpha!r}: must be a number in [0, 1]")
    if isinstance(temperature, Real) and not 0 < temperature < math.inf:
        raise SettingError(f"temperature={temperature!r}: must be a finite number > 0")
    if z.ndim < 3 or labels.shape != z.shape[-3:-2]:
        raise ValueError(
            f"embeddings of shape {tuple(z.shape)}, labels of shape {tuple(labels.shape)}: "
            "must be (*models, instances, views, dim) and (instances,)"
        )
    if loss == "l_spread" and z.shape[-2] == 1:
        raise SettingError("views=1: l_spread compares different views; give at least two")
    if isinstance(temperature, Tensor):
        temperature = temperature[..., None, None, None]
    rows = ((F.normalize(z, dim=-1) if normalize else z) * temperature**-0.5).flatten(-3, -2)
    groups = Groups.of(rows.shape[-2], labels, None, z.dtype)
    positives = groups.positives(loss)
    return MixedLoss(groups, positives, alpha).total(pair_sums(rows, groups, positives, loss))
