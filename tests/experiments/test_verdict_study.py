"""The script behind the counts of right verdicts: what it asks for, what it counts, and a run of it from end to end."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ssem_advisor.experiments.data import synthetic
from ssem_advisor.experiments.images import patches

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def judge():
    spec = importlib.util.spec_from_file_location("judge_of_verdicts", ROOT / "validation" / "verdicts" / "judge.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def rows(*probes):
    """Rows of (weight, fine, coarse)."""
    return [{"alpha": alpha, "probe_fine": fine, "probe_coarse": coarse} for alpha, fine, coarse in probes]


def test_what_probes_ask_of_a_verdict(judge):
    found = judge.due(
        rows(
            (0, 0.30, 0.50), (0.1, 0.33, 0.50), (0.3, 0.40, 0.51), (0.5, 0.38, 0.485), (0.8, 0.38, 0.470), (1, 0.3, 0.4)
        ),
        tests=100_000,
    )
    assert found == {0: "collapse", 0.1: None, 0.3: "healthy", 0.5: None, 0.8: "loose", 1: "loose"}


def test_few_test_images_decide_less(judge):
    """On 100 images a standard error is 0.05: a gain and a loss of 0.08 are chance."""
    probes = rows((0, 0.30, 0.50), (0.3, 0.38, 0.50), (1, 0.30, 0.42))
    assert judge.due(probes, tests=100) == {0: "collapse", 0.3: None, 1: None}
    assert judge.due(probes, tests=100_000) == {0: "collapse", 0.3: "healthy", 1: "loose"}


def test_seeds_are_averaged(judge):
    probes = rows((0, 0.3, 0.5), (0, 0.3, 0.5), (0.3, 0.5, 0.5), (0.3, 0.1, 0.5), (0.5, 0.4, 0.5), (0.5, 0.4, 0.5))
    assert judge.due(probes, tests=100_000) == {0: "collapse", 0.3: None, 0.5: "healthy"}


@pytest.mark.parametrize(
    ("verdict", "asked", "expected"),
    [
        ("class collapse", "collapse", "right"),
        ("healthy", "collapse", "wrong"),
        ("too loose", "collapse", "wrong"),
        ("class structure lost", "loose", "right"),
        ("too little", "loose", "wrong"),
        ("healthy", "healthy", "right"),
        ("too loose", "healthy", "wrong"),
        ("cannot tell", "healthy", "cannot tell"),
        ("healthy", None, "not counted"),
    ],
)
def test_outcomes(judge, verdict, asked, expected):
    assert judge.outcome(verdict, asked) == expected


def test_end_to_end_and_from_what_is_trained(judge, tmp_path, monkeypatch, capsys):
    """A short training on Gaussians is written, judged again without training to the same bytes, and counted."""
    monkeypatch.setattr(judge, "HERE", tmp_path)
    monkeypatch.setattr(judge, "data_of", lambda *_: synthetic((20,) * 8))
    short = replace(judge.STUDIES["gaussians"], alphas=(0, 0.3), epochs=2, batch=80, seeds=2)
    monkeypatch.setattr(judge, "STUDIES", {"gaussians": short})
    judge.study_again("gaussians", None, tmp_path)
    written = (tmp_path / "gaussians.json").read_text()
    networks = json.loads(written)["networks"]
    assert [(r["seed"], r["alpha"]) for r in networks] == [(0, 0), (0, 0.3), (1, 0), (1, 0.3)]
    assert networks[0]["probe_fine"] != networks[2]["probe_fine"]
    parts = [sum(r[k] for k in ("common_mean", "between", "view_noise", "confusion", "free_spread")) for r in networks]
    assert parts == pytest.approx([1] * 4, abs=0.02)

    monkeypatch.setattr(judge.Stack, "step", lambda *_: pytest.fail("trained again"))
    judge.study_again("gaussians", None, tmp_path)
    assert (tmp_path / "gaussians.json").read_text() == written
    judge.count()
    assert "| gaussians |" in capsys.readouterr().out


def cached_views(each=30):
    """Six fine classes in three coarse ones, of which every row of features is the number of its image."""
    fine = torch.arange(6).repeat(each)
    number = torch.arange(len(fine), dtype=torch.float32)
    views = number[:, None, None].expand(-1, 8, 4)
    tests = {"x_test": torch.zeros(6, 4), "coarse_test": torch.arange(6) // 2, "fine_test": torch.arange(6)}
    return patches.CachedViews(
        x=number[:, None].expand(-1, 4), coarse=fine // 2, fine=fine, augment=None, trained=views[:, :6],
        held=views[:, 6:], **tests,
    )  # fmt: skip


def test_a_long_tail_gives_its_sizes_to_other_classes_at_each_seed(judge):
    data, tail = cached_views(), judge.Tail(40, 4, 5)
    found = [tail.of(data, seed) for seed in range(3)]
    assert [part.counts for part in found] == [[40, 20, 10]] * 3
    largest = [set(part.fine[part.coarse == 0].tolist()) for part in found]
    assert sorted(map(sorted, largest)) == [[0, 1], [2, 3], [4, 5]]
    for part in found:
        assert torch.equal(part.coarse_test[part.fine_test], torch.arange(6).div(2, rounding_mode="floor").add(
            int(part.coarse_test[0])).remainder(3))  # fmt: skip
        assert torch.bincount(part.fine_spare).tolist() == [5] * 6
        assert not set(part.x[:, 0].tolist()) & set(part.spare[:, 0].tolist())
        for rows, labels in ((part.x, part.fine), (part.spare, part.fine_spare)):
            assert torch.equal(data.fine[rows[:, 0].long()], labels)
        assert torch.equal(part.spare_views[:, 0, 0], part.spare[:, 0])
        assert torch.equal(part.trained[:, 0, 0], part.x[:, 0])


def test_a_long_tail_is_judged_class_by_class(judge, tmp_path, monkeypatch):
    """End to end, with plain SupCon among the weights, and again without training to the same bytes."""
    generator = torch.Generator().manual_seed(0)
    data = cached_views(60)
    centres = torch.randn(6, 16, generator=generator)
    noise = torch.randn(len(data.fine), 9, 16, generator=generator)
    x = centres[data.fine][:, None] + noise
    data = replace(
        data, x=x[:, 8], trained=x[:, :6], held=x[:, 6:8], x_test=centres.repeat(4, 1),
        fine_test=torch.arange(6).repeat(4), coarse_test=torch.arange(6).repeat(4) // 2,
    )  # fmt: skip
    study = judge.Study(
        "cifar100", 16, 0.1, (None, 0, 0.5), 30, 2, judge.same, "random", seeds=2, tail=judge.Tail(80, 8, 10)
    )
    monkeypatch.setattr(judge, "HERE", tmp_path)
    monkeypatch.setattr(judge, "data_of", lambda *_: data)
    monkeypatch.setattr(judge, "STUDIES", {"short": study})
    judge.study_again("short", None, tmp_path)
    written = (tmp_path / "short.json").read_text()
    found = json.loads(written)
    assert found["setting"]["class_counts"] == [80, 28, 10]
    assert [(r["seed"], r["alpha"]) for r in found["networks"]] == [(s, a) for s in (0, 1) for a in (None, 0, 0.5)]
    for row in found["networks"]:
        assert sum(row["free by class"]) / 3 == pytest.approx(row["free_spread"], abs=1e-4)
        assert sum(row["probe_fine by class"]) / 3 == pytest.approx(row["probe_fine"], abs=1e-4)
        assert "held-out images" in row
    assert judge.due(found["networks"], 24)[None] == "collapse"

    monkeypatch.setattr(judge.Stack, "step", lambda *_: pytest.fail("trained again"))
    judge.study_again("short", None, tmp_path)
    assert (tmp_path / "short.json").read_text() == written


def test_kept_networks_of_other_weights_are_trained_again(judge, tmp_path):
    data, study = synthetic((20,) * 8), replace(judge.STUDIES["gaussians"], epochs=1, batch=80)
    stacks = [judge.trained(study, data, 0, alphas, 0.1, tmp_path / "kept.pt") for alphas in ((0, 0.3), (0, 0.5))]
    first, second = (stack.embed(data.x.flatten(1), 1) for stack in stacks)
    assert not torch.equal(first, second)


def test_the_page_shows_what_is_counted(judge, capsys):
    judge.count()
    page = (ROOT / "validation" / "verdicts" / "README.md").read_text()
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line for line in table if line not in page] == []
