"""What a trained embedding shows: its spread, whose spread it is, and what a linear probe still reads from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Spread:
    """Second moments of unit vectors, pooled over instances and views.

    variance: within-class variance v. reliability: share of it that the views of one instance have in common.
    effective_dim: tr(C)^2 / tr(C^2) of the within-class covariance, mean over classes. mean: squared length of the
    overall mean. per_class: the variance of each class.
    """

    variance: float
    reliability: float
    effective_dim: float
    mean: float
    per_class: list[float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def spread(z: Tensor, labels: Tensor) -> Spread:
    """Measure z (instances, views >= 2, dim), unit vectors, with labels (instances,)."""
    z = z.double()
    views, dim = z.shape[1:]
    member = torch.nn.functional.one_hot(labels).to(z.dtype)
    counts = member.sum(0)
    centre = (member.mT @ z.mean(1)) / counts.unsqueeze(1)
    residual = z - centre[labels].unsqueeze(1)
    square = residual.square().sum(-1)
    shared = (residual.sum(1).square().sum(-1) - square.sum(1)).sum() / (views * (views - 1))
    variance = square.mean()
    dims = []
    for own in (residual[labels == c].reshape(-1, dim) for c in range(member.shape[1])):
        covariance = own.mT @ own
        dims.append(covariance.trace() ** 2 / covariance.square().sum().clamp(min=1e-300))
    return Spread(
        variance=variance.item(),
        reliability=(shared / (square.sum() / views).clamp(min=1e-300)).clamp(-1, 1).item(),
        effective_dim=torch.stack(dims).mean().item(),
        mean=z.mean((0, 1)).square().sum().item(),
        per_class=((member.mT @ square.mean(1)) / counts).tolist(),
    )


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
    # The sign of an axis is free; the heavier side is put on the right, so that pictures of equal runs are equal.
    axes = axes * axes.sum(0).sign()
    flat = (x[chosen] @ axes).cpu()
    return {
        "points": [[round(v, 3) for v in row] for row in flat.tolist()],
        "coarse": coarse[chosen].tolist(),
        "fine": fine[chosen].tolist(),
    }
