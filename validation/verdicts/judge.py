"""Train networks on groupings that no limit was set on, and hold the verdicts of `measure` against linear probes.

    python validation/verdicts/judge.py five [--data-root DIR] [--features FILE]

Writes NAME.json beside this file: of every network the probes, the parts of the spread, what class means and neighbours
tell, and the verdicts on two held-back views of each train image, on one of them, and on the plain test images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ssem_advisor.experiments.data import BatchSampler, Data, digits, stream, synthetic
from ssem_advisor.experiments.images import patches
from ssem_advisor.experiments.images.readers import first_of_each
from ssem_advisor.experiments.metrics import probe
from ssem_advisor.experiments.plan import load
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.stacked import Stack
from ssem_advisor.measurement import measure

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Study:
    """What to train. suite: the data; group: from its fine labels, or coarse ones, to the trained labels."""

    suite: str
    dim: int
    temperature: float
    alphas: Sequence[float]
    batch: int
    epochs: int
    group: Callable[[Data], Data]
    sampler: str = "balanced"
    coarse: bool = False


def merged(groups: Sequence[Sequence[int]], each: int | None = None) -> Callable[[Data], Data]:
    """Fine labels merged into groups; each: the first images of a fine class alone."""

    def group(data: Data) -> Data:
        table = torch.empty(sum(map(len, groups)), dtype=torch.long)
        for number, fine in enumerate(groups):
            table[list(fine)] = number
        data = replace(data, coarse=table[data.fine], coarse_test=table[data.fine_test])
        return data if each is None else _part(data, first_of_each(data.fine, each))

    return group


def some(classes: Sequence[int]) -> Callable[[Data], Data]:
    """Some of the coarse classes, with all of their fine ones, numbered anew."""

    def group(data: Data) -> Data:
        chosen = torch.tensor(classes)
        tests = torch.isin(data.coarse_test, chosen)
        data = _part(data, torch.isin(data.coarse, chosen).nonzero().squeeze(1))
        test = {"coarse_test": data.coarse_test[tests], "fine_test": data.fine_test[tests]}
        for kind in ("coarse", "fine"):
            names = getattr(data, kind).unique()
            test[kind] = torch.searchsorted(names, getattr(data, kind))
            test[f"{kind}_test"] = torch.searchsorted(names, test[f"{kind}_test"])
        return replace(data, x_test=data.x_test[tests], **test)

    return group


def _part(data: Data, kept: torch.Tensor) -> Data:
    found = {"x": data.x[kept], "coarse": data.coarse[kept], "fine": data.fine[kept]}
    if isinstance(data, patches.CachedViews):
        found |= {"trained": data.trained[kept], "held": data.held[kept]}
    return replace(data, **found)


FIVE = some([1, 5, 8, 14, 18])
STUDIES = {
    "five": Study("cifar100", 64, 0.1, (0, 0.1, 0.15, 0.293, 0.45, 0.7, 1), 500, 40, FIVE, coarse=True),
    "five128": Study("cifar100", 128, 0.1, (0.1, 0.16, 0.3, 0.5), 500, 40, FIVE, coarse=True),
    "five512": Study("cifar100", 512, 0.1, (0, 0.05, 0.1, 0.2, 0.3, 0.5), 500, 40, FIVE, coarse=True),
    "coarse": Study("cifar100", 64, 0.1, (0, 0.384, 1), 400, 40, lambda data: data, coarse=True),
    "three": Study(
        "cifar10", 32, 0.15, (0, 0.2, 0.35, 0.6, 1), 450, 40, merged([(0, 2, 8), (1, 9, 7, 4), (3, 5, 6)], 400)
    ),
    "crowd": Study("cifar100", 48, 0.1, (0, 0.3), 512, 40, lambda data: data, sampler="random"),
    "digits-halves": Study("digits", 24, 0.15, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, merged([range(5), range(5, 10)])),
    "digits-four": Study(
        "digits", 48, 0.2, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, merged([(0, 3, 8), (1, 7), (2, 6), (4, 5, 9)])
    ),
    "gaussians": Study("synthetic", 32, 0.1, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, lambda data: data),
}


def data_of(study: Study, data_root: str | None, features: Path) -> Data:
    if study.suite == "digits":
        return study.group(digits(10))
    if study.suite == "synthetic":
        return study.group(synthetic((100,) * 8))
    images = load(Protocol.default(study.suite, data_root=data_root, coarse=study.coarse))
    if not features.exists():
        patches.prepare(images, features)
    return study.group(patches.features(images, features))


def trained(study: Study, data: Data) -> Stack:
    images = study.suite.startswith("cifar")
    count = len(study.alphas)
    stack = Stack(
        (data.x[0].numel(), 256, 256, study.dim), [0] * count, study.alphas, [study.temperature] * count, "supcon",
        1e-3 if images else 2e-3, products=fast_dtype("cpu") if images else None,
    )  # fmt: skip
    sampler = BatchSampler(study.sampler, data.coarse, study.batch)
    steps = study.epochs * -(-len(data.x) // study.batch)
    for step in range(steps):
        chosen = sampler.draw(0, step)
        stack.step(data.views(chosen, 2, stream(0, step, "augment")), data.coarse[chosen], step / steps)
    return stack


def judged(study: Study, data: Data, stack: Stack, number: int) -> dict[str, Any]:
    seen = stack.embed(data.measured_views(2, stream(0, 0, "measure")), number)
    plain, test = (stack.embed(x.flatten(1).float(), number) for x in (data.x, data.x_test))
    two, one, tests = (
        measure(z, y, bootstrap=0, pairs=1000)
        for z, y in ((seen, data.coarse), (seen[:, 0], data.coarse), (test, data.coarse_test))
    )
    spread, structure = two.spread, two.structure
    assert structure is not None
    found: dict[str, Any] = {"alpha": study.alphas[number], "temperature": study.temperature}
    for kind in ("fine", "coarse"):
        found[f"probe_{kind}"] = probe(plain, getattr(data, kind), test, getattr(data, f"{kind}_test"))
    for name in ("common_mean", "between", "view_noise", "confusion", "free_spread", "local_free", "reliability"):
        part = getattr(spread, name)
        found[name] = None if part is None else part.value
    found |= {"directions": spread.directions.value, "by_mean": structure.by_mean}
    found |= {"by_neighbours": structure.by_neighbours, "gap": list(structure.gap)}
    found |= {"two views": two.verdict, "one view": one.verdict, "test images": tests.verdict}
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(STUDIES))
    parser.add_argument("--data-root", help="the folder of the images' standard files")
    parser.add_argument("--features", type=Path, help="keeps the features of the images between runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = STUDIES[options.name]
    with tempfile.TemporaryDirectory() as scratch:
        data = data_of(study, options.data_root, options.features or Path(scratch) / "features.pt")
    stack = trained(study, data)
    rows = [judged(study, data, stack, i) for i in range(len(study.alphas))]
    setting = {"classes": int(data.coarse.max()) + 1, "dim": study.dim, "batch_size": study.batch}
    text = json.dumps({"setting": setting, "networks": rows}, indent=1)
    (HERE / f"{options.name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
