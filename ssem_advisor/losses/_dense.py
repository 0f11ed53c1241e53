"""The three losses written plainly: every similarity at once, quadratic memory, any number of leading dimensions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ssem_advisor.domain import LOSSES, Loss, SettingError


def dense_loss(
    z: Tensor,
    labels: Tensor,
    alpha: float | Tensor,
    temperature: float | Tensor,
    loss: Loss = "supcon",
    *,
    normalize: bool = True,
) -> Tensor:
    """(1-alpha) L_sup + alpha L_self, averaged over anchors, of a stack of small models at once.

    For stacks of models with up to a few thousand embeddings each; one large batch belongs to
    :func:`supervised_contrastive_loss`, whose memory is linear. Plain differentiable torch, so autograd of any order,
    ``torch.func`` and ``torch.compile`` apply. The values of the embeddings are not checked.

    z: (*models, instances, views, dim). labels: (instances,), shared by the models. alpha, temperature: numbers or
    tensors that broadcast to (*models,). normalize: divide each embedding by its length first; without it the rows
    are used as they are. Returns (*models,), in nats.

    One view is enough for ``ssem``, whose anchor is its own positive; ``l_spread`` needs two, and ``supcon`` with one
    view has no self-supervised term (it counts 0).
    """
    if loss not in LOSSES:
        raise SettingError(f"loss={loss!r}: must be one of {', '.join(LOSSES)}")
    if normalize:
        z = F.normalize(z, dim=-1)
    tau = torch.as_tensor(temperature, dtype=z.dtype, device=z.device)[..., None, None, None]
    alpha = torch.as_tensor(alpha, dtype=z.dtype, device=z.device)
    same = labels[:, None] == labels
    sup, self_ = (_spread_means if loss == "l_spread" else _softmax_means)(z / tau.sqrt(), same, loss)
    return (1 - alpha) * sup.mean((-1, -2)) + alpha * self_.mean((-1, -2))


def _softmax_means(u: Tensor, same: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """Mean of -log softmax over the supervised and the self-supervised positives of each anchor, (*, instances, views).

    u: (*, instances, views, dim), embeddings over the square root of the temperature.
    """
    views = u.shape[-2]
    rows = u.flatten(-3, -2)
    similarity = rows @ rows.mT
    if loss == "supcon":
        itself = torch.eye(rows.shape[-2], dtype=torch.bool, device=u.device)
        similarity = similarity.masked_fill(itself, -math.inf)
    lse = similarity.logsumexp(-1).unflatten(-1, u.shape[-3:-1])

    instance = u.sum(-2)
    others = (same.to(u.dtype) @ instance - instance).unsqueeze(-2)
    positives = views * (same.sum(-1, dtype=u.dtype)[:, None] - 1)
    sup = torch.where(positives > 0, lse - (u * others).sum(-1) / positives.clamp(min=1), 0)

    own = (u * instance.unsqueeze(-2)).sum(-1)
    if loss == "ssem":
        return sup, lse - own / views
    if views == 1:
        return sup, torch.zeros_like(sup)
    return sup, lse - (own - u.square().sum(-1)) / (views - 1)


def _spread_means(u: Tensor, same: Tensor, loss: Loss = "l_spread") -> tuple[Tensor, Tensor]:
    """L_spread's two means per anchor: a view of each instance against one other view of all, over all such views."""
    views = u.shape[-2]
    if views < 2:
        raise SettingError("views=1: l_spread compares different views; give at least two")
    similarity = torch.einsum("...iud,...jvd->...iuvj", u, u)
    kin = same[:, None, None, :]
    negatives = similarity.masked_fill(kin, -math.inf).logsumexp(-1, keepdim=True)
    against = torch.where(kin, F.softplus(negatives - similarity), 0).sum(-1) / kin.sum(-1)
    within = similarity.masked_fill(~kin, -math.inf).logsumexp(-1)
    own = torch.einsum("...iud,...ivd->...iuv", u, u)
    other = 1 - torch.eye(views, dtype=u.dtype, device=u.device)
    return (against * other).sum(-1) / (views - 1), ((within - own) * other).sum(-1) / (views - 1)
