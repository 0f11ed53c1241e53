"""Embeddings and labels from files; each reader is imported when a file of its kind is opened."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.measurement.rows import MeasurementError, as_array, labels_for

EMBEDDINGS = ("embeddings", "embedding", "features", "feats", "z", "x")
LABELS = ("labels", "label", "targets", "target", "classes", "class", "y")
INSTANCES = ("instance_ids", "instance_id", "instances", "instance")


MOST_NUMBERS = 500_000_000
"""The largest array that is unpacked from an .npz archive: 4 GB in float64. May be raised."""


class Embeddings(NamedTuple):
    """What one or two files hold: embeddings (rows, dim) or (instances, views, dim), a label for each row or instance,
    and which rows are views of one instance. labels and instance_ids are None where there are none."""

    embeddings: Any
    labels: Any = None
    instance_ids: Any = None


def load(path: str | Path, labels: str | Path | None = None) -> Embeddings:
    """Read embeddings, with labels and instance ids where the file holds them.

    path: .npy (memory-mapped), .npz, .pt/.pth (weights only, never code), .safetensors, .parquet or .csv. Files that
        name their content are searched for `embeddings`, `labels`, `instance_ids` and usual synonyms; tables may hold
        one list column or one numeric column per dimension.
    labels: a second file of any of these kinds, or .txt with one label a line; it wins over labels in `path`.

    Raises MeasurementError (one line) for files that are missing, damaged, pickled or hold no embeddings.
    """
    found = _content(Path(path), embeddings=True)
    if labels is not None:
        beside = _content(Path(labels), embeddings=False)
        found = found._replace(labels=beside.labels)
        if beside.instance_ids is not None:
            found = found._replace(instance_ids=beside.instance_ids)
    if found.labels is None:
        raise MeasurementError(
            f"{path}: holds no labels (looked for {', '.join(LABELS)}); give them with --labels FILE"
        )
    return found


def _content(path: Path, embeddings: bool) -> Embeddings:
    if path.is_dir():
        raise MeasurementError(f"{path}: a folder; name the file in it")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(kind for kind in _READERS if kind != ".txt")
        raise MeasurementError(f"{path}: cannot read '{path.suffix}' files; use one of {kinds}")
    if not path.is_file():
        raise MeasurementError(f"{path}: no such file")
    try:
        data = reader(path)
    except (MeasurementError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise MeasurementError(f"{path}: {_refusal(error)}") from error
    if not isinstance(data, Mapping):
        data = {"embeddings" if embeddings else "labels": data}
    arrays = {str(name): array for name, array in data.items() if hasattr(array, "shape")}
    if not embeddings:
        found = _pick(arrays, LABELS, lambda a: a.ndim == 1)
        if found is None:
            raise MeasurementError(f"{path}: no labels among {_names(arrays)}; name them `labels`")
        return Embeddings(None, found, _pick(arrays, INSTANCES))
    z = _pick(arrays, EMBEDDINGS, lambda a: a.ndim in (2, 3))
    if z is None:
        raise MeasurementError(f"{path}: no embeddings among {_names(arrays)}; name them `embeddings`")
    rest = {name: array for name, array in arrays.items() if array is not z}
    return Embeddings(z, _pick(rest, LABELS), _pick(rest, INSTANCES))


def _pick(arrays: dict[str, Any], names: tuple[str, ...], shape: Callable[[Any], bool] | None = None) -> Any:
    """The array of a usual name, else the only one of a fitting shape."""
    lower = {name.lower(): array for name, array in arrays.items()}
    for name in names:
        if name in lower:
            return lower[name]
    fitting = [array for array in arrays.values() if shape is not None and shape(array)]
    return fitting[0] if len(fitting) == 1 else None


def _names(arrays: dict[str, Any]) -> str:
    listed = [f"{name} {tuple(array.shape)}" for name, array in list(arrays.items())[:6]]
    return (
        ", ".join(listed) + (", ..." if len(arrays) > 6 else "") if listed else "its content (nothing but non-arrays)"
    )


def _refusal(error: Exception) -> str:
    text = " ".join(str(error).split())
    if any(sign in text for sign in ("allow_pickle", "Python objects", "Weights only", "weights_only")):
        return (
            "holds pickled Python objects, which could run code; save plain arrays or tensors instead (of labels, "
            "np.asarray(labels, dtype=str))"
        )
    if isinstance(error, OSError):
        return error.strerror or text[:160]
    return f"cannot be read ({text[:160] or type(error).__name__})"


# -- one reader per file ending -------------------------------------------------------------------------------------


def _npy(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _npz(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise MeasurementError(f"{path}: not an .npz archive, or cut short")
    with np.load(path, allow_pickle=False) as archive:
        shapes = {name: shape for name in archive.files if (shape := _shape(archive, name)) is not None}
        _lengths_agree(shapes, path)
        return {name: archive[name] for name in archive.files}


def _shape(archive: Any, name: str) -> tuple[int, ...] | None:
    """The shape of a member by its header alone; None where there is none to read."""
    member = name if name in archive.zip.namelist() else f"{name}.npy"
    with archive.zip.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return tuple(read(file)[0])
        except ValueError:
            return None


def _lengths_agree(shapes: dict[str, tuple[int, ...]], path: Path) -> None:
    """Compare rows and labels before anything is unpacked: a small archive can hold an array larger than memory."""
    lower = {name.lower(): shape for name, shape in shapes.items()}
    rows = next((lower[name] for name in EMBEDDINGS if name in lower), None)
    labels = next((lower[name] for name in LABELS if name in lower), None)
    if rows and labels and len(rows) in (2, 3) and max(labels) not in (rows[0], math.prod(rows[:-1])):
        raise MeasurementError(
            f"{path}: {max(labels)} labels for embeddings of shape {rows}; {labels_for(max(labels), rows)}"
        )
    numbers = max((math.prod(shape) for shape in shapes.values()), default=0)
    if numbers > MOST_NUMBERS:
        raise MeasurementError(
            f"{path}: holds an array of {numbers} numbers, more than {MOST_NUMBERS}; save it as .npy, which is read in "
            "pieces, or raise ssem_advisor.measurement.loading.MOST_NUMBERS"
        )


def _torch(path: Path) -> Any:
    import torch

    data = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(hasattr(part, "shape") for part in data):
        data = {"embeddings": data[0], "labels": data[1]}
    if isinstance(data, Mapping):
        return {name: as_array(value, str(name)) for name, value in data.items() if hasattr(value, "shape")}
    return as_array(data, str(path))


def _safetensors(path: Path) -> Any:
    try:
        from safetensors.numpy import load_file

        return load_file(path)
    except (TypeError, AttributeError, KeyError):  # bfloat16, which numpy does not have
        from safetensors.torch import load_file as load_torch

        return {name: as_array(value, name) for name, value in load_torch(path).items()}


def _parquet(path: Path) -> Any:
    import pyarrow.parquet

    return _table(pyarrow.parquet.read_table(path), path)


def _csv(path: Path) -> Any:
    """Comma-separated; one column per dimension beside labels (and instance ids), which a header names."""
    import csv

    names: list[str] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        names = [name.strip() for name in next(lines, [])]
        if not names:
            raise MeasurementError(f"{path}: empty")
        for sign, called in ((";", "semicolons"), ("\t", "tabs")):
            if len(names) == 1 and sign in names[0]:
                raise MeasurementError(f"{path}: fields stand between {called}; save it with commas")
        known = any(name.lower() in LABELS + INSTANCES for name in names)
        header = known or (len(names) > 1 and not all(map(_is_number, names)))
        rows = [names] if not header else []
        for row in lines:
            if len(row) != len(names):
                if not row:
                    continue
                raise MeasurementError(
                    f"{path}: line {lines.line_num} has {len(row)} fields, the first line {len(names)}"
                )
            rows.append(row)
    if not header:
        names = [f"column{i}" for i in range(len(names))]
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MeasurementError(f"{path}: column {twice!r} stands twice in the header; name every column once")
    columns = dict(zip(names, np.array(rows, dtype=str).reshape(-1, len(names)).T, strict=True))
    special = {name for name in columns if name.lower() in LABELS + INSTANCES} if header else set()
    if not special and len(columns) == 1:
        return _strings(next(iter(columns.values())))
    found: dict[str, Any] = {name: _strings(columns[name]) for name in special}
    numeric = [name for name in columns if name not in special]
    if numeric:
        table = np.empty((len(rows), len(numeric)))
        for j, name in enumerate(numeric):
            try:
                table[:, j] = columns[name].astype(np.float64)
            except ValueError:
                i = next(i for i, text in enumerate(columns[name]) if not _is_number(text))
                raise MeasurementError(
                    f"{path}: column {name!r}, data row {i + 1}: {str(columns[name][i])!r} is not a number "
                    f"(label columns are called {', '.join(LABELS)})"
                ) from None
        found["embeddings"] = table
    return found


def _text(path: Path) -> Any:
    """A label on each line, which may have blanks; or all of them on one line."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    return _strings(np.array(lines if len(lines) > 1 else " ".join(lines).split(), dtype=str))


