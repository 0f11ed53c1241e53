"""The image suites on tiny files of the standard formats."""

import colorsys
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import standard_files
import torch

from ssem_advisor import AdvisorError
from ssem_advisor.experiments.data import stream
from ssem_advisor.experiments.images import augmentation, patches, readers
from ssem_advisor.experiments.images.resnet import network
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.study import run_study

TINY = {"network": "resnet18", "width": 4, "epochs": 1, "seeds": 1, "alphas": (0.0, 0.5), "dim": 32}


def test_cifar10(tmp_path):
    standard_files.cifar10(tmp_path)
    data = readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))
    assert data.x.shape == (50, 3, 32, 32)
    assert data.x.dtype == torch.uint8
    assert data.counts == [5] * 10
    assert not data.has_fine
    report = run_study([Protocol.default("cifar10", data_root=str(tmp_path), **TINY)], device="cpu", jobs=0)
    (suite,) = report["suites"]
    assert report["verdict"] == "not trained"  # a single step of one batch moves nothing
    assert {0.0, 0.5} <= {r["alpha"] for r in suite["runs"]}
    assert all(r["setting"]["batch_size"] == 50 for r in suite["runs"])  # cut to what the files hold


def test_cifar100_coarse_probes_the_fine_labels(tmp_path):
    standard_files.cifar100(tmp_path, packed=True)
    protocol = Protocol.default("cifar100", data_root=str(tmp_path), coarse=True, **TINY)
    data = readers.load(protocol)
    assert len(data.counts) == 20
    assert int(data.fine.max()) == 99
    assert torch.equal(data.coarse, data.fine // 5)
    report = run_study([protocol.with_(alphas=(0.0,))], device="cpu", jobs=0)
    assert all("probe_fine" in r for r in report["suites"][0]["runs"])


def test_cifar100_merges_neighbours(tmp_path):
    standard_files.cifar100(tmp_path)
    protocol = Protocol.default("cifar100", data_root=str(tmp_path), **TINY | {"classes": 10})
    data = readers.load(protocol)
    assert torch.equal(data.coarse, data.fine // 10)
    with pytest.raises(AdvisorError, match="divisor"):
        Protocol.default("cifar100", classes=30)


def test_imagenet_lt(tmp_path):
    standard_files.imagenet_lt(tmp_path)
    sizes = {"classes_per_batch": 2, "batch_size": 4, "classes": 3}
    protocol = Protocol.default("imagenet-lt", data_root=str(tmp_path), **TINY | sizes | {"network": "resnet50"})
    data = readers.load(protocol)
    assert data.counts == [8, 4, 4]
    assert data.x[torch.tensor([0, 9])].shape == (2, 3, 256, 256)
    report = run_study([protocol.with_(alphas=(0.0,))], device="cpu", jobs=0)
    assert report["suites"][0]["runs"]


@pytest.mark.parametrize(("imbalance", "counts"), [(1.0, [10] * 10), (10.0, [10, 8, 6, 5, 4, 3, 2, 2, 2, 2])])
def test_long_tail(imbalance, counts):
    labels = torch.arange(100) % 10
    kept = readers.long_tail(labels, imbalance)
    assert torch.bincount(labels[kept]).tolist() == counts


def test_first_of_each_class_in_the_order_of_the_files():
    labels = torch.tensor([1, 0, 1, 1, 0, 0, 2])
    assert readers.first_of_each(labels, 2).tolist() == [0, 1, 2, 4, 6]
    assert readers.first_of_each(labels, None).tolist() == list(range(7))


def test_cifar10_merges_its_classes_and_probes_the_ten(tmp_path):
    standard_files.cifar10(tmp_path)
    pairs, two = (
        readers.load(Protocol.default("cifar10", classes=c, data_root=str(tmp_path), instances=4)) for c in (5, 2)
    )
    assert pairs.counts == [4] * 5
    assert torch.equal(pairs.coarse, pairs.fine // 2)
    assert two.counts == [4, 4]
    assert torch.equal(two.coarse_test, torch.tensor([0, 0, 1, 1, 1, 1, 1, 1, 0, 0]).repeat(5))
    assert pairs.has_fine
    assert two.has_fine


def test_patch_features_do_as_the_method_says(monkeypatch):
    """Against the textbook order of steps: cut a patch, normalise, whiten, compare, threshold, average a quadrant."""
    monkeypatch.setattr(patches, "ATOMS", 8)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(30, 3, 12, 12, generator=generator)
    dictionary = patches.Dictionary.learn(images, torch.Generator().manual_seed(1), patches=900, rounds=3)
    found = dictionary.encode(images[:2], torch.float32)
    assert found.shape == (2, 32)
    expected = torch.zeros(8)
    for row in range(4):  # the first quadrant of the 7 x 7 positions: rows and columns 0 to 3
        for column in range(4):
            patch = images[0, :, row : row + 6, column : column + 6].flatten()
            scale = (patch.var(correction=0) + patches._CONTRAST).sqrt()
            expected += (dictionary.filters @ ((patch - patch.mean()) / scale) - dictionary.offset).clamp(min=0) / 16
    assert torch.allclose(found[0].view(8, 4)[:, 0], expected, atol=1e-5)
    assert torch.allclose(
        dictionary.encode(3 * images[:2] + 1, torch.float32), found, atol=0.02
    )  # contrast is taken out


def test_the_fast_front_end_trains_on_cached_views_and_measures_others(tmp_path, monkeypatch):
    standard_files.cifar10(tmp_path)
    small = {"classes": 5, "epochs": 2, "seeds": 1, "alphas": (0.5,), "hidden": (16,), "dim": 16, "batch_size": 20}
    protocol = Protocol.default("cifar10", data_root=str(tmp_path), **small)
    report = run_study([protocol], out=tmp_path / "run", device="cpu", jobs=0, keep_embeddings=True)
    data = patches.features(readers.load(protocol), tmp_path / "run" / "features-0.pt")
    assert data.trained.shape == (50, patches.TRAINED_VIEWS, patches.FEATURES)
    assert data.held.shape[1] == patches.HELD_VIEWS
    assert data.trained.float().mean().abs() < 0.01
    assert data.trained.float().var() == pytest.approx(1, abs=0.2)
    drawn = data.views(torch.tensor([3, 3, 7]), 2, stream(0, 0, "augment"))
    assert not torch.equal(drawn[:, 0], drawn[:, 1])  # two different views of an image
    assert any(torch.equal(drawn[2, 0], view.float()) for view in data.trained[7])
    runs = report["suites"][0]["runs"]
    assert {r["alpha"] for r in runs} > {0.0, 0.5}
    assert all(r["free_spread"] + r["confusion"] == pytest.approx(r["variance"] * r["reliability"]) for r in runs)
    assert (tmp_path / "run/embeddings").is_dir()

    def never(*_):
        raise AssertionError("features are computed once")

    monkeypatch.setattr(patches, "_features", never)
    assert run_study([protocol], out=tmp_path / "run", device="cpu", jobs=0)["suites"][0]["runs"] == runs


class Trap:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


def test_a_batch_file_runs_nothing(tmp_path):
    standard_files.cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_1").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(AdvisorError, match=r"data_batch_1.*refuses to load .*system"):
        readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        AdvisorError, match=r"holds neither cifar-10-batches-py/data_batch_1 nor cifar-10-python.tar.gz"
    ):
        readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))
    with pytest.raises(AdvisorError, match=r"holds no ImageNet_LT_train.txt"):
        readers.load(Protocol.default("imagenet-lt", data_root=str(tmp_path)))
    (tmp_path / "ImageNet_LT_train.txt").write_text("train/a.JPEG\n")
    with pytest.raises(AdvisorError, match=r"ImageNet_LT_train.txt:1: must be a path and a class number"):
        readers.load(Protocol.default("imagenet-lt", data_root=str(tmp_path)))


