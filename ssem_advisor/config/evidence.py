"""Which loss a config asks for: whatever names a loss testifies, and the testimony is graded.

A value that names the loss (or switches it on, or heads a section of the losses) is worth more than the name of a
script, a file or a run; that more than a mere key, as in `supcon_temperature`; and that more than a comment. A rival
that the config states takes the word from names and keys. What is left undecided is "unknown", with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import takewhile

from ssem_advisor.config import scalars
from ssem_advisor.config.model import Kind
from ssem_advisor.config.tree import LABELS, UNKNOWN, Leaf, Tree

# -- words ------------------------------------------------------------------------------------------------------------

_UNLESS_SELF = (
    r"(?<!(?<![a-z])un)(?<!(?<![a-z])un[-_ ])(?<!(?<![a-z])self)(?<!(?<![a-z])self[-_ ])"
    r"(?<!(?<![a-z])semi)(?<!(?<![a-z])semi[-_ ])"
)
SUPERVISED = re.compile(
    rf"{_UNLESS_SELF}sup(?:ervised)?[-_ ]?con(?:trast|(?-i:(?=[A-Z]))|(?![a-z])|loss|head|model|weight|tr(?![a-z]))"
    rf"|{_UNLESS_SELF}sup(?:ervised)?[-_ ]?(?:cont(?![a-z])|nce(?![a-z])|info[-_ ]?nce|nt[-_ ]?xent|moco)"
    r"|(?<![a-z])moco[-_]?sup(?![a-z])|labels_as_positives",
    re.I,
)
SELF = re.compile(
    r"simclr|sim[-_]?cse|nt[-_]?xent|info[-_]?nce|(?<![a-z])(?:base|small)?[-_]?moco(?:[-_]?v[123]|plus)*(?![a-z])"
    r"|(?:self|un)[-_ ]?sup(?:ervised)?[-_ ]?con|instance[-_ ]?discrimination",
    re.I,
)
_SELF_KEY = re.compile(r"simclr|nt_?xent|info_?nce|(?:self|un)_?sup(?:ervised)?_?con", re.I)
SPREAD = re.compile(r"(?<![a-z])l_?spread(?![a-z])", re.I)
_ENTROPY = re.compile(
    r"cross[-_ ]?entropy|(?<![a-z])x?ent(?![a-z])|(?<![a-z])b?ce(?:[-_ ]?loss)?(?![a-z])|label[-_ ]?smooth", re.I
)
_ENTROPY_KEY = re.compile(r"cross_entropy|(?:^|_)ce(?:_|$)")
_LABELLED = re.compile(r"(?:^|_)(?:b?ce|cls|xent|classif\w*|arc_?face|cos_?face)(?:_|$)")
"""Terms that use the class labels, where a key gives their weight."""
VAGUE = re.compile(
    r"contrast(?:ive|(?-i:(?=[A-Z]))|(?![a-z]))|(?<![a-z])[a-z]{0,6}_?scl(?![a-z])|(?<![a-z])(?:dual|patchmix)_?cl(?![a-z])"
    r"|(?<![a-z])[a-z]{1,3}cl(?![a-z])"
    r"|(?<![a-z])sup[-_]?(?:in|out)(?![a-z])|sup[-_]?simclr|(?<![a-z])ssem(?![a-z])|sup[-_ ]?con(?![a-z]{2})",
    re.I,
)
_VAGUE_KEY = re.compile(
    r"(?<![a-z])(?:sup|uns|unsup)_(?:t|temp|temperature|tau)(?![a-z_])|contrast|(?<![a-z])scl(?![a-z])", re.I
)
_RIVAL = re.compile(
    r"cross[-_ ]?entropy|label[-_ ]?smooth|focal|triplet|(?:arc|cos|sphere)[-_ ]?face|circle[-_ ]?loss|(?<![a-z])(?:ce|"
    r"bce|mse|mae|l1|l2|nll|kl|kld|hinge|dice|ctc|crd|kd|ppo|sac|dpo|erm)(?:[-_ ]?loss)?(?![a-z])|smooth[-_ ]?l1|huber|"
    r"margin|proxy|cosine[-_ ]?similarity|softmax|byol|sim[-_]?siam|barlow|vicreg|(?<![a-z])dino|swav|w-?mse|"
    r"auto[-_ ]?encoder|(?<![a-z])vae|distill|fix[-_ ]?match|mixup|classif|supervised$",
    re.I,
)
_COMPANION = re.compile(
    r"(?:^|_)(?:rec|recon|reconstruct\w*|auto_?encoder|vae|mae|mlm|decoder|generat\w*|gan|distill\w*|kd|kld?)(?:_|$)"
)
_PSEUDO = re.compile(r"pseudo|(?:^|_)pl(?:_|$)|(?:fix|mix|co|flex|free|soft)[-_]?match", re.I)
_MULTI_LABEL = re.compile(r"multi[-_ ]?label|MulSupCon", re.I)

# -- keys -------------------------------------------------------------------------------------------------------------

# Keys whose value chooses the loss, the method, or builds an object; and keys that hold somebody's name for a run.
_LOSS_KEY = re.compile(
    r"(?:\w+_)?(?:loss|losses|criterion|criterions|criteria|objectives?)"
    r"(?:_(?!reduction|scale|scaling|avg|average|weight|weights|log|space|domain|norm|clip|phase|device)\w+)?|positives"
)
_METHOD_KEY = re.compile(
    r"ssl(?:_name)?|(?:ssl_|train_|training_|cl_|contrastive_)?(?:method|framework|algorithm|algo|approach|mode|strategy|contrastive)"
    r"(?:_(?:name|type))?"
)
_BUILDS = LABELS | {"stage", "task", "tasks", "trainer", "alg", "module", "learner"}
_RUN_NAMES = frozenset({"exp_name", "experiment", "experiment_name", "exp", "job_name", "task_name"})
_RECORDS = re.compile(
    r"ckpt|checkpoint|resume|pretrained|path|dir$|(?:^|_)log|wandb|tensorboard|project$|run_name|save|"
    r"^out(?:put)?s?(?:_(?:dir|path|root|folder|file|name|prefix))?$|^weights$|load|(?:^|_)tags?$|notes?$|desc|comment|"
    r"teacher|folder|url|hub|repo|trial|^argument$|version|^file(?:name)?$|_file$"
)
_CHOICES = frozenset({"values", "choices", "options", "monitor", "callbacks"})
_SPACES = frozenset({"sweep", "grid", "search_space"})  # a list in them is a choice, a single value is not
_EVALUATION = re.compile(
    r"(?:^|_)(?:lin(?:ear)?|lincls|eval\w*|test\w*|knn|probe|probing|infer\w*|predict|visuali[sz]e|plot|tsne|(?<!notebook_)export|"
    r"convert|extract)(?:_|$)",
    re.I,
)
_OTHER_USES = re.compile(r"generat|sampling|distill|lora|llm|augment|transform|backbone|encoder|dataset|logger|sampler")
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
_WEIGHT = re.compile(r"alpha|weights?|lambdas?|lamda|lam|coef\w*|w|scale|ratio|gamma|gama|beta")
_OWN_WEIGHT = re.compile(r"(?:loss_)?(?:weight|coef\w*|w)")
_SWITCH = re.compile(r"^(?:use|with|do|is|add|apply)(?:_|$)|(?:^|_)(?:enabled?|on|active|used?)$|^enable_")
_REFERENCE_RUN = re.compile(r"(?:.*[-_])?(?:ce|x?ent|cross[-_]?entropy|erm|baseline|linear)(?:[-_].*)?", re.I)
_PHASE = frozenset({"mode", "phase", "stage", "step", "train_stage"})
_LATER = re.compile(r"test|eval\w*|linear|second|probe|knn|infer\w*|predict|finetune|ce|2", re.I)
_EVALUATES = frozenset(
    {"help", "eval", "evaluate", "eval_only", "test_only", "only_eval", "only_test", "test", "inference"}
)
TRAINING = frozenset({"batch_size", "bsz", "lr", "learning_rate", "optimizer", "temperature", "temp", "tau"}) | {
    f"{prefix}epochs" for prefix in ("", "max_", "num_", "n_", "num_train_")
}
_TEMPERED = re.compile(r"temperature|(?:^|_)(?:temp|tau|t)(?:_|$)")
_PROJECTED = re.compile(r"proj|feat_dim|moco_dim|emb(?:edding)?_dim|head")

_SUP_CON = re.compile(r"sup[-_]?con", re.I)
MENTIONS = re.compile("|".join(word.pattern for word in (SUPERVISED, SELF, SPREAD, VAGUE, _VAGUE_KEY)), re.I)
"""What a text must hold to say anything about contrastive training, apart from the keys that dialects know."""


class Grade(IntEnum):
    """How much a witness is worth; STATED is the value of a key that chooses the loss, or a switch that is on."""

    COMMENT, KEY, NAME, VALUE, STATED = range(5)


@dataclass(frozen=True)
class Witness:
    """What names the loss: the leaf, or the name of a script or file, and how much it is worth."""

    grade: Grade
    text: str
    leaf: Leaf | None = None


@dataclass
class Evidence:
    """What the words of a config say.

    kind: None if nothing about contrastive training; loss: "l_spread" where that is named; doubt: why the kind must not
    be built on; second: what names the term beside a supervised contrastive one; weights: those of the supervised and
    the self-supervised term, where each is named once; share: the weight of the self-supervised term where it is the
    only one; lone: its weight beside a supervised term without one, which is a share or a ratio as the source has it;
    alpha: a key of that bare name, whatever it means, or the first weight in a list of that name.
    """

    kind: Kind | None = None
    witness: Witness | None = None
    loss: str | None = None
    doubt: str = ""
    second: Leaf | None = None
    weights: tuple[Leaf, Leaf] | None = None
    share: Leaf | None = None
    lone: Leaf | None = None
    alpha: Leaf | None = None
    multi_label: Leaf | None = None


# -- what is no training ----------------------------------------------------------------------------------------------


def only_evaluates(program: str) -> bool:
    """Whether a script is by its name an evaluation, a test or a picture."""
    return _EVALUATION.search(program) is not None


def out_of_scope(tree: Tree) -> bool:
    """Evaluations, continuous-integration workflows, container files and results train nothing."""
    if tree.script and only_evaluates(tree.script):
        return True
    if tree.format == "shell" and any(
        (leaf.keys[-1:] and leaf.keys[-1] in _EVALUATES and leaf.value is True)
        or (len(leaf.keys) == 1 and leaf.keys[0] in ("mode", "phase") and _is(leaf, r"test|eval\w*|infer\w*|predict"))
        for leaf in tree.leaves
    ):
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


def elsewhere(leaf: Leaf, witness: Leaf | None = None) -> bool:
    """Whether the sections around a leaf speak of something else than the contrastive training.

    A section in which the witness names the loss itself is that training, whatever it is called.
    """
    home = witness.keys[:-1] if witness is not None else ()
    own = takewhile(lambda pair: pair[0] == pair[1], zip(leaf.keys[:-1], home, strict=False))
    return any(map(_OTHER_SECTIONS.search, leaf.keys[len([*own]) : -1]))


def _is(leaf: Leaf, pattern: str) -> bool:
    return isinstance(leaf.value, str) and re.fullmatch(pattern, leaf.value, re.I) is not None


# -- the hearing ------------------------------------------------------------------------------------------------------


def weigh(tree: Tree) -> Evidence:
    """The kind of loss that the words of a tree speak for."""
    return _Hearing(tree).verdict()


def states_rival(tree: Tree) -> bool:
    """Whether a tree states a loss or method that is known not to be contrastive."""
    return _Hearing(tree).rival is not None


@dataclass
class _Hearing:
    """The best witness of each meaning, the rivals, and the weights of the terms."""

    tree: Tree
    best: dict[str, Witness] = field(default_factory=dict)
    sup_weights: list[Leaf] = field(default_factory=list)
    self_weights: list[Leaf] = field(default_factory=list)
    plain_weights: tuple[list[Leaf], list[Leaf]] = field(default_factory=lambda: ([], []))
    mixed: Leaf | None = None
    off: Leaf | None = None
    rival: Leaf | None = None
    strange: Leaf | None = None
    open: Leaf | None = None
    mixing: Leaf | None = None
    companion: Leaf | None = None
    pseudo: Leaf | None = None
    later: Leaf | None = None
    multi_label: Leaf | None = None

    def __post_init__(self) -> None:
        self.trains = bool(self.tree.names & TRAINING)
        self.tempered = any(map(_TEMPERED.search, self.tree.names))
        for leaf in self.tree.leaves:
            # A list in a module is a choice, not the choice.
            if leaf.keys and (self.tree.format != "python" or isinstance(leaf.path[-1], str)):
                self.hear(leaf)
        self.names()

    def say(self, meaning: str, grade: Grade, leaf: Leaf | None, text: str = "") -> None:
        known = self.best.get(meaning)
        if known is None or grade > known.grade:
            self.best[meaning] = Witness(grade, text or f"{leaf.dotted}: {leaf.raw[:60]}" if leaf else text, leaf)

    # -- one leaf --

    def hear(self, leaf: Leaf) -> None:
        keys, value = leaf.keys, leaf.value
        *sections, name = keys
        searched = _SPACES & set(keys) and any(isinstance(part, int) for part in leaf.path)
        if _CHOICES & set(keys) or searched or any(_EVALUATION.search(key) for key in sections):
            return
        if _MULTI_LABEL.search(name) and value not in (False, None, 0):
            self.multi_label = self.multi_label or leaf
        if isinstance(value, str):
            if len(value) <= 160 and value.count(" ") <= 4:
                self.string(leaf, sections, name, value)
        elif value is UNKNOWN and self.chooses(sections, name):
            self.open = self.open or leaf
        elif value is False or value is None or value == 0:
            if value is not None and self.switches(sections, name):
                self.off = self.off or leaf
        elif not any(_OTHER_USES.search(key) for key in sections):
            self.key(leaf, sections, name)

    def switches(self, sections: list[str], name: str) -> bool:
        """Whether a key turns the supervised contrastive loss on or off: by its own name, or as one of its section."""
        if SUPERVISED.search(name):
            return not _TEMPERED.search(name)
        inside = SUPERVISED.search(".".join(sections)) is not None
        return inside and bool(_SWITCH.search(name) or any(map(_WEIGHT.fullmatch, name.split("_"))))

    def chooses(self, sections: list[str], name: str) -> str:
        """What the key chooses, itself or as the name within such a section: "loss", "method", "option" or nothing."""
        if sections[:1] == ["defaults"]:
            return "loss" if _LOSS_KEY.fullmatch(name) else "method" if _METHOD_KEY.fullmatch(name) else "option"
        for key in (name, *sections[-1:-3:-1]) if name in LABELS else (name,):
            if _LOSS_KEY.fullmatch(key):
                return "loss"
            if _METHOD_KEY.fullmatch(key):
                return "method"
        return ""

    def string(self, leaf: Leaf, sections: list[str], name: str, text: str) -> None:
        if any(_RECORDS.search(key) for key in leaf.keys if key not in LABELS):
            return
        if name in LABELS and _PARTS.search(text):
            return
        if any(_OTHER_USES.search(key) for key in leaf.keys) and not SUPERVISED.search(".".join(sections)):
            if VAGUE.search(text):
                self.say("vague", Grade.KEY, leaf)
            return
        if text.lower().endswith((".md", ".rst", ".txt", ".html", ".png", ".pdf")):
            return
        choice = self.chooses(sections, name)
        if name in _PHASE and _LATER.fullmatch(text):
            self.later = self.later or leaf
        if _MULTI_LABEL.search(text):
            self.multi_label = self.multi_label or leaf
        if (choice != "option" and name in _RUN_NAMES) or (len(leaf.keys) == 1 and name in ("name", "stage", "task")):
            if SUPERVISED.search(text):
                self.say("supervised", Grade.NAME, leaf)
            elif VAGUE.search(text):
                self.say("vague", Grade.NAME, leaf)
            return
        without = SUPERVISED.sub(" ", text)
        supervised = without != text or (name == "positives" and text.lower() in ("label", "labels", "class"))
        own = bool(SELF.search(without) or (supervised and re.search(r"[+&] *self", without))) and not re.search(
            r"sup[-_]?simclr", without, re.I
        )
        if re.search(r"\bmodel|(?:^|_)(?:net|arch|architecture)$", name) and not choice:
            if supervised:
                self.say("supervised", Grade.NAME, leaf)
            return
        if self.tree.format == "python" and SUPERVISED.search(name) and name not in LABELS:
            return  # a table of what may be chosen
        if supervised:
            self.say("supervised", Grade.STATED if choice or name in _BUILDS else Grade.VALUE, leaf)
        if own and (choice or name in _BUILDS):
            self.say("self", Grade.STATED, leaf)
            if supervised:
                self.mixed = leaf
        if SPREAD.search(text) and (choice or name in _BUILDS):
            self.say("spread", Grade.VALUE, leaf)
        if not supervised and not own:
            self.other(leaf, name, text, choice)
        if _ENTROPY.search(SELF.sub(" ", without)) and (choice or name in _BUILDS) and not elsewhere(leaf):
            self.say("entropy", Grade.VALUE, leaf)

    def other(self, leaf: Leaf, name: str, text: str, choice: str) -> None:
        if (choice or name in _BUILDS or name.endswith(("_func", "_fn"))) and VAGUE.search(text):
            self.say("vague", Grade.VALUE, leaf)
            if choice == "loss" and not elsewhere(leaf):
                self.strange = self.strange or leaf
        elif choice and _PSEUDO.search(text):
            self.pseudo = self.pseudo or leaf
        elif choice in ("loss", "method") and name != "mode":
            if _RIVAL.search(text) and not elsewhere(leaf):
                self.rival = self.rival or leaf
                if _COMPANION.search(text.lower()):
                    self.companion = self.companion or leaf
            elif not SPREAD.search(text) and re.fullmatch(r"[A-Za-z][\w.+-]*", text) and not elsewhere(leaf):
                self.strange = self.strange or leaf

    def key(self, leaf: Leaf, sections: list[str], name: str) -> None:
        """A key with a number or a switch that is on."""
        if any(_RECORDS.search(key) for key in leaf.keys if not key.endswith("weights")):
            return
        spelt = ".".join(key for key in leaf.path if isinstance(key, str))
        listed_item = len(leaf.path) > 1 and isinstance(leaf.path[-2], int)
        if listed_item or _OWN_WEIGHT.fullmatch(name):  # an item of a list, or a term with its weight, goes by its name
            spelt += f".{self.tree.label(leaf.path[:-1])}"
        weight = any(_WEIGHT.fullmatch(part) for part in name.split("_")) or any(
            _WEIGHT.fullmatch(part) for key in sections[-1:] for part in key.split("_")
        )
        listed = any(_LOSS_KEY.fullmatch(key) or key in ("tasks", "loss_weights") for key in sections)
        on = leaf.value is True and not _TEMPERED.search(name)
        if SUPERVISED.search(spelt):
            if weight and leaf.value is not True:
                self.sup_weights.append(leaf)
            if listed or (on and self.tree.format != "python"):
                self.say("supervised", Grade.STATED, leaf)
            else:
                self.say("supervised", Grade.VALUE if weight or on else Grade.KEY, leaf)
        elif _SELF_KEY.search(spelt):
            if weight and leaf.value is not True:
                self.self_weights.append(leaf)
            self.say("self", Grade.VALUE if listed or on or weight else Grade.KEY, leaf)
        elif SPREAD.search(spelt) or name in ("a_spread", "a_lc"):
            self.say("spread", Grade.VALUE, leaf)
        elif _VAGUE_KEY.search(name) and not elsewhere(leaf):
            self.say("vague", Grade.VALUE if listed else Grade.KEY, leaf)
        elif weight and leaf.value is not True and scalars.is_number(leaf.value):
            parts = set(name.split("_"))  # lambda_sup beside lambda_self, of a mixture that a value names
            if parts & {"sup", "supervised"} and not parts & {"self", "semi"}:
                self.plain_weights[0].append(leaf)
            elif parts & {"self", "unsup", "ssl", "selfsup", "instance"}:
                self.plain_weights[1].append(leaf)
        if _MIXING.fullmatch(name):
            self.mixing = self.mixing or leaf
        if _ENTROPY_KEY.search(name) and not _TEMPERED.search(name):
            self.say("entropy", Grade.VALUE, leaf)
        elif (
            (weight or listed)
            and any(map(_LABELLED.search, (name, *sections[-1:])))
            and not _SELF_KEY.search(spelt)
            and leaf.value is not True
            and not elsewhere(leaf)
        ):
            self.say("entropy", Grade.KEY, leaf)
        if (weight or listed) and _COMPANION.search(name) and not elsewhere(leaf):
            self.companion = self.companion or leaf
        if _PSEUDO.search(name):
            self.pseudo = self.pseudo or leaf

    # -- names and comments --

    def names(self) -> None:
        """The names of the launched script and of the file, and at last the comments."""
        if self.tree.script:
            self.called(self.tree.script, f"the script {self.tree.script}")
        if any(word.search(self.tree.package) for word in (MENTIONS, _SUP_CON)):
            self.say("vague", Grade.NAME, None, f"the package {self.tree.package}")
        stem = self.tree.path.stem
        if not only_evaluates(stem) and self.tree.format != "other":
            self.called(stem, f"the file name {self.tree.path.name}", self.tempered)
        comment = re.compile(r"(?:#|//).*")
        if "supervised" not in self.best and self.tree.format in ("yaml", "toml") and self.tempered:
            for found in comment.finditer(self.tree.text[:20_000]):
                if SUPERVISED.search(found.group()):
                    self.say("supervised", Grade.COMMENT, None, f"the comment {found.group()[:60]!r}")

    def called(self, name: str, text: str, enough: bool = True) -> None:
        without = SUPERVISED.sub(" ", name)
        if without != name:
            self.say("supervised", Grade.NAME if enough else Grade.KEY, None, text)
        elif SELF.search(name) and (self.tree.script == name or (enough and self.pretrains(name))):
            self.say("self", Grade.NAME, None, text)
        elif VAGUE.search(name) and (self.tree.script == name or enough):
            self.say("vague", Grade.NAME, None, text)

    def pretrains(self, name: str) -> bool:
        """Whether a file of such a name projects its embeddings, as this training does, and states no other loss."""
        projects = any(map(_PROJECTED.search, self.tree.names))
        return projects and not self.vetoed() and not re.search(r"tun(?:e|ing)|downstream|transfer", name, re.I)

    # -- the verdict --

    def verdict(self) -> Evidence:
        bare = [leaf for leaf in self.tree.find("alpha") if leaf.value is not None]
        bare += [leaf for leaf in self.tree.elements if leaf.keys[-1:] == ("alpha",) and _is_share(leaf)]
        alpha = next((leaf for leaf in bare if not elsewhere(leaf)), None)
        found = Evidence(alpha=alpha, multi_label=self.multi_label)
        sup, own, spread = (self.best.get(meaning) for meaning in ("supervised", "self", "spread"))
        strong = sup is not None and sup.grade >= Grade.VALUE
        launched = self.tree.format == "shell" and (strong or (bool(self.tree.script) and bool(sup or own)))
        if (
            not self.trains
            and not launched
            and (self.tree.format in ("shell", "python") or sup is None or not self.chosen(sup))
        ):
            return found
        if spread is not None and (own is None or own.grade < Grade.VALUE):
            found.kind, found.witness, found.loss = "supcon+self", spread, "l_spread"
        elif sup is not None and own is not None and own.grade >= Grade.VALUE and self.both(sup, own, found):
            pass
        elif sup is not None and strong:
            self.stated(sup, found)
        elif own is not None and own.grade >= Grade.NAME and (sup is None or own.grade > sup.grade):
            found.kind, found.witness = "self-only", own
            if self.weighed_method(found):
                found.kind = "unknown"
        elif sup is not None:
            self.named(sup, found)
        vague = self.best.get("vague")
        if found.kind is None and vague is not None and self.trains and not self.vetoed():
            scripted = vague.grade is Grade.NAME and self.tree.script and vague.leaf is None
            weighs = vague.leaf is not None and _MIXING.fullmatch(vague.leaf.keys[-1])
            if self.tempered or vague.grade >= Grade.VALUE or scripted or weighs:
                found.kind, found.witness = "unknown", vague
                found.doubt = f"{vague.text} does not say which contrastive loss"
        return found

    def both(self, sup: Witness, own: Witness, found: Evidence) -> bool:
        """A supervised and a self-supervised witness: a mixture, or one of them chosen. Whether that settles it."""
        if sup.grade < Grade.VALUE and self.mixed is None:
            return False
        found.witness = sup
        chosen = [self.chooses([*each.leaf.keys[:-1]], each.leaf.keys[-1]) if each.leaf else "" for each in (sup, own)]
        if self.mixed is None and not (self.sup_weights and self.self_weights):
            if chosen[0] == "loss" and chosen[1] == "method":
                return False
            if chosen == ["method", "loss"] or (chosen[1] and not chosen[0] and not self.sup_weights):
                found.kind = "self-only" if chosen[1] == "method" and not chosen[0] else "unknown"
                found.witness = own if found.kind == "self-only" else sup
                found.doubt = f"{sup.text} and {own.text} name different losses"
                return True
        if self.best.get("entropy"):
            found.kind, found.doubt = "unknown", "a third term, cross-entropy, stands beside the mixture"
            return True
        found.kind = "supcon+self"
        if len(self.sup_weights) == len(self.self_weights) == 1:
            found.weights = (self.sup_weights[0], self.self_weights[0])
        else:
            self.shares(found)
            if found.share is None and not self.sup_weights and len(self.self_weights) == 1:
                found.lone = self.self_weights[0]
        return True

    def shares(self, found: Evidence) -> None:
        """The weights of the two terms under plain names, or the share of the self-supervised one alone."""
        ours, theirs = self.plain_weights
        if len(ours) == len(theirs) == 1 and not self.sup_weights and not self.self_weights:
            found.weights = (ours[0], theirs[0])
        elif not ours and len(theirs) == 1 and 0 < theirs[0].value < 1:
            found.share = theirs[0]

    def stated(self, sup: Witness, found: Evidence) -> None:
        """A value names the supervised contrastive loss."""
        choice = self.chosen(sup)
        entropy = self.best.get("entropy")
        if entropy is not None and entropy.grade < Grade.VALUE and choice:
            entropy = None  # the weight of a term that is not chosen
        found.second = entropy.leaf if entropy else self.mixing
        found.witness = sup
        found.kind = "ce+supcon" if found.second is not None else "supcon"
        if entropy is None and self.plain_weights[1]:  # a weight of a self-supervised term stands beside it
            found.kind, found.second = "supcon+self", None
            self.shares(found)
            return
        leaf = sup.leaf
        if self.off is not None and choice != "loss" and not (leaf and leaf.path[:-1] != self.off.path[:-1] and choice):
            found.kind, found.witness, found.second = None, None, None
            return
        lone = leaf in self.sup_weights and sup.grade < Grade.STATED and entropy is None
        if lone and leaf is not None:
            found.kind = "unknown"
            found.doubt = f"{sup.text} weighs one term, and nothing names the other"
        elif self.companion is not None and not elsewhere(self.companion):
            found.doubt = f"{_short(self.companion)} stands beside it and may keep the instances of a class apart"
        elif self.pseudo is not None and not choice:
            found.doubt = f"{_short(self.pseudo)}: labels that the training makes itself"
        elif (
            not choice
            and self.rival is not None
            and self.chooses([*self.rival.keys[:-1]], self.rival.keys[-1]) == "loss"
            and not _entropic(self.rival)
        ):
            found.kind, found.doubt = "unknown", f"{_short(self.rival)} names another loss"
        elif not choice and self.later is not None:
            found.kind, found.doubt = "unknown", f"{_short(self.later)}: a later stage"
        elif choice != "loss" and _REFERENCE_RUN.fullmatch(self.tree.path.stem):
            found.kind, found.doubt = "unknown", f"the file name {self.tree.path.name} speaks of another loss"
        elif leaf is not None and leaf.quirk == "absent":
            found.doubt = f"the file that {leaf.dotted}: {leaf.raw} names is not here"

    def chosen(self, witness: Witness) -> str:
        return self.chooses([*witness.leaf.keys[:-1]], witness.leaf.keys[-1]) if witness.leaf else ""

    def vetoed(self) -> bool:
        """Whether another loss stands instead; cross-entropy beside a loss that is not known here does not."""
        beside = self.rival is not None and _entropic(self.rival) and self.strange is not None
        return (self.rival is not None and not beside) or self.off is not None or self.later is not None

    def named(self, sup: Witness, found: Evidence) -> None:
        """Only names, keys or comments speak: a stated rival has the word instead."""
        if self.vetoed():
            return
        found.witness = sup
        reasons = [
            (self.open, "is filled in at run time"),
            (self.strange, "names a loss or method that is not known here"),
            (self.pseudo, "speaks of labels that the training makes itself"),
            (self.companion, "is a loss beside it that may keep the instances of a class apart"),
        ]
        found.doubt = next((f"{_short(leaf)} {why}" for leaf, why in reasons if leaf is not None), "")
        if sup.grade < Grade.NAME:
            if sup.grade is Grade.KEY and not self.tempered:
                found.witness = None
                return
            found.doubt = found.doubt or f"only {sup.text} speaks of it"
        if not found.doubt and not self.trains:
            found.doubt = f"only {sup.text} speaks of it, and no setting of a training is here"
        if found.doubt:
            found.kind = "unknown"
        else:
            entropy = self.best.get("entropy")
            found.kind, found.second = ("ce+supcon", entropy.leaf) if entropy else ("supcon", None)

    def weighed_method(self, found: Evidence) -> bool:
        """Whether free weights of the method make its name a mixture of unknown terms."""
        weights = [
            leaf
            for leaf in self.tree.leaves
            if leaf.keys and re.fullmatch(r"(?:method|loss)_(?:lam\w*|gam\w*|beta|weight\w*)", leaf.keys[-1])
        ]
        if len(weights) < 2 or any(leaf.value == 0 for leaf in weights):
            return False
        found.doubt = f"{weights[0].keys[-1]} and {weights[1].keys[-1]} weigh terms that nothing names"
        return True


def _is_share(leaf: Leaf) -> bool:
    return isinstance(leaf.value, (int, float)) and 0 < leaf.value < 1


def _short(leaf: Leaf) -> str:
    return f"{leaf.dotted}: {leaf.raw[:40]}"


def _entropic(leaf: Leaf) -> bool:
    return _ENTROPY.search(str(leaf.value)) is not None
