"""The words of the codes that an Advice answers with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ssem_advisor.advice import Code, Note, Purpose, State
from ssem_advisor.domain import Setting
from ssem_advisor.printing import Meaning
from ssem_advisor.rounding import above, below, show


def words(note: Note) -> str:
    """The sentences of a note."""
    return _WORDS[note.code](note.values)


def _and_the_first(error: float) -> str:
    """How exact the weight is at which the first class opens; nothing where that is rounding."""
    return f", the one at which full collapse gives way to within {above(error, 2)}" if error >= 1e-5 else ""


_WORDS: dict[Code, Callable[[dict[str, Any]], str]] = {
    Code.one_view: lambda v: (
        "No safe setting: with one view the self-supervised term has no positives, so alpha has no meaning and nothing "
        "keeps the instances of a class apart. Use two views."
    ),
    Code.line: lambda v: (
        "Not covered: unit vectors in one dimension are two points and cannot spread. Use dim >= classes."
    ),
    Code.all_alone: lambda v: (
        "No safe setting: every anchor is alone with its class in the batch. Draw at least two instances of each class "
        "(P x K sampler)."
    ),
    Code.no_weight_prevents: lambda v: (
        f"No safe setting: at temperature {v['temperature']:g} the collapse threshold is {above(v['threshold'])}, so "
        "no weight prevents collapse. Use a smaller temperature or more instances of each class in the batch."
        if math.isfinite(v["threshold"])
        else f"No safe setting: at temperature {v['temperature']:g} no weight prevents collapse. Use a smaller "
        "temperature or more instances of each class in the batch."
    ),
    Code.no_weight_known: lambda v: (
        f"No safe setting: in dim {v['dim']} no weight is known to keep every class from collapse at temperature "
        f"{v['temperature']:g}. Use dim >= classes = {v['classes']}; in fewer a smaller temperature may do."
    ),
    Code.out_of_reach: lambda v: (
        f"No safe setting: at usual temperatures this network reaches a free spread of at most {show(v['reach'], 2)}, "
        f"less than {show(v['least'], 2)}. More instances of each class in the batch, a larger dim, or milder "
        "augmentations "
        "(more reliable views) would raise it."
    ),
    Code.not_covered: lambda v: f"Not covered: {v['reason']}.",
    Code.alpha_moved: lambda v: f"No temperature is safe at alpha {v['alpha']:g}, so the recommendation changes alpha.",
    Code.temperature_moved: lambda v: (
        f"No weight is safe at temperature {v['temperature']:g}; another temperature is, so the recommendation moves "
        "it."
    ),
    Code.both_moved: lambda v: (
        f"No weight is safe at temperature {v['temperature']:g}; another temperature is, so both change."
    ),
    Code.another_temperature: lambda v: (
        f"At the usual temperature {v['usual']:g} the wanted free spread would ask for "
        + (f"alpha {show(v['weight'])}" if v["weight"] <= 1 else "more than any weight gives")
        + f"; at {v['temperature']:g} more of the supervised term is left."
    ),
    Code.warmer_for_reliable_views: lambda v: (
        f"The measured views are reliable enough for temperature {v['temperature']:g}: they hardly move the threshold "
        f"there. Digits with such views kept finer labels better there than at {v['usual']:g}"
        + ("." if v.get("moved", True) else f": --temperature {v['temperature']:g} gives the weight to train there.")
    ),
    Code.less_than_wanted: lambda v: (
        f"A free spread of {show(v['wanted'], 2)} is out of reach with the weights that are safe here; the "
        f"recommendation aims at {show(v['free_spread'], 2)}. More instances of each class in the batch or a larger "
        "dim would reach it."
    ),
    Code.crowded: lambda v: (
        f"dim {v['dim']} < classes - 1 = {v['classes'] - 1}: the class means cannot form a simplex and leave no "
        "direction free. Every class has its own threshold, and the expected spread is a rough estimate. `measure` "
        "tells it from confusion by the nearest classes alone, an estimate as well."
    ),
    Code.tight: lambda v: (
        "dim = classes - 1: no direction beside the class means is left. Collapse is the optimum up to alpha "
        f"{below(v['collapse_up_to'])} and stays a local minimum up to {below(v['open_above'])}; nothing between the "
        "two is called safe. One more dimension removes the gap."
        if math.isfinite(v["open_above"])
        else "dim = classes - 1: no direction beside the class means is left, and no weight is known to exclude "
        "collapse. With one more dimension there is one."
    ),
    Code.unequal: lambda v: (
        "Classes differ in size: at the minimum of the loss each leaves collapse at a weight of its own, and the "
        "safe range begins where the last one has. Networks on long-tailed images spread all classes alike. The "
        "expected spread is a rough estimate for classes of equal mean size."
    ),
    Code.shared_directions: lambda v: (
        f"dim {v['dim']} leaves {v['beside']} direction{'s' * (v['beside'] != 1)} beside {v['classes']} class means, "
        "so that part of the spread lies between the classes. The expected spread is a rough estimate, and so is what "
        f"`measure` tells by the nearest classes alone; with dim {4 * v['classes']} and more both are sharp."
    ),
    Code.lonely_anchors: lambda v: (
        f"{v['share']:.0%} of the anchors have no other instance of their class in the batch: a class-balanced or "
        "P x K sampler, or a larger batch, gives them one."
        + (
            f" Plain SupCon then keeps about the spread of alpha {show(v['plain_network'], 2)} in a network, not its "
            "optimum; this was seen on long-tailed images with up to 17% of the anchors alone."
            if "plain_network" in v
            else ""
        )
    ),
    Code.sampled_threshold: lambda v: (
        f"The weight above which no class is collapsed is numerical, to within {above(v['error'], 2)}"
        f"{_and_the_first(v['collapse_error'])}; the safe range keeps clear of it."
    ),
    Code.minimiser_only: lambda v: (
        f"For {v['loss']} nothing is derived for imperfect views: the free spread is that of the loss's own minimum, "
        "more than a network reaches."
    ),
    Code.pilot: lambda v: (
        f"Views become more reliable as classes spread: {show(v['measured_reliability'], 2)} was measured at a free "
        f"spread of {show(v['measured_spread'], 2)}, and {show(v['reliability'], 2)} is expected at "
        f"{show(v['wanted'], 2)} (empirical rule). Measure again after a run at the new weight."
        + ("" if v["temperature"] else " If the run was not at the temperature above, give its own: --temperature.")
    ),
    Code.several_intervals: lambda v: (
        f"The safe temperatures at alpha {show(v['alpha'])} form more than one interval; the nearest one is shown."
    ),
    Code.fp16_overflow: lambda v: (
        f"In fp16, exp(1/tau) = exp({v['inverse']:.3g}) overflows (above 65504): keep the loss in float32 or subtract "
        "the row maximum."
    ),
    Code.fp16_underflow: lambda v: (
        f"Logits span 2/tau = {v['span']:.3g}: in fp16 the smallest softmax terms underflow; compute the loss in "
        "float32."
    ),
}

STATES = {
    State.collapse: "class collapse is the optimum: instances of a class end on one point",
    State.may_collapse: "not safe: some class is collapsed, or collapse is not excluded",
    State.too_little: "no collapse, but less free spread than finer labels need",
    State.safe: "safe",
    State.too_much: "so much spread that the classes themselves suffer",
    State.not_covered: "not covered, see the notes",
}

MEANINGS: dict[State, Meaning] = {
    State.collapse: "collapse",
    State.may_collapse: "collapse",
    State.safe: "safe",
    State.too_little: "estimate",
    State.too_much: "estimate",
    State.not_covered: "heading",
}

PURPOSES = {
    Purpose.start: "Start here. Then `measure` it; healthy: done.",
    Purpose.more_spread: "If the start measured too little. Better: more to keep.",
    Purpose.less_spread: "If the start cost coarse accuracy. Better: less mixing.",
    Purpose.warmer: "Same spread. Better: the views are reliable; go on that way.",
    Purpose.colder: "Same spread. Better: the views are worse than assumed.",
}


def describe_batch(setting: Setting) -> str:
    if setting.sampler == "full":
        return "the whole data set in one batch"
    if setting.sampler == "balanced":
        drawn = setting.classes_per_batch
        each = setting.batch_size // (drawn or setting.classes)
        return f"balanced batches of {setting.batch_size}" + (
            f" ({drawn} classes x {each})" if drawn else f" ({each} of each class)"
        )
    return f"random batches of {setting.batch_size}"


ASSUMED: dict[str, Callable[[Setting], str]] = {
    "loss": lambda s: f"the {s.loss} loss",
    "views": lambda s: f"{s.views} views",
    "sampler": lambda s: f"a {s.sampler} sampler",
    "batch_size": lambda s: f"batch size {s.batch_size}",
    "instances_per_class": lambda s: "an unlimited data set",
    "dim": lambda s: "a dim large enough for the exact theory",
}
