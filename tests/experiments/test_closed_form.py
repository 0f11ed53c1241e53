"""The closed forms against the losses written out pair by pair."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from ssem_advisor.experiments.closed_form import contrastive_loss, value_and_gradient


def by_definition(z, labels, alpha, temperature, loss):
    """The mixture for one model, one anchor and one positive at a time. z: (instances, views, dim)."""
    instances, views, _ = z.shape
    if loss == "l_spread":
        return spread_by_definition(z, labels, alpha, temperature)
    everyone = [(i, u) for i in range(instances) for u in range(views)]
    total = 0.0
    for i, u in everyone:
        others = [(j, w) for j, w in everyone if loss == "ssem" or (j, w) != (i, u)]
        similarity = {(j, w): (z[i, u] @ z[j, w]) / temperature for j, w in others}
        log_sum = torch.logsumexp(torch.stack(list(similarity.values())), 0)
        own = [s - log_sum for (j, w), s in similarity.items() if j == i]
        kin = [s - log_sum for (j, w), s in similarity.items() if j != i and labels[j] == labels[i]]
        total = total - alpha * sum(own) / max(len(own), 1)
        if kin:
            total = total - (1 - alpha) * sum(kin) / len(kin)
    return total / len(everyone)


def spread_by_definition(z, labels, alpha, temperature):
    instances, views, _ = z.shape
    total, pairs = 0.0, 0
    for i, u, v in ((i, u, v) for i in range(instances) for u in range(views) for v in range(views) if u != v):
        s = z[i, u] @ z[:, v].T / temperature
        kin = [j for j in range(instances) if labels[j] == labels[i]]
        others = [j for j in range(instances) if labels[j] != labels[i]]
        sup = sum(torch.logsumexp(s[[j, *others]], 0) - s[j] for j in kin) / len(kin)
        total = total + (1 - alpha) * sup + alpha * (torch.logsumexp(s[kin], 0) - s[i])
        pairs += 1
    return total / pairs


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2]])
@pytest.mark.parametrize("views", [2, 3])
def test_value_and_gradient_are_those_of_the_definition(loss, labels, views):
    generator = torch.Generator().manual_seed(0)
    z = normalize(torch.randn(2, 6, views, 5, generator=generator, dtype=torch.float64), dim=-1)
    labels, alphas, temperatures = torch.tensor(labels), (0.0, 0.35), (0.2, 1.0)
    value, gradient = value_and_gradient(z, labels, torch.tensor(alphas), torch.tensor(temperatures), loss)
    for model in range(2):
        leaf = z[model].clone().requires_grad_()
        expected = by_definition(leaf, labels, alphas[model], temperatures[model], loss)
        (slope,) = torch.autograd.grad(expected, leaf)
        assert value[model].item() == pytest.approx(expected.item(), rel=1e-6)
        along = gradient[model] - (gradient[model] * z[model]).sum(-1, keepdim=True) * z[model]
        tangent = slope - (slope * z[model]).sum(-1, keepdim=True) * z[model]
        assert torch.allclose(along, tangent, atol=1e-6)


@pytest.mark.parametrize("views", [2, 3])
def test_without_a_weight_it_is_plain_supcon(views):
    """Every positive of an anchor weighs the same; one class has one instance. Another model keeps its weight."""
    generator = torch.Generator().manual_seed(4)
    z = normalize(torch.randn(2, 6, views, 5, generator=generator, dtype=torch.float64), dim=-1)
    labels, alphas = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([math.nan, 0.35], dtype=torch.float64)
    value, gradient = value_and_gradient(z, labels, alphas, 0.2)
    weighed, along = value_and_gradient(z, labels, 0.35, 0.2)
    assert value[1].item() == pytest.approx(weighed[1].item(), rel=1e-12)
    assert torch.allclose(gradient[1], along[1], atol=1e-12)
    leaf = z[0].clone().requires_grad_()
    rows, kinds = leaf.flatten(0, 1), labels.repeat_interleave(views)
    itself = torch.eye(len(rows), dtype=torch.bool)
    shares = (rows @ rows.T / 0.2).masked_fill(itself, -math.inf).log_softmax(1).masked_fill(itself, 0.0)
    positive = (kinds[:, None] == kinds[None]) & ~itself
    expected = -((shares * positive).sum(1) / positive.sum(1)).mean()
    (slope,) = torch.autograd.grad(expected, leaf)
    assert value[0].item() == pytest.approx(expected.item(), rel=1e-12)
    tangent = [g - (g * z[0]).sum(-1, keepdim=True) * z[0] for g in (gradient[0], slope)]
    assert torch.allclose(*tangent, atol=1e-12)


def test_batches_may_have_labels_of_their_own():
    generator = torch.Generator().manual_seed(1)
    z = normalize(torch.randn(3, 4, 2, 5, generator=generator, dtype=torch.float64), dim=-1)
    labels = torch.tensor([[0, 0, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]])
    together, _ = value_and_gradient(z, labels, 0.3, 0.5)
    for i in range(3):
        assert together[i].item() == pytest.approx(by_definition(z[i], labels[i], 0.3, 0.5, "supcon").item(), rel=1e-12)


def test_small_temperature_does_not_overflow():
    z = normalize(torch.randn(1, 8, 2, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64), dim=-1)
    value, gradient = value_and_gradient(z, torch.arange(8) // 2, 0.3, 0.005)
    assert math.isfinite(value.item())
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
def test_backward_hands_out_the_closed_form_gradient(loss):
    z = normalize(torch.randn(2, 6, 2, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64), dim=-1)
    z.requires_grad_()
    labels = torch.arange(6) // 3
    (2 * contrastive_loss(z, labels, torch.tensor([0.1, 0.6]), 0.5, loss)).sum().backward()
    assert torch.equal(z.grad, 2 * value_and_gradient(z.detach(), labels, torch.tensor([0.1, 0.6]), 0.5, loss)[1])
