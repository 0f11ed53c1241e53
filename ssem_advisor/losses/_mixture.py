"""From similarities to losses: positives through class and instance sums, averages, the mixture of the two terms."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssem_advisor.domain import LOSSES, Loss, SettingError
from ssem_advisor.losses._spread import spread_sums
from ssem_advisor.losses._statistics import Groups, statistics


class LossParts(NamedTuple):
    """A loss and what it is made of; scalars, the first three differentiable.

    loss: what to minimise. l_sup, l_self: the supervised and the self-supervised term, before weighting.
    positive_share: share of anchors with another instance of their class in the batch, in [0, 1].
    """

    loss: Tensor
    l_sup: Tensor
    l_self: Tensor
    positive_share: Tensor


def mixture(
    rows: Tensor,
    squares: Tensor | float,
    groups: Groups,
    alpha: float | Tensor | None,
    loss: Loss,
    reduction: str = "anchors",
    tile: int | None = None,
) -> LossParts:
    """The loss of embeddings over the square root of the temperature.

    rows: (*, embeddings, dim). squares: their squared lengths, as (*, embeddings) or what broadcasts to it. tile: None
    for the dense form.
    """
    sup, sup_positives, self_, self_positives = _pair_sums(rows, squares, groups, loss, tile)

    def mean(sums: Tensor, positives: Tensor) -> Tensor:
        if reduction == "pairs":
            return sums.sum(-1) / (groups.views * positives).sum(-1).clamp(min=1)
        return (sums / positives.clamp(min=1)).sum(-1) / groups.views.sum(-1)

    l_sup, l_self = mean(sup, sup_positives), mean(self_, self_positives)
    if alpha is None:
        total = mean(sup + self_, sup_positives + self_positives)
    else:
        total = (1 - alpha) * l_sup + alpha * l_self
    share = torch.where(groups.others > 0, groups.views, 0).sum(-1) / groups.views.sum(-1)
    return LossParts(total, l_sup, l_self, share)


def _pair_sums(
    rows: Tensor, squares: Tensor | float, groups: Groups, loss: Loss, tile: int | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums of -log p over the pairs of an anchor and a positive, by instance, and the positives that one anchor has.

    First of other instances of the class, then of the same instance. All embeddings of an instance have as many.
    """
    views, others = groups.views, groups.others
    squares = groups.per_instance(squares * torch.ones_like(rows[..., 0]), -1)
    if loss == "l_spread":
        sup, within = spread_sums(rows.unflatten(-2, (len(groups.labels), -1)), groups.labels, tile)
        own = groups.per_instance(rows, -2).square().sum(-1)
        return sup, (views - 1) * (others / views + 1), within - (own - squares), views - 1

    lse, own, kin = statistics(rows, groups, loss == "supcon", tile)
    lse = groups.per_instance(lse, -1)
    sup = others * lse - (kin - own)
    if loss == "ssem":  # an anchor is a positive of itself
        return sup, others, views * lse - own, views
    return sup, others, (views - 1) * lse - (own - squares), views - 1


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
    numbers or tensors that broadcast to (*models,); alpha=None is plain SupCon. normalize: divide each embedding by
    its length first; without it the rows are used as they are. Returns (*models,), in nats.

    One view is enough for ``ssem``, whose anchor is its own positive; ``l_spread`` needs two, and ``supcon`` with one
    view has no self-supervised term (it counts 0).
    """
    if loss not in LOSSES:
        raise SettingError(f"loss={loss!r}: must be one of {', '.join(LOSSES)}")
    if loss == "l_spread" and z.shape[-2] == 1:
        raise SettingError("views=1: l_spread compares different views; give at least two")
    if isinstance(temperature, Tensor):
        temperature = temperature[..., None, None, None]
    rows = ((F.normalize(z, dim=-1) if normalize else z) * temperature**-0.5).flatten(-3, -2)
    return mixture(rows, rows.square().sum(-1), Groups(rows, labels), alpha, loss).loss
