"""Tiny data sets in exactly the formats that CIFAR and ImageNet-LT are distributed in."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np


def pictures(labels: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Bytes (samples, 3, size, size): every label has its own colour, with noise."""
    generator = np.random.default_rng(seed)
    colours = np.random.default_rng(99).integers(40, 216, (int(labels.max()) + 1, 3, 1, 1))
    noise = generator.integers(-30, 30, (len(labels), 3, size, size))
    return (colours[labels] + noise).clip(0, 255).astype(np.uint8)


def cifar10(root: Path, per_class: int = 5) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        labels = np.tile(np.arange(10), per_class if name == "test_batch" else max(1, per_class // 5))
        batch = {
            b"batch_label": name.encode(),
            b"labels": labels.tolist(),
            b"data": pictures(labels, 32, number).reshape(len(labels), 3072),
            b"filenames": [f"{i}.png".encode() for i in range(len(labels))],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def cifar100(root: Path, per_class: int = 2, packed: bool = False) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("train", "test")):
        fine = np.tile(np.arange(100), per_class)
        batch = {
            b"filenames": [b""] * len(fine),
            b"batch_label": b"",
            b"fine_labels": fine.tolist(),
            b"coarse_labels": (fine // 5).tolist(),
            b"data": pictures(fine, 32, seed).reshape(len(fine), 3072),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    if packed:
        with tarfile.open(root / "cifar-100-python.tar.gz", "w:gz") as tar:
            tar.add(folder, "cifar-100-python")
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()


def imagenet_lt(root: Path, counts: tuple[int, ...] = (8, 4, 4)) -> None:
    from PIL import Image

    for part, place in (("train", "train"), ("test", "val")):
        lines = []
        labels = np.repeat(np.arange(len(counts)), counts if part == "train" else [4] * len(counts))
        for i, (label, pixels) in enumerate(zip(labels, pictures(labels, 80), strict=True)):
            name = f"{place}/n0144{label}/picture_{i}.JPEG"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(root / name, "JPEG")
            lines.append(f"{name} {label}")
        (root / f"ImageNet_LT_{part}.txt").write_text("\n".join(lines) + "\n")
