"""One verdict on a run: what its loss asks for, where its loss stands, what its embeddings have become."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ssem_advisor.advice import Point, State, command_for, outlook_of
from ssem_advisor.convert import Form, to_weights
from ssem_advisor.diagnosis.curves import LossCurve
from ssem_advisor.domain import NotCovered, Setting, SettingError, a_setting
from ssem_advisor.measurement.embeddings import Measurement
from ssem_advisor.measurement.loss_value import LossPlacement, place_loss
from ssem_advisor.measurement.prediction import answer_for
from ssem_advisor.measurement.spread import Pilot
from ssem_advisor.rounding import above, below, inward, show, within
from ssem_advisor.theory.regime import collapse_limits

VERDICTS = (
    "diverged",
    "has not started",
    "collapsed, as the loss asks",
    "collapsed, at too small a weight",
    "collapsed in training",
    "collapsed",
    "on the way to collapse",
    "on the way to too little spread",
    "on the way to too much spread",
    "classes not learned",
    "too little spread",
    "too much spread",
    "still learning",
    "healthy",
    "cannot tell",
)


@dataclass(frozen=True)
class Reason:
    """text: a sentence; source: what it rests on, "setting", "loss curve" or "embeddings"."""

    source: str
    text: str


@dataclass(frozen=True)
class Diagnosis:
    """verdict: one of VERDICTS. change: what to do, the first first. missing: what would say more, by option name.
    command: the call of `recommend` that `change` may name."""

    verdict: str
    reasons: tuple[Reason, ...]
    change: tuple[str, ...]
    missing: tuple[str, ...]
    curve: LossPlacement | None = None
    command: str = ""


def diagnose(
    setting: Setting | None = None,
    curve: LossCurve | None = None,
    measured: Measurement | None = None,
    *,
    known: dict[str, object] | None = None,
    base_temperature: float | None = None,
    plain: bool = False,
    rectified: bool = False,
    form: Form | None = None,
    command: str | None = None,
) -> Diagnosis:
    """The verdict on a run from any of its three witnesses.

    setting: None where its classes are unknown; a dimension that it leaves open is that of the embeddings. known:
    those of batch_size, views, loss and temperature that are known then. curve: the training loss, of `read_curve`.
    measured: the embeddings, of `measure`. base_temperature: of SupContrast's code, which multiplies the loss by
    temperature / base_temperature. plain: the loss has no self-supervised term (plain SupCon). rectified: no entry of
    the embeddings is negative. form: how the code writes the loss, to say what to change in its weights. command: the
    call of `recommend` that gives a weight; None = one that spells the setting out.
    Raises SettingError if there is nothing to judge.
    """
    if setting is None and curve is None and measured is None:
        raise SettingError("diagnose: nothing to judge; give --config, --loss-curve or --embeddings")
    if setting is not None:
        setting = a_setting(setting)
        if setting.dim is None and measured is not None:
            setting = setting.with_(dim=measured.dim)
    command = _command(setting, measured) if command is None else command
    reasons: list[Reason] = []
    missing: list[str] = []
    asks = _what_the_loss_asks(setting, measured, plain, reasons, missing)
    state = _what_a_network_keeps(setting, measured, reasons) if asks is False else None
    small, large = state is State.too_little, state is State.too_much and measured is None
    placed = _where_the_loss_stands(setting, curve, known or {}, base_temperature, plain, reasons, missing)
    became = _what_became(setting, measured, reasons, missing)
    if rectified and (setting is None or setting.features == "any"):
        reasons.append(
            Reason(
                "embeddings",
                "no entry is negative: they were taken after a ReLU. Is that what the loss sees? Then other "
                "thresholds hold (--features non-negative); else save the projection before or after it",
            )
        )

    place = None if placed is None else placed.verdict
    stuck = place == "total collapse"
    verdict = "cannot tell"
    change: list[str] = []
    if curve is not None and not curve.finite:
        verdict = "diverged"
        change.append(
            "look at the steps before the first infinite or missing loss: lower the learning rate, compute "
            "the loss in float32, normalise the embeddings"
        )
    elif stuck or became == "total collapse":
        verdict = "has not started"
        if stuck and became not in (None, "total collapse"):
            reasons.append(
                Reason(
                    "embeddings",
                    f"they are not equal ({became}), so they are of another step or layer "
                    "than the loss; measure the projection that the loss sees",
                )
            )
        change += [
            "warm the learning rate up, or lower it, and start again: waiting does not help",
            "check that the loss gets normalised embeddings and that labels match rows",
        ]
    elif became == "class collapse" or (became is None and place == "class collapse"):
        verdict = {True: "collapsed, as the loss asks", False: "collapsed in training", None: "collapsed"}[asks]
        verdict = "collapsed, at too small a weight" if small else verdict
    elif became == "class structure lost":
        verdict = "classes not learned"
        change.append("check that labels belong to these rows; else lower alpha")
    elif became == "too loose":
        verdict = "too much spread"
        change.append(f"lower alpha, the weight of the self-supervised term: {command} gives a weight")
    elif became is None and placed is not None and place in _WRONG:
        change.append(placed.remedy)  # before what the loss asks for: the setting may be another one than said
        if asks:
            change.append(_weight(setting, measured, plain, form, command))
    elif asks:
        verdict = "on the way to collapse"
    elif became == "too little" or (small and became is None and place in _GOOD):
        verdict = "too little spread"
    elif small and became is None:
        verdict = "on the way to too little spread"
    elif large and (place is None or place in _GOOD):
        verdict = "too much spread" if place in _GOOD else "on the way to too much spread"
        change.append(_weight(setting, measured, plain, form, command))
    elif became == "healthy" or (became is None and asks is False and place in _GOOD):
        verdict = "healthy"
        change.append("nothing to do")
    elif became is None and place == "between total and class collapse":
        if curve is not None and curve.falling is False:
            change.append("measure embeddings: the loss has stopped falling, and what it stopped at it does not tell")
        else:
            verdict = "still learning"
            change.append("keep training; where the loss has stopped falling, measure embeddings")
    if verdict in _RAISE:
        change.append(_weight(setting, measured, plain, form, command))
    if verdict == "collapsed in training":
        change += [
            "train longer or with a smaller learning rate decay; the minimiser keeps instances apart",
            "make the views of an instance more alike: what the network cannot recognise again it cannot keep apart",
        ]
    if verdict in ("cannot tell", "still learning") and measured is None:
        missing.append("--embeddings FILE: with them the state is measured, not concluded")
    _long_tail(setting, reasons, change)
    return Diagnosis(verdict, tuple(reasons), tuple(change), tuple(dict.fromkeys(missing)), placed, command)


_GOOD = ("optimum", "between class collapse and optimum")
_WRONG = ("above total collapse", "below the optimum")  # the batch or the loss is another one than said
_RAISE = (
    "collapsed, as the loss asks",
    "collapsed, at too small a weight",
    "collapsed",
    "on the way to collapse",
    "on the way to too little spread",
    "too little spread",
)


def _what_the_loss_asks(
    setting: Setting | None, measured: Measurement | None, plain: bool, reasons: list[Reason], missing: list[str]
) -> bool | None:
    """Whether class collapse is the optimum; None where it is not known."""
    if plain:
        reasons.append(
            Reason(
                "setting",
                "plain supervised contrastive loss, without a self-supervised term: class "
                "collapse minimises it at every temperature",
            )
        )
        return True
    if setting is None:
        classes = "--classes, " if measured is None else ""  # else they are those of the labels
        missing.append(f"{classes}--temperature, --alpha and --batch-size (or --config FILE): what the loss asks for")
        return None
    lacking = [name for name in ("alpha", "temperature", "batch_size") if getattr(setting, name) is None]
    if setting.sampler == "full":
        lacking = [name for name in lacking if name != "batch_size"]
    if lacking:
        for name in lacking:
            option = (
                "--alpha (or --plain: no self-supervised term)" if name == "alpha" else f"--{name.replace('_', '-')}"
            )
            missing.append(f"{option}: whether the loss asks for collapse depends on it")
        return None
    try:
        limits = collapse_limits(setting)
    except (NotCovered, SettingError) as error:
        reasons.append(Reason("setting", f"no theorem says what this loss asks for: {error}"))
        return None
    if limits.collapse_up_to >= 1:
        reasons.append(Reason("setting", "class collapse is the optimum at every weight"))
        return True
    if setting.alpha <= limits.collapse_up_to:
        alpha, limit = inward(setting.alpha, limits.collapse_up_to)
        reasons.append(
            Reason("setting", f"alpha = {alpha} is at or below {limit}, up to which class collapse is the optimum")
        )
        return True
    if setting.alpha > limits.open_above:
        limit, alpha = inward(limits.open_above, setting.alpha)
        reasons.append(
            Reason(
                "setting",
                f"alpha = {alpha} is above {limit}: the optimum keeps the instances of every class apart",
            )
        )
        return False
    up_to = below(limits.collapse_up_to)
    if limits.open_above < 1:
        where = f"lies between {up_to} and {above(limits.open_above)}"
    else:
        where = f"is above {up_to}, up to which collapse is the optimum, but no weight is known to open every class"
    reasons.append(
        Reason("setting", f"alpha = {show(setting.alpha)} {where}: some classes may be collapsed at the optimum")
    )
    return None


def _what_a_network_keeps(setting: Setting | None, measured: Measurement | None, reasons: list[Reason]) -> State | None:
    """Whether a typical network, or the measured one, keeps too little or too much free spread at a weight above the
    threshold; None where neither, or where it is not known."""
    if setting is None:
        return None
    temperature, alpha = setting.need("temperature"), setting.need("alpha")
    pilot = pilot_for(setting, measured)
    try:
        point: Point | None
        if pilot is None:
            outlook = outlook_of(setting)
            point, safe = outlook.point(alpha, temperature), outlook.safe_weights(temperature)
        else:
            answer = answer_for(setting, pilot)
            moved = answer.temperature.recommended != temperature  # no weight is safe at this one
            point, safe = answer.given, None if moved else answer.alpha.safe
    except (NotCovered, SettingError):
        return None
    whose = "a typical network" if pilot is None else "a network like the measured one"
    if point is None or point.state not in (State.too_little, State.too_much):
        return None
    if point.state is State.too_little:
        least = "" if safe is None else f"; safe from alpha = {above(safe[0])} on"
        reasons.append(
            Reason(
                "setting",
                f"{whose} keeps a free spread of about {point.free_spread:.2g} at this weight (estimate), less than "
                f"finer labels need{least}",
            )
        )
    elif measured is None:  # else what they have become is seen
        most = "" if safe is None else f"; safe up to alpha = {below(safe[1])}"
        reasons.append(
            Reason(
                "setting",
                f"{whose} keeps a free spread of about {point.free_spread:.2g} at this weight (estimate); in recorded "
                f"runs so large a weight cost accuracy on the trained labels{most}",
            )
        )
    return point.state


def _where_the_loss_stands(
    setting: Setting | None,
    curve: LossCurve | None,
    known: dict[str, object],
    base: float | None,
    plain: bool,
    reasons: list[Reason],
    missing: list[str],
) -> LossPlacement | None:
    if curve is None:
        return None
    if not curve.finite:
        first = next(i for i, value in enumerate(curve.values) if not abs(value) < float("inf"))
        reasons.append(Reason("loss curve", f"value {first + 1} of {len(curve.values)} is not a finite number"))
        return None
    full = setting is not None and None not in (setting.temperature, setting.batch_size)
    full = full and (plain or setting.alpha is not None)  # type: ignore[union-attr]
    if full:
        placed = place_loss(curve.last, setting=setting, base_temperature=base)
    else:
        options = {name: known[name] for name in ("batch_size", "views", "loss", "temperature") if name in known}
        placed = place_loss(curve.last, base_temperature=base, **options)  # type: ignore[arg-type]
    if placed.verdict == "above total collapse" and curve.rising:
        placed = replace(
            placed,
            meaning="worse than equal embeddings, and higher than it began: training diverges, or the value is of "
            "another convention",
            remedy="check batch size (after any gather), views, temperature and base temperature; where they are "
            "right, lower the learning rate and start again",
        )
    moved = f"from {curve.first:.4g} to {curve.last:.4g} over {len(curve.values)} values"
    if len(curve.values) == 1:
        moved = f"a single value, {curve.last:.4g}"
    reasons.append(Reason("loss curve", f"{moved}, {placed.verdict}: {placed.meaning}"))
    if placed.total_collapse is None and placed.verdict != "total collapse":
        missing.append("--batch-size: the loss of equal embeddings, with which a stuck run is told from a slow one")
    return placed


def _what_became(
    setting: Setting | None, measured: Measurement | None, reasons: list[Reason], missing: list[str]
) -> str | None:
    if measured is None:
        return None
    if setting is not None and setting.dim is not None and measured.dim != setting.dim:
        reasons.append(
            Reason(
                "embeddings",
                f"dim {measured.dim}, while the loss sees dim {setting.dim}: another layer. "
                f"The encoder may keep what the projection gave up, so these ({measured.verdict}) do not "
                "decide; they say what a classifier on that layer finds",
            )
        )
        missing.append(f"--embeddings of the projection with dim {setting.dim}: that is where the theorems speak")
        return None
    if setting is not None and measured.classes > setting.classes:
        reasons.append(
            Reason(
                "embeddings",
                f"{measured.classes} labels, while the loss is told of {setting.classes}: "
                "other labels than those of training",
            )
        )
        missing.append("--labels of training: collapse is a statement about those classes")
        return None
    reasons.append(Reason("embeddings", f"{measured.verdict}: {measured.meaning}"))
    return measured.verdict


def pilot_for(setting: Setting | None, measured: Measurement | None) -> Pilot | None:
    """What the embeddings say of the network, where they are of the layer that the loss sees."""
    if measured is None or (setting is not None and (setting.extras or setting.dim not in (None, measured.dim))):
        return None
    return measured.pilot


def _command(setting: Setting | None, measured: Measurement | None) -> str:
    """The call of recommend for what is known of the run, with capitals for what is not."""
    if setting is None and measured is not None:
        setting = Setting(classes=measured.classes, dim=measured.dim)
    command = command_for(setting.with_(alpha=None)) if setting else "ssem-advisor recommend --classes CLASSES"
    return command + (" --from FILE" if pilot_for(setting, measured) is not None else "")


def _weight(setting: Setting | None, measured: Measurement | None, plain: bool, form: Form | None, command: str) -> str:
    """What to do about a weight that is too small, with the number to set where there is one."""
    change = "add a self-supervised term, (1-alpha) L_sup + alpha L_self" if plain else "raise alpha"
    unknown = f"{change}: {command} gives the weight"
    if setting is None or setting.temperature is None:
        return unknown
    pilot = pilot_for(setting, measured)
    try:
        answer = answer_for(setting.with_(alpha=None), pilot)
    except (NotCovered, SettingError):
        return unknown
    start = answer.recommended
    if start is None:
        whose = "" if pilot is None else " for this network"
        return f"no alpha and temperature are known to be safe{whose}: {command} says why"
    if not plain and setting.alpha is not None and start.alpha <= setting.alpha:
        # With another temperature no weight was enough at this one.
        change = "lower alpha" if start.temperature == setting.temperature else "change weight and temperature"
    alpha = f"alpha = {within(start.alpha, answer.alpha.safe)}"
    at = f"at temperature {show(start.temperature)}"
    if form is None:
        return f"{change}: start from {alpha} {at} (recommend --mix says it in the weights of your code)"
    try:
        weights = to_weights(form, start.alpha, answer.setting.with_(temperature=start.temperature))
    except (NotCovered, SettingError) as reason:
        return f"{change}: start from {alpha} {at} ({reason})"
    named = ", ".join(f"{name} = {show(value)}" for name, value in zip(form.weights, weights, strict=True))
    return f"{change}: start from {named} in {form.formula}, which is {alpha}, {at}"


def _long_tail(setting: Setting | None, reasons: list[Reason], change: list[str]) -> None:
    """What a balanced sampler would change where classes differ in size."""
    if setting is None or not setting.unequal or setting.sampler != "random":
        return
    if setting.temperature is None or setting.batch_size is None:
        return
    each = max(2, setting.batch_size // setting.classes)
    counts = setting.class_counts or ()
    if each * setting.classes > 2 * setting.batch_size or each > min(counts):
        return
    balanced = setting.with_(sampler="balanced", batch_size=each * setting.classes)
    try:
        now, then = collapse_limits(setting).open_above, collapse_limits(balanced).open_above
    except (NotCovered, SettingError):
        return
    reasons.append(
        Reason(
            "setting",
            f"classes from {min(counts)} to {max(counts)} instances in random batches: the "
            f"last class leaves collapse above alpha = {above(now)}; in balanced batches of {balanced.batch_size} "
            f"above {above(then)}",
        )
    )
    if then < now:
        change.append(f"draw balanced batches of {balanced.batch_size} ({each} of each class)")
