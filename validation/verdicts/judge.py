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
from torch import Tensor

from ssem_advisor import Setting, measure, recommend
from ssem_advisor.advice import judge
from ssem_advisor.experiments.data import BatchSampler, Data, digits, stream, synthetic
from ssem_advisor.experiments.images import patches
from ssem_advisor.experiments.images.readers import first_of_each, long_tail
from ssem_advisor.experiments.metrics import probe
from ssem_advisor.experiments.plan import load
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.stacked import Stack
from ssem_advisor.files import replacing
from ssem_advisor.measurement import Measurement
from ssem_advisor.theory.network import Network

HERE = Path(__file__).parent


@dataclass(frozen=True)
class LongTail(patches.CachedViews):
    """Classes of falling size, and as many images of each of them that training does not see: plain ones, two views of
    them, and their labels."""

    spare: Tensor
    spare_views: Tensor
    coarse_spare: Tensor
    fine_spare: Tensor


@dataclass(frozen=True)
class Tail:
    """Sizes that fall exponentially from `largest` to largest / imbalance.

    spare: images of every fine class that training does not see, the last ones of the file.
    """

    largest: int
    imbalance: float
    spare: int

    def of(self, data: Data, seed: int) -> LongTail:
        """The first images of every class. Each seed gives the sizes to other classes; class 0 is the largest."""
        assert isinstance(data, patches.CachedViews)
        classes = len(data.counts)
        moved = {
            name: (getattr(data, name) + seed * round(classes / 3)) % classes for name in ("coarse", "coarse_test")
        }
        data = replace(data, **moved)
        last = len(data.fine) - 1 - first_of_each(data.fine.flip(0), self.spare)
        kept = torch.ones(len(data.fine), dtype=torch.bool)
        kept[last] = False
        train = kept.nonzero().squeeze(1)
        train = train[first_of_each(data.coarse[train], self.largest)]
        train = train[long_tail(data.coarse[train], self.imbalance)]
        found = {"spare": data.x[last], "spare_views": data.held[last].to(data.x.dtype)}
        found |= {"coarse_spare": data.coarse[last], "fine_spare": data.fine[last]}
        return LongTail(**vars(_part(data, train)), **found)


