"""Augmented views of images: random resized crop, flip, colour jitter and grey, drawn for every sample on its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

_MEAN, _STD = (0.48, 0.45, 0.41), (0.25, 0.24, 0.26)
DRAWS = 12
"""Uniform numbers that decide one view."""


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """A view of every image: random resized crop, flip, colour jitter, grey. x: (samples, 3, h, w) bytes."""
    return views_of(x, torch.rand(len(x), DRAWS, generator=generator, device=x.device))


def views_of(x: Tensor, draws: Tensor) -> Tensor:
    """The views that the draws in [0, 1) (samples, 12) decide; a shard of the draws gives the shard of the views."""
    size = 224 if x.shape[-1] > 64 else x.shape[-1]
    u = draws.unbind(1)
    area, ratio = 0.2 + 0.8 * u[0], torch.exp((2 * u[1] - 1) * math.log(4 / 3))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    flip = torch.where(u[2] < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(width)
    rows = [width * flip, zero, (2 * u[3] - 1) * (1 - width), zero, height, (2 * u[4] - 1) * (1 - height)]
    grid = affine_grid(torch.stack(rows, 1).view(-1, 2, 3), [len(x), 3, size, size], align_corners=False)
    image = grid_sample(x.float().div_(255), grid, padding_mode="reflection", align_corners=False)

    def column(v: Tensor) -> Tensor:
        return v.view(-1, 1, 1, 1)

    jitter = column(u[5] < 0.8)
    bright, contrast, colour = (torch.where(jitter, column(0.6 + 0.8 * u[i]), 1.0) for i in (6, 7, 8))
    image = image * bright
    image = (image - image.mean((1, 2, 3), keepdim=True)) * contrast + image.mean((1, 2, 3), keepdim=True)
    grey = (image * image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    angle = torch.where(jitter, column((2 * u[9] - 1) * 0.2 * math.pi), 0.0)
    chroma = (image - grey) * colour
    turned = (chroma.roll(1, 1) - chroma.roll(-1, 1)) / math.sqrt(3)
    image = grey + torch.cos(angle) * chroma + torch.sin(angle) * turned
    image = torch.where(column(u[10] < 0.2), grey, image).clamp(0, 1)
    return _standard(image)


def _standard(image: Tensor) -> Tensor:
    return (image - image.new_tensor(_MEAN).view(1, 3, 1, 1)) / image.new_tensor(_STD).view(1, 3, 1, 1)


def plain(x: Tensor) -> Tensor:
    """The images as they are, normalised; large ones cut to their middle 224 pixels."""
    if x.shape[-1] > 64:
        margin = (x.shape[-1] - 224) // 2
        x = x[..., margin : margin + 224, margin : margin + 224]
    return _standard(x.float().div(255))
