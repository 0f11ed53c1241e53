"""Image data from their standard files on disk. Nothing is downloaded."""

from __future__ import annotations

import io
import os
import pickle
import re
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments.data import Data
from ssem_advisor.experiments.images.augmentation import augment

if TYPE_CHECKING:
    from ssem_advisor.experiments.protocol import Protocol


def load(protocol: Protocol) -> Data:
    """The images of a suite from `data_root`, as they are distributed. Raises AdvisorError naming what is missing."""
    if protocol.data_root is None:
        raise AdvisorError(f"--suite {protocol.suite}: needs --data-root, the folder of its standard files")
    root = Path(protocol.data_root).expanduser()
    if not root.is_dir():
        raise AdvisorError(f"--data-root {root}: no such folder")
    if protocol.suite == "imagenet-lt":
        (files, labels), (files_test, labels_test) = (
            _listed(root, f"ImageNet_LT_{part}.txt") for part in ("train", "test")
        )
        return Data(files, labels, labels, files_test, labels_test, labels_test, augment)
    cifar100 = protocol.suite == "cifar100"
    name, kind = ("cifar-100", "python") if cifar100 else ("cifar-10", "batches-py")
    parts = {"train": ["train"], "test": ["test"]}
    if not cifar100:
        parts = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    halves = []
    for names in parts.values():
        x, coarse, fine = _cifar(root, f"{name}-{kind}", f"{name}-python.tar.gz", names, protocol.coarse and cifar100)
        if not protocol.coarse or not cifar100:
            coarse = merged(fine, protocol.classes, 100 if cifar100 else 10)
        halves.append((x, coarse, fine))
    x, coarse, fine = halves[0]
    kept = first_of_each(coarse, protocol.instances)
    kept = kept[long_tail(coarse[kept], protocol.imbalance)]
    return Data(x[kept], coarse[kept], fine[kept], *halves[1], augment)


_ANIMALS = (2, 3, 4, 5, 6, 7)


def merged(labels: Tensor, classes: int, whole: int) -> Tensor:
    """Labels of `whole` classes merged to `classes`: neighbours, and CIFAR-10's to 2 as vehicles and animals."""
    if whole == 10 and classes == 2:
        return torch.isin(labels, torch.tensor(_ANIMALS)).long()
    return labels // (whole // classes)


def first_of_each(labels: Tensor, instances: int | None) -> Tensor:
    """Indices of the first `instances` of every class, in the order of the files; None = all."""
    if instances is None:
        return torch.arange(len(labels))
    rank = (torch.nn.functional.one_hot(labels).cumsum(0).gather(1, labels.unsqueeze(1)) - 1).squeeze(1)
    return (rank < instances).nonzero().squeeze(1)


