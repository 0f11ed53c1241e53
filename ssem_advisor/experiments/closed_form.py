"""The contrastive losses with their gradients in closed form, batched over models.

The similarity matrix is exponentiated in place and read twice; no mask, no log-softmax matrix and no autograd graph of
its size ever exists. That is what makes a stack of small models faster than a loop over them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ssem_advisor.losses import dense_loss


def contrastive_loss(z: Tensor, labels: Tensor, alpha: Tensor, temperature: Tensor, loss: str = "supcon") -> Tensor:
    """L = (1-alpha) L_sup + alpha L_self of every stacked batch, in nats, mean over anchors; shape (*models,).

    z: (*models, instances, views, dim), unit vectors. labels: (instances,) or (*models, instances), integers.
    alpha, temperature: scalars or broadcastable to (*models,). loss: "supcon", "ssem" or "l_spread".
    Differentiable in z. An anchor whose class has no other instance contributes 0 to L_sup.
    """
    if loss == "l_spread":
        return dense_loss(z, labels, alpha, temperature, loss="l_spread")
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
    """The loss (*models,) and its gradient with respect to z, as a function on all of space around the unit sphere.

    With E = exp(S - 1/tau), D its row sums and w the anchors' weights, the pushing half of the gradient is
    diag(w/D) E z + E (w z/D): E is symmetric, so its transpose is never formed. The pulling half only needs
    the sums over views and over classes.
    """
    *lead, instances, views, dim = z.shape
    shape = (*lead, 1, 1)
    alpha = torch.as_tensor(alpha, dtype=z.dtype, device=z.device).expand(lead).reshape(shape)
    inverse = 1 / torch.as_tensor(temperature, dtype=z.dtype, device=z.device).expand(lead).reshape(shape)
    flat = z.reshape(-1, instances * views, dim)
    each = inverse.reshape(-1, 1, 1)
    kernel = torch.baddbmm(-each, flat * each, flat.mT).exp_()
    itself = 0 if loss == "supcon" else 1  # whether an anchor counts in its own denominator and positives
    if not itself:
        kernel.diagonal(dim1=-2, dim2=-1).zero_()
    total = kernel.sum(-1, keepdim=True)

    member = torch.nn.functional.one_hot(labels).to(z.dtype)  # (..., instances, classes)
    others = (member @ member.sum(-2, keepdim=True).mT - 1).clamp_(min=0)  # (..., instances, 1)
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
