"""Which loss a config asks for, by the words in it that name a loss, a method or a weight."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ssem_advisor.config.model import Kind
from ssem_advisor.config.tree import LABELS, UNKNOWN, Leaf, Tree

_UNLESS_SELF = r"(?<!un)(?<!un[-_ ])(?<!self)(?<!self[-_ ])(?<!semi)(?<!semi[-_ ])"
SUPERVISED = re.compile(
    rf"{_UNLESS_SELF}sup(?:ervised)?[-_ ]?con(?:trast|(?-i:(?=[A-Z]))|(?![a-z])|loss|head|model)"
    r"|(?<![a-z])sup[-_]?moco|labels_as_positives",
    re.I,
)
_SELF = re.compile(
    r"simclr|nt[-_]?xent|info[-_]?nce|(?<![a-z])moco(?![a-z])|(?:self|un)[-_ ]?sup(?:ervised)?[-_ ]?con", re.I
)
_SELF_KEY = re.compile(r"simclr|nt_?xent|info_?nce|(?:self|un)_?sup(?:ervised)?_?con", re.I)
_ENTROPY = re.compile(r"cross[-_ ]?entropy|(?<![a-z])ce(?:[-_ ]?loss)?(?![a-z])", re.I)
_CONTRASTIVE = re.compile(r"contrast(?:ive|(?-i:(?=[A-Z]))|(?![a-z]))|(?<![a-z])scl(?![a-z])", re.I)

# Keys whose value names a loss or method, and keys whose value is only somebody's name for a run.
_NAMES_LOSS = frozenset(
    {
        *(
            "loss",
            "losses",
            "loss_fn",
            "loss_func",
            "loss_function",
            "loss_type",
            "loss_name",
            "loss_mode",
            "loss_class",
        ),
        *("loss_list", "criterion", "criterions", "objective", "contrastive_loss", "contrastive", "positives"),
        *("method", "ssl_method", "framework", "algorithm", "algo", "approach", "mode", "train_mode", "training_mode"),
        *("type", "name", "class_path", "_target_", "target", "__call__", "stage", "task", "tasks", "trainer"),
    }
)
_NAMES_RUN = frozenset({"exp_name", "experiment", "experiment_name", "exp", "job_name", "task_name"})
_SELECTS = frozenset({"loss", "loss_fn", "loss_type", "loss_name", "criterion", "method", "algorithm", "objective"})
_RECORDS = re.compile(
    r"ckpt|checkpoint|resume|pretrained|path|dir$|(?:^|_)log|wandb|tensorboard|project$|run_name|save|output|weights$|"
    r"load|(?:^|_)tags?$|notes?$|desc|comment|teacher|folder|url|hub|repo|trial"
)
_EVALUATION = re.compile(
    r"(?:^|_)(?:lin(?:ear)?|lincls|eval\w*|test\w*|knn|probe|probing|infer\w*|predict|visuali[sz]e|plot|tsne|export|"
    r"convert)(?:_|$)",
    re.I,
)
_OTHER_USES = re.compile(r"generat|sampling|distill|lora|llm|augment|transform|backbone|encoder|dataset|logger")
_OTHER_SECTIONS = re.compile(
    r"(?:^|_)(?:eval\w*|val|valid\w*|test\w*|infer\w*|predict\w*|linear|lineval|probe|probing|knn|teacher|distill\w*|kd|"
    r"generat\w*|sampling|pseudo\w*|mixup|cutmix|lora|peft|llm|openai|downstream|finetun\w*|ft|wandb|logg\w*|sched\w*|"
    r"ema|focal|rl|policy|actor|critic|env|environment|retrieval|memory_bank)(?:_|$)"
)
_PARTS = re.compile(
    r"(?:Transform|Projection\w*|Augment\w*|Collate\w*|Dataset|Data[Mm]odule|Sampler|Callback|Logger|Views?)$"
)
_SCORE = re.compile(
    r"(?:test_|val_|knn_|linear_|best_)?(?:acc\w*|top_?[15]|f1\w*|auc\w*|map|recall\w*|precision_at\w*)"
)
_FITTING = frozenset({"lr", "learning_rate", "optimizer", "optim", "epochs", "max_epochs"})
_TERM = r"(?:ce|cls|xent|cross_entropy|metric|con|contrast|contrastive|supcon|scl)"
_MIXING = re.compile(
    rf"{_TERM}_(?:loss_)?(?:weight|coef\w*|lambda|lamda|ratio)|(?:lambda|lamda|weight|coef|w)_{_TERM}|lamda"
)
_WEIGHT = re.compile(r"weight|lambda|lamda|coef\w*|w|scale|ratio")
TRAINING = frozenset({"batch_size", "bsz", "lr", "learning_rate", "optimizer", "temperature", "temp", "tau"}) | {
    f"{prefix}epochs" for prefix in ("", "max_", "num_", "n_", "num_train_")
}


@dataclass
class Evidence:
    """What the words of a config say.

    kind: None if nothing about contrastive training; place: the leaf that says so; weights: those of the supervised
    and the self-supervised term, where each is named once; alpha: a key of that bare name, whatever it means.
    """

    kind: Kind | None = None
    place: Leaf | None = None
    weights: tuple[Leaf, Leaf] | None = None
    alpha: Leaf | None = None


def only_evaluates(program: str) -> bool:
    """Whether a script is by its name an evaluation, a test or a picture."""
    return _EVALUATION.search(program) is not None


def out_of_scope(tree: Tree) -> bool:
    """Evaluations, continuous-integration workflows, container files and results train nothing."""
    if tree.script and only_evaluates(tree.script):
        return True
    if tree.format not in ("yaml", "json"):
        return False
    roots = {leaf.path[0] for leaf in tree.leaves}
    workflow = "jobs" in roots and ("on" in roots or "steps" in tree.names)
    containers = ("services" in roots and tree.names & {"image", "build"}) or {"apiVersion", "kind"} <= roots
    results = not tree.names & _FITTING and any(
        _SCORE.fullmatch(leaf.keys[-1]) and isinstance(leaf.value, float) for leaf in tree.leaves if leaf.keys
    )
    return bool(workflow or containers or results)


def elsewhere(leaf: Leaf) -> bool:
    """Whether the sections around a leaf speak of something else than the contrastive training."""
    return any(map(_OTHER_SECTIONS.search, leaf.keys[:-1]))


def weigh(tree: Tree) -> Evidence:
    """The kind of loss that the words of a tree speak for."""
    words = _Words()
    for leaf in tree.leaves:
        if tree.format != "python" or isinstance(leaf.path[-1], str):  # a list in a module is a choice, not the choice
            words.hear(leaf)
    sup, own = words.first.get("supervised"), words.first.get("self")
    alpha = next((leaf for leaf in tree.find("alpha") if leaf.value is not None and not elsewhere(leaf)), None)
    trains = bool(tree.names & TRAINING)
    if "supervised by key" in words.first and not trains:
        sup = None
    if sup is None and own is None:
        kind = _by_name(tree, words) if trains else None
        return Evidence(kind, words.first.get("run") or words.first.get("contrastive"), alpha=alpha)
    evidence = Evidence(place=sup or own, alpha=alpha)
    mixed = "entropy" in words.first
    if sup is None:
        evidence.kind = "self-only" if trains else None
    elif own is None:
        evidence.kind = "ce+supcon" if mixed or "mixing" in words.first else "supcon"
    else:
        evidence.kind = "unknown" if mixed else "supcon+self"
        if not mixed and len(words.sup_weights) == len(words.self_weights) == 1:
            evidence.weights = (words.sup_weights[0], words.self_weights[0])
    return evidence


def _by_name(tree: Tree, words: _Words) -> Kind | None:
    """The kind where only the names of scripts, files and runs speak, unless the loss itself is chosen elsewhere."""
    named = tree.script or (tree.path.stem if tree.format != "shell" else "")
    if not _EVALUATION.search(named):
        if SUPERVISED.search(named) or "run" in words.first:
            if "open" in words.first:
                return "unknown"
            return "ce+supcon" if "entropy" in words.first else "supcon"
        if tree.script and _SELF.search(tree.script):
            return "self-only"
    tempered = tree.names & {"temp", "tau"} or any("temperature" in name for name in tree.names)
    return "unknown" if "contrastive" in words.first and tempered else None


@dataclass
class _Words:
    """The first leaf that speaks for each meaning, and the weights of the two terms."""

    first: dict[str, Leaf] = field(default_factory=dict)
    sup_weights: list[Leaf] = field(default_factory=list)
    self_weights: list[Leaf] = field(default_factory=list)

    def hear(self, leaf: Leaf) -> None:
        keys = leaf.keys
        if not keys or leaf.value is None or leaf.value is False:
            return
        if any(_RECORDS.search(key) for key in keys if key not in LABELS):
            return
        if any(_EVALUATION.search(key) or _OTHER_USES.search(key) for key in keys[:-1]):
            return
        name, value = keys[-1], leaf.value
        if value is UNKNOWN and name in _SELECTS:
            self.first.setdefault("open", leaf)
        elif isinstance(value, str) and (name in _NAMES_RUN or name in _NAMES_LOSS):
            self.value(leaf, name, value, len(keys))
        elif value is UNKNOWN or (value != 0 and not isinstance(value, str)):
            self.key(leaf, name)

    def value(self, leaf: Leaf, name: str, text: str, depth: int) -> None:
        if name in _NAMES_RUN or (depth == 1 and name in ("name", "stage", "task")):
            if SUPERVISED.search(text):
                self.first.setdefault("run", leaf)
            return
        if name in LABELS and _PARTS.search(text):
            return
        if SUPERVISED.search(text) or (name == "positives" and text.lower() in ("label", "labels", "class")):
            self.say("supervised", leaf)
        elif _SELF.search(text):
            self.first.setdefault("self", leaf)
        elif _CONTRASTIVE.search(text):
            self.first.setdefault("contrastive", leaf)
        if _ENTROPY.search(text):
            self.first.setdefault("entropy", leaf)

    def key(self, leaf: Leaf, name: str) -> None:
        spelt = ".".join(key for key in leaf.path if isinstance(key, str))
        weight = any(_WEIGHT.fullmatch(part) for part in name.split("_"))
        if SUPERVISED.search(spelt):
            if "supervised" not in self.first:
                self.first["supervised"] = leaf
                self.first["supervised by key"] = leaf
            if weight:
                self.sup_weights.append(leaf)
        elif _SELF_KEY.search(spelt):
            self.first.setdefault("self", leaf)
            if weight:
                self.self_weights.append(leaf)
        if _MIXING.fullmatch(name):
            self.first.setdefault("mixing", leaf)
        if re.search(r"cross_entropy|(?:^|_)ce(?:_|$)", name):
            self.first.setdefault("entropy", leaf)

    def say(self, meaning: str, leaf: Leaf) -> None:
        """A value that names the loss is a better witness than a key that does."""
        if meaning not in self.first or self.first.pop(f"{meaning} by key", None) is not None:
            self.first[meaning] = leaf
