"""Embeddings as unit rows in class order, read block by block so that files larger than memory can be measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.domain import AdvisorError

BLOCK = 1 << 21  # numbers held at once: 16 MB in float64


class MeasurementError(AdvisorError, ValueError):
    """Embeddings or labels that cannot be measured; one line with the place and the remedy."""


def as_array(value: Any, name: str) -> NDArray[Any]:
    """A numpy array (a memory map stays one) from an array, a list or a torch tensor on any device."""
    if value is None:
        raise MeasurementError(f"{name}: None; give an array")
    if isinstance(value, str | os.PathLike):
        raise MeasurementError(
            f"{name}: a path; read the file first: ssem_advisor.measurement.load({os.fspath(value)!r}) gives arrays"
        )
    if hasattr(value, "detach"):  # a torch tensor, known by its method: torch itself is not needed here
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() and value.itemsize < 4 else value.numpy()
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except ValueError as error:  # lists of unequal length
        raise MeasurementError(f"{name}: not a rectangular array ({str(error).split('.')[0]})") from error
    if array.dtype.kind == "O":
        raise MeasurementError(
            f"{name}: an array of Python objects; give an array of numbers (or of strings for labels)"
        )
    return array


class UnitRows:
    """Rows of `embeddings` scaled to length 1, visited class after class and, inside a class, instance after instance.

    embeddings: (embeddings, dim) or (instances, views, dim), numbers; a memory map is read block by block.
    labels: one per instance (three axes) or one per row (two axes), integers or strings.
    instance_ids: one per row, only with two axes; rows of one instance are its views. None = every row an instance.

    Classes with a single instance have no within-class variance and are left out; `lonely` lists their labels.

    dim: of the embeddings. width: of the rows that are handed out: fewer rows than dimensions lie in a space of no more
    dimensions than rows, and are handed out in coordinates of it. Lengths and inner products are the same there, and
    whatever is squared, such as a covariance, takes no more memory than the embeddings.
    """

    def __init__(self, embeddings: Any, labels: Any, instance_ids: Any = None) -> None:
        z = as_array(embeddings, "embeddings")
        if z.ndim not in (2, 3) or 0 in z.shape:
            raise MeasurementError(
                f"embeddings: shape {z.shape}; must be (embeddings, dim) or (instances, views, dim), none of them 0"
            )
        if z.dtype.kind not in "fiu":
            raise MeasurementError(f"embeddings: numbers of type {z.dtype}; must be real")
        y = self._labels(labels, z.shape)
        self._views = 1 if z.ndim == 2 else z.shape[1]
        if z.ndim == 3:
            if instance_ids is not None:
                raise MeasurementError(
                    "instance_ids: the views axis already says which rows are one instance; leave out one"
                )
            views = z.shape[1]
            instance_ids = np.repeat(np.arange(len(z)), views) if views > 1 else None
            y, z = np.repeat(y, views), z.reshape(-1, z.shape[2])
        self._z, self.dim = z, z.shape[1]
        self.norms = (np.inf, 0.0)  # shortest and longest row seen so far

        names, classes, class_sizes = np.unique(y, return_inverse=True, return_counts=True)
        if len(names) < 2:
            raise MeasurementError(
                f"labels: a single class ({names[0]}); class collapse is a question about two or more"
            )
        instances = None if instance_ids is None else self._instances(instance_ids, classes, names)
        order = _order(classes, instances)
        if instances is None:
            starts = np.arange(len(y) + 1)
        else:
            in_order = instances if order is None else instances[order]
            starts = np.flatnonzero(np.concatenate(([True], in_order[1:] != in_order[:-1], [True])))
        ends = np.concatenate(([0], np.cumsum(class_sizes)))
        bounds = np.searchsorted(starts, ends)
        keep = np.diff(bounds) >= 2
        if keep.sum() < 2:
            raise MeasurementError(
                f"labels: {'no class has' if not keep.any() else 'only one class has'} two instances or more; "
                "within-class variance needs at least two classes that do (is every row labelled by its own name?)"
            )
        self._order, self._starts = order, starts
        self._spans = [(int(a), int(b)) for a, b in zip(bounds[:-1][keep], bounds[1:][keep], strict=True)]
        self.labels: list[Any] = names[keep].tolist()
        self.lonely: list[Any] = names[~keep].tolist()
        self.instances = np.diff(bounds)[keep]  # of each class
        self.class_rows = class_sizes[keep]
        self.has_views = bool(self.instances.sum() < self.class_rows.sum())
        kept = np.concatenate([np.arange(starts[first], starts[last]) for first, last in self._spans])
        self._coordinates = self._narrow(kept) if len(kept) < self.dim else None  # in class order, as `kept`
        self._places = None if self._coordinates is None else np.searchsorted(kept, np.arange(len(y)))
        self.width = self.dim if self._coordinates is None else len(kept)
        self.block = max(1, BLOCK // self.width)  # rows read at once

    @property
    def rows(self) -> int:
        return int(self.class_rows.sum())

    @property
    def views(self) -> float:
        """Rows per instance, on average."""
        return self.rows / int(self.instances.sum())

    def blocks(self, position: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Unit rows of one class, instances never cut in two, with the offset at which each instance starts."""
        first, last = self._spans[position]
        while first < last:
            until = int(np.searchsorted(self._starts, self._starts[first] + self.block, side="right")) - 1
            until = min(max(until, first + 1), last)
            yield self.instances_of(np.arange(first, until))
            first = until

    def instances_of(self, instances: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Unit rows of the given instances (numbered in class order) and the offset at which each starts."""
        starts, lengths = self._starts[instances], self._starts[instances + 1] - self._starts[instances]
        offsets = np.cumsum(lengths) - lengths
        if (np.diff(instances) == 1).all():
            positions: Any = slice(int(starts[0]), int(starts[-1] + lengths[-1]))
        else:
            positions = np.repeat(starts - offsets, lengths) + np.arange(int(lengths.sum()))
        if self._coordinates is not None and self._places is not None:
            return self._coordinates[self._places[positions]], offsets
        return self._unit(positions if self._order is None else self._order[positions]), offsets

    def span(self, position: int) -> tuple[int, int]:
        """First and one past the last instance of a class, numbered in class order."""
        return self._spans[position]

    def _unit(self, index: Any) -> NDArray[np.float64]:
        z = np.array(self._z[index], dtype=np.float64)
        _, norms = self._scaled(z, index)
        z /= norms[:, None]
        return z

    def _scaled(self, z: NDArray[np.float64], index: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Divide the rows at `index` by their largest entries, in place; these, and the lengths that are left.

        Rows like 1e-200 or 1e200 would under- or overflow when squared. Refuses rows that have no direction.
        """
        scale = np.abs(z).max(axis=1)
        bad = ~((scale > 0) & (scale < np.inf))
        if bad.any():
            row = int(np.arange(len(self._z))[index][bad].min())
            zero = not np.asarray(self._z[row]).any()
            what = "is zero and has no direction" if zero else "holds NaN or infinity"
            instance, view = divmod(row, self._views)
            place, such = f": row {row}", "rows"
            if self._views > 1:
                place, such = f"[{instance}, {view}]", "instances"
            raise MeasurementError(f"embeddings{place} {what}; drop such {such}, with their labels, and measure again")
        z /= scale[:, None]
        norms = np.sqrt(np.einsum("ij,ij->i", z, z))
        lengths = norms * scale
        self.norms = (min(self.norms[0], float(lengths.min())), max(self.norms[1], float(lengths.max())))
        return scale, norms

    def _narrow(self, kept: NDArray[np.int64]) -> NDArray[np.float64]:
        """Coordinates (rows, rows) of the unit rows at `kept` in an orthonormal basis of their span.

        The triangular factor of a QR decomposition, some columns of the embeddings at a time: unlike the Gram matrix of
        the rows it loses no digits where they nearly agree.
        """
        index = kept if self._order is None else self._order[kept]
        scale, norms = np.empty(len(kept)), np.empty(len(kept))
        step = max(1, BLOCK // self.dim)
        for first in range(0, len(kept), step):
            part = index[first : first + step]
            rows = np.array(self._z[part], dtype=np.float64)
            scale[first : first + step], norms[first : first + step] = self._scaled(rows, part)
        factor = np.empty((0, len(kept)))
        step = max(len(kept), BLOCK // len(kept))
        for first in range(0, self.dim, step):
            columns = np.array(self._z[index, first : first + step], dtype=np.float64).T
            factor = np.asarray(np.linalg.qr(np.concatenate([factor, columns / scale / norms]), mode="r"))
        return np.ascontiguousarray(factor.T)

    @staticmethod
    def _labels(labels: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        y, length, what = as_array(labels, "labels"), shape[0], "rows" if len(shape) == 2 else "instances"
        if y.ndim == 2 and 1 in y.shape:
            y = y.reshape(-1)
        if y.ndim != 1:
            remedy = ""
            if y.ndim == 2 and len(y) == length and (y == y[:, :1]).all():
                remedy = "; of one for each view take labels[:, 0]"
            elif y.ndim == 2 and len(y) == length and y.dtype.kind in "biuf" and (y.sum(axis=1) == 1).all():
                remedy = "; of one-hot rows take labels.argmax(axis=1)"
            raise MeasurementError(
                f"labels: shape {y.shape}; must be one label for each of the {length} {what}{remedy}"
            )
        if len(y) != length:
            raise MeasurementError(f"labels: {len(y)} for {length} {what}; {labels_for(len(y), shape)}")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise MeasurementError(
                f"labels: position {int(np.argmin(np.isfinite(y)))} is not a number; drop it and its row"
            )
        if y.dtype.kind == "S":
            y = np.char.decode(y, "utf-8", "replace")
        if y.dtype.kind not in "biufU":
            raise MeasurementError(f"labels: of type {y.dtype}; must be integers or strings")
        if y.dtype.kind == "f" and (y == np.round(y)).all() and np.abs(y).max(initial=0) < 2**53:
            y = y.astype(np.int64)
        return y

    @staticmethod
    def _instances(instance_ids: Any, classes: NDArray[np.int64], names: NDArray[Any]) -> NDArray[np.int64]:
        ids = as_array(instance_ids, "instance_ids").reshape(-1)
        if len(ids) != len(classes):
            raise MeasurementError(f"instance_ids: {len(ids)} for {len(classes)} rows; give one for each row")
        _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        strays = classes != classes[first][inverse]
        if strays.any():
            row = int(np.argmax(strays))
            raise MeasurementError(
                f"instance_ids: instance {ids[row]} has two labels ({names[classes[first][inverse][row]]} and "
                f"{names[classes[row]]}, row {row}); views of one instance share its label"
            )
        return inverse


def labels_for(count: int, shape: tuple[int, ...]) -> str:
    """What to do about so many labels for embeddings of a shape that they do not fit."""
    if len(shape) == 3 and count == shape[1]:
        return "the axes are (instances, views, dim); turn the embeddings round with z.swapaxes(0, 1)"
    return "give one label each, in the same order"


def _order(classes: NDArray[np.int64], instances: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Row numbers in order of class, then instance; None where the rows already lie so."""
    step = np.diff(classes)
    if (step >= 0).all() and (instances is None or ((np.diff(instances) >= 0) | (step > 0)).all()):
        return None
    return np.argsort(classes, kind="stable") if instances is None else np.lexsort((instances, classes))
