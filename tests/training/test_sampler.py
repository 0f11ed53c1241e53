import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssem_advisor.domain import AdvisorError
from ssem_advisor.training import BalancedBatchSampler

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(6), [20, 9, 14, 30, 8, 12]))


def test_every_batch_holds_p_classes_of_k_different_instances():
    sampler = BalancedBatchSampler(LABELS, 4, 5, batches=50)
    assert len(sampler) == 50
    batches = list(sampler)
    assert len(batches) == 50
    for batch in batches:
        assert all(isinstance(item, int) for item in batch)
        assert len(set(batch)) == 20
        classes, counts = np.unique(LABELS[batch], return_counts=True)
        assert len(classes) == 4
        assert (counts == 5).all()


def test_classes_and_instances_come_round_equally_often():
    sampler = BalancedBatchSampler(LABELS, 4, 5, batches=120)
    items = list(itertools.chain(*sampler))
    drawn = np.bincount(LABELS[items])
    assert drawn.max() - drawn.min() <= 5
    for c in range(6):
        times = np.array([items.count(i) for i, label in enumerate(LABELS) if label == c])
        assert times.max() - times.min() <= 2


def test_default_epoch_is_what_the_data_fills():
    assert len(BalancedBatchSampler(LABELS, 4, 5)) == len(LABELS) // 20
    assert len(BalancedBatchSampler(LABELS, 4, 5, rank=0, world_size=2)) == len(LABELS) // 40


def test_seed_and_epoch_decide_everything():
    one, two = BalancedBatchSampler(LABELS, 4, 5, seed=3), BalancedBatchSampler(LABELS, 4, 5, seed=3)
    first, second = list(one), list(one)  # the epoch advances by itself
    assert first != second
    assert list(two) == first
    two.set_epoch(1)
    assert list(two) == second
    two.set_epoch(0)
    assert list(two) == first
    assert list(BalancedBatchSampler(LABELS, 4, 5, seed=4)) != first


@pytest.mark.parametrize("used", [0, 1, 3, 4])
def test_goes_on_where_it_was_stopped(used):
    whole = BalancedBatchSampler(LABELS, 4, 5)
    expected = [list(whole), list(whole)]
    stopped = BalancedBatchSampler(LABELS, 4, 5)
    iterator = iter(stopped)
    seen = [next(iterator) for _ in range(used)]
    resumed = BalancedBatchSampler(LABELS, 4, 5, seed=9)
    resumed.load_state_dict(stopped.state_dict())
    resumed.set_epoch(0)  # as trainers do at the start of an epoch
    assert seen + list(resumed) == expected[0]
    assert list(resumed) == expected[1]


def test_workers_fetch_ahead_so_the_loop_names_what_it_used():
    data = torch.utils.data.TensorDataset(torch.arange(len(LABELS)))
    sampler = BalancedBatchSampler(LABELS, 4, 5)
    expected = list(BalancedBatchSampler(LABELS, 4, 5))
    loader = iter(torch.utils.data.DataLoader(data, batch_sampler=sampler, num_workers=1, prefetch_factor=2))
    (items,) = next(loader)
    assert items.tolist() == expected[0]
    sampler_state = sampler.state_dict(used=1)
    del loader
    resumed = BalancedBatchSampler(LABELS, 4, 5)
    resumed.load_state_dict(sampler_state)
    assert list(resumed) == expected[1:]


def test_ranks_share_one_sequence():
    common = list(BalancedBatchSampler(LABELS, 2, 4, batches=9))
    ranks = [list(BalancedBatchSampler(LABELS, 2, 4, batches=3, rank=r, world_size=3)) for r in range(3)]
    assert [batch for step in zip(*ranks, strict=True) for batch in step] == common


def test_labels_as_tensor_list_or_strings():
    expected = list(BalancedBatchSampler(LABELS, 4, 5))
    assert list(BalancedBatchSampler(torch.tensor(LABELS), 4, 5)) == expected
    assert list(BalancedBatchSampler([f"class{c}" for c in LABELS], 4, 5)) == expected


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((7, 2), {}, "labels hold 6 classes"),
        ((4, 10), {}, r"2 of 6 classes have fewer: 1 \(9\), 4 \(8\); lower it to 8"),
        ((0, 2), {}, "classes_per_batch=0"),
        ((2, 0), {}, "instances_per_class=0"),
        ((2, 2), {"rank": 2, "world_size": 2}, "rank=2"),
    ],
)
def test_what_cannot_be_filled_is_one_line(arguments, options, says):
    with pytest.raises(AdvisorError, match=says) as caught:
        BalancedBatchSampler(LABELS, *arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batches", [None, 3])
def test_rank_and_world_are_read_when_they_are_needed(monkeypatch, batches):
    """Trainers make the process group after the loader."""
    sampler = BalancedBatchSampler(LABELS, 2, 4, batches=batches)
    alone = len(sampler)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    expected = BalancedBatchSampler(LABELS, 2, 4, batches=batches, rank=1, world_size=2)
    assert (sampler.rank, sampler.world_size) == (1, 2)
    assert list(sampler) == list(expected)
    assert len(sampler) == (alone // 2 if batches is None else batches)


def test_every_rank_resumes_in_the_middle_of_an_epoch():
    def ranks(used):
        samplers = [BalancedBatchSampler(LABELS, 2, 3, batches=5, rank=r, world_size=2) for r in range(2)]
        for sampler in samplers:
            sampler.load_state_dict({"seed": 4, "epoch": 1, "batch": used})
        return [list(sampler) for sampler in samplers]

    whole, rest = ranks(0), ranks(2)
    assert rest == [batches[2:] for batches in whole]
    assert not any(batch in whole[1] for batch in whole[0])


TRAINERS = Path(__file__).with_name("two_trainers.py")


@pytest.mark.skipif(not torch.distributed.is_available() or not torch.distributed.is_gloo_available(), reason="no gloo")
def test_two_processes_of_lightning_and_of_accelerate_draw_different_batches(tmp_path):
    """The loaders as the guides show them: each process its own batches, all of the data once."""
    for name in ("lightning", "accelerate"):
        pytest.importorskip(name)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(TRAINERS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for trainer in ("lightning", "accelerate"):
        seen = [json.loads((tmp_path / f"{trainer}{rank}.json").read_text()) for rank in range(2)]
        common = list(BalancedBatchSampler([i % 4 for i in range(64)], 4, 4, rank=0, world_size=1))
        assert [batch for step in zip(*seen, strict=True) for batch in step] == common[:4], trainer
