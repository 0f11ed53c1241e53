"""Free unit vectors find what the theorems say."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from ssem_advisor import Setting, class_thresholds, optimal_variance
from ssem_advisor.experiments.closed_form import value_and_gradient
from ssem_advisor.experiments.embeddings import expected_loss, minimise, solve_grid, within_variance
from ssem_advisor.experiments.protocol import PROBLEMS


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: f"{p.sampler}{p.classes_per_batch or ''}")
def test_the_optimum_of_every_loss_and_sampler(loss, problem):
    setting = problem.with_(loss=loss)
    alphas, temperatures = (v.ravel() for v in np.meshgrid([0.0, 0.3, 0.6, 0.9], [0.5, 1.0]))
    found, variance = solve_grid(setting, alphas, temperatures)
    predicted = optimal_variance(setting.with_(alpha=alphas, temperature=temperatures))
    assert found.residual.max() < 1e-6
    assert np.abs(variance - predicted).max() < 1e-4
    assert predicted.max() > 0.1  # and something is there to be found


def test_the_check_can_fail():
    """The same comparison at another temperature is off by far more than the tolerance."""
    setting = PROBLEMS[0]
    _, variance = solve_grid(setting, np.array([0.6]), np.array([0.5]))
    assert abs(variance[0] - optimal_variance(setting.with_(alpha=0.6, temperature=0.6))) > 1e-2


def test_unequal_classes_collapse_one_by_one():
    setting = Setting(class_counts=[4, 2], sampler="full", dim=6, temperature=0.5)
    large, small = class_thresholds(setting)
    assert large < small
    alpha = (large + small) / 2
    found, _ = solve_grid(setting, np.array([alpha]), np.array([0.5]))
    mean = found.z[0].mean(1)
    spread = [(m - m.mean(0)).square().sum(-1).mean().item() for m in (mean[:4], mean[4:])]
    assert spread[0] > 1e-3
    assert spread[1] < 1e-6


def test_every_batch_is_drawn_equally_often():
    """The expected loss of a random sampler is the mean over explicit batches."""
    setting = Setting(classes=2, instances_per_class=2, dim=3, sampler="random", batch_size=2)
    alpha, temperature = torch.tensor([0.4], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    objective, labels = expected_loss(setting, alpha, temperature)
    z = normalize(torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    mean = sum(value_and_gradient(z[:, list(p)], labels[list(p)], 0.4, 0.7)[0] for p in pairs) / len(pairs)
    value, gradient = objective(z, torch.tensor([0]))
    assert value.item() == pytest.approx(mean.item(), rel=1e-12)
    step = 1e-6 * torch.ones_like(z)
    up, down = objective(z + step, torch.tensor([0]))[0], objective(z - step, torch.tensor([0]))[0]
    assert ((up - down) / 2e-6).item() == pytest.approx(gradient.sum().item(), abs=1e-7)


def test_problems_leave_the_batch_when_done():
    calls = []

    def bowl(z, which):
        calls.append(len(which))
        steep = torch.tensor([1.0, 0.01], dtype=z.dtype)[which]
        return -(steep * z[:, 0, 0]), torch.stack([-steep, torch.zeros_like(steep)], -1)[:, None]

    start = normalize(torch.tensor([[[0.1, 1.0]], [[0.1, 1.0]]], dtype=torch.float64), dim=-1)
    found = minimise(bowl, start, tolerance=1e-8)
    assert torch.allclose(found.z[:, 0, 0], torch.ones(2, dtype=torch.float64), atol=1e-6)
    assert calls[0] == 2
    assert calls[-1] == 1


def test_drifting_views_are_no_within_class_variance():
    z = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    assert within_variance(z, torch.tensor([0, 0])).item() == pytest.approx(0.0)
    assert within_variance(z.mT.contiguous()[:, :1].repeat(1, 2, 1), torch.tensor([0, 0])).item() == pytest.approx(0.5)
