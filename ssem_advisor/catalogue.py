"""Well-known data sets: classes and training instances per class, each with its source.

Where only the total is published for nearly equal classes, the mean is given and `note` says so. Long-tailed sets whose
size lists are not public facts here carry a profile through the published numbers, and `note` calls it an estimate.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ssem_advisor.domain import SettingError


@dataclass(frozen=True)
class Dataset:
    """A training set: equal classes have instances_per_class, unequal ones class_counts, unlisted ones neither."""

    name: str
    classes: int
    instances_per_class: int | None
    source: str
    counts: Callable[[], tuple[int, ...]] | None = None
    note: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def class_counts(self) -> tuple[int, ...] | None:
        """Size of every class, worked out when asked for."""
        return None if self.counts is None else self.counts()

    def fields(self) -> dict[str, Any]:
        """The fields of a Setting that the data set decides."""
        if self.counts is not None:
            return {"class_counts": self.counts()}
        return {"classes": self.classes, "instances_per_class": self.instances_per_class}


def find(name: str) -> Dataset | None:
    """The data set of that name in any usual spelling (CIFAR10, Cifar100-LT, tinyimgnet), or None."""
    return _INDEX.get(_key(name))


def get(name: str) -> Dataset:
    """Like `find`, but an unknown name is a SettingError with the nearest known ones."""
    found = find(name)
    if found is None:
        near = difflib.get_close_matches(_key(name), _INDEX, n=3, cutoff=0.6)
        names = sorted({_INDEX[key].name for key in near})
        hint = f"did you mean {' or '.join(names)}?" if names else "see `ssem-advisor datasets`"
        raise SettingError(f"dataset={name!r}: not in the table; {hint} (or give --classes and --instances-per-class)")
    return found


def relabelled(data: Dataset, classes: int) -> Dataset | None:
    """The same images with so many coarser or finer labels, as cifar100-coarse is of cifar100; None if not listed."""
    for other in _TABLE:
        short, long = sorted((data.name, other.name), key=len)
        if other.classes == classes and long.startswith(f"{short}-"):
            return other
    return None


def every() -> tuple[Dataset, ...]:
    return _TABLE


# -- long tails --------------------------------------------------------------------------------------------------------


def exponential_profile(classes: int, largest: int, imbalance: float) -> tuple[int, ...]:
    """Class sizes largest * imbalance^(-i/(classes-1)), rounded down: the usual long-tailed CIFAR (Cui et al. 2019)."""
    return tuple(int(largest * imbalance ** (-i / (classes - 1.0)) + 1e-9) for i in range(classes))


@cache
def _profile(total: int, *knots: tuple[int, int]) -> tuple[int, ...]:
    """A falling size list through (rank, size) knots that adds up to the published total.

    Log-linear between knots; the exponent of the first stretch is what the total leaves to choose.
    """

    def stretch(number: int, bend: float = 1.0) -> list[int]:
        (start, high), (end, low) = knots[number], knots[number + 1]
        parts = ((rank - start) / (end - start) for rank in range(start, end))
        return [round(high * (low / high) ** (1.0 - (1.0 - part) ** bend)) for part in parts]

    rest = [size for number in range(1, len(knots) - 1) for size in stretch(number)] + [knots[-1][1]]
    low, high = 0.05, 20.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if sum(stretch(0, middle)) + sum(rest) > total else (low, middle)
    return (*stretch(0, high), *rest)


# -- the table ---------------------------------------------------------------------------------------------------------


def _equal(name: str, classes: int, each: int, source: str, *aliases: str, note: str = "") -> Dataset:
    return Dataset(name, classes, each, source, note=note, aliases=aliases)


def _counts(name: str, counts: tuple[int, ...], source: str, *aliases: str, note: str = "") -> Dataset:
    return Dataset(name, len(counts), None, source, lambda: counts, note, aliases)


def _tail(name: str, source: str, total: int, *knots: tuple[int, int], aliases: tuple[str, ...] = ()) -> Dataset:
    return Dataset(name, knots[-1][0] + 1, None, source, lambda: _profile(total, *knots), _TAIL, aliases)


_MEAN = "class sizes vary a little; the mean is used"
_TAIL = "estimate: a size profile through the published totals; give --class-counts for your exact list"

_TABLE: tuple[Dataset, ...] = (
    _equal("cifar10", 10, 5000, "Krizhevsky 2009"),
    _equal("cifar100", 100, 500, "Krizhevsky 2009", "cifar100-fine"),
    _equal("cifar100-coarse", 20, 2500, "Krizhevsky 2009", "cifar20", "cifar100-superclass"),
    _counts("cifar10-lt", exponential_profile(10, 5000, 100.0), "Cui et al. 2019", note="imbalance factor 100"),
    _counts("cifar100-lt", exponential_profile(100, 500, 100.0), "Cui et al. 2019", note="imbalance factor 100"),
    _counts("digits", (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), "scikit-learn load_digits", "sklearn-digits"),
    _counts("mnist", (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), "LeCun et al. 1998"),
    _equal("fashion-mnist", 10, 6000, "Xiao et al. 2017", "fmnist"),
    _equal("kmnist", 10, 6000, "Clanuwat et al. 2018", "kuzushiji-mnist"),
    _counts("svhn", (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659), "Netzer et al. 2011"),
    _equal("stl10", 10, 500, "Coates et al. 2011"),
    _equal("imagenet", 1000, 1281, "Russakovsky et al. 2015", "imagenet1k", "ilsvrc2012", "in1k", note=_MEAN),
    _equal("imagenet100", 100, 1267, "Tian et al. 2020", "in100", "imgnet100", note=_MEAN),
    _equal("tiny-imagenet", 200, 500, "Le and Yang 2015", "tinyimagenet200", "tinyimgnet", "tinyimg"),
    _tail("imagenet-lt", "Liu et al. 2019", 115_846, (0, 1280), (385, 101), (864, 20), (999, 5)),
    _tail("places-lt", "Liu et al. 2019", 62_500, (0, 4980), (131, 101), (288, 20), (364, 5)),
    _equal("places365", 365, 4941, "Zhou et al. 2017", note=_MEAN),
    _tail(
        "inat2018",
        "Van Horn et al. 2018",
        437_513,
        *((0, 1000), (842, 101), (4543, 20), (8141, 2)),
        aliases=("inaturalist2018", "inat18", "inat", "inaturalist"),
    ),
    _equal("inat2021", 10000, 269, "Van Horn et al. 2021", "inaturalist2021", "inat21", note=_MEAN),
    _equal("cub200", 200, 30, "Wah et al. 2011", "cub", "cub200-2011", note=_MEAN),
    _equal("cars196", 196, 42, "Krause et al. 2013", "stanford-cars", "cars", note=_MEAN),
    _equal("dogs120", 120, 100, "Khosla et al. 2011", "stanford-dogs"),
    _equal("flowers102", 102, 10, "Nilsback and Zisserman 2008", "oxford-flowers102"),
    _equal("food101", 101, 750, "Bossard et al. 2014"),
    _equal("dtd", 47, 40, "Cimpoi et al. 2014"),
    _equal("eurosat", 10, 2700, "Helber et al. 2019", note=_MEAN),
    _counts("ham10000", (6705, 1113, 1099, 514, 327, 142, 115), "Tschandl et al. 2018", "isic2018"),
    _counts("isic2019", (12875, 4522, 3323, 2624, 867, 628, 253, 239), "Combalia et al. 2019"),
    Dataset("rxrx1", 1139, None, "Sypetkowski et al. 2023", note="class sizes not listed: taken as unlimited"),
    _equal("voxceleb2", 5994, 182, "Chung et al. 2018", "vox2", note=_MEAN),
    _counts("sst2", (37569, 29780), "Socher et al. 2013"),
    _counts("trec", (1250, 1223, 1162, 896, 835, 86), "Li and Roth 2002", "trec6"),
    _equal("ag-news", 4, 30000, "Zhang et al. 2015"),
    _equal("imdb", 2, 12500, "Maas et al. 2011"),
    _equal("dbpedia", 14, 40000, "Zhang et al. 2015", "dbpedia14"),
    Dataset("banking77", 77, None, "Casanueva et al. 2020", note="class sizes not listed: taken as unlimited"),
)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_INDEX = {_key(alias): data for data in _TABLE for alias in (data.name, *data.aliases)}
