import pytest
import torch
from torch.nn.functional import normalize

from ssem_advisor.experiments.data import BatchSampler, digits, stream, synthetic
from ssem_advisor.experiments.metrics import moments, picture, probe, shuffled_within
from ssem_advisor.measurement import spread_of


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_digits_merge_and_split(classes):
    data = digits(classes)
    assert len(data.x) + len(data.x_test) == 1797
    assert torch.bincount(data.fine).min() > 0.75 * 1797 / 10 * 0.9
    assert torch.equal(data.coarse, data.fine // (10 // classes))
    assert data.has_fine is (classes < 10)
    assert data.x.min() >= 0
    assert data.x.max() <= 1


def test_synthetic_has_the_counts_asked_for():
    data = synthetic((12, 8, 4), fine_per_class=2)
    assert data.counts == [12, 8, 4]
    assert int(data.fine.max()) == 5
    assert len(data.x_test) == 24


def test_a_view_depends_on_its_generator_alone():
    data = digits(5)
    one, same, other = (data.augment(data.x[:8], stream(0, step, "augment")) for step in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_samplers():
    labels = torch.arange(40) % 4
    balanced = BatchSampler("balanced", labels, 12)
    drawn = balanced.draw(0, 5)
    assert torch.bincount(labels[drawn]).tolist() == [3, 3, 3, 3]
    assert len(set(drawn.tolist())) == 12
    assert torch.equal(drawn, balanced.draw(0, 5))
    assert not torch.equal(drawn, balanced.draw(1, 5))
    some = BatchSampler("balanced", labels, 12, classes_per_batch=2).draw(0, 1)
    assert sorted(torch.bincount(labels[some], minlength=4).tolist()) == [0, 0, 6, 6]
    assert len(set(BatchSampler("random", labels, 7).draw(0, 0).tolist())) == 7
    assert BatchSampler("full", labels, 40).draw(3, 3).tolist() == list(range(40))


def test_balanced_draws_are_uniform():
    labels = torch.tensor([0] * 5 + [1] * 3)
    sampler = BatchSampler("balanced", labels, 4)
    seen = torch.zeros(8)
    for step in range(3000):
        seen[sampler.draw(0, step)] += 1
    assert torch.allclose(seen[:5] / 3000, torch.full((5,), 2 / 5), atol=0.03)
    assert torch.allclose(seen[5:] / 3000, torch.full((3,), 2 / 3), atol=0.03)


def made(variance, reliability, dims, instances=2000, classes=3, views=4, dim=16, seed=0):
    """Embeddings around orthogonal class means with a known spread in `dims` directions."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(instances, 1, dims, generator=generator) * reliability**0.5
    noise = torch.randn(instances, views, dims, generator=generator) * (1 - reliability) ** 0.5
    labels = torch.arange(instances) % classes
    z = torch.zeros(instances, views, dim)
    z[..., classes : classes + dims] = (own + noise) * (variance / dims) ** 0.5
    z[torch.arange(instances), :, labels] = (1 - variance) ** 0.5
    return z, labels


@pytest.mark.parametrize(("variance", "reliability", "dims"), [(0.05, 0.3, 3), (0.2, 0.75, 5), (0.5, 0.9, 9)])
def test_a_study_measures_what_the_measure_command_measures(variance, reliability, dims):
    z, labels = made(variance, reliability, dims)
    z = normalize(z, dim=-1)
    found, told = moments(z, labels), spread_of(z.numpy(), labels.numpy())
    assert found.variance > 0.8 * variance
    for one, other in (
        (found.variance, told.within), (found.reliability, told.reliability), (found.confusion, told.confusion),
        (found.free_spread, told.free_spread), (found.mean, told.common_mean),
    ):  # fmt: skip
        assert one == pytest.approx(other.value, abs=3 / 2000)  # class means are taken with and without their own noise
    assert found.effective_dim == pytest.approx(told.directions.value, rel=0.02)


def test_spread_finds_what_was_put_in():
    found = moments(*made(0.2, 0.75, 5))
    assert found.variance == pytest.approx(0.2, rel=0.03)
    assert found.reliability == pytest.approx(0.75, abs=0.02)
    assert found.effective_dim == pytest.approx(5, rel=0.03)
    assert list(found.per_class) == pytest.approx([0.2] * 3, rel=0.06)
    assert found.mean == pytest.approx(0.8 / 3, rel=0.02)


def test_three_parts_add_up_and_are_told_apart():
    """View noise, confusion towards other classes' means, and free spread, each put in by itself."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3000) % 3
    z = torch.zeros(3000, 4, 16)
    z[torch.arange(3000), :, labels] = 0.8
    z[..., :3] += 0.2 * torch.randn(3000, 1, 3, generator=generator)  # two of these three lie in the span of the means
    z[..., 3:7] += 0.1 * torch.randn(3000, 1, 4, generator=generator)
    z[..., 7:] += 0.05 * torch.randn(3000, 4, 9, generator=generator)
    found = moments(z, labels)
    assert found.confusion == pytest.approx(2 * 0.04, rel=0.06)
    assert found.free_spread == pytest.approx(0.04 + 4 * 0.01, rel=0.06)
    assert found.variance * (1 - found.reliability) == pytest.approx(9 * 0.0025, rel=0.06)
    assert found.free_per_class == pytest.approx([found.free_spread] * 3, rel=0.15)


def test_random_labels_show_no_confusion():
    """Class means of few rows are noise; their span, fitted on the same rows, would soak up their spread."""
    generator = torch.Generator().manual_seed(0)
    z = normalize(torch.randn(60, 1, 16, generator=generator), dim=-1).repeat(1, 2, 1)
    found = [moments(z, torch.arange(60)[torch.randperm(60, generator=generator)] % 6) for _ in range(40)]
    share = sum(f.confusion / f.variance for f in found) / len(found)
    assert share == pytest.approx(5 / 16, abs=0.05)  # five directions of sixteen, no more


def test_without_room_beside_the_means_there_is_no_free_spread():
    z, labels = made(0.2, 0.75, 1, classes=3, dim=4)
    assert moments(z[..., 1:3], labels).free_spread is None


def test_collapse_has_no_spread():
    z, labels = made(0.2, 0.75, 5)
    z[..., 3:] = 0
    assert moments(normalize(z, dim=-1), labels).variance == pytest.approx(0, abs=1e-10)


def test_probe_reads_labels_that_are_there_and_only_those():
    z, labels = made(0.4, 1.0, 2)
    fine = labels * 2 + (z[:, 0, 3] > 0).long()
    train, test = slice(0, 1000), slice(1000, 2000)
    assert probe(z[train, 0], fine[train], z[test, 0], fine[test]) > 0.9
    shuffled = [shuffled_within(fine[s], labels[s], seed) for seed, s in enumerate((train, test))]
    assert probe(z[train, 0], shuffled[0], z[test, 0], shuffled[1]) == pytest.approx(0.5, abs=0.04)


def test_shuffling_keeps_every_class_s_labels():
    coarse = torch.tensor([0, 1, 0, 1, 0, 1])
    fine = torch.tensor([0, 2, 1, 3, 1, 3])
    shuffled = shuffled_within(fine, coarse, 0)
    assert shuffled.shape == (6, 10)
    for column in shuffled.T:
        assert sorted(column[coarse == 0].tolist()) == [0, 1, 1]
        assert sorted(column[coarse == 1].tolist()) == [2, 3, 3]


def test_picture_is_small_and_two_dimensional():
    z, labels = made(0.2, 1.0, 5)
    shown = picture(z[:, 0], labels, labels, points=50)
    assert len(shown["points"]) == len(shown["fine"]) == 50
    assert all(len(p) == 2 for p in shown["points"])