def _table(table: Any, path: Path) -> dict[str, Any]:
    """Arrow columns: lists become rows, all plain numeric columns together one dimension each."""
    import pyarrow

    found: dict[str, Any] = {}
    numeric: list[NDArray[Any]] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        column = column.combine_chunks()
        if column.null_count:
            raise MeasurementError(f"{path}: column {name!r} has empty cells; drop those rows")
        kind = column.type
        if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
            values = column.flatten().to_numpy(zero_copy_only=False)
            if len(values) % len(column) or len(set(column.value_lengths().to_pylist())) != 1:
                raise MeasurementError(f"{path}: column {name!r} holds lists of different lengths")
            found[name] = values.reshape(len(column), -1)
        elif name.lower() in LABELS + INSTANCES:
            values = column.to_numpy(zero_copy_only=False)
            found[name] = values.astype(str) if values.dtype.kind == "O" else values
        elif pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
            numeric.append(column.to_numpy(zero_copy_only=False))
    if numeric and not any(name.lower() in EMBEDDINGS for name in found):
        found["embeddings"] = np.stack(numeric, axis=1)
    return found


def _strings(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers where all texts are whole numbers, so that labels 0, 1, 2 read the same from every kind of file, and as
    numpy writes them (0.000e+00)."""
    try:
        return values.astype(np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return values
    whole = bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all() and (abs(numbers) < 2**53).all())
    return numbers.astype(np.int64) if whole else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _torch,
    ".pth": _torch,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
    ".csv": _csv,
    ".txt": _text,
}
