"""A stack of models trains each of them as if it were alone."""

import pytest
import torch

from ssem_advisor.experiments.data import digits, stream
from ssem_advisor.experiments.stacked import Stack

SIZES, ALPHAS, TEMPERATURES, SEEDS = (6, 8, 8, 4), (0.0, 0.3, 0.7), (0.1, 0.5, 0.5), (0, 1, 1)


def batches(steps=5):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(12) // 4
    return [(torch.randn(12, 2, 6, generator=generator, dtype=torch.float64), labels) for _ in range(steps)]


def trained(stack, data):
    for step, (views, labels) in enumerate(data):
        losses = stack.step(views, labels, step / len(data))
    return losses


def stack_of(which, **options):
    chosen = [[v[i] for i in which] for v in (SEEDS, ALPHAS, TEMPERATURES)]
    return Stack(SIZES, *chosen, dtype=torch.float64, **options)


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
def test_together_as_one_by_one(loss):
    together = stack_of([0, 1, 2], loss=loss, chunk=3)
    losses = trained(together, batches())
    for i in range(3):
        alone = stack_of([i], loss=loss)
        assert trained(alone, batches()).item() == pytest.approx(losses[i].item(), rel=1e-10)
        for ours, theirs in zip(together.parameters, alone.parameters, strict=True):
            assert torch.allclose(ours[i], theirs[0], rtol=1e-9, atol=1e-12)


def test_as_a_plain_torch_network_with_adam():
    stack = stack_of([1], learning_rate=1e-2)
    layers = []
    for weight, bias in zip(stack.parameters[::2], stack.parameters[1::2], strict=True):
        linear = torch.nn.Linear(*weight.shape[1:], dtype=torch.float64)
        linear.weight.data, linear.bias.data = weight[0].T.clone(), bias[0, 0].clone()
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    from ssem_advisor.experiments.closed_form import contrastive_loss

    for views, labels in batches(1) * 3:
        z = torch.nn.functional.normalize(model(views), dim=-1)
        loss = contrastive_loss(z, labels, ALPHAS[1], TEMPERATURES[1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert stack.step(views, labels).item() == pytest.approx(loss.item(), rel=1e-9)


def test_out_of_memory_halves_the_chunk(monkeypatch):
    whole, squeezed = stack_of([0, 1, 2], chunk=3), stack_of([0, 1, 2], chunk=3)
    accumulate = Stack._accumulate

    def scarce(self, views, labels, part):
        if self is squeezed and part.stop - part.start > 1:
            accumulate(self, views, labels, part)  # gradients are half there when memory ends
            raise torch.OutOfMemoryError
        return accumulate(self, views, labels, part)

    monkeypatch.setattr(Stack, "_accumulate", scarce)
    assert torch.allclose(trained(whole, batches()), trained(squeezed, batches()), rtol=1e-12)
    assert squeezed.chunk == 1


def test_a_saved_stack_goes_on_as_if_never_stopped(tmp_path):
    data = batches(6)
    straight = stack_of([0, 1, 2])
    expected = trained(straight, data)
    first = stack_of([0, 1, 2])
    for step, (views, labels) in enumerate(data[:3]):
        first.step(views, labels, step / 6)
    torch.save(first.state(), tmp_path / "state")
    second = stack_of([0, 1, 2])
    second.restore(torch.load(tmp_path / "state", weights_only=True))
    for step, (views, labels) in enumerate(data[3:], 3):
        losses = second.step(views, labels, step / 6)
    assert torch.equal(losses, expected)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters, second.parameters, strict=True))


def test_a_model_does_not_depend_on_its_stack():
    pair, alone = stack_of([0, 2]), stack_of([2])
    assert all(torch.equal(a[1], b[0]) for a, b in zip(pair.parameters, alone.parameters, strict=True))


def test_embeddings_are_unit_vectors():
    data = digits(5)
    stack = Stack((64, 16, 8), [0], [0.3], [0.5])
    views = data.augment(data.x[:10].repeat_interleave(2, 0), stream(0, 0, "augment")).reshape(10, 2, 64)
    z = stack.embed(views, 0)
    assert z.shape == (10, 2, 8)
    assert torch.allclose(z.norm(dim=-1), torch.ones(10, 2))
