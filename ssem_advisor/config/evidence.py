"""Which loss a config asks for, by the words in it that name a loss, a method or a weight."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ssem_advisor.config.model import Kind
from ssem_advisor.config.tree import UNKNOWN, Leaf, Tree

_NOT_SELF = r"(?<!un)(?<!un[-_ ])(?<!self)(?<!self[-_ ])(?<!semi)(?<!semi[-_ ])"
SUPERVISED = re.compile(
    rf"{_NOT_SELF}sup(?:ervised)?[-_ ]?con(?:trast|(?![a-z])|loss|head|model)|labels_as_positives", re.I
)
_SUPERVISED = re.compile(rf"{_NOT_SELF}sup(?:ervised)?[-_ ]?con(?:trast|(?=[A-Z])|(?![a-zA-Z])|loss|head|model)", re.I)
_SELF = re.compile(
    r"simclr|nt[-_]?xent|info[-_]?nce|(?<![a-z])moco(?![a-z])|(?:self|un)[-_ ]?sup(?:ervised)?[-_ ]?con", re.I
)
_ENTROPY = re.compile(r"cross[-_ ]?entropy|(?<![a-z])ce(?:[-_ ]?loss)?(?![a-z])", re.I)
_CONTRASTIVE = re.compile(r"contrastive|(?<![a-z])contrast(?![a-z])", re.I)

_NAMES_LOSS = frozenset(
    [
        "loss",
        "losses",
        "loss_fn",
        "loss_func",
        "loss_function",
        "loss_type",
        "loss_name",
        "loss_mode",
        "loss_class",
        "criterion",
        "criterions",
        "method",
        "framework",
        "algorithm",
        "algo",
        "mode",
        "objective",
        "type",
        "name",
        "class_path",
        "_target_",
        "target",
        "__call__",
        "train_mode",
        "training_mode",
        "contrastive",
        "contrastive_loss",
        "positives",
        "stage",
        "task",
        "tasks",
        "loss_list",
        "ssl_method",
        "approach",
        "trainer",
    ]
)
_EXPERIMENT = frozenset(["exp_name", "experiment", "experiment_name", "exp", "job_name", "task_name"])
_RECORDS = re.compile(
    r"ckpt|checkpoint|resume|pretrain|path|dir$|(?:^|_)log|wandb|tensorboard|project$|run_name|save|output|weights$|load|"
    r"(?:^|_)tags?$|notes?$|desc|comment|teacher|folder|url|hub|repo|trial"
)
_EVALUATION = re.compile(
    r"(?:^|_)(?:lin(?:ear)?|lincls|eval\w*|test\w*|knn|probe|probing|infer\w*|predict|visuali[sz]e|plot|tsne|export|convert)(?:_|$)",
    re.I,
)
_MIX_WEIGHT = re.compile(
    r"(?:ce|cls|xent|cross_entropy|metric|con|contrast|contrastive|supcon|scl)_(?:loss_)?(?:weight|coef\w*|lambda|lamda|ratio)|"
    r"(?:lambda|lamda|weight|coef|w)_(?:ce|cls|xent|con|contrast|contrastive|supcon|scl)|lamda|lambda_"
)
_WEIGHT = re.compile(r"weight|lambda|lamda|coef\w*|w|scale|ratio")
_TRAINING = frozenset(
    [
        "temperature",
        "temp",
        "tau",
        "batch_size",
        "epochs",
        "max_epochs",
        "num_epochs",
        "n_epochs",
        "lr",
        "learning_rate",
        "bsz",
        "optimizer",
    ]
)


@dataclass
class Evidence:
    """kind: what the words say, None if nothing about contrastive training; place: the leaf that says it first."""

    kind: Kind | None = None
    place: Leaf | None = None
    weights: tuple[Leaf, Leaf] | None = None
    other_alpha: Leaf | None = None


def out_of_scope(tree: Tree) -> bool:
    """Evaluation scripts, continuous-integration workflows and container files train nothing."""
    if tree.script and _EVALUATION.search(tree.script):
        return True
    roots = {leaf.path[0] for leaf in tree.leaves if leaf.path}
    if tree.format in ("yaml", "json"):
        if "jobs" in roots and ("on" in roots or "steps" in tree.names):
            return True
        if "services" in roots and ("image" in tree.names or "build" in tree.names):
            return True
    return False


def weigh(tree: Tree) -> Evidence:
    supervised = self_supervised = entropy = contrastive = weak = None
    weights: dict[str, list[Leaf]] = {"sup": [], "self": []}
    for leaf in tree.leaves:
        keys = leaf.keys
        if not keys or leaf.value is None or leaf.value is False or any(_RECORDS.search(key) for key in keys):
            continue
        name, sections = keys[-1], " ".join(keys[:-1])
        if _EVALUATION.search(sections):
            continue
        if isinstance(leaf.value, str) and (name in _NAMES_LOSS or name in _EXPERIMENT):
            text = leaf.value
            if name in _EXPERIMENT or (name in ("name", "stage", "task") and len(keys) == 1 and not _whole(text)):
                weak = weak or (leaf if _SUPERVISED.search(text) else None)
                continue
            if _SUPERVISED.search(text) or (name == "positives" and text.lower() in ("labels", "label", "class")):
                supervised = supervised or leaf
            elif _SELF.search(text):
                self_supervised = self_supervised or leaf
            elif _CONTRASTIVE.search(text):
                contrastive = contrastive or leaf
            if _ENTROPY.search(text):
                entropy = entropy or leaf
            continue
        if leaf.value == 0 and leaf.value is not UNKNOWN:
            continue
        spelt = ".".join(str(key) for key in leaf.path if isinstance(key, str))
        if _SUPERVISED.search(spelt):
            supervised = supervised or leaf
            if _is_weight(name):
                weights["sup"].append(leaf)
        elif re.search(r"simclr|nt_?xent|info_?nce|(?:self|un)_?sup\w*_?con", spelt, re.I):
            self_supervised = self_supervised or leaf
            if _is_weight(name):
                weights["self"].append(leaf)
        elif _CONTRASTIVE.search(spelt):
            contrastive = contrastive or leaf
        if _MIX_WEIGHT.fullmatch(name) or re.search(r"cross_entropy|(?:^|_)ce(?:_loss)?(?:_|$)", name):
            entropy = entropy or leaf
    alpha = next(iter(tree.find("alpha")), None)
    evidence = Evidence(other_alpha=alpha)
    if supervised is None and self_supervised is None:
        named = tree.script or (tree.path.stem if tree.format != "shell" else "")
        if _SUPERVISED.search(named) and not _EVALUATION.search(named) and (tree.names & _TRAINING):
            evidence.kind, evidence.place = "supcon" if entropy is None else "ce+supcon", weak
            return evidence
        if weak is not None and tree.names & _TRAINING:
            supervised = weak
    if len(weights["sup"]) == len(weights["self"]) == 1 and entropy is None:
        evidence.weights = (weights["sup"][0], weights["self"][0])
    if supervised is not None and self_supervised is not None:
        only_weights = entropy is None or _is_weight(entropy.keys[-1])
        evidence.kind = "supcon+self" if only_weights else "unknown"
        evidence.place = supervised
        if len(weights["sup"]) == len(weights["self"]) == 1:
            evidence.weights = (weights["sup"][0], weights["self"][0]) if only_weights else None
    elif supervised is not None:
        evidence.kind, evidence.place = ("ce+supcon" if entropy is not None else "supcon"), supervised
    elif self_supervised is not None and tree.names & _TRAINING:
        evidence.kind, evidence.place = "self-only", self_supervised
    elif contrastive is not None and tree.names & {"temperature", "temp", "tau"}:
        evidence.kind, evidence.place = "unknown", contrastive
    return evidence


def _whole(text: str) -> bool:
    """Whether the text is just the name of a method."""
    return bool(re.fullmatch(r"(?:sup(?:ervised)?[-_ ]?con(?:trast(?:ive)?)?[-_ ]?(?:loss)?|simclr)", text, re.I))


def _is_weight(name: str) -> bool:
    return any(_WEIGHT.fullmatch(part) for part in name.split("_"))
