"""The contrastive losses with their gradients in closed form, batched over models.

The similarity matrix is exponentiated in place and read twice; no mask, no log-softmax matrix and no autograd graph of
its size ever exists. That is what makes a stack of small models faster than a loop over them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def contrastive_loss(z: Tensor, labels: Tensor, alpha: Any, temperature: Any, loss: str = "supcon") -> Tensor:
    """`value_and_gradient` as a differentiable function of z: the losses (*models,)."""
    return _Closed.apply(z, labels, alpha, temperature, loss)  # type: ignore[no-any-return]


class _Closed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, labels: Tensor, alpha: Any, temperature: Any, loss: str) -> Tensor:
        value, gradient = value_and_gradient(z, labels, alpha, temperature, loss)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return upstream[..., None, None, None] * gradient, None, None, None, None


def value_and_gradient(
    z: Tensor, labels: Tensor, alpha: Any, temperature: Any, loss: str = "supcon"
) -> tuple[Tensor, Tensor]:
    """L = (1-alpha) L_sup + alpha L_self of every stacked batch, mean over anchors, and its gradient with respect to z.

    z: (*models, instances, views, dim), unit vectors. labels: (instances,) or (*models, instances), integers.
    alpha, temperature: scalars or broadcastable to (*models,). loss: "supcon", "ssem" or "l_spread". alpha NaN (of
    supcon): plain SupCon, in which all positives of an anchor weigh the same.
    Returns the losses (*models,), in nats, and the gradient like z, of the loss as a function on the space around the
    spheres. An anchor whose class has no other instance contributes 0 to L_sup of supcon and ssem.
    """
    shape = (*z.shape[:-3], 1, 1)
    alpha = torch.as_tensor(alpha, dtype=z.dtype, device=z.device).expand(shape[:-2]).reshape(shape)
    inverse = 1 / torch.as_tensor(temperature, dtype=z.dtype, device=z.device).expand(shape[:-2]).reshape(shape)
    if loss == "l_spread":
        return _spread(z, labels, alpha, inverse)
    return _softmax(z, labels, alpha, inverse, itself=0 if loss == "supcon" else 1)


def _softmax(z: Tensor, labels: Tensor, alpha: Tensor, inverse: Tensor, itself: int) -> tuple[Tensor, Tensor]:
    """supcon and ssem; itself: whether an anchor counts in its own denominator and positives.

    With E = exp(S - 1/tau), D its row sums and w the anchors' weights, the pushing half of the gradient is
    diag(w/D) E z + E (w z/D): E is symmetric, so its transpose is never formed. The pulling half only needs
    the sums over views and over classes.
    """
    *lead, instances, views, dim = z.shape
    flat = z.reshape(-1, instances * views, dim)
    each = inverse.reshape(-1, 1, 1)
    kernel = torch.baddbmm(-each, flat * each, flat.mT).exp_()
    if not itself:
        kernel.diagonal(dim1=-2, dim2=-1).zero_()
    total = kernel.sum(-1, keepdim=True)

    member = torch.nn.functional.one_hot(labels).to(z.dtype)  # (..., instances, classes)
    others = (member @ member.sum(-2, keepdim=True).mT - 1).clamp_(min=0)  # (..., instances, 1)
    if alpha.isnan().any():
        alpha = torch.where(alpha.isnan(), (views - 1) / ((others + 1) * views - 1), alpha)  # (*models, instances, 1)
    weight = torch.where(others > 0, 1.0, alpha)  # an anchor without positives feels L_self alone
    own = z.sum(-2)  # (*models, instances, dim)
    siblings = member @ (member.mT @ own) - own
    pull = ((1 - alpha) / (others * views).clamp(min=1)) * siblings
    pull = pull.unsqueeze(-2) + (alpha / max(views - 1 + itself, 1)).unsqueeze(-1) * (
        own.unsqueeze(-2) - (1 - itself) * z
    )

    weight = weight.expand(*lead, instances, 1).unsqueeze(-2).expand(*lead, instances, views, 1)
    share = weight.reshape(-1, instances * views, 1) / total
    push = torch.bmm(kernel, flat).mul_(share).baddbmm_(kernel, flat * share).reshape(z.shape)
    anchors = instances * views
    attraction = (pull * z).sum(-1)
    value = (weight.squeeze(-1) * (total.log().reshape(attraction.shape) + inverse) - inverse * attraction).sum(
        (-2, -1)
    )
    return value / anchors, (push - 2 * pull).mul_(inverse.unsqueeze(-1) / anchors)


def _spread(z: Tensor, labels: Tensor, alpha: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """l_spread: each view of an anchor against every other view of all instances.

    With E = exp(S - 1/tau) and n the sum of an anchor's E over other classes, L_sup is the mean of log(1 + n/E) over
    its class, L_self is -log of its own share of its class.
    """
    instances, views = z.shape[-3:-1]
    rows = z.movedim(-2, -3)  # (*models, views, instances, dim)
    alpha, inverse = alpha.unsqueeze(-1).unsqueeze(-1), inverse.unsqueeze(-1).unsqueeze(-1)
    pairs = (views * views - views) * instances
    same = (labels.unsqueeze(-1) == labels.unsqueeze(-2)).unsqueeze(-3).unsqueeze(-3)
    kin = same.to(z.dtype)
    crossed = 1 - torch.eye(views, dtype=z.dtype, device=z.device)[:, :, None, None]
    weight = crossed / pairs
    tiny = torch.finfo(z.dtype).tiny

    similarity = (rows.unsqueeze(-3) @ rows.mT.unsqueeze(-4)) * inverse  # (*models, views, views, instances, instances)
    kernel = (similarity - inverse).exp().clamp(min=tiny)
    negatives = (kernel * (1 - kin)).sum(-1, keepdim=True)
    count = kin.sum(-1, keepdim=True)
    both = kernel + negatives
    family = (kernel * kin).sum(-1, keepdim=True)
    sup = ((both / kernel).log() * kin).sum(-1, keepdim=True) / count
    own = torch.eye(instances, dtype=z.dtype, device=z.device)
    self_ = (family / (kernel * own).sum(-1, keepdim=True).clamp(min=tiny)).log()
    value = (weight * ((1 - alpha) * sup + alpha * self_)).sum((-4, -3, -2, -1))

    push = kernel * (1 - kin) * ((kin / both).sum(-1, keepdim=True) / count)
    slope = (1 - alpha) * (push - kin * negatives / both / count) + alpha * (kin * kernel / family - own)
    slope = slope * weight * inverse
    gradient = torch.einsum("...uvij,...vjd->...uid", slope + slope.transpose(-4, -3).mT, rows)
    return value, gradient.movedim(-3, -2)
