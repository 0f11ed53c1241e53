"""Small data sets with a hidden level of labels: training sees the coarse labels, the probe asks for the fine ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Data:
    """Train and test samples on one device. x: (samples, ...); coarse, fine: (samples,) integers.

    augment draws one view of every row of its input. fine is equal to coarse where there is nothing finer.
    """

    x: Tensor
    coarse: Tensor
    fine: Tensor
    x_test: Tensor
    coarse_test: Tensor
    fine_test: Tensor
    augment: Augment

    @property
    def counts(self) -> list[int]:
        """Train instances of each coarse class."""
        return torch.bincount(self.coarse).tolist()

    @property
    def has_fine(self) -> bool:
        """Whether the fine labels say more than the coarse ones."""
        return int(self.fine.max()) > int(self.coarse.max())

    def to(self, device: str | torch.device) -> Self:
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return replace(self, **{name: value.to(device) for name, value in named if hasattr(value, "to")})

    def views(self, chosen: Tensor, views: int, generator: torch.Generator) -> Tensor:
        """Views (instances, views, features) of the chosen train instances, to train on."""
        drawn = self.augment(self.x[chosen].repeat_interleave(views, 0), generator)
        return drawn.reshape(len(chosen), views, -1)

    def measured_views(self, views: int, generator: torch.Generator) -> Tensor:
        """Views (instances, views, features) of every train instance, none of which training has seen."""
        return self.views(torch.arange(len(self.x), device=self.coarse.device), views, generator)


def digits(classes: int = 5) -> Data:
    """scikit-learn's digits, 8 x 8, neighbours merged to 2, 5 or 10 classes; every fifth of each digit tests."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.as_tensor(bunch.images, dtype=torch.float32).div_(16).unsqueeze(1)
    fine = torch.as_tensor(bunch.target, dtype=torch.long)
    rank = (torch.nn.functional.one_hot(fine).cumsum(0).gather(1, fine.unsqueeze(1)) - 1).squeeze(1)
    test = rank % 5 == 4
    coarse = fine // (10 // classes)
    return Data(x[~test], coarse[~test], fine[~test], x[test], coarse[test], fine[test], affine_and_noise)


def affine_and_noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 5 degrees, scale by 0.95 to 1.05, shift by up to a quarter of a pixel in 8, add noise (0.05).

    x: (samples, channels, height, width) in [0, 1].
    """
    draw = torch.rand(4, len(x), generator=generator, device=x.device).mul_(2).sub_(1)
    angle, scale = draw[0] * (math.pi / 36), 1 + 0.05 * draw[1]
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    transform = torch.stack([cos, -sin, 0.0625 * draw[2], sin, cos, 0.0625 * draw[3]], dim=1).view(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(transform, list(x.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    return moved.add_(torch.randn(moved.shape, generator=generator, device=x.device), alpha=0.05)


def synthetic(
    counts: Sequence[int], fine_per_class: int = 4, features: int = 64, spread: float = 0.6, noise: float = 0.35
) -> Data:
    """Gaussian classes in two levels: class centres at length 1, finer centres around them, samples around those.

    counts: train instances of each class. spread and noise: length of the step to the finer centre, and of the step
    from there to the sample, relative to the class centre's. A view adds a third of the noise and drops a tenth of the
    features. The test half has as many samples of every class as the train half.
    """
    generator = torch.Generator().manual_seed(20250501)

    def steps(*shape: int) -> Tensor:
        return torch.randn(*shape, features, generator=generator) / math.sqrt(features)

    classes = len(counts)
    centres = (steps(classes).unsqueeze(1) + spread * steps(classes, fine_per_class)).flatten(0, 1)

    def half() -> tuple[Tensor, Tensor, Tensor]:
        coarse = torch.repeat_interleave(torch.arange(classes), torch.tensor(counts))
        within = torch.cat([torch.arange(n) % fine_per_class for n in counts])
        fine = coarse * fine_per_class + within
        return (centres[fine] + noise * steps(len(fine))) * math.sqrt(features), coarse, fine

    def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
        step = torch.randn(x.shape, generator=generator, device=x.device)
        kept = torch.rand(x.shape, generator=generator, device=x.device) > 0.1
        return (x + (noise / 3) * step) * kept

    return Data(*half(), *half(), jitter)


@dataclass(frozen=True)
class BatchSampler:
    """Draws the instances of a step: a function of seed and step alone, so that a training can resume anywhere."""

    kind: str
    labels: Tensor
    batch_size: int
    classes_per_batch: int | None = None

    def draw(self, seed: int, step: int) -> Tensor:
        """Indices (batch_size,) of the instances of this step, sorted by class where the batch is balanced."""
        total = len(self.labels)
        if self.kind == "full":
            return torch.arange(total)
        generator = stream(seed, step, "batch")
        if self.kind == "random":
            return torch.randperm(total, generator=generator)[: self.batch_size]
        classes = int(self.labels.max()) + 1
        drawn = self.classes_per_batch or classes
        chosen = torch.randperm(classes, generator=generator)[:drawn].sort().values
        # Random keys, sorted within the classes: the first n of a class are a uniform draw without replacement.
        keys = torch.rand(total, generator=generator)
        order = torch.argsort(self.labels + keys)
        starts = torch.searchsorted(self.labels[order], chosen)
        return order[(starts.unsqueeze(1) + torch.arange(self.batch_size // drawn)).flatten()]


def stream(seed: int, step: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator of its own for every (seed, step, purpose)."""
    code = {"batch": 1, "augment": 2, "init": 3, "measure": 4, "views": 5}[purpose]
    mixed = (seed * 1_000_003 + step) * 8 + code
    return torch.Generator(device=device).manual_seed((mixed * 0x9E3779B97F4A7C15) & 0x7FFF_FFFF_FFFF_FFFF)