def test_views_are_crops_of_the_picture_and_shards_agree():
    x = torch.randint(0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    draws = torch.rand(6, 12, generator=stream(0, 0, "augment"))
    views = augmentation.views_of(x, draws)
    assert views.shape == (6, 3, 32, 32)
    assert views.isfinite().all()
    assert torch.allclose(augmentation.views_of(x[2:4], draws[2:4]), views[2:4], atol=1e-6)
    identity = torch.full((6, 12), 0.9)
    identity[:, 0], identity[:, 1], identity[:, 3:5] = 1.0, 0.5, 0.5
    assert torch.allclose(augmentation.views_of(x, identity), augmentation.plain(x), atol=1e-4)


@pytest.mark.parametrize(("draw", "turn"), [(0.5, 0.0), (0.75, 0.05), (0.25, -0.05), (1.0, 0.1)])
def test_colours_turn_by_the_angle_drawn_from_red_to_green_to_blue(draw, turn):
    x = torch.tensor([160, 90, 90]).view(1, 3, 1, 1).expand(1, 3, 32, 32).to(torch.uint8)
    draws = torch.full((1, 12), 0.5)
    draws[:, 0], draws[:, 9] = 1.0, draw
    view = augmentation.views_of(x, draws)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (augmentation._MEAN, augmentation._STD))
    red, green, blue = (view[0] * std + mean).mean((1, 2)).tolist()
    hue = (colorsys.rgb_to_hsv(red, green, blue)[0] + 0.5) % 1 - 0.5
    assert hue == pytest.approx(turn, abs=0.012)  # the hue of a hexagon is nearly the angle in the plane of colours


