"""Data sets by name: what a config calls its data, and what the name says about the classes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ssem_advisor.catalogue import Dataset, exponential_profile, find
from ssem_advisor.config.model import Value
from ssem_advisor.config.tree import Tree

_PATHS = (
    "data_dir", "data_path", "data_root", "data_folder", "root", "dataset_path", "dataset_dir", "train_data",
    "train_dir", "train_path", "data", "dataroot", "argument",
)  # fmt: skip
_NAMES = ("task", "exp_name", "experiment_name", "experiment", "exp", "name", "run_name", "task_name", "job_name")
_OPEN_SET = re.compile(r"open[-_ ]?set|(?:^|[-_ ])osr(?:$|[-_ ])|(?:un)?known[-_ ]?class|ood[-_ ]?split", re.I)
_RESHAPED = (
    "imb_factor", "imbalance", "imb_ratio", "imb_type", "imbalance_factor", "imbalance_ratio", "subset", "fraction",
    "train_fraction", "num_labels", "n_labeled", "label_fraction", "percent", "subset_size", "data_fraction",
    "noise_rate", "max_samples",
)  # fmt: skip
_COARSE_CIFAR10 = Dataset("cifar10-coarse", 2, None, "animals and vehicles", note="superclasses")


def known(name: str, tree: Tree) -> Dataset | None:
    """The catalogue's entry for a data set, None where the name, or the use made of it, leaves doubt."""
    if any(_OPEN_SET.search(text) for text in (name, tree.path.stem, *tree.names)):
        return None
    short = PurePosixPath(name.replace("\\", "/")).name if "/" in name else name.rsplit(".", 1)[-1]
    short = re.sub(r"_?(?:Data_?[Mm]odule|Data_?[Ll]oaders?|Dataset)$", "", short)[:80]
    coarse = [leaf for leaf in tree.leaves if leaf.value is True and re.search("coarse|superclass", leaf.dotted)]
    if coarse and "coarse" not in short.lower():
        short += "-coarse"
    if _flat(short) == "cifar10coarse":
        return _COARSE_CIFAR10
    return find(short)


def sizes(data: Dataset, tree: Tree) -> dict[str, object]:
    """Instances of each class, unless the config takes a part of the data or makes it unequal in its own way."""
    factor = next((leaf.value for name in ("imb_factor", "imbalance_factor") for leaf in tree.find(name)), None)
    shaped = next((str(leaf.value) for leaf in tree.find("imb_type")), "exp")
    if isinstance(factor, (int, float)) and factor > 0 and shaped == "exp" and data.name in ("cifar10", "cifar100"):
        ratio = factor if factor >= 1 else 1 / factor
        return {"class_counts": exponential_profile(data.classes, 50_000 // data.classes, ratio)}
    if any(name in tree.names for name in _RESHAPED):
        return {}
    counts = data.class_counts
    if counts is not None:
        return {"class_counts": counts}
    return {} if data.instances_per_class is None else {"instances_per_class": data.instances_per_class}


def guess(tree: Tree) -> Value | None:
    """A data set named only by a Hydra group, a folder, or by the experiment or the file."""
    for leaf in tree.leaves:
        if leaf.path[0] == "defaults" and isinstance(leaf.value, str) and (short := _plain(leaf.value)):
            return Value(short, "inferred", leaf.dotted, leaf.location, leaf.raw, "the group's option")
    for key in _PATHS:
        for leaf in tree.find(key):
            if isinstance(leaf.value, str) and len(leaf.value) < 300:
                for part in reversed(re.split(r"[/\\]", leaf.value)):
                    if part and find(part) is not None:
                        return Value(part, "inferred", leaf.dotted, leaf.location, leaf.raw, "from a path")
    for key in _NAMES:
        for leaf in tree.find(f".{key}"):
            if isinstance(leaf.value, str) and (word := _word(leaf.value)):
                return Value(word, "inferred", leaf.dotted, leaf.location, leaf.raw, "from the experiment's name")
    if tree.format != "shell" and (word := _word(tree.path.stem)):
        return Value(word, "inferred", reason="from the file's name")
    return None


def _plain(name: str) -> str | None:
    return name if find(name) is not None or _flat(name) == "cifar10coarse" else None


def _flat(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def _word(text: str) -> str | None:
    """The longest run of words in a name that is a data set; none where superclasses are spoken of."""
    if re.search(r"coarse|superclass", text, re.I):
        return None
    words = re.split(r"([-_. ]+)", text[:120])
    spans = sorted((i - j, i, j) for i in range(0, len(words), 2) for j in range(i + 1, len(words) + 1, 2))
    return next((name for _, i, j in spans if find(name := "".join(words[i:j])) is not None), None)
