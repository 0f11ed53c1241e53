"""From similarities to losses: positives through class and instance sums, averages, the mixture of the two terms."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssem_advisor.domain import LOSSES, Loss, SettingError
from ssem_advisor.losses._log_sum_exp import dense_log_sum_exp, tiled_log_sum_exp
from ssem_advisor.losses._spread import spread_sums


class LossParts(NamedTuple):
    """A loss and what it is made of; scalars, the first three differentiable.

    loss: what to minimise. l_sup, l_self: the supervised and the self-supervised term, before weighting.
    positive_share: share of anchors with another instance of their class in the batch, in [0, 1].
    """

    loss: Tensor
    l_sup: Tensor
    l_self: Tensor
    positive_share: Tensor


class Groups:
    """Which embeddings are views of one instance, and which instances are of one class.

    Shapes depend on no value, so that torch can trace: with free ids there are as many slots for instances as there
    are embeddings, and the unused ones hold no embedding.
    """

    def __init__(self, rows: Tensor, labels: Tensor, ids: Tensor | None = None) -> None:
        """rows: (*, embeddings, dim). labels: (instances,), the rows coming instance by instance; or as long as ids."""
        self._views = rows.shape[-2] // labels.shape[-1]
        self._slot = None if ids is None else _ranks(ids)
        if self._slot is not None:
            labels = torch.zeros_like(labels).scatter(-1, self._slot, labels)
        self.labels = labels
        self.views = self.per_instance(torch.ones_like(rows[..., 0]), -1)
        """Embeddings of each instance."""
        self._class = _ranks(self.labels)
        self.others = self.of_class(self.views, -1) - self.views
        """Embeddings of the other instances of the class, for each instance."""

    def per_instance(self, x: Tensor, dim: int) -> Tensor:
        """Sums over the embeddings of each instance."""
        if self._slot is None:
            return x.unflatten(dim, (-1, self._views)).sum(dim)
        return torch.zeros_like(x).index_add(dim, self._slot, x)

    def of_class(self, x: Tensor, dim: int) -> Tensor:
        """For each instance, the sum over the instances of its class."""
        return torch.zeros_like(x).index_add(dim, self._class, x).index_select(dim, self._class)


def mixture(
    rows: Tensor,
    groups: Groups,
    alpha: float | Tensor | None,
    loss: Loss,
    reduction: str = "anchors",
    tile: int | None = None,
) -> LossParts:
    """The loss of rows (*, embeddings, dim), each divided by the square root of the temperature; tile=None: dense."""
    sup, sup_positives, self_, self_positives = _pair_sums(rows, groups, loss, tile)

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


def _pair_sums(rows: Tensor, groups: Groups, loss: Loss, tile: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums of -log p over the pairs of an anchor and a positive, by instance, and the positives that one anchor has.

    First of other instances of the class, then of the same instance. All embeddings of an instance have as many.
    """
    instance = groups.per_instance(rows, -2)
    own = instance.square().sum(-1)
    between_views = own - groups.per_instance(rows.square().sum(-1), -1)

    if loss == "l_spread":
        views = groups.views
        sup, within = spread_sums(rows.unflatten(-2, (len(groups.labels), -1)), groups.labels, tile)
        return sup, (views - 1) * (groups.others / views + 1), within - between_views, views - 1

    lse = dense_log_sum_exp(rows, loss == "supcon") if tile is None else tiled_log_sum_exp(rows, loss == "supcon", tile)
    lse = groups.per_instance(lse, -1)
    sup = groups.others * lse - (instance * (groups.of_class(instance, -2) - instance)).sum(-1)
    if loss == "ssem":  # an anchor is a positive of itself
        return sup, groups.others, groups.views * lse - own, groups.views
    positives = groups.views - 1
    return sup, groups.others, positives * lse - between_views, positives


def _ranks(values: Tensor) -> Tensor:
    """Each value's index among the distinct values, along the last dimension."""
    ordered, order = values.sort(-1)
    steps = (ordered.diff(dim=-1) != 0).cumsum(-1)
    return torch.empty_like(order).scatter(-1, order, F.pad(steps, (1, 0)))


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
    if normalize:
        z = F.normalize(z, dim=-1)
    if isinstance(temperature, Tensor):
        temperature = temperature[..., None, None, None]
    rows = (z / temperature**0.5).flatten(-3, -2)
    return mixture(rows, Groups(rows, labels), alpha, loss).loss
