"""ResNets with a projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments.images.batch_norm import BatchNorm


class _Block(nn.Module):
    """A residual block: two 3x3 convolutions, or with `bottleneck` a 3x3 between two 1x1."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = 4 * width if bottleneck else width
        if bottleneck:
            layers = [_conv(channels, width, 1), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, width, 3, stride), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, out, 1), BatchNorm(out)]  # fmt: skip
        else:
            layers = [_conv(channels, width, 3, stride), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, out, 3), BatchNorm(out)]  # fmt: skip
        self.body = nn.Sequential(*layers)
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else nn.Sequential(_conv(channels, out, 1, stride), BatchNorm(out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def _conv(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


def network(name: str, dim: int, small: bool, width: int = 64) -> nn.Module:
    """A ResNet with a two-layer projection to `dim`, not normalised; small pictures get a 3x3 stem without pooling."""
    depths = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
    if name not in depths:
        raise AdvisorError(f"network={name!r}: must be resnet18 or resnet50")
    bottleneck = name == "resnet50"
    stem = [_conv(3, width, 3)] if small else [_conv(3, width, 7, 2)]
    layers: list[nn.Module] = [*stem, BatchNorm(width), nn.ReLU(inplace=True)]
    if not small:
        layers.append(nn.MaxPool2d(3, 2, 1))
    channels = width
    for stage, depth in enumerate(depths[name]):
        for i in range(depth):
            own = width * 2**stage
            layers.append(_Block(channels, own, 2 if stage and not i else 1, bottleneck))
            channels = 4 * own if bottleneck else own
    head = [nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, dim)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)
