"""The image suites: standard files on disk, ResNets, one model a process, or several processes for one model.

Nothing is downloaded. Under torchrun the processes share the batch: the loss is that of the joined batch, batch
normalisation sees all of it, and the curve is that of one process.
"""

from __future__ import annotations

import atexit
import gc
import io
import math
import os
import pickle
import tarfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, normalize

from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments.data import Data, Sampler, stream
from ssem_advisor.experiments.task import MEASURED_VIEWS, Task, measure, record_of, shown, steps_of
from ssem_advisor.losses import SupervisedContrastiveLoss

if TYPE_CHECKING:
    from ssem_advisor.experiments.protocol import Protocol
    from ssem_advisor.experiments.store import Pulse, Store

# -- files -------------------------------------------------------------------------------------------------------------


def load(protocol: Protocol) -> Data:
    """The images of a suite from `data_root`, as they are distributed. Raises AdvisorError naming what is missing."""
    if protocol.data_root is None:
        raise AdvisorError(f"--suite {protocol.suite}: needs --data-root, the folder of its standard files")
    root = Path(protocol.data_root).expanduser()
    if not root.is_dir():
        raise AdvisorError(f"--data-root {root}: no such folder")
    if protocol.suite == "imagenet-lt":
        (files, labels), (files_test, labels_test) = (
            _listed(root, f"ImageNet_LT_{part}.txt") for part in ("train", "test")
        )
        return Data(files, labels, labels, files_test, labels_test, labels_test, augment)
    name = "cifar-100" if protocol.suite == "cifar100" else "cifar-10"
    cifar100 = protocol.suite == "cifar100"
    parts = ["train"] if cifar100 else [f"data_batch_{i}" for i in range(1, 6)]
    folder, archive = f"{name}-{'python' if cifar100 else 'batches-py'}", f"{name}-python.tar.gz"
    x, coarse, fine = _cifar(root, folder, archive, parts, protocol.coarse and cifar100)
    test = _cifar(root, folder, archive, ["test" if cifar100 else "test_batch"], protocol.coarse and cifar100)
    if protocol.imbalance > 1:
        kept = long_tail(coarse, protocol.imbalance)
        x, coarse, fine = x[kept], coarse[kept], fine[kept]
    return Data(x, coarse, fine, *test, augment)


