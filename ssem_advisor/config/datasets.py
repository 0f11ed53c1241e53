"""Data sets by name: what a config calls its data, and what the name says about the classes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from ssem_advisor.config.model import Value
from ssem_advisor.config.tree import Tree

try:
    from ssem_advisor.catalogue import find
except ImportError:  # until the table lands
    from types import SimpleNamespace

    _M = {
        "cifar10": 10,
        "cifar100": 100,
        "imagenet": 1000,
        "imagenet100": 100,
        "imagenetlt": 1000,
        "tinyimagenet": 200,
        "mnist": 10,
    }

    def find(name):
        m = _M.get(re.sub("[^a-z0-9]", "", name.lower()))
        return m and SimpleNamespace(classes=m, instances_per_class=None, class_counts=None)


_PATHS = (
    "data_dir", "data_path", "data_root", "data_folder", "root", "dataset_path", "dataset_dir", "train_data", "train_dir",
    "train_path", "data", "dataroot",
)  # fmt: skip
_OPEN_SET = re.compile(
    r"open[-_ ]?set|(?:^|[-_ ])osr(?:$|[-_ ])|known[-_ ]?class|unknown[-_ ]?class|ood[-_ ]?split", re.I
)
_RESHAPED = frozenset(
    [
        "imb_factor",
        "imbalance",
        "imb_ratio",
        "imb_type",
        "imbalance_factor",
        "imbalance_ratio",
        "subset",
        "fraction",
        "train_fraction",
        "num_labels",
        "n_labeled",
        "label_fraction",
        "percent",
        "subset_size",
        "data_fraction",
        "noise_rate",
        "max_samples",
    ]
)


def known(name: str, tree: Tree) -> Any:
    """The catalogue's entry for a data set, None where the name, or the use made of it, leaves doubt."""
    if _OPEN_SET.search(name) or any(_OPEN_SET.search(key) for key in tree.names) or _OPEN_SET.search(tree.path.stem):
        return None
    short = PurePosixPath(name.replace("\\", "/")).name if "/" in name else name.rsplit(".", 1)[-1]
    short = re.sub(r"_?(?:Data_?[Mm]odule|Data_?[Ll]oaders?|Dataset)$", "", short)
    return find(short) if short and len(short) < 80 else None


def reshaped(tree: Tree) -> bool:
    """Whether the config makes the data set smaller or unequal, so that its usual counts do not hold."""
    return bool(tree.names & _RESHAPED)


def guess(tree: Tree) -> Value | None:
    """A data set named only by a folder, or by the experiment or the file."""
    for key in _PATHS:
        for leaf in tree.find(key):
            if isinstance(leaf.value, str) and len(leaf.value) < 300:
                for part in reversed(re.split(r"[/\\]", leaf.value)):
                    if part and find(part) is not None:
                        return Value(part, "inferred", leaf.dotted, leaf.location, leaf.raw, "from a path")
    return None
