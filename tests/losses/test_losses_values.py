"""Values and gradients of the losses against loops, other libraries and other forms of themselves."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo.testing
from loops import loop_loss

from ssem_advisor.experiments.closed_form import contrastive_loss
from ssem_advisor.losses import (
    SupervisedContrastiveLoss,
    plain_supcon_alpha,
    supervised_contrastive_loss,
)

LOSSES = ("supcon", "ssem", "l_spread")
BATCHES = {
    "balanced": [0, 1, 2, 0, 1, 2],
    "unbalanced": [0, 0, 1, 1, 1, 7],
    "one class": [3, 3, 3, 3],
    "all different": [5, -2, 9],
}


def draw(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def flat(labels, views):
    """The labels and ids of the embeddings of a batch of instances."""
    return [y for y in labels for _ in range(views)], [i for i in range(len(labels)) for _ in range(views)]


def value_and_gradient(function, z):
    leaf = z.clone().requires_grad_()
    value = function(leaf)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def held(z, labels, alpha, temperature, loss):
    """The loss from the whole matrix of similarities, with the gradient that was worked out by hand."""
    return contrastive_loss(torch.nn.functional.normalize(z, dim=-1), labels, alpha, temperature, loss)


def assert_same(function, other, z, atol=1e-12):
    for one, two in zip(value_and_gradient(function, z), value_and_gradient(other, z), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=atol)


@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["anchors", "pairs"])
def test_value_gradient_and_parts_are_those_of_the_loops(labels, views, loss, reduction):
    z = draw(len(labels), views, 4)
    for alpha, temperature in itertools.product((0.0, 0.3, 1.0), (0.1, 2.0)):
        options = {"loss": loss, "reduction": reduction, "chunk": 5}
        rows, ids = flat(labels, views)

        def ours(z, alpha=alpha, temperature=temperature, options=options):
            return supervised_contrastive_loss(z, torch.tensor(labels), alpha, temperature, **options)

        def loops(z, alpha=alpha, temperature=temperature, rows=rows, ids=ids):
            return loop_loss(z.flatten(0, 1), rows, ids, alpha, temperature, loss, reduction)[0]

        assert_same(ours, loops, z)
        parts = ours(z, options={**options, "return_parts": True})
        _, l_sup, l_self = loop_loss(z.flatten(0, 1), rows, ids, alpha, temperature, loss, reduction)
        assert parts.l_sup.item() == pytest.approx(float(l_sup), abs=1e-12)
        assert parts.l_self.item() == pytest.approx(float(l_self), abs=1e-12)
        assert parts.positive_share.item() == pytest.approx(np.mean([labels.count(y) > 1 for y in labels]))


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
@pytest.mark.parametrize("reduction", ["anchors", "pairs"])
def test_instances_may_have_different_numbers_of_views(loss, reduction):
    labels, ids = [0, 0, 0, 1, 1, 1, 1, 2, 2], [4, 7, 4, 9, 9, 2, 2, 3, 3]
    for alpha in (0.0, None) if loss == "supcon" else (0.0,):
        assert_same(
            lambda z, a=alpha: supervised_contrastive_loss(
                z, labels, a, 0.2, loss=loss, reduction=reduction, instance_ids=ids, chunk=4
            ),
            lambda z, a=alpha: loop_loss(z, labels, ids, a, 0.2, loss, reduction)[0],
            draw(9, 5),
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_embeddings_with_ids_does_not_matter(loss):
    z, labels = draw(6, 2, 4), torch.tensor(BATCHES["unbalanced"])
    rows, ids = (torch.tensor(x) for x in flat(labels.tolist(), 2))
    order = torch.tensor([2, 10, 5, 0, 8, 3, 11, 1, 4, 9, 6, 7])
    if loss == "l_spread":  # the views are told apart by their order
        order = torch.cat([torch.arange(0, 12, 2).flip(0), torch.arange(1, 12, 2)])
    expected = supervised_contrastive_loss(z, labels, 0.4, 0.2, loss=loss)
    shuffled = supervised_contrastive_loss(
        z.flatten(0, 1)[order], rows[order], 0.4, 0.2, loss=loss, instance_ids=10 * ids[order] - 3
    )
    torch.testing.assert_close(shuffled, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
def test_anchors_without_positives_count_zero(loss):
    z, labels = draw(4, 1, 5), torch.tensor([0, 1, 2, 3])
    parts = supervised_contrastive_loss(z, labels, 0.0, 0.1, loss=loss, return_parts=True)
    assert (parts.loss.item(), parts.positive_share.item()) == (0, 0)
    half = supervised_contrastive_loss(z, torch.tensor([0, 0, 2, 3]), 0.0, 0.1, loss=loss, return_parts=True)
    assert half.positive_share.item() == 0.5
    assert half.loss.item() == pytest.approx(loop_loss(z[:, 0], [0, 0, 2, 3], [0, 1, 2, 3], 0, 0.1, loss)[0].item())


# -- other libraries and other forms ------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [2, 3])
def test_metric_learning_supcon_is_the_mixture_at_its_alpha(views):
    peer = pytest.importorskip("pytorch_metric_learning.losses").SupConLoss(temperature=0.1)
    labels = torch.arange(24) % 4

    def theirs(z):
        return peer(z.flatten(0, 1), labels.repeat_interleave(views))

    alpha = plain_supcon_alpha(instances_per_class=6, views=views)
    assert alpha == (views - 1) / (6 * views - 1)
    assert_same(lambda z: supervised_contrastive_loss(z, labels, alpha, 0.1), theirs, draw(24, views, 8), atol=1e-6)
    assert_same(lambda z: supervised_contrastive_loss(z, labels, None, 0.1), theirs, draw(24, views, 8), atol=1e-6)


def test_plain_supcon_of_an_unbalanced_batch_is_that_of_metric_learning():
    peer = pytest.importorskip("pytorch_metric_learning.losses").SupConLoss(temperature=0.2)
    labels = torch.tensor([0] * 7 + [1] * 3 + [2] * 2 + [3])
    assert_same(
        lambda z: supervised_contrastive_loss(z, labels, None, 0.2),
        lambda z: peer(z.flatten(0, 1), labels.repeat_interleave(2)),
        draw(13, 2, 8),
        atol=1e-6,
    )
    at_one_alpha = supervised_contrastive_loss(draw(13, 2, 8), labels, plain_supcon_alpha(4), 0.2)
    assert abs(at_one_alpha - supervised_contrastive_loss(draw(13, 2, 8), labels, None, 0.2)) > 0.01


def test_alpha_one_is_simclr():
    peer = pytest.importorskip("pytorch_metric_learning.losses").NTXentLoss(temperature=0.3)
    labels = torch.tensor([0, 0, 1, 1, 1])
    assert_same(
        lambda z: supervised_contrastive_loss(z, labels, 1.0, 0.3),
        lambda z: peer(z.flatten(0, 1), torch.arange(5).repeat_interleave(2)),
        draw(5, 2, 6),
        atol=1e-6,
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_tiles_and_the_closed_form_agree(loss):
    z, labels = draw(70, 2, 8), torch.arange(70) % 9
    for chunk in (1, 32, 69, 70, 100, None):  # up to half the batch tiles are computed again, beyond they are kept
        assert_same(
            lambda z, chunk=chunk: supervised_contrastive_loss(z, labels, 0.2, 0.1, loss=loss, chunk=chunk),
            lambda z: held(z, labels, 0.2, 0.1, loss),
            z,
        )


@pytest.mark.parametrize("temperature", [0.005, 0.1])
def test_a_gradient_can_be_taken_twice_from_one_graph(temperature):
    z = draw(20, 2, 4, dtype=torch.float32).requires_grad_()
    loss = supervised_contrastive_loss(z, torch.arange(20) % 3, 0.2, temperature)
    first, second = (torch.autograd.grad(loss, z, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


# -- precision ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("temperature", [1e-3, 0.01, 0.024, 0.1, 10.0])
def test_float32_follows_float64_at_every_temperature(loss, temperature):
    z, labels = draw(40, 2, 16), torch.arange(40) % 5
    exact, exact_gradient = value_and_gradient(
        lambda z: supervised_contrastive_loss(z, labels, 0.3, temperature, loss=loss), z
    )
    value, gradient = value_and_gradient(
        lambda z: supervised_contrastive_loss(z, labels, 0.3, temperature, loss=loss, chunk=32), z.float()
    )
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=0, atol=3e-4 * exact_gradient.abs().max().item())


@pytest.mark.parametrize("temperature", [0.0113, 0.0115, 0.0135, 0.0225, 0.0227])
def test_similarities_at_the_ends_of_the_range_of_float32_overflow_nowhere(temperature):
    """Embeddings that nearly coincide, so that every exponential is about as large as it can be."""
    z, labels = draw(1, 1, 16) + 0.01 * draw(80, 2, 16), torch.arange(80) % 5
    exact, exact_gradient = value_and_gradient(lambda z: held(z, labels, 0.3, temperature, "supcon"), z)
    value, gradient = value_and_gradient(
        lambda z: supervised_contrastive_loss(z, labels, 0.3, temperature, chunk=32), z.float()
    )
    assert value.item() == pytest.approx(exact.item(), rel=1e-4)
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=0, atol=1e-2 * exact_gradient.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_at_temperature_one_hundredth(dtype, loss):
    z, labels = draw(32, 2, 16).to(dtype), torch.arange(32) % 4
    exact, exact_gradient = value_and_gradient(lambda z: held(z, labels, 0.3, 0.01, loss), z.double())
    value, gradient = value_and_gradient(lambda z: supervised_contrastive_loss(z, labels, 0.3, 0.01, loss=loss), z)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-4)
    assert gradient.dtype == dtype
    error = (gradient.double() - exact_gradient).norm() / exact_gradient.norm()
    assert error < 2 * torch.finfo(dtype).eps


def test_antipodal_anchors_at_a_small_temperature_keep_their_gradient():
    """No similarity comes near the largest possible one, so a fixed shift would underflow."""
    z = torch.tensor([[[1.0, 0.0]], [[-1.0, 1e-3]]])
    loss, gradient = value_and_gradient(lambda z: supervised_contrastive_loss(z, [0, 0], 0.0, 0.005, chunk=1), z)
    assert loss.item() == pytest.approx(0, abs=2e-5)  # one other embedding: its probability is 1; 2e-5 rounds -200
    assert torch.isfinite(gradient).all()
    labels = [0, 0, 1]
    z = torch.tensor([[[1.0, 0.0]], [[-1.0, 0.1]], [[-1.0, -0.2]]])
    single = value_and_gradient(lambda z: supervised_contrastive_loss(z, labels, 0.0, 0.005), z)[1]
    double = value_and_gradient(lambda z: held(z, torch.tensor(labels), 0.0, 0.005, "supcon"), z.double())[1]
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)
    assert double.abs().max() > 1


def test_autocast_computes_in_float32():
    z, labels = draw(16, 2, 8, dtype=torch.float32), torch.arange(16) % 4
    loss = SupervisedContrastiveLoss(0.2, 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = value_and_gradient(lambda z: loss(z, labels), z)
    outside = value_and_gradient(lambda z: loss(z, labels), z)
    assert inside[0].dtype == torch.float32
    torch.testing.assert_close(inside, outside, rtol=0, atol=0)


# -- transformations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_alpha_and_temperature_can_be_learned_and_differentiated_twice(loss):
    inputs = draw(4, 2, 3).requires_grad_(), *(torch.tensor(x).double().requires_grad_() for x in (0.3, 0.4))

    def function(z, alpha, temperature):
        return supervised_contrastive_loss(z, [0, 0, 1, 2], alpha, temperature, loss=loss, chunk=3)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("loss", LOSSES)
def test_vmap_and_grad_over_losses_of_different_alpha_and_temperature(loss):
    z, labels = draw(3, 6, 2, 4), torch.tensor(BATCHES["unbalanced"])
    alpha, temperature = torch.tensor([0.1, 0.5, 0.9]).double(), torch.tensor([0.01, 0.3, 2.0]).double()

    def function(z, alpha, temperature):
        return supervised_contrastive_loss(z, labels, alpha, temperature, loss=loss, chunk=5)

    values = torch.vmap(function, in_dims=(None, 0, 0))(z[0], alpha, temperature)
    torch.testing.assert_close(
        values, torch.stack([function(z[0], a, t) for a, t in zip(alpha, temperature, strict=True)])
    )
    gradients = torch.vmap(torch.func.grad(function, argnums=(0, 1, 2)))(z, alpha, temperature)
    leaves = [x.clone().requires_grad_() for x in (z, alpha, temperature)]
    expected = torch.autograd.grad(sum(map(function, *leaves)), leaves)
    torch.testing.assert_close(gradients, expected)


def test_vmap_over_labels():
    z, labels = draw(6, 2, 4), torch.tensor([BATCHES["balanced"], BATCHES["unbalanced"]])

    def function(labels):
        return supervised_contrastive_loss(z, labels, 0.3, 0.2, chunk=5)

    values = torch.vmap(function)(labels)
    torch.testing.assert_close(values, torch.stack([function(row) for row in labels]))
    with torch.no_grad():
        gradients = torch.vmap(torch.func.grad(lambda z, row: supervised_contrastive_loss(z, row, 0.3, 0.2, chunk=5)),
                               in_dims=(None, 0))(z, labels)  # fmt: skip
    for row, gradient in zip(labels, gradients, strict=True):
        leaf = z.clone().requires_grad_()
        expected = torch.autograd.grad(supervised_contrastive_loss(leaf, row, 0.3, 0.2), leaf)[0]
        torch.testing.assert_close(gradient, expected)


def test_l_spread_of_one_class_can_be_derived_twice():
    """No other class means no negatives, over whose sum of exponentials an infinite logarithm would be derived."""
    z, labels = draw(3, 2, 4).requires_grad_(), torch.zeros(3, dtype=torch.long)
    function = lambda z: supervised_contrastive_loss(z, labels, 0.4, 0.3, loss="l_spread")  # noqa: E731
    assert torch.autograd.gradgradcheck(function, z)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_taken_under_autocast_keep_their_precision(loss):
    z, labels = draw(16, 2, 8, dtype=torch.float32).requires_grad_(), torch.arange(16) % 4
    value = supervised_contrastive_loss(z, labels, 0.5, 0.05, loss=loss)
    plain = torch.autograd.grad(value, z, create_graph=True)[0]
    second = torch.autograd.grad(plain.square().sum(), z, retain_graph=True)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(torch.autograd.grad(value, z, retain_graph=True)[0], plain)
        if loss != "l_spread":  # torch derives the operators of its gradient, and computes them as autocast says
            torch.testing.assert_close(torch.autograd.grad(plain.square().sum(), z)[0], second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-18, 1e18])
@pytest.mark.parametrize("loss", LOSSES)
def test_lengths_of_any_size_are_divided_out(loss, scale):
    z, labels = draw(6, 2, 4, dtype=torch.float32), torch.tensor(BATCHES["unbalanced"])
    value, gradient = value_and_gradient(lambda z: supervised_contrastive_loss(z, labels, 0.3, 0.2, loss=loss), z)
    scaled = value_and_gradient(lambda z: supervised_contrastive_loss(z, labels, 0.3, 0.2, loss=loss), scale * z)
    torch.testing.assert_close((scaled[0], scale * scaled[1]), (value, gradient), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_compiles_to_one_graph(loss):
    torch.compiler.reset()
    module = SupervisedContrastiveLoss(0.2, 0.1, loss=loss, chunk=5)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    z, labels = draw(6, 2, 4), torch.tensor(BATCHES["unbalanced"])
    assert_same(lambda z: compiled(z, labels), lambda z: module(z, labels), z)


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
def test_compiles_once_for_all_batch_sizes_and_without_gradients(loss):
    torch.compiler.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    function = lambda z, labels: supervised_contrastive_loss(z, labels, 0.4, 0.3, loss=loss)  # noqa: E731
    compiled = torch.compile(function, backend=counter, fullgraph=True, dynamic=True)
    for instances in (6, 8, 10, 14, 20):
        z, labels = draw(instances, 2, 4), torch.arange(instances) % 3
        assert_same(lambda z: compiled(z, labels), lambda z: function(z, labels), z)  # noqa: B023
    assert counter.frame_count <= 2
    with torch.no_grad():
        torch.testing.assert_close(compiled(z, labels), function(z, labels))


@pytest.mark.slow
def test_compiles_with_the_default_backend():
    torch.compiler.reset()
    module = SupervisedContrastiveLoss(None, 0.1)
    compiled = torch.compile(module, fullgraph=True)
    z, labels = draw(300, 2, 16), torch.arange(300) % 7
    assert_same(lambda z: compiled(z, labels), lambda z: module(z, labels), z)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the kernel's high-water mark")
def test_memory_stays_far_below_the_matrix_of_similarities():
    script = """
import torch, pathlib
from ssem_advisor.losses import supervised_contrastive_loss
torch.set_num_threads(1)

def run(instances, loss):
    z, labels = torch.randn(instances, 2, 16).requires_grad_(), torch.arange(instances) % 50
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    supervised_contrastive_loss(z, labels, 0.2, 0.1, loss=loss).backward()
    return peak() - before

def peak():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

for loss in ("supcon", "ssem", "l_spread"):
    run(300, loss)
    print(run(4096, loss))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    matrix = 8192**2 * 4 / 2**20
    peaks = [float(x) for x in result.stdout.split()]
    assert max(peaks) < matrix / 25
