"""What a trained embedding shows: its spread, whose spread it is, and what a linear probe still reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Second moments of unit vectors, pooled over instances and views.

    variance: within-class variance v, of which `reliability` v is the instances' own (what their views have in common)
    and the rest view noise. The own part is confusion, what lies in the span of the centred class means, and free
    spread; None where dim < classes - 1 leaves no direction beside the means. effective_dim: tr(C)^2 / tr(C^2) of
    the within-class covariance, mean over classes. mean: squared length of the overall mean. per_class,
    free_per_class: variance and free spread of each class.
    """

    variance: float
    reliability: float
    confusion: float | None
    free_spread: float | None
    effective_dim: float
    mean: float
    per_class: tuple[float, ...]
    free_per_class: tuple[float, ...]


def moments(z: Tensor, labels: Tensor) -> Moments:
    """Measure z (instances, views >= 2, dim), unit vectors, with labels (instances,).

    `measurement.spread_of` answers the same question about embeddings of unknown origin: every class counts the same
    there, and one of fewer than eight instances is left out. A study knows its data, whose classes may be of two
    instances, and its predictions weigh every instance the same.
    """
    z = z.double()
    dim = z.shape[2]
    member = torch.nn.functional.one_hot(labels).to(z.dtype)
    counts = member.sum(0)
    centre = (member.mT @ z.mean(1)) / counts.unsqueeze(1)
    residual = z - centre[labels].unsqueeze(1)
    square = residual.square().sum(-1)
    variance = square.mean()
    own = _shared(residual)
    free = None
    if dim > member.shape[1] - 1:
        # The span of the class means of one half of the instances, taken off the other half: fitted on the same
        # instances it would follow their own noise.
        half = torch.arange(len(z), device=z.device) % 2
        free = torch.empty_like(own)
        for side in (0, 1):
            axes = _class_axes(z[half == side].mean(1), member[half == side])
            rest = residual[half != side]
            free[half != side] = _shared(rest - (rest @ axes.mT) @ axes)
    dims = []
    for covariance in (rows.mT @ rows for rows in (residual[labels == c].reshape(-1, dim) for c in range(len(counts)))):
        dims.append(covariance.trace() ** 2 / covariance.square().sum().clamp(min=1e-300))
    return Moments(
        variance=variance.item(),
        reliability=(own.mean() / variance.clamp(min=1e-300)).clamp(-1, 1).item(),
        confusion=None if free is None else (own - free).mean().item(),
        free_spread=None if free is None else free.mean().item(),
        effective_dim=torch.stack(dims).mean().item(),
        mean=z.mean((0, 1)).square().sum().item(),
        per_class=tuple(((member.mT @ square.mean(1)) / counts).tolist()),
        free_per_class=() if free is None else tuple(((member.mT @ free) / counts).tolist()),
    )


def _shared(residual: Tensor) -> Tensor:
    """Mean inner product (instances,) of an instance's different views; residual: (instances, views, dim)."""
    views = residual.shape[1]
    return (residual.sum(1).square().sum(-1) - residual.square().sum((1, 2))) / (views * (views - 1))


def _class_axes(z: Tensor, member: Tensor) -> Tensor:
    """An orthonormal basis (classes - 1, dim) of the span of the centred class means of z (instances, dim)."""
    means = (member.mT @ z) / member.sum(0).clamp(min=1).unsqueeze(1)
    means = means - means.mean(0)
    return torch.linalg.svd(means, full_matrices=False).Vh[: len(means) - 1]


def probe(z: Tensor, labels: Tensor, z_test: Tensor, labels_test: Tensor, ridge: float = 1e-3) -> float:
    """Test accuracy of a linear classifier, ridge regression on one-hot labels, on frozen embeddings.

    z: (samples, dim). labels: (samples,), or (samples, k) for the mean accuracy over k labelings.
    ridge: penalty relative to the mean variance of a coordinate of z.
    """
    z, z_test = z.double(), z_test.double()
    centre = z.mean(0)
    x = z - centre
    target = torch.nn.functional.one_hot(labels.reshape(len(z), -1)).to(x.dtype)  # (samples, k, classes)
    gram = x.mT @ x
    penalty = ridge * gram.trace().clamp(min=1e-12) / len(gram)
    solution = torch.linalg.solve(
        gram + penalty * torch.eye(len(gram), dtype=x.dtype, device=x.device), x.mT @ target.flatten(1)
    )
    score = ((z_test - centre) @ solution).reshape(len(z_test), *target.shape[1:]) + target.mean(0)
    return (score.argmax(2) == labels_test.reshape(len(z_test), -1)).double().mean().item()


def shuffled_within(fine: Tensor, coarse: Tensor, seed: int, times: int = 10) -> Tensor:
    """The fine labels permuted among the samples of each coarse class, (samples, times): nothing is left to read."""
    generator = torch.Generator().manual_seed(seed)
    columns = []
    for _ in range(times):
        keys = coarse.cpu() + torch.rand(len(fine), generator=generator)
        shuffled = torch.empty_like(fine)
        shuffled[coarse.argsort(stable=True)] = fine[keys.argsort().to(fine.device)]
        columns.append(shuffled)
    return torch.stack(columns, dim=1)


def picture(z: Tensor, coarse: Tensor, fine: Tensor, points: int = 200) -> dict[str, Any]:
    """The first two principal components of some embeddings (samples, dim), with their labels, for a scatter plot."""
    chosen = torch.linspace(0, len(z) - 1, min(points, len(z))).long().to(z.device)
    x = z.double() - z.double().mean(0)
    axes = torch.linalg.eigh(x.mT @ x).eigenvectors[:, -2:].flip(1)
    # The sign of an axis is free; the heavier side is put on the right, so that pictures of equal trainings are equal.
    axes = axes * axes.sum(0).sign()
    flat = (x[chosen] @ axes).cpu()
    return {
        "points": [[round(v, 3) for v in row] for row in flat.tolist()],
        "coarse": coarse[chosen].tolist(),
        "fine": fine[chosen].tolist(),
    }
