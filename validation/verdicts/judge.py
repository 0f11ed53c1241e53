"""Train networks on groupings that no limit was set on, and hold the verdicts of `measure` against linear probes.

    python validation/verdicts/judge.py five [--data-root DIR] [--work DIR]
    python validation/verdicts/judge.py --count

Writes NAME.json beside this file: of every network the probes, the parts of the spread with the free spread expected of
it, what class means and neighbours tell, and the verdicts on two held-back views of each train image, on one of them,
and on the plain test images. --work keeps the features of the images and the trained networks, so that a second call
goes on from there, or judges again what is trained. --count trains nothing: it says which recorded verdicts are right.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssem_advisor import Setting, measure, recommend
from ssem_advisor.advice import judge
from ssem_advisor.experiments.data import BatchSampler, Data, digits, stream, synthetic
from ssem_advisor.experiments.images import patches
from ssem_advisor.experiments.images.readers import first_of_each
from ssem_advisor.experiments.metrics import probe
from ssem_advisor.experiments.plan import load
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.stacked import Stack
from ssem_advisor.files import replacing
from ssem_advisor.theory.network import Network

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Study:
    """What to train.

    suite: the data; group: from its fine labels, or coarse ones, to the trained labels. temperature None: the one that
    is recommended. alphas None: plain SupCon, the recommended weight, and some around it.
    """

    suite: str
    dim: int
    temperature: float | None
    alphas: Sequence[float] | None
    batch: int
    epochs: int
    group: Callable[[Data], Data]
    sampler: str = "balanced"
    coarse: bool = False
    seeds: int = 1

    def points(self, data: Data) -> tuple[Setting, Sequence[float]]:
        """The setting, with its temperature, and the weights to train at. Unequal classes need balanced batches."""
        counts = data.counts
        setting = Setting(
            classes=len(counts), instances_per_class=round(sum(counts) / len(counts)), dim=self.dim,
            temperature=self.temperature, loss="supcon", views=2, sampler=self.sampler, batch_size=self.batch,
        )  # fmt: skip
        if self.alphas is not None and self.temperature is not None:
            return setting, self.alphas
        point = recommend(setting).recommended
        assert point is not None
        around = [0.0] + [round(min(factor * point.alpha, 1.0), 3) for factor in AROUND]
        return setting.with_(temperature=float(point.temperature)), sorted({*around, *(self.alphas or ())})


AROUND = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Multiples of the recommended weight."""


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


def same(data: Data) -> Data:
    return data


FIVE, OTHER, SIX = some([1, 5, 8, 14, 18]), some([2, 7, 11, 13, 17]), some([0, 3, 6, 9, 12, 15])
LARGE = (0, 0.07, 0.15, 0.272, 0.4)  # at dim 512: half of the directions asks for .07, 32 of them for .272
STUDIES = {
    "five": Study("cifar100", 64, 0.1, (0, 0.1, 0.15, 0.293, 0.45, 0.7, 1), 500, 40, FIVE, coarse=True, seeds=3),
    "five128": Study("cifar100", 128, 0.1, (0, 0.1, 0.16, 0.3, 0.5), 500, 40, FIVE, coarse=True),
    "five512": Study("cifar100", 512, 0.1, (0, 0.05, 0.1, 0.2, 0.3, 0.5), 500, 40, FIVE, coarse=True),
    "other512": Study("cifar100", 512, 0.1, LARGE, 500, 40, OTHER, coarse=True, seeds=3),
    "coarse": Study("cifar100", 64, 0.1, (0, 0.384, 1), 400, 40, same, coarse=True),
    "three": Study(
        "cifar10", 32, 0.15, (0, 0.2, 0.35, 0.6, 1), 450, 40, merged([(0, 2, 8), (1, 9, 7, 4), (3, 5, 6)], 400)
    ),
    "crowd": Study("cifar100", 48, 0.1, (0, 0.3), 512, 40, same, sampler="random"),
    "hundred-cold": Study("cifar100", 128, 0.05, (0, 0.33, 0.541, 0.8), 512, 40, same, sampler="random"),
    "hundred-balanced": Study("cifar100", 128, 0.1, (0, 0.2, 0.387, 0.6), 500, 40, same),
    "digits-halves": Study(
        "digits", 24, 0.15, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, merged([range(5), range(5, 10)]), seeds=3
    ),
    "digits-four": Study(
        "digits", 48, 0.2, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, merged([(0, 3, 8), (1, 7), (2, 6), (4, 5, 9)]), seeds=3
    ),
    "gaussians": Study("synthetic", 32, 0.1, (0, 0.1, 0.3, 0.6, 0.8, 1), 240, 60, same, seeds=3),
    # As a stranger would: the default answer, plain SupCon, and weights around it.
    "six": Study("cifar100", 64, None, None, 480, 40, SIX, coarse=True, seeds=3),
}


