"""Class-balanced batches: P classes x K instances, the same sequence on every rank, resumable at any batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from ssem_advisor.domain import AdvisorError


class SamplerError(AdvisorError, ValueError):
    """Labels that cannot fill the batches asked for; one line with the remedy."""


class BalancedBatchSampler(torch.utils.data.Sampler[list[int]]):
    """Batches of `classes_per_batch` classes with `instances_per_class` different instances each (P x K).

    Use it as a DataLoader's `batch_sampler`. Classes come round in a shuffled order, each as often as any other; the
    instances of a class come round in a shuffled order too, so none is drawn again before most of the others.

    labels: one integer (or string) per item of the data set.
    batches: batches an epoch on each rank; by default as many as the data set fills.
    rank, world_size: by default those of torch.distributed, read whenever they are needed, so that the sampler may be
        made before the process group. Rank r takes every world_size-th batch of one common sequence. In Lightning pass
        `use_distributed_sampler=False` to the Trainer. Where something else deals the batches out, such as a loader
        that `Accelerator.prepare` wraps, give rank=0, world_size=1.
    seed: with the epoch it decides everything. The epoch advances by itself; `set_epoch` sets it.

    Raises SamplerError if there are fewer than P classes or a class has fewer than K instances.
    """

    def __init__(
        self,
        labels: Any,
        classes_per_batch: int,
        instances_per_class: int,
        *,
        batches: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        y = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels).reshape(-1)
        for name, value in (("classes_per_batch", classes_per_batch), ("instances_per_class", instances_per_class)):
            if value < 1 or value != int(value):
                raise SamplerError(f"{name}={value!r}: must be an integer >= 1")
        names, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
        if classes_per_batch > len(names):
            raise SamplerError(f"classes_per_batch={classes_per_batch}: the labels hold {len(names)} classes; lower it")
        small = np.flatnonzero(counts < instances_per_class)
        if len(small):
            listed = ", ".join(f"{names[c]} ({counts[c]})" for c in small[:5]) + (", ..." if len(small) > 5 else "")
            raise SamplerError(
                f"instances_per_class={instances_per_class}: {len(small)} of {len(names)} classes have fewer: "
                f"{listed}; lower it to {counts.min()} or leave those classes out"
            )
        self._rank, self._world_size = rank, world_size
        if rank is not None or world_size is not None:
            self._place()
        self.classes_per_batch, self.instances_per_class = int(classes_per_batch), int(instances_per_class)
        self.seed, self.epoch, self._start, self._given = seed, 0, 0, 0
        self._members: Sequence[np.ndarray] = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
        self._filled = len(y) // (self.classes_per_batch * self.instances_per_class)
        self._batches = None if batches is None else int(batches)

    @property
    def rank(self) -> int:
        return self._place()[0]

    @property
    def world_size(self) -> int:
        return self._place()[1]

    @property
    def batch_size(self) -> int:
        """Instances in a batch, under the name by which trainers ask a batch sampler."""
        return self.classes_per_batch * self.instances_per_class

    drop_last = True  # every batch is full

    def _place(self) -> tuple[int, int]:
        """(rank, world_size) as they are now: those given, else those of the process group."""
        running = dist.is_available() and dist.is_initialized()
        rank = self._rank if self._rank is not None else dist.get_rank() if running else 0
        world = self._world_size if self._world_size is not None else dist.get_world_size() if running else 1
        if not 0 <= rank < world:
            raise SamplerError(f"rank={rank}: must be in 0..{world - 1} (world_size={world}); give both or neither")
        return rank, world

    def __len__(self) -> int:
        return max(1, self._filled // self.world_size) if self._batches is None else self._batches

    def __iter__(self) -> Iterator[list[int]]:
        start, self._start = self._start, 0
        self._given = start
        (own, world), batches = self._place(), len(self)
        for number, batch in enumerate(self._sequence()):
            step, rank = divmod(number, world)
            if step >= batches:
                break
            if rank == own and step >= start:
                self._given = step + 1
                yield batch
        self.epoch, self._given = self.epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; a position restored for this very epoch is kept."""
        if epoch != self.epoch:
            self.epoch, self._start, self._given = epoch, 0, 0

    def state_dict(self, used: int | None = None) -> dict[str, int]:
        """Where to go on. used: batches of this epoch that were trained on; name it where workers fetch ahead."""
        return {"seed": self.seed, "epoch": self.epoch, "batch": self._given if used is None else used}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were used: the next iteration yields the rest of that epoch."""
        self.seed, self.epoch, self._start = state["seed"], state["epoch"], state["batch"]
        self._given = self._start

    def _sequence(self) -> Iterator[list[int]]:
        """The endless sequence of batches that all ranks share in this epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        order = _Rounds(np.arange(len(self._members)), rng)
        instances = [_Rounds(members, rng) for members in self._members]
        while True:
            yield [
                int(item)
                for c in order.take(self.classes_per_batch)
                for item in instances[c].take(self.instances_per_class)
            ]


class _Rounds:
    """Items dealt round after round in fresh order; no `take` ever holds an item twice."""

    def __init__(self, items: np.ndarray, rng: np.random.Generator) -> None:
        self._items, self._rng, self._left = items, rng, items[:0]

    def take(self, count: int) -> np.ndarray:
        taken, self._left = self._left[:count], self._left[count:]
        missing = count - len(taken)
        if missing:
            fresh = self._rng.permutation(self._items)
            new = ~np.isin(fresh, taken)
            chosen = np.flatnonzero(new)[:missing]
            taken = np.concatenate((taken, fresh[chosen]))
            self._left = np.delete(fresh, chosen)
        return taken
