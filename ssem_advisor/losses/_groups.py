"""Which embeddings of a batch belong together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssem_advisor.domain import Loss


class Groups(NamedTuple):
    """Which embeddings are views of one instance, and which instances are of one class.

    Shapes depend on no value, so that torch can trace: with free ids there are as many slots for instances as there
    are embeddings, and the unused ones hold no embedding.

    slots: (embeddings,) the instance of each embedding; None = they come instance by instance, equally many of each.
    classes: (instances,) the class of each, by the index of one of its members.
    views: (instances,) embeddings of each.
    """

    embeddings: int
    slots: Tensor | None
    classes: Tensor
    views: Tensor

    @classmethod
    def of(cls, embeddings: int, labels: Tensor, ids: Tensor | None, dtype: torch.dtype) -> Groups:
        """labels: (instances,), the embeddings coming instance by instance; or as long as ids."""
        if ids is None:
            slots = None
            views = torch.full((len(labels),), embeddings // len(labels), dtype=dtype, device=labels.device)
        else:
            slots = _members(ids)
            labels = torch.zeros_like(labels).scatter(-1, slots, labels)
            views = torch.zeros_like(labels, dtype=dtype).index_add(-1, slots, torch.ones_like(labels, dtype=dtype))
        return cls(embeddings, slots, _members(labels), views)

    def others(self) -> Tensor:
        """(instances,) embeddings of the other instances of its class."""
        return self.of_class(self.views, -1) - self.views

    def positives(self, loss: Loss) -> Tensor:
        """How many positives one anchor of each instance has, in L_sup and in L_self: (2, instances)."""
        views, others = self.views, self.others()
        if loss == "l_spread":
            return torch.stack(((views - 1) * (others / views + 1), views - 1))
        return torch.stack((others, views if loss == "ssem" else views - 1))  # ssem: an anchor is its own positive

    def per_instance(self, x: Tensor, dim: int) -> Tensor:
        """Sums over the embeddings of each instance."""
        if self.slots is None:  # few views: adding them up is faster than a reduction
            first, *others = x.unflatten(dim, (len(self.classes), -1)).unbind(dim)
            return sum(others, first)
        shape = list(x.shape)
        shape[dim] = len(self.classes)
        return x.new_zeros(shape).index_add(dim, self.slots, x)

    def per_embedding(self, x: Tensor, dim: int) -> Tensor:
        """What belongs to each embedding's instance: (..., embeddings, ...), or a view (..., instances, views, ...)."""
        if self.slots is not None:
            return x.index_select(dim, self.slots)
        shape = list(x.shape)
        shape.insert(x.ndim + dim + 1, self.embeddings // len(self.classes))
        return x.unsqueeze(x.ndim + dim + 1).expand(shape)

    def of_class(self, x: Tensor, dim: int) -> Tensor:
        """For each instance, the sum over the instances of its class."""
        return torch.zeros_like(x).index_add(dim, self.classes, x).index_select(dim, self.classes)


def _members(values: Tensor) -> Tensor:
    """An index for each value, the same for equal values, below their number."""
    return torch.searchsorted(values.sort(-1).values, values.contiguous())