def data_of(study: Study, data_root: str | None, work: Path) -> Data:
    if study.suite == "digits":
        return study.group(digits(10))
    if study.suite == "synthetic":
        return study.group(synthetic((100,) * 8))
    images = load(Protocol.default(study.suite, data_root=data_root, coarse=study.coarse))
    features = work / f"features-{study.suite}.pt"
    if patches.cached(images, features) is None:
        patches.prepare(images, features)
    return study.group(patches.features(images, features))


def trained(study: Study, data: Data, seed: int, alphas: Sequence[float], temperature: float, kept: Path) -> Stack:
    """Networks of all weights and one seed, trained on the same batches; taken from `kept` where they are there."""
    images = study.suite.startswith("cifar")
    count = len(alphas)
    stack = Stack(
        (data.x[0].numel(), 256, 256, study.dim), [seed] * count, alphas, [temperature] * count, "supcon",
        1e-3 if images else 2e-3, products=fast_dtype("cpu") if images else None,
    )  # fmt: skip
    made = {"alphas": list(alphas), "temperature": temperature, "epochs": study.epochs, "batch": study.batch}
    if kept.exists():
        found = torch.load(kept, weights_only=True)
        if found["made"] == made:
            stack.restore(found["stack"])
            return stack
    sampler = BatchSampler(study.sampler, data.coarse, study.batch)
    steps = study.epochs * -(-len(data.x) // study.batch)
    for step in range(steps):
        chosen = sampler.draw(seed, step)
        stack.step(data.views(chosen, 2, stream(seed, step, "augment")), data.coarse[chosen], step / steps)
    with replacing(kept) as file:
        torch.save({"made": made, "stack": stack.state()}, file)
    return stack


def judged(setting: Setting, data: Data, stack: Stack, number: int, seed: int) -> dict[str, Any]:
    """What one network of a stack shows. setting: with its weight and temperature."""
    seen = stack.embed(data.measured_views(2, stream(seed, 0, "measure")), number)
    plain, test = (stack.embed(x.flatten(1).float(), number) for x in (data.x, data.x_test))
    two, one, tests = (
        measure(z, y, pairs=1000) for z, y in ((seen, data.coarse), (seen[:, 0], data.coarse), (test, data.coarse_test))
    )
    spread, structure = two.spread, two.structure
    assert structure is not None
    assert spread.reliability is not None
    found: dict[str, Any] = {"alpha": setting.alpha, "temperature": setting.temperature, "seed": seed}
    for kind in ("fine", "coarse"):
        found[f"probe_{kind}"] = probe(plain, getattr(data, kind), test, getattr(data, f"{kind}_test"))
    for name in ("common_mean", "between", "view_noise", "confusion", "free_spread", "local_free", "reliability"):
        part = getattr(spread, name)
        found[name] = None if part is None else part.value
    reached = Network(min(max(spread.reliability.value, 0.01), 1.0), max(spread.directions.value, 1.0))
    found |= {"directions": spread.directions.value, "expected of a typical network": judge(setting).free_spread}
    found |= {"expected of this network": judge(setting, reached).free_spread, "by_mean": structure.by_mean}
    found |= {"by_neighbours": structure.by_neighbours, "gap": [round(value, 5) for value in structure.gap]}
    found |= {"two views": two.verdict, "one view": one.verdict, "test images": tests.verdict}
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()}


def study_again(name: str, data_root: str | None, work: Path) -> None:
    study = STUDIES[name]
    data = data_of(study, data_root, work)
    setting, alphas = study.points(data)
    rows = []
    for seed in range(study.seeds):
        stack = trained(study, data, seed, alphas, float(setting.temperature), work / f"{name}-seed{seed}.pt")
        rows += [judged(setting.with_(alpha=a), data, stack, i, seed) for i, a in enumerate(alphas)]
    shown: dict[str, Any] = {
        "classes": len(data.counts),
        "dim": study.dim,
        "batch_size": study.batch,
        "sampler": study.sampler,
    }
    if len(set(data.counts)) > 1:
        shown["class_counts"] = data.counts
    shown["test_images"] = len(data.x_test)
    text = json.dumps({"setting": shown, "networks": rows}, indent=1)
    (HERE / f"{name}.json").write_text(text + "\n")


