"""The joined batch of several processes against one process that holds it all."""

from __future__ import annotations

import gc
import itertools
import warnings

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from ssem_advisor.domain import SettingError
from ssem_advisor.losses import _gather, supervised_contrastive_loss
from ssem_advisor.losses._gather import held_twice

VARIANTS = [
    {"loss": "supcon"},
    {"loss": "ssem", "reduction": "pairs"},
    {"loss": "l_spread"},
    {"loss": "supcon", "flat": True},
]


def joined_batch(world):
    generator = torch.Generator().manual_seed(0)
    instances = 5 * world
    x = torch.randn(instances, 2, 6, dtype=torch.float64, generator=generator)
    return x, torch.randint(0, 3, (instances,), generator=generator)


def compute(model, x, labels, first_id, gather, flat=False, **options):
    """The loss of a model on a batch, and the gradient of the embeddings."""
    z = model(x)
    z.retain_grad()
    if flat:
        ids = torch.arange(first_id, first_id + len(x)).repeat_interleave(2)
        batch = {"z": z.flatten(0, 1), "labels": labels.repeat_interleave(2), "instance_ids": ids}
    else:
        batch = {"z": z, "labels": labels}
    loss = supervised_contrastive_loss(**batch, alpha=0.3, temperature=0.2, gather=gather, **options)
    loss.backward()
    return loss.detach(), z.grad


def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(6, 4, dtype=torch.float64)


def worker(rank, world, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    try:
        x, labels = joined_batch(world)
        mine = slice(5 * rank, 5 * (rank + 1))
        for variant in VARIANTS:
            alone = linear()
            value, gradient = compute(alone, x, labels, 0, gather=False, **variant)

            model = linear()
            shared = compute(model, x[mine], labels[mine], 5 * rank, gather=True, **variant)
            torch.testing.assert_close(shared, (value, gradient[mine]))
            dist.all_reduce(model.weight.grad)
            torch.testing.assert_close(model.weight.grad, alone.weight.grad)

            model = torch.nn.parallel.DistributedDataParallel(linear())
            compute(model, x[mine], labels[mine], 5 * rank, gather="ddp", **variant)
            torch.testing.assert_close(model.module.weight.grad, alone.weight.grad)
            del model

        size = 5 - (rank == world - 1)  # the last batch of the last process is short
        with pytest.raises(ValueError, match=r"different shapes.*drop_last=True"):
            compute(linear(), x[mine][:size], labels[mine][:size], 0, gather=True)
        none = slice(0, 5 if rank == 0 else 0)  # and here it has none at all: no process may wait for ever
        with pytest.raises(ValueError, match="different shapes"):
            compute(linear(), x[mine][none], labels[mine][none], 0, gather=True)
        _gather._calls = itertools.count(1)  # as in the first call of a run
        with pytest.warns(UserWarning, match="two processes hold the same embeddings"):
            compute(linear(), x[:5], labels[:5], 0, gather=True)
        wrong = labels[mine][: 4 if rank == 0 else 5]  # refused by one process before anything is gathered
        with pytest.raises(ValueError, match=r"labels of shape|cannot be used"):
            compute(linear(), x[mine], wrong, 0, gather=True)
        shared = compute(linear(), x[mine], labels[mine], 5 * rank, gather=True)  # all are at the same step again
        torch.testing.assert_close(shared[0], compute(linear(), x, labels, 0, gather=False)[0])
        broken = x[mine].clone()
        broken[0, 0, 0] = torch.nan if rank == 0 else 1
        with pytest.raises(ValueError, match="NaN or infinite"):  # by every process, so that none waits for another
            supervised_contrastive_loss(broken, labels[mine], 0.3, 0.2, gather=True)
    finally:
        gc.collect()  # the models of DistributedDataParallel hold the group: its threads must end before the process
        dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo")
@pytest.mark.parametrize("world", [2, 3])
def test_value_and_gradient_are_those_of_one_process(world, tmp_path):
    mp.spawn(worker, args=(world, str(tmp_path / "store")), nprocs=world)


def test_equal_embeddings_within_a_process_are_no_batch_dealt_twice():
    z = torch.randn(12, 2, 7, generator=torch.Generator().manual_seed(0))
    assert not held_twice(z, 3)
    assert held_twice(torch.cat([z[:4], z[:4], z[4:8]]), 3)
    assert held_twice(torch.cat([z[:4], z[4:7], z[2:3]]), 2)  # one of them
    assert not held_twice(torch.ones(12, 2, 7), 3)  # a collapsed network
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        assert held_twice(torch.cat([z[:4], z[:4]]).to(kind), 2)
        assert not held_twice(z.to(kind), 2)


def test_batches_dealt_twice_are_looked_for_ever_more_rarely(monkeypatch):
    looked = []
    monkeypatch.setattr(_gather, "_calls", itertools.count(1))
    monkeypatch.setattr(_gather.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(_gather, "held_twice", lambda z, world: looked.append(call) or call == 4)
    told = []
    for call in range(1, 4097):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _gather._warn_of_batches_dealt_twice(torch.zeros(2, 2, 2))
        told += [call] * len(caught)
    assert looked == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3072, 4096]
    assert told == [4]


def test_one_process_needs_no_group():
    x, labels = joined_batch(2)
    expected = supervised_contrastive_loss(x, labels, 0.3, 0.2)
    assert supervised_contrastive_loss(x, labels, 0.3, 0.2, gather=True) == expected


def test_a_launcher_without_a_group_is_an_error(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    x, labels = joined_batch(2)
    with pytest.raises(SettingError, match="init_process_group"):
        supervised_contrastive_loss(x, labels, 0.3, 0.2, gather=True)
