"""A fixed front end for images: patches against a learned dictionary, so that only a small network is left to train.

A 6 x 6 patch has its mean taken out, its contrast normalised, and is whitened; its features are what its inner products
with 256 dictionary patches exceed a threshold by, averaged over each quadrant of the image. The dictionary is k-means
on the sphere. Nothing here sees a label. Method: Coates and Ng, "The importance of encoding versus training with sparse
coding and vector quantization", ICML 2011.

Views are augmented once and their features cached: `TRAINED_VIEWS` of every image to train on, and `HELD_VIEWS` more,
never trained on, to measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize, unfold

from ssem_advisor.experiments.data import Data, stream
from ssem_advisor.experiments.images.augmentation import augment, plain
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.files import replacing

SIDE, ATOMS = 6, 256
FEATURES = 4 * ATOMS
TRAINED_VIEWS, HELD_VIEWS = 6, 2
_THRESHOLD = 0.5
_CONTRAST, _WHITENING = 0.01, 0.1  # added to a variance before dividing by its root, in units of normalised pixels


@dataclass(frozen=True)
class Dictionary:
    """filters: (ATOMS, 3 * SIDE^2), inner products with the whitened patch. offset: (ATOMS,), what to take off them."""

    filters: Tensor
    offset: Tensor

    @classmethod
    def learn(cls, images: Tensor, generator: torch.Generator, patches: int = 40_000, rounds: int = 10) -> Dictionary:
        """The dictionary of some images (samples, 3, h, w), normalised as `plain` leaves them."""
        each = -(-patches // len(images))
        found = unfold(images, SIDE).mT  # (samples, positions, 3 * SIDE^2)
        at = torch.randint(found.shape[1], (len(images), each), generator=generator)
        x = found.gather(1, at.unsqueeze(2).expand(-1, -1, found.shape[2])).flatten(0, 1)
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + _CONTRAST).sqrt()
        centre = x.mean(0)
        values, axes = torch.linalg.eigh((x - centre).mT @ (x - centre) / len(x))
        whitening = (axes * (values + _WHITENING).rsqrt()) @ axes.mT
        x = (x - centre) @ whitening
        atoms = normalize(x[torch.randperm(len(x), generator=generator)[:ATOMS]], dim=1)
        for _ in range(rounds):
            score = x @ atoms.mT
            nearest = score.argmax(1)
            total = torch.zeros_like(atoms).index_add_(0, nearest, x)
            empty = total.square().sum(1) == 0
            total[empty] = atoms[empty]
            atoms = normalize(total, dim=1)
        filters = atoms @ whitening
        return cls(filters - filters.mean(1, keepdim=True), filters @ centre + _THRESHOLD)

    def encode(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Features (samples, FEATURES) of images (samples, 3, h, w). dtype: of the large products."""
        patches = unfold(images.to(dtype), SIDE)  # (samples, 3 * SIDE^2, positions)
        mean = avg_pool2d(images, SIDE, 1).mean(1)
        scale = (avg_pool2d(images.square(), SIDE, 1).mean(1) - mean.square() + _CONTRAST).clamp(min=1e-6).rsqrt()
        score = self.filters.to(dtype) @ patches
        score = score.mul_(scale.flatten(1).unsqueeze(1).to(dtype)).sub_(self.offset.to(dtype).unsqueeze(1)).relu_()
        height, width = scale.shape[1:]
        return adaptive_avg_pool2d(score.unflatten(2, (height, width)), 2).flatten(1).float()


@dataclass(frozen=True)
class CachedViews(Data):
    """Features of images: x, x_test of the plain ones, (samples, FEATURES).

    trained: (samples, TRAINED_VIEWS, FEATURES), from which training draws different ones. held: (samples, HELD_VIEWS,
    FEATURES), for measuring.
    """

    trained: Tensor
    held: Tensor

    def views(self, chosen: Tensor, views: int, generator: torch.Generator) -> Tensor:
        order = torch.rand(len(chosen), self.trained.shape[1], generator=generator, device=generator.device).argsort(1)
        return self.trained[chosen.unsqueeze(1), order[:, :views]].to(self.x.dtype)

    def measured_views(self, views: int, generator: torch.Generator) -> Tensor:
        return self.held.to(self.x.dtype)


def prepare(data: Data, path: Path, notify: Callable[[float], None] = lambda share: None) -> None:
    """Write the features of an image suite. Leaves no file behind when interrupted. Raises OSError on a full disk."""
    content = _features(data, notify)
    with replacing(path) as file:
        torch.save(content, file)


def cached(data: Data, path: Path) -> dict[str, Any] | None:
    """What `prepare` wrote for these images; None where there is no such file."""
    total, tests = len(data.x), len(data.x_test)
    shapes = {
        "x": (total, FEATURES), "x_test": (tests, FEATURES), "trained": (total, TRAINED_VIEWS, FEATURES),
        "held": (total, HELD_VIEWS, FEATURES),
    }  # fmt: skip
    try:
        content: dict[str, Any] = torch.load(path, mmap=True, weights_only=True)
        found = {name: tuple(value.shape) for name, value in content.items()}
    except Exception:  # whatever a damaged file makes of torch
        return None
    return content if found == shapes else None


def features(data: Data, path: Path) -> CachedViews:
    """The features of an image suite from the file that `prepare` wrote; computed anew where there is none."""
    content = cached(data, path) or _features(data, lambda share: None)
    labels = {name: getattr(data, name) for name in ("coarse", "fine", "coarse_test", "fine_test", "augment")}
    x, x_test = content.pop("x").float(), content.pop("x_test").float()
    return CachedViews(x=x, x_test=x_test, **labels, **content)


@torch.no_grad()
def _features(data: Data, notify: Callable[[float], None], chunk: int = 64) -> dict[str, Any]:
    dtype = fast_dtype("cpu")
    total, generator = len(data.x), stream(0, 0, "views")
    some = torch.randperm(total, generator=generator)[:4000]
    dictionary = Dictionary.learn(plain(data.x[some]), generator)
    views = TRAINED_VIEWS + HELD_VIEWS
    found = torch.empty(total, views + 1, FEATURES, dtype=torch.float16)
    for i in range(0, total, chunk):
        images = data.x[i : i + chunk]
        for view in range(views):
            found[i : i + chunk, view] = dictionary.encode(augment(images, generator), dtype).half()
        found[i : i + chunk, -1] = dictionary.encode(plain(images), dtype).half()
        notify(i / total)
    test = torch.cat([dictionary.encode(plain(x), dtype) for x in data.x_test.split(chunk)])
    trained = found[:, :TRAINED_VIEWS]
    mean = torch.zeros(FEATURES)
    square = torch.zeros(FEATURES)
    for part in trained.split(1024):
        mean += part.float().sum((0, 1)) / (total * TRAINED_VIEWS)
        square += part.float().square().sum((0, 1)) / (total * TRAINED_VIEWS)
    scale = (square - mean.square()).clamp(min=1e-6).rsqrt()
    for part in found.split(1024):
        part.copy_((part.float() - mean) * scale)
    return {
        "x": found[:, -1].clone(), "x_test": ((test - mean) * scale).half(),
        "trained": trained.clone(), "held": found[:, TRAINED_VIEWS:views].clone(),
    }  # fmt: skip