@pytest.mark.parametrize(
    ("name", "small", "size", "parameters"), [("resnet18", True, 32, 11.2), ("resnet50", False, 64, 23.5)]
)
def test_networks_have_the_usual_size(name, small, size, parameters):
    model = network(name, 128, small)
    body = sum(p.numel() for p in model[:-3].parameters())
    assert body / 1e6 == pytest.approx(parameters, abs=0.1)
    assert network(name, 16, small, width=4)(torch.zeros(2, 3, size, size)).shape == (2, 16)


WORKER = Path(__file__).with_name("two_processes.py")


def test_two_processes_train_the_curve_of_one():
    """In float64, so that rounding does not grow: losses, gradients and batch statistics agree to the last digits."""
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE")} | {"OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(WORKER)]
    outputs = []
    for command in ([sys.executable, str(WORKER)], launch):
        output = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert output.returncode == 0, output.stderr
        outputs.append(output.stdout)
    alone, together = ([float(v) for v in output.split()] for output in outputs)
    assert len(alone) == len(together) == 9
    assert together == pytest.approx(alone, rel=1e-9)


@pytest.mark.slow
def test_the_command_under_torchrun(tmp_path):
    standard_files.cifar10(tmp_path)
    command = ["validate", "--config", str(tmp_path / "protocol.yaml"), "--device", "cpu", "--jobs", "0", "--output"]
    (tmp_path / "protocol.yaml").write_text(
        f"validate:\n  suite: cifar10\n  data_root: {tmp_path}\n  network: resnet18\n  width: 4\n"
        "  epochs: 2\n  alphas: [0.5]\n  seeds: 1\n"
        "  learning_rate: 0.01\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "ssem_advisor", *command, str(tmp_path / "one")], env=environment)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ssem_advisor",
    ]
    subprocess.run([*launch, *command, str(tmp_path / "two")], env=environment)
    import json

    runs = [
        [json.loads(line) for line in (tmp_path / name / "runs.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for alone, together in zip(*runs, strict=True):
        assert together["processes"] == 2
        assert together["losses"] == pytest.approx(alone["losses"], rel=5e-3)  # bfloat16 where that is fast