# -- which verdicts are right ------------------------------------------------------------------------------------------

COLLAPSE, LOOSE = ("total collapse", "class collapse", "too little"), ("too loose", "class structure lost")
VIEWS = ("two views", "one view", "test images")


def due(rows: Sequence[dict[str, Any]], tests: int) -> dict[float, str | None]:
    """For each weight what the probes, means over seeds, ask of a verdict: "collapse", "healthy" or "loose"; None
    where they do not decide.

    Chance is the standard error of the trained labels' probe on the test images, but 0.01 at least. Plain SupCon is
    collapse; without it nothing is decided. A weight that loses more than twice the chance on the trained labels is
    loose; one that loses no more than chance and gains at least half of the best gain in finer labels, itself more
    than twice its chance, is healthy.
    """
    weights = sorted({row["alpha"] for row in rows})
    fine, coarse = (
        {a: float(np.mean([r[f"probe_{kind}"] for r in rows if r["alpha"] == a])) for a in weights}
        for kind in ("fine", "coarse")
    )
    if 0 not in weights:
        return dict.fromkeys(weights)
    chance = max(0.01, math.sqrt(coarse[0] * (1 - coarse[0]) / tests))
    enough = 2 * max(0.01, math.sqrt(fine[0] * (1 - fine[0]) / tests))
    best = max(fine[a] - fine[0] for a in weights)
    found: dict[float, str | None] = {}
    for a in weights:
        gained, lost = fine[a] - fine[0], coarse[0] - coarse[a]
        found[a] = "collapse" if a == 0 else None
        if a > 0 and lost > 2 * chance:
            found[a] = "loose"
        elif a > 0 and lost <= chance and best > enough and gained >= best / 2:
            found[a] = "healthy"
    return found


def outcome(verdict: str, asked: str | None) -> str:
    """right, wrong, cannot tell, or not counted."""
    if asked is None:
        return "not counted"
    if verdict == "cannot tell":
        return verdict
    allowed = {"collapse": COLLAPSE, "loose": LOOSE, "healthy": ("healthy",)}[asked]
    return "right" if verdict in allowed else "wrong"


def counted() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Study, network, and the outcome for each way of measuring it."""
    for name in STUDIES:
        path = HERE / f"{name}.json"
        if not path.exists():
            continue
        study = json.loads(path.read_text())
        asked = due(study["networks"], study["setting"]["test_images"])
        for row in study["networks"]:
            yield name, row, {views: outcome(row[views], asked[row["alpha"]]) for views in VIEWS}


def count() -> None:
    found = list(counted())
    print("| study | " + " | ".join(f"{views}: right, wrong, cannot tell" for views in VIEWS) + " | not counted |")
    print("| --- |" + " --- |" * (len(VIEWS) + 1))
    for name in (*dict.fromkeys(study for study, *_ in found), "all"):
        own = [outcomes for study, _, outcomes in found if name in (study, "all")]
        cells = [
            ", ".join(str(sum(o[views] == kind for o in own)) for kind in ("right", "wrong", "cannot tell"))
            for views in VIEWS
        ]
        left_out = sum(o["two views"] == "not counted" for o in own)
        print(f"| {name} | {' | '.join(cells)} | {left_out} |")
    for name, row, outcomes in found:
        for views, how in outcomes.items():
            if how == "wrong":
                print(f"wrong: {name}, weight {row['alpha']:g}, seed {row['seed']}, {views}: {row[views]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(STUDIES), nargs="?")
    parser.add_argument("--count", action="store_true", help="hold the recorded verdicts against the recorded probes")
    parser.add_argument("--data-root", help="the folder of the images' standard files")
    parser.add_argument("--work", type=Path, help="keeps the features of the images and the trained networks")
    options = parser.parse_args()
    if options.count == (options.name is not None):
        parser.error("give a study, or --count")
    torch.set_num_threads(1)
    if options.count:
        count()
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        study_again(options.name, options.data_root, work)


if __name__ == "__main__":
    main()
