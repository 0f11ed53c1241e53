"""The `embeddings` suite: unit vectors, free of any network, minimise the loss itself; theory must give what they find.

The whole grid of weights and temperatures is one batched problem, solved by L-BFGS on the product of spheres in
float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssem_advisor.domain import Setting
from ssem_advisor.experiments.closed_form import value_and_gradient

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Minimum:
    """Embeddings (models, instances, views, dim), loss and largest gradient entry left (models,), number of steps."""

    z: Tensor
    loss: Tensor
    residual: Tensor
    steps: int


def minimise(
    objective: Objective, start: Tensor, memory: int = 10, steps: int = 3000, tolerance: float = 1e-7
) -> Minimum:
    """Minimise many functions of unit vectors at once by L-BFGS on the product of spheres.

    objective: (z, which) -> loss and gradient, where z (k, ..., dim) holds the problems numbered by `which` (k,).
    start: unit vectors (models, ..., dim), float64. A problem is done when no entry of its gradient, times its number
    of vectors, exceeds the tolerance; it then leaves the batch, so that the easy ones do not wait for the hard ones.
    """
    vectors = start[0].numel() // start.shape[-1]
    column = (-1, *[1] * (start.dim() - 1))

    def evaluate(z: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective(z, which)
        return value, _tangent(z, gradient)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).flatten(1).sum(1).reshape(column)

    which = torch.arange(len(start), device=start.device)
    final, loss, residual = start.clone(), start.new_empty(len(start)), start.new_empty(len(start))
    z = start
    value, gradient = evaluate(z, which)
    scale = torch.full_like(value.reshape(column), vectors / 4)  # of the first step, and when descent is lost
    history: list[tuple[Tensor, ...]] = []
    step = 0
    while True:
        left = vectors * gradient.flatten(1).abs().amax(1)
        done = left < tolerance
        if step == steps:
            done = torch.ones_like(done)
        if done.any():
            at = which[done]
            final[at], loss[at], residual[at] = z[done], value[done], left[done]
            keep = ~done
            which, z, value, gradient, scale = (x[keep] for x in (which, z, value, gradient, scale))
            history = [tuple(x[keep] for x in entry) for entry in history]
            if not len(which):
                return Minimum(final, loss, residual, step)
        step += 1

        direction = -gradient
        weights = []
        for s, y, r in reversed(history):
            weights.append(r * dot(s, direction))
            direction = direction - weights[-1] * y
        direction = direction * scale
        for (s, y, r), weight in zip(history, reversed(weights), strict=True):
            direction = direction + s * (weight - r * dot(y, direction))
        direction = _tangent(z, direction)
        slope = dot(direction, gradient)
        lost = slope >= 0
        direction = torch.where(lost, -scale * gradient, direction)
        slope = torch.where(lost, -scale * dot(gradient, gradient), slope)

        length = torch.ones_like(slope)
        while True:
            moved = normalize(z + length * direction, dim=-1)
            new_value, new_gradient = evaluate(moved, which)
            # The last term lets rounding of the loss pass: near the minimum the gradient is the finer measure.
            enough = new_value <= value + (1e-4 * length * slope).reshape(-1) + 1e-14 * value.abs()
            if enough.all() or length.min() < 1e-6:
                break
            length = torch.where(enough.reshape(column), length, length * 0.3)
        s, y = moved - z, new_gradient - gradient
        curvature, size = dot(s, y), dot(y, y)
        useful = curvature > 1e-12 * size.clamp(min=1e-280)
        scale = torch.where(useful, curvature / size.clamp(min=1e-300), scale)
        history.append((s, y, torch.where(useful, 1 / curvature.clamp(min=1e-300), 0.0)))
        del history[:-memory]
        z, value, gradient = moved, new_value, new_gradient


def _tangent(z: Tensor, vector: Tensor) -> Tensor:
    return vector - (vector * z).sum(-1, keepdim=True) * z


def expected_loss(setting: Setting, alpha: Tensor, temperature: Tensor) -> tuple[Objective, Tensor]:
    """The expectation of the loss over every mini-batch the sampler can draw, by enumeration, and the labels.

    The objective is what `minimise` takes, z being (models, instances, views, dim); alpha, temperature: (models,).
    Small settings only: the number of batches grows like a binomial coefficient.
    """
    sizes = setting.class_counts or (setting.need("instances_per_class"),) * setting.classes
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(alpha.device)
    batches = torch.tensor(_batches(setting, [int(n) for n in sizes]), device=alpha.device)
    whole = len(batches) == 1

    def objective(z: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        drawn = z[:, None] if whole else z[:, batches]
        a, t = (v[which, None].expand(-1, len(batches)) for v in (alpha, temperature))
        value, gradient = value_and_gradient(drawn, labels[batches], a, t, setting.loss)
        if whole:
            return value[:, 0], gradient[:, 0]
        total = torch.zeros_like(z).index_add_(1, batches.flatten(), gradient.flatten(1, 2))
        return value.mean(1), total / len(batches)

    return objective, labels


def _batches(setting: Setting, sizes: list[int]) -> list[tuple[int, ...]]:
    """Every batch the sampler can draw, as instance numbers; all are equally likely."""
    starts = [0, *itertools.accumulate(sizes)]
    everything = range(starts[-1])
    if setting.sampler == "full":
        return [tuple(everything)]
    batch = setting.need("batch_size")
    if setting.sampler == "random":
        return list(itertools.combinations(everything, batch))
    drawn = setting.classes_per_batch or setting.classes
    members = [range(a, b) for a, b in itertools.pairwise(starts)]
    return [
        tuple(itertools.chain.from_iterable(parts))
        for chosen in itertools.combinations(members, drawn)
        for parts in itertools.product(*(itertools.combinations(group, batch // drawn) for group in chosen))
    ]


def within_variance(z: Tensor, labels: Tensor) -> Tensor:
    """Spread of the instances' mean embeddings around their class means, (*models,); views are averaged first.

    z: (*models, instances, views, dim). Views that drift apart (augmentation noise) do not count.
    """
    mean = z.mean(-2)
    member = torch.nn.functional.one_hot(labels).to(z.dtype)
    centre = member @ ((member.mT @ mean) / member.sum(0).unsqueeze(-1))
    return (mean - centre).square().sum(-1).mean(-1)


def solve_grid(
    setting: Setting, alphas: np.ndarray, temperatures: np.ndarray, device: str = "cpu", seed: int = 0
) -> tuple[Minimum, np.ndarray]:
    """Minimise the loss at every (alpha, temperature) pair; the minimum and its within-class variance (models,).

    alphas, temperatures: (models,). setting: classes, dim, views, instances, loss and sampler of the small problem.
    """
    # Apple's accelerator has no float64, and this suite's point is its precision.
    place = torch.device("cpu" if device == "mps" else device)
    alpha, temperature = (torch.as_tensor(v, dtype=torch.float64, device=place) for v in (alphas, temperatures))
    objective, labels = expected_loss(setting, alpha, temperature)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(
        len(alpha), len(labels), setting.views, setting.need("dim"), generator=generator, dtype=torch.float64
    )
    found = minimise(objective, normalize(start, dim=-1).to(place))
    return found, within_variance(found.z, labels).cpu().numpy()
