"""Train on the 20 coarse classes of CIFAR-100 and ask the embedding for the 100 fine ones, which training never saw.

    python docs/examples/cifar100.py --data-root DATA                      # plain SupCon, writes plain.npz, plain.csv
    python docs/examples/cifar100.py --data-root DATA --alpha 0.5 --out mixed

DATA holds cifar-100-python, or its archive as downloaded. To be quick on a processor, augmented views of the images
pass a fixed front end once (patches against a learned dictionary, kept in views.pt), and a small network is trained on
what comes out.
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from ssem_advisor import Setting
from ssem_advisor.experiments.images import patches
from ssem_advisor.experiments.images.readers import load
from ssem_advisor.experiments.metrics import probe
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler, CollapseMonitor

PER_CLASS = 20  # of each of the 20 coarse classes in a batch of 400


def images(root: Path, instances: int) -> patches.CachedViews:
    """Features of the images (1024 numbers a view): six views to train on, two never trained on to measure."""
    data = load(Protocol.default("cifar100", coarse=True, instances=instances, data_root=str(root)))
    cache = Path("views.pt")
    if not cache.exists():
        patches.prepare(data, cache)
    return patches.features(data, cache)


def network(dim: int = 64) -> nn.Module:
    return nn.Sequential(
        nn.Linear(patches.FEATURES, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, dim)
    )


def train(data: patches.CachedViews, alpha: float | None, temperature: float, epochs: int, seed: int, log=None):
    """A trained network, its monitor and the loss of every step. alpha None is plain SupCon; log: of the monitor."""
    torch.manual_seed(seed)
    model, generator = network(), torch.Generator().manual_seed(seed)
    setting = Setting(
        classes=20, dim=64, temperature=temperature, alpha=alpha, batch_size=20 * PER_CLASS, sampler="balanced"
    )
    criterion = SupervisedContrastiveLoss(alpha, temperature)
    monitor = CollapseMonitor(setting, log=log)
    batches = BalancedBatchSampler(data.coarse, classes_per_batch=20, instances_per_class=PER_CLASS, seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    losses = []
    for _ in range(epochs):
        for batch in batches:
            chosen = torch.tensor(batch)
            z = model(data.views(chosen, 2, generator))
            loss = criterion(z, data.coarse[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            monitor.update(z, data.coarse[chosen])
            losses.append(loss.item())
    return model.eval(), monitor, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--alpha", type=float, help="weight of the self-supervised term; left out: plain SupCon")
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--out", default="plain", help="name of the files to write")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--instances", type=int, default=500, help="images of each coarse class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tensorboard", metavar="FOLDER", help="where the monitor writes its scalars")
    options = parser.parse_args()

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # enough here; beside other busy processes more threads are many times slower
    data = images(options.data_root, options.instances)
    log = None
    if options.tensorboard:
        from torch.utils.tensorboard import SummaryWriter

        log = SummaryWriter(Path(options.tensorboard) / options.out)
    model, monitor, losses = train(data, options.alpha, options.temperature, options.epochs, options.seed, log)

    @torch.no_grad()
    def embed(x: torch.Tensor) -> torch.Tensor:
        return normalize(model(x.float()), dim=-1)

    z, z_test, views = embed(data.x), embed(data.x_test), embed(data.held)
    np.savez(f"{options.out}.npz", embeddings=views.numpy(), labels=data.coarse.numpy())
    with open(f"{options.out}.csv", "w", newline="") as file:
        csv.writer(file).writerows([("step", "train/loss"), *enumerate(losses, 1)])
    coarse = probe(z, data.coarse, z_test, data.coarse_test)
    fine = probe(z, data.fine, z_test, data.fine_test)
    with open("runs.csv", "a", newline="") as file:
        csv.writer(file).writerow([options.alpha, options.temperature, options.seed, round(coarse, 4), round(fine, 4)])
    said = f"the monitor warned: {monitor.warning.split(':')[0]}" if monitor.warning else "no warning of the monitor"
    name = "plain SupCon" if options.alpha is None else f"alpha {options.alpha:g}"
    print(f"{name}, temperature {options.temperature:g}: {len(losses)} steps, {said}")
    print(f"linear probe on unseen images: {coarse:.3f} of the 20 coarse classes, {fine:.3f} of the 100 fine ones")


if __name__ == "__main__":
    main()
