"""Many small networks trained as one stack: parameters carry a leading model dimension, Adam updates them in one call.

The stack is walked in chunks. On a GPU a chunk is as many models as memory holds, on a CPU it is a few models, whose
activations then stay in the cache; the numbers are the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssem_advisor.experiments.closed_form import contrastive_loss
from ssem_advisor.experiments.data import stream

CPU_CHUNK = 4
"""Models that a processor core trains at once: measured, the fastest on 256 x 2 views of 64-256-256-32 networks."""


class Stack:
    """`models` multilayer perceptrons with the same layer sizes, each with its own alpha and temperature.

    sizes: layer widths from input to projection. seeds, alphas, temperatures: (models,).
    Models of one seed start from the same weights, whatever stack they are in. products: format of the layers' products
    in training, None = dtype; similarities are always computed in dtype.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        seeds: Sequence[int],
        alphas: Sequence[float],
        temperatures: Sequence[float],
        loss: str = "supcon",
        learning_rate: float = 2e-3,
        device: str | torch.device = "cpu",
        chunk: int | None = None,
        dtype: torch.dtype = torch.float32,
        products: torch.dtype | None = None,
    ) -> None:
        self.loss, self.learning_rate, self.models = loss, learning_rate, len(seeds)
        self.sizes, self.device = tuple(sizes), torch.device(device)
        self.chunk, self.products = chunk, products or dtype
        self.alphas, self.temperatures = (
            torch.tensor(list(v), dtype=dtype, device=device) for v in (alphas, temperatures)
        )
        initial = {seed: _initial(sizes, seed) for seed in dict.fromkeys(seeds)}
        self.parameters = [
            torch.stack([initial[seed][i] for seed in seeds]).to(device, dtype) for i in range(2 * len(sizes) - 2)
        ]
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate, fused=torch.device(device).type != "mps")

    def step(self, views: Tensor, labels: Tensor, progress: float = 0.0) -> Tensor:
        """One update of every model on the same batch; returns the losses (models,).

        views: (instances, views, features), shared by all models, or (models, instances, views, features).
        progress: share of the training that is over; the learning rate falls as a cosine of it.
        """
        losses = torch.empty_like(self.alphas)
        if self.chunk is None:
            self.chunk = self._planned_chunk(views.shape[-3] * views.shape[-2])
        start = 0
        while start < self.models:
            part = slice(start, min(start + self.chunk, self.models))
            try:
                losses[part] = self._accumulate(views if views.dim() == 3 else views[part], labels, part)
            except torch.OutOfMemoryError:
                if self.chunk == 1:
                    raise
                self.chunk = (self.chunk + 1) // 2
                self._zero(part)
                continue
            start = part.stop
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        self.optimiser.step()
        self._zero(slice(None))
        return losses

    def _planned_chunk(self, rows: int) -> int:
        """How many models fit: per model the similarity matrix twice, and every activation with its gradient."""
        if self.device.type == "cpu":
            return min(self.models, CPU_CHUNK)
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            each = self.alphas.element_size() * rows * (2 * rows + 3 * sum(self.sizes))
            return max(1, min(self.models, int(0.7 * free / each)))
        return self.models

    def _accumulate(self, views: Tensor, labels: Tensor, part: slice) -> Tensor:
        leaves = []
        for parameter in self.parameters:
            leaf = parameter[part].requires_grad_()
            leaf.grad = parameter.grad[part]  # type: ignore[index]  # the stack's own storage: backward adds in place
            leaves.append(leaf)
        z = forward(leaves, views.flatten(-3, -2), self.products).unflatten(1, views.shape[-3:-1])
        loss = contrastive_loss(z, labels, self.alphas[part], self.temperatures[part], self.loss)
        loss.sum().backward()
        return loss.detach()

    def _zero(self, part: slice) -> None:
        for parameter in self.parameters:
            parameter.grad[part].zero_()  # type: ignore[index]

    @torch.no_grad()
    def embed(self, x: Tensor, model: int) -> Tensor:
        """Unit vectors (..., dim) of one model for samples (..., features)."""
        z = forward([p[model : model + 1] for p in self.parameters], x.flatten(0, -2))[0]
        return z.unflatten(0, x.shape[:-1])

    def state(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        for mine, theirs in zip(self.parameters, state["parameters"], strict=True):
            mine.copy_(theirs)
        self.optimiser.load_state_dict(state["optimiser"])


def forward(parameters: Sequence[Tensor], x: Tensor, products: torch.dtype | None = None) -> Tensor:
    """Unit vectors (models, rows, dim) for x (rows, features), shared by the models, or (models, rows, features).

    products: format of the layers' products; None = that of the parameters.
    """
    dtype = products or parameters[0].dtype
    hidden = x.to(dtype).expand(len(parameters[0]), -1, -1)
    last = len(parameters) // 2 - 1
    for layer in range(last + 1):
        hidden = torch.baddbmm(parameters[2 * layer + 1].to(dtype), hidden, parameters[2 * layer].to(dtype))
        if layer < last:
            hidden = hidden.relu_()
    return normalize(hidden.to(parameters[0].dtype), dim=-1)


def _initial(sizes: Sequence[int], seed: int) -> list[Tensor]:
    """Weights (in, out) and biases (1, out), uniform in +-1/sqrt(in), drawn in float64 so that precisions agree."""
    generator = stream(seed, 0, "init")
    drawn = []
    for a, b in itertools.pairwise(sizes):
        for shape in ((a, b), (1, b)):
            uniform = torch.rand(*shape, generator=generator, dtype=torch.float64)
            drawn.append((2 * uniform - 1) / math.sqrt(a))
    return drawn