@dataclass(frozen=True)
class Study:
    """What to train.

    suite: the data; group: from its fine labels, or coarse ones, to the trained labels; tail: makes classes of
    different size of them. temperature None: the one that is recommended. alphas None: 0, the recommended weight, and
    some around it; None among them is plain SupCon, in which all positives of an anchor weigh the same.
    """

    suite: str
    dim: int
    temperature: float | None
    alphas: Sequence[float | None] | None
    batch: int
    epochs: int
    group: Callable[[Data], Data]
    sampler: str = "balanced"
    coarse: bool = False
    seeds: int = 1
    tail: Tail | None = None

    def points(self, data: Data) -> tuple[Setting, Sequence[float | None]]:
        """The setting, with its temperature, and the weights to train at. Balanced batches ask for no class sizes."""
        counts = data.counts
        unequal = self.sampler == "random" and len(set(counts)) > 1
        setting = Setting(
            classes=len(counts), instances_per_class=None if unequal else round(sum(counts) / len(counts)),
            class_counts=tuple(counts) if unequal else None, dim=self.dim, temperature=self.temperature,
            loss="supcon", views=2, sampler=self.sampler, batch_size=self.batch,
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


def _part(data: Data, kept: Tensor) -> Data:
    found = {"x": data.x[kept], "coarse": data.coarse[kept], "fine": data.fine[kept]}
    if isinstance(data, patches.CachedViews):
        found |= {"trained": data.trained[kept], "held": data.held[kept]}
    return replace(data, **found)


def same(data: Data) -> Data:
    return data


def apart(data: Data) -> Data:
    """CIFAR-10 in five pairs of classes that are five apart: no neighbours, as the other studies of pairs have."""
    return replace(data, coarse=data.fine % 5, coarse_test=data.fine_test % 5)


FIVE, OTHER, SIX = some([1, 5, 8, 14, 18]), some([2, 7, 11, 13, 17]), some([0, 3, 6, 9, 12, 15])
LARGE = (0, 0.07, 0.15, 0.272, 0.4)  # at dim 512: half of the directions asks for .07, 32 of them for .272
TAIL = (None, 0, 0.05, 0.1, 0.15, 0.25, 0.35, 0.503, 0.65, 0.8, 1)
LONELY = (None, 0, 0.1, 0.2, 0.3, 0.4, 0.55, 0.691, 0.8, 1)
PAIRS = (None, 0, 0.05, 0.1, 0.2, 0.396, 0.55, 0.75, 1)
WARM, HUNDRED = (None, 0, 0.25, 0.45, 0.717, 0.85, 1), (None, 0, 0.2, 0.35, 0.481, 0.65, 0.8)
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
    # Long tails in random batches (validation/long-tail). Recommended are .503, .691, .396, .717 and .481.
    "tail": Study("cifar100", 64, 0.1, TAIL, 128, 40, same, "random", True, 3, Tail(400, 10, 20)),
    "tail-lonely": Study("cifar100", 64, 0.1, LONELY, 32, 40, same, "random", True, 3, Tail(400, 10, 20)),
    "tail-pairs": Study("cifar10", 64, 0.1, PAIRS, 64, 40, apart, "random", seeds=3, tail=Tail(1600, 10, 200)),
    "tail-warm": Study("cifar100", 64, 0.2, WARM, 128, 40, same, "random", True, tail=Tail(400, 10, 20)),
    "tail-hundred": Study("cifar100", 128, 0.1, HUNDRED, 256, 40, same, "random", tail=Tail(90, 10, 10)),
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


def trained(
    study: Study, data: Data, seed: int, alphas: Sequence[float | None], temperature: float, kept: Path
) -> Stack:
    """Networks of all weights and one seed, trained on the same batches; goes on from `kept` where it is there."""
    images = study.suite.startswith("cifar")
    weights = [math.nan if alpha is None else alpha for alpha in alphas]
    count = len(weights)
    stack = Stack(
        (data.x[0].numel(), 256, 256, study.dim), [seed] * count, weights, [temperature] * count, "supcon",
        1e-3 if images else 2e-3, products=fast_dtype("cpu") if images else None,
    )  # fmt: skip
    made = {"alphas": list(alphas), "temperature": temperature, "epochs": study.epochs, "batch": study.batch}
    each = -(-len(data.x) // study.batch)
    steps, first = study.epochs * each, 0
    if kept.exists():
        found = torch.load(kept, weights_only=True)
        if found["made"] == made:
            stack.restore(found["stack"])
            first = found.get("step", steps)
    sampler = BatchSampler(study.sampler, data.coarse, study.batch)
    for step in range(first, steps):
        chosen = sampler.draw(seed, step)
        stack.step(data.views(chosen, 2, stream(seed, step, "augment")), data.coarse[chosen], step / steps)
        if (step + 1) % (4 * each) == 0 or step + 1 == steps:
            with replacing(kept) as file:
                torch.save({"made": made, "stack": stack.state(), "step": step + 1}, file)
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
    found["directions"] = spread.directions.value
    for name, network in (("a typical network", None), ("this network", reached)):
        # Class collapse is the optimum of plain SupCon.
        found[f"expected of {name}"] = 0.0 if setting.alpha is None else judge(setting, network).free_spread
    found |= {"by_mean": structure.by_mean, "by_neighbours": structure.by_neighbours, "gap": list(structure.gap)}
    found |= {"two views": two.verdict, "one view": one.verdict, "test images": tests.verdict}
    if isinstance(data, LongTail):
        found |= _of_a_long_tail(data, stack, number, two, plain, test)
    return {name: _rounded(value) for name, value in found.items()}


def _of_a_long_tail(
    data: LongTail, stack: Stack, number: int, two: Measurement, plain: Tensor, test: Tensor
) -> dict[str, Any]:
    """Class by class, the largest first: free spread of the train images and of others, and how many of the test images
    the probe gets right. The balanced probes are fitted on the spare images, in which all classes are alike."""
    spare, views = (stack.embed(x.float(), number) for x in (data.spare, data.spare_views))
    held = measure(views, data.coarse_spare, pairs=1000)
    found: dict[str, Any] = {"held-out images": held.verdict, "held-out free spread": held.spread.free_spread.value}
    for name, measured in (("free by class", two), ("held-out free by class", held)):
        found[name] = [measured.spread.free_by_class.get(c) for c in range(len(data.counts))]
    found["variance by class"] = [two.class_variances[c] for c in range(len(data.counts))]
    for kind in ("fine", "coarse"):
        labels, labels_test = getattr(data, f"{kind}_spare"), getattr(data, f"{kind}_test")
        found[f"balanced_probe_{kind}"] = probe(spare, labels, test, labels_test)
        for name, x, y in (("probe", plain, getattr(data, kind)), ("balanced_probe", spare, labels)):
            found[f"{name}_{kind} by class"] = [
                probe(x, y, test[data.coarse_test == c], labels_test[data.coarse_test == c])
                for c in range(len(data.counts))
            ]
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 5) if isinstance(value, float) else value


def study_again(name: str, data_root: str | None, work: Path) -> None:
    study = STUDIES[name]
    whole = data_of(study, data_root, work)
    rows: list[dict[str, Any]] = []
    for seed in range(study.seeds):
        data = whole if study.tail is None else study.tail.of(whole, seed)
        setting, alphas = study.points(data)
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
VIEWS = ("two views", "one view", "test images", "held-out images")


def due(rows: Sequence[dict[str, Any]], tests: int) -> dict[float | None, str | None]:
    """For each weight what the probes, means over seeds, ask of a verdict: "collapse", "healthy" or "loose"; None
    where they do not decide.

    Chance is the standard error of the trained labels' probe on the test images, but 0.01 at least. Plain SupCon is
    collapse; without it nothing is decided. A weight that loses more than twice the chance on the trained labels is
    loose; one that loses no more than chance and gains at least half of the best gain in finer labels, itself more
    than twice its chance, is healthy.
    """
    weights = sorted({row["alpha"] for row in rows if row["alpha"] is not None})
    fine, coarse = (
        {a: float(np.mean([r.get(f"balanced_{name}", r[name]) for r in rows if r["alpha"] == a])) for a in weights}
        for name in ("probe_fine", "probe_coarse")
    )
    if 0 not in weights:
        return dict.fromkeys(weights)
    chance = max(0.01, math.sqrt(coarse[0] * (1 - coarse[0]) / tests))
    enough = 2 * max(0.01, math.sqrt(fine[0] * (1 - fine[0]) / tests))
    best = max(fine[a] - fine[0] for a in weights)
    found: dict[float | None, str | None] = {row["alpha"]: "collapse" for row in rows if row["alpha"] is None}
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
    """Study, network, and the outcome for each way in which it was measured."""
    for name in STUDIES:
        path = HERE / f"{name}.json"
        if not path.exists():
            continue
        study = json.loads(path.read_text())
        asked = due(study["networks"], study["setting"]["test_images"])
        for row in study["networks"]:
            yield name, row, {v: outcome(row[v], asked[row["alpha"]]) for v in VIEWS if v in row}


def count() -> None:
    found = list(counted())
    ways = [views for views in VIEWS if any(views in outcomes for *_, outcomes in found)]
    print("| study | " + " | ".join(f"{views}: right, wrong, cannot tell" for views in ways) + " | not counted |")
    print("| --- |" + " --- |" * (len(ways) + 1))
    for name in (*dict.fromkeys(study for study, *_ in found), "all"):
        own = [outcomes for study, _, outcomes in found if name in (study, "all")]
        cells = [
            ", ".join(str(sum(o.get(views) == kind for o in own)) for kind in ("right", "wrong", "cannot tell"))
            if any(views in o for o in own) else ""
            for views in ways
        ]  # fmt: skip
        left_out = sum(o["two views"] == "not counted" for o in own)
        print(f"| {name} | {' | '.join(cells)} | {left_out} |")
    for name, row, outcomes in found:
        for views, how in outcomes.items():
            if how == "wrong":
                weight = "plain" if row["alpha"] is None else f"weight {row['alpha']:g}"
                print(f"wrong: {name}, {weight}, seed {row['seed']}, {views}: {row[views]}")


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
