import numpy as np
import pytest


@pytest.fixture
def simplex_family():
    """Rows of the exact SSEM geometry: m classes of n instances with within-class similarity x, mean zero."""

    def rows(m: int, n: int, x: float) -> tuple[np.ndarray, np.ndarray]:
        s = -(1 + (n - 1) * x) / ((m - 1) * n)
        labels = np.repeat(np.arange(m), n)
        gram = np.where(labels[:, None] == labels, x, s)
        np.fill_diagonal(gram, 1.0)
        values, vectors = np.linalg.eigh(gram)
        return vectors * np.sqrt(np.clip(values, 0, None)), labels

    return rows


@pytest.fixture
def clustered():
    """Noisy clusters with several views: (instances, views, dim) and labels, classes of unequal size."""

    def rows(
        instances: int = 300,
        views: int = 3,
        dim: int = 12,
        classes: int = 4,
        spread: float = 0.5,
        noise: float = 0.3,
        seed: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, classes, instances)
        means = np.eye(dim)[:classes] - np.eye(dim)[:classes].mean(axis=0)
        own = rng.normal(size=(instances, 1, dim)) * spread / np.sqrt(dim)
        augmentation = rng.normal(size=(instances, views, dim)) * noise / np.sqrt(dim)
        return means[labels][:, None] + own + augmentation, labels

    return rows