def _cifar(root: Path, folder: str, archive: str, parts: Sequence[str], coarse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images (samples, 3, 32, 32) in bytes, training labels and fine labels, from the pickled batches of CIFAR."""
    images, labels, fine = [], [], []
    for part in parts:
        place, content = _cifar_file(root, folder, archive, part)
        try:
            batch = _SafeUnpickler(io.BytesIO(content), encoding="bytes").load()
            pixels = np.asarray(batch[b"data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
            own = batch[b"labels"] if b"labels" in batch else batch[b"fine_labels"]
            trained = batch[b"coarse_labels"] if coarse else own
        except (pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError, AttributeError) as error:
            raise AdvisorError(f"{place}: not a CIFAR batch in the python format ({error})") from error
        if not len(pixels) == len(own) == len(trained):
            raise AdvisorError(f"{place}: {len(pixels)} images but {len(own)} labels")
        images.append(torch.from_numpy(pixels.copy()))
        labels.append(torch.tensor(trained, dtype=torch.long))
        fine.append(torch.tensor(own, dtype=torch.long))
    return torch.cat(images), torch.cat(labels), torch.cat(fine)


def _cifar_file(root: Path, folder: str, archive: str, part: str) -> tuple[Path, bytes]:
    """A batch file from the unpacked folder, from `root` being that folder, or from the archive as downloaded."""
    for place in (root / folder / part, root / part):
        if place.is_file():
            return place, place.read_bytes()
    packed = root / archive
    if packed.is_file():
        try:
            with tarfile.open(packed) as tar:
                member = tar.extractfile(f"{folder}/{part}")
                if member is not None:
                    return packed / folder / part, member.read()
        except (tarfile.TarError, KeyError, EOFError, OSError) as error:
            raise AdvisorError(f"{packed}: cannot read {folder}/{part} from it ({error})") from error
    raise AdvisorError(f"--data-root {root}: holds neither {folder}/{part} nor {archive}")


class _SafeUnpickler(pickle.Unpickler):
    """Reads arrays and plain values, and runs nothing: a batch file is somebody else's pickle."""

    _ALLOWED = frozenset(
        {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("__builtin__", "bytes")}
        | {(f"numpy.{core}.{place}", name) for core in ("core", "_core")
           for place, name in (("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))}
    )  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core") if _NEW_NUMPY else module, name)
        raise pickle.UnpicklingError(f"refuses to load {module}.{name}")


_NEW_NUMPY = int(np.__version__.split(".")[0]) >= 2


def _listed(root: Path, name: str) -> tuple[Any, Tensor]:
    """Images and labels of a list file: a path relative to `root` and a class number on every line."""
    place = root / name
    if not place.is_file():
        raise AdvisorError(f"--data-root {root}: holds no {name}")
    paths, labels = [], []
    for number, line in enumerate(place.read_text().splitlines(), 1):
        if not line.strip():
            continue
        path, _, label = line.rpartition(" ")
        if not path or not label.isdigit():
            raise AdvisorError(f"{place}:{number}: must be a path and a class number, is {line!r}")
        paths.append(root / path)
        labels.append(int(label))
    if not paths:
        raise AdvisorError(f"{place}: lists no images")
    if not paths[0].is_file():
        raise AdvisorError(f"{place}:1: no such file {paths[0]}; --data-root is the folder that holds train/ and val/")
    return ImageFiles(paths), torch.tensor(labels)


class ImageFiles:
    """Image files that decode when indexed, to (samples, 3, size, size) in bytes; stands in for a tensor of images."""

    def __init__(self, paths: Sequence[Path], size: int = 256, device: str | torch.device = "cpu") -> None:
        self.paths, self.size, self.device = paths, size, device

    def __len__(self) -> int:
        return len(self.paths)

    def to(self, device: str | torch.device) -> ImageFiles:
        return ImageFiles(self.paths, self.size, device)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        numbers = torch.arange(len(self.paths))[chosen.cpu() if isinstance(chosen, Tensor) else chosen].tolist()
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:  # decoding leaves the interpreter lock
            decoded = list(threads.map(self._decode, (self.paths[i] for i in numbers)))
        return torch.stack(decoded).to(self.device, non_blocking=True)

    def _decode(self, path: Path) -> Tensor:
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with Image.open(path) as image:
                square = ImageOps.fit(image.convert("RGB"), (self.size, self.size), Image.Resampling.BILINEAR)
        except (OSError, UnidentifiedImageError) as error:
            raise AdvisorError(f"{path}: cannot be read as an image ({error})") from error
        return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)


def long_tail(labels: Tensor, imbalance: float) -> Tensor:
    """Indices of a long-tailed subset: class i of m keeps n * imbalance^(-i/(m-1)) of its instances, the first ones."""
    classes = int(labels.max()) + 1
    largest = int(torch.bincount(labels).max())
    kept = []
    for c in range(classes):
        wanted = max(2, round(largest * imbalance ** (-c / max(classes - 1, 1))))
        kept.append((labels == c).nonzero().squeeze(1)[:wanted])
    return torch.cat(kept).sort().values


# -- views -------------------------------------------------------------------------------------------------------------

_MEAN, _STD = (0.48, 0.45, 0.41), (0.25, 0.24, 0.26)
_DRAWS = 12


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """A view of every image: random resized crop, flip, colour jitter, grey. x: (samples, 3, h, w) bytes."""
    return views_of(x, torch.rand(len(x), _DRAWS, generator=generator, device=x.device))


def views_of(x: Tensor, draws: Tensor) -> Tensor:
    """The views that the draws in [0, 1) (samples, 12) decide; a shard of the draws gives the shard of the views."""
    size = 224 if x.shape[-1] > 64 else x.shape[-1]
    u = draws.unbind(1)
    area, ratio = 0.2 + 0.8 * u[0], torch.exp((2 * u[1] - 1) * math.log(4 / 3))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    flip = torch.where(u[2] < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(width)
    rows = [width * flip, zero, (2 * u[3] - 1) * (1 - width), zero, height, (2 * u[4] - 1) * (1 - height)]
    grid = affine_grid(torch.stack(rows, 1).view(-1, 2, 3), [len(x), 3, size, size], align_corners=False)
    image = grid_sample(x.float().div_(255), grid, padding_mode="reflection", align_corners=False)

    def column(v: Tensor) -> Tensor:
        return v.view(-1, 1, 1, 1)

    jitter = column(u[5] < 0.8)
    bright, contrast, colour = (torch.where(jitter, column(0.6 + 0.8 * u[i]), 1.0) for i in (6, 7, 8))
    image = image * bright
    image = (image - image.mean((1, 2, 3), keepdim=True)) * contrast + image.mean((1, 2, 3), keepdim=True)
    grey = (image * image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    angle = torch.where(jitter, column((2 * u[9] - 1) * 0.2 * math.pi), 0.0)
    chroma = (image - grey) * colour
    turned = (chroma.roll(1, 1) - chroma.roll(-1, 1)) / math.sqrt(3)
    image = grey + torch.cos(angle) * chroma + torch.sin(angle) * turned
    image = torch.where(column(u[10] < 0.2), grey, image).clamp(0, 1)
    return _standard(image)


def _standard(image: Tensor) -> Tensor:
    return (image - image.new_tensor(_MEAN).view(1, 3, 1, 1)) / image.new_tensor(_STD).view(1, 3, 1, 1)


def plain(x: Tensor) -> Tensor:
    """The images as they are, normalised; large ones cut to their middle 224 pixels."""
    if x.shape[-1] > 64:
        margin = (x.shape[-1] - 224) // 2
        x = x[..., margin : margin + 224, margin : margin + 224]
    return _standard(x.float().div(255))


# -- networks ----------------------------------------------------------------------------------------------------------


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the joined batch of all processes, on any device that torch.distributed reaches."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and dist.is_available() and dist.is_initialized()):
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        count = x.numel() / x.shape[1] * dist.get_world_size()
        mean: Tensor = _SumOverProcesses.apply(wide.sum((0, 2, 3))) / count
        centred = wide - mean.view(1, -1, 1, 1)
        variance: Tensor = _SumOverProcesses.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)  # type: ignore[union-attr, arg-type]
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; every one of them depends on it, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class _Block(nn.Module):
    """A residual block: two 3x3 convolutions, or with `bottleneck` a 3x3 between two 1x1."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = 4 * width if bottleneck else width
        if bottleneck:
            layers = [_conv(channels, width, 1), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, width, 3, stride), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, out, 1), BatchNorm(out)]  # fmt: skip
        else:
            layers = [_conv(channels, width, 3, stride), BatchNorm(width), nn.ReLU(inplace=True),
                      _conv(width, out, 3), BatchNorm(out)]  # fmt: skip
        self.body = nn.Sequential(*layers)
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else nn.Sequential(_conv(channels, out, 1, stride), BatchNorm(out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def _conv(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


def network(name: str, dim: int, small: bool, width: int = 64) -> nn.Module:
    """A ResNet with a two-layer projection to `dim`, not normalised; small pictures get a 3x3 stem without pooling."""
    depths = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
    if name not in depths:
        raise AdvisorError(f"network={name!r}: must be resnet18 or resnet50")
    bottleneck = name == "resnet50"
    stem = [_conv(3, width, 3)] if small else [_conv(3, width, 7, 2)]
    layers: list[nn.Module] = [*stem, BatchNorm(width), nn.ReLU(inplace=True)]
    if not small:
        layers.append(nn.MaxPool2d(3, 2, 1))
    channels = width
    for stage, depth in enumerate(depths[name]):
        for i in range(depth):
            own = width * 2**stage
            layers.append(_Block(channels, own, 2 if stage and not i else 1, bottleneck))
            channels = 4 * own if bottleneck else own
    head = [nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, dim)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)


# -- training ----------------------------------------------------------------------------------------------------------


def train(task: Task, store: Store, pulse: Pulse) -> list[dict[str, Any]] | None:
    """Train one model, alone or as one of torchrun's processes; its record, or None if asked to stop first."""
    rank, world, device = _join(task.device)
    protocol, alpha, temperature = task.protocol, task.alphas[0], float(task.setting.temperature)
    data = load(protocol).to(device)
    batch = int(task.setting.batch_size or len(data.x))
    if batch % world:
        raise AdvisorError(f"batch_size={batch}: must be a multiple of the {world} processes")
    sampler = Sampler(protocol.sampler, data.coarse.cpu(), batch, protocol.classes_per_batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        model = network(protocol.network, protocol.dim, data.x[:1].shape[-1] <= 64, protocol.width).to(device)
    cuda = device.type == "cuda"
    if cuda:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(model.parameters(), protocol.learning_rate, momentum=0.9, weight_decay=1e-4)
    loss_of = SupervisedContrastiveLoss(alpha, temperature, loss=protocol.loss or "supcon", gather=world > 1 and "ddp")  # type: ignore[arg-type]
    steps, first, seconds = steps_of(protocol, len(data.x), batch), 0, 0.0
    curve: list[float] = []
    saved = store.restore(task.key)
    if saved is not None:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        first, seconds, curve = saved["step"], saved["seconds"], saved["losses"]
    trained = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    own = slice(rank * batch // world, (rank + 1) * batch // world)
    warm = max(1, min(10 * steps // protocol.epochs, steps // 10))
    began = time.perf_counter() - seconds
    loss = torch.zeros(())
    model.train()
    for step in range(first, steps):
        chosen = sampler.draw(task.seed, step)
        draws = torch.rand(batch, protocol.views, _DRAWS, generator=stream(task.seed, step, "augment"))
        chosen, draws = chosen[own].to(device), draws[own].flatten(0, 1).to(device)
        for group in optimiser.param_groups:
            group["lr"] = protocol.learning_rate * _schedule(step, warm, steps)
        try:
            x = views_of(data.x[chosen].repeat_interleave(protocol.views, 0), draws)
            with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
                z = trained(x.contiguous(memory_format=torch.channels_last) if cuda else x)
            loss = loss_of(z.float().view(len(chosen), protocol.views, -1), data.coarse[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
        except torch.OutOfMemoryError as error:
            raise AdvisorError(
                f"--batch-size {batch}: does not fit the memory of {device}; share it between devices with torchrun, "
                "or give a smaller one (the threshold moves with it)"
            ) from error
        optimiser.step()
        if step % max(1, steps // 100) == 0:
            curve.append(round(loss.item(), 6))

        def state(step: int = step) -> dict[str, Any]:
            return {
                "model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1,
                "losses": curve, "seconds": time.perf_counter() - began,
            }  # fmt: skip

        if _agreed(pulse((step + 1) / steps, state if rank == 0 else None), device, world):
            return None
    seconds = time.perf_counter() - began
    model.eval()
    records: list[Any] = [None]
    if rank == 0:
        generator = stream(task.seed, 0, "measure", device)

        def embed(view: Callable[[Tensor], Tensor], x: Any) -> Tensor:
            parts = [_embed(model, view(x[i : i + 256]), cuda) for i in range(0, len(x), 256)]
            return torch.cat(parts)

        views = torch.stack([embed(lambda x: augment(x, generator), data.x) for _ in range(MEASURED_VIEWS)], 1)
        z, z_test = embed(plain, data.x), embed(plain, data.x_test)
        found = measure(data, views, z, z_test, task.seed, shown(task, alpha))
        records = [
            record_of(
                task, alpha, temperature, seconds=seconds, steps=steps, loss_value=loss.item(),
                losses=curve, processes=world, **found,
            )
        ]  # fmt: skip
    if world > 1:
        dist.broadcast_object_list(records, src=0)
    return records


@torch.no_grad()
def _embed(model: nn.Module, x: Tensor, cuda: bool) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=cuda):
        return normalize(model(x).float(), dim=-1)


def _schedule(step: int, warm: int, steps: int) -> float:
    """Linear warm-up, then a cosine to 0."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _join(name: str) -> tuple[int, int, torch.device]:
    """Rank, number of processes and device; joins torchrun's processes on the first call."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 1, torch.device(name)
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if name.startswith("cuda") else torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return rank, world, device


def _leave() -> None:
    gc.collect()  # a model of DistributedDataParallel holds the group, whose threads must end before the process
    dist.destroy_process_group()


def _agreed(stop: bool, device: torch.device, world: int) -> bool:
    """Whether the first process wants to stop; all processes must agree, or they wait for each other for ever."""
    if world == 1:
        return stop
    flag = torch.tensor([int(stop)], device=device)
    dist.broadcast(flag, src=0)
    return bool(flag.item())