def _cifar(root: Path, folder: str, archive: str, parts: Sequence[str], coarse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images (samples, 3, 32, 32) in bytes, training labels and fine labels, from the pickled batches of CIFAR."""
    images, labels, fine = [], [], []
    for part in parts:
        place, content = _cifar_file(root, folder, archive, part)
        try:
            batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
            pixels = np.asarray(_values(batch[b"data"]), dtype=np.uint8).reshape(-1, 3, 32, 32)
            own = _values(batch[b"labels"] if b"labels" in batch else batch[b"fine_labels"]).tolist()
            trained = _values(batch[b"coarse_labels"]).tolist() if coarse else own
            if not all(type(label) is int and 0 <= label < 100 for label in (*own, *trained)):
                raise ValueError("its labels are not integers from 0 to 99")
        except Exception as error:  # whatever a damaged pickle makes of its reader
            reason = " ".join(f"{error or type(error).__name__}".split())[:160]
            raise AdvisorError(f"{place}: not a CIFAR batch in the python format ({reason})") from error
        if not len(pixels) == len(own) == len(trained):
            raise AdvisorError(f"{place}: {len(pixels)} images but {len(own)} labels")
        images.append(torch.from_numpy(pixels.copy()))
        labels.append(torch.tensor(trained, dtype=torch.long))
        fine.append(torch.tensor(own, dtype=torch.long))
    return torch.cat(images), torch.cat(labels), torch.cat(fine)


def _cifar_file(root: Path, folder: str, archive: str, part: str) -> tuple[Path, bytes]:
    """A batch file from the unpacked folder, from `root` being that folder, or from the archive as downloaded."""
    for place in (root / folder / part, root / part):
        if place.is_file():
            return place, place.read_bytes()
    packed = root / archive
    if packed.is_file():
        try:
            with tarfile.open(packed) as tar:
                member = tar.extractfile(f"{folder}/{part}")
                if member is not None:
                    return packed / folder / part, member.read()
        except Exception as error:  # whatever a damaged archive makes of its reader
            raise AdvisorError(f"{packed}: cannot read {folder}/{part} from it ({error})") from error
    raise AdvisorError(f"--data-root {root}: holds neither {folder}/{part} nor {archive}")


def _values(found: Any) -> np.ndarray:
    """The array that a batch holds, or a list of its as one."""
    if isinstance(found, _Array):
        return found.values()
    if isinstance(found, list) and all(type(value) is int for value in found):
        return np.array(found, dtype=np.int64)
    raise TypeError("an array or a list of integers is missing")


class _Kind:
    """What stands for a numpy type while a pickle is read: a name, such as u1, and an order of bytes."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name, self.order = name.decode("ascii") if isinstance(name, bytes) else name, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]


class _Array:
    """What stands for a numpy array while a pickle is read. Built without arguments that mean anything, then filled."""

    def __init__(self, *_: Any) -> None:
        self._content, self._kind, self._shape = b"", _Kind("u1"), (0,)

    @classmethod
    def of(cls, content: Any, kind: Any, shape: Any, order: Any = "C") -> _Array:
        found = cls()
        found.__setstate__((1, shape, kind, order != "C", bytes(content)))
        return found

    def __setstate__(self, state: Any) -> None:
        _, self._shape, self._kind, fortran, self._content = state
        if fortran or not isinstance(self._kind, _Kind) or not isinstance(self._content, bytes):
            raise pickle.UnpicklingError("an array that is not one of plain numbers, row by row")

    def values(self) -> np.ndarray:
        """The numbers. Raises ValueError where they are no integers, or not as many as the shape says."""
        if self._kind.name not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
            raise ValueError(f"an array of type {self._kind.name}, not of integers")
        order = self._kind.order if self._kind.order in ("<", ">") else "="
        return np.frombuffer(self._content, np.dtype(order + self._kind.name)).reshape(self._shape)


def _encoded(text: str, _: Any) -> bytes:
    return text.encode("latin-1")


class _Unpickler(pickle.Unpickler):
    """Reads plain values and arrays of integers. A batch is somebody else's pickle: nothing that it names is called,
    not even numpy's own functions, which take what they are given on trust.
    """

    _STANDS_FOR: ClassVar[dict[str, Any]] = {
        "ndarray": _Array, "_reconstruct": _Array, "_frombuffer": _Array.of, "dtype": _Kind, "encode": _encoded,
        "bytes": lambda *_: b"",
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in ("numpy", "_codecs", "__builtin__") and name in self._STANDS_FOR:
            return self._STANDS_FOR[name]
        raise pickle.UnpicklingError(f"refuses to load {module}.{name}")


def _listed(root: Path, name: str) -> tuple[Any, Tensor]:
    """Images and labels of a list file: a path relative to `root` and a class number on every line."""
    place = root / name
    if not place.is_file():
        raise AdvisorError(f"--data-root {root}: holds no {name}")
    paths, labels = [], []
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AdvisorError(f"{place}: cannot be read as text ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        path, _, label = line.rpartition(" ")
        if not path or not re.fullmatch(r"[0-9]{1,5}", label):
            raise AdvisorError(f"{place}:{number}: must be a path and a class number, is {line!r}")
        paths.append(root / path)
        labels.append(int(label))
    if not paths:
        raise AdvisorError(f"{place}: lists no images")
    if not paths[0].is_file():
        raise AdvisorError(f"{place}:1: no such file {paths[0]}; --data-root is the folder that holds train/ and val/")
    return ImageFiles(paths), torch.tensor(labels)


class ImageFiles:
    """Image files that decode when indexed, to (samples, 3, size, size) in bytes; stands in for a tensor of images."""

    def __init__(self, paths: Sequence[Path], size: int = 256, device: str | torch.device = "cpu") -> None:
        self.paths, self.size, self.device = paths, size, device

    def __len__(self) -> int:
        return len(self.paths)

    def to(self, device: str | torch.device) -> ImageFiles:
        return ImageFiles(self.paths, self.size, device)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        numbers = torch.arange(len(self.paths))[chosen.cpu() if isinstance(chosen, Tensor) else chosen].tolist()
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:  # decoding leaves the interpreter lock
            decoded = list(threads.map(self._decode, (self.paths[i] for i in numbers)))
        return torch.stack(decoded).to(self.device, non_blocking=True)

    def _decode(self, path: Path) -> Tensor:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as image:
                square = ImageOps.fit(image.convert("RGB"), (self.size, self.size), Image.Resampling.BILINEAR)
        except Exception as error:  # whatever a damaged image makes of its decoder
            raise AdvisorError(f"{path}: cannot be read as an image ({error})") from error
        return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)


def long_tail(labels: Tensor, imbalance: float) -> Tensor:
    """Indices of a long-tailed subset: class i of m keeps n * imbalance^(-i/(m-1)) of its instances, the first ones."""
    classes = int(labels.max()) + 1
    largest = int(torch.bincount(labels).max())
    kept = []
    for c in range(classes):
        wanted = max(2, round(largest * imbalance ** (-c / max(classes - 1, 1))))
        kept.append((labels == c).nonzero().squeeze(1)[:wanted])
    return torch.cat(kept).sort().values
