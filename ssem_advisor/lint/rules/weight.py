"""SSM1xx: the weight of the self-supervised term and the temperature."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, Verdict, rule
from ssem_advisor.rounding import above, below

_BATCH = (
    "classes",
    "batch_size",
    "views",
    "sampler",
    "classes_per_batch",
    "instances_per_class",
    "class_counts",
    "dim",
)
_ALL = ("alpha", "temperature", *_BATCH)


@rule("SSM101", "collapse-is-optimal", "error", theorem="THRESHOLD", uses=_ALL, fixable=True)
def collapse_is_optimal(case: Case) -> Iterator[Says]:
    """Class collapse minimises the loss at this weight and temperature.

    ## What it does

    The rule computes the collapse threshold of the run from its temperature, number of classes, batch and views, and
    compares it with the weight `alpha` of the self-supervised term. At or below the threshold, the loss is smallest
    when all instances of a class have the same embedding.

    ## Why is this bad

    A collapsed embedding tells classes apart and nothing else. The differences between the instances of a class are
    trained away, and transfer, retrieval, finer labels and the detection of new classes need exactly these
    differences. Longer training and a better optimiser make it worse.

    ## Example

    ```yaml
    temperature: 0.5
    alpha: 0.1
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.3
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## When to ignore

    Ignore it if you will only ever use the trained classes, or if collapse is the subject of your study.
    """
    verdict = case.verdict
    if verdict is None or not verdict.collapses or verdict.setting.unequal:
        return
    from ssem_advisor.advice import LARGEST_WEIGHT

    remedies = []
    if verdict.threshold < LARGEST_WEIGHT:
        remedies.append(f"raise alpha above {above(verdict.threshold)}")
    if verdict.critical:
        remedies.append(f"lower the temperature below {below(verdict.critical)}")
    local = {"loss", "queue"} & set(verdict.setting.extras)  # proven for the neighbourhood of collapse alone
    what = "is a local minimum of" if local else "minimises"
    yield Says(
        "alpha",
        f"class collapse {what} the loss: alpha {verdict.setting.alpha:.4g} is at or below its threshold "
        f"{above(verdict.threshold)} at {case.shown('temperature', 'classes', 'batch_size')}",
        ", or ".join(remedies) or _RECOMMEND,
    )


@rule("SSM102", "close-to-collapse", "warning", theorem="RELIABILITY", uses=_ALL, fixable=True)
def close_to_collapse(case: Case) -> Iterator[Says]:
    """The weight is above the collapse threshold, but leaves less free spread than finer labels need.

    ## What it does

    The rule estimates the free spread that a typical network reaches, which is the share of the variance that
    instances of one class differ in. It reports a free spread below the range that `ssem-advisor recommend` calls
    safe. With exactly classes - 1 dimensions it also reports a weight at which collapse is still a local minimum,
    although it is no longer proved to be the optimum.

    ## Why is this bad

    In theory the optimum is not collapsed. But a network that cannot recognise every instance under augmentation has a
    higher threshold than the ideal one. In the recorded runs on images, the accuracy on finer labels falls towards
    that of plain SupCon when the free spread is below the safe range.

    ## Example

    ```yaml
    temperature: 0.1
    alpha: 0.05
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.25
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## When to ignore

    Ignore it if `ssem-advisor measure` finds the trained embedding healthy. If the views are nearly perfect, a smaller
    weight is enough.
    """
    verdict = case.verdict
    if verdict is None or verdict.point is None or verdict.safe_spread is None:
        return
    from ssem_advisor.advice import State

    if verdict.may_stay:
        known = math.isfinite(verdict.open_above)
        yield Says(
            "alpha",
            f"alpha {verdict.setting.alpha:.4g} is above {below(verdict.threshold)}, up to which collapse is proven to "
            "be the optimum, but "
            + (
                f"collapse stays a minimum up to {above(verdict.open_above)}"
                if known
                else "no weight is known to end it"
            )
            + f" in exactly classes - 1 dimensions ({case.shown('dim', 'classes')})",
            (f"raise alpha above {above(verdict.open_above)}, or " if known else "") + "use more dimensions",
        )
    elif verdict.point.state is State.too_little:
        remedy = _RECOMMEND if verdict.safe is None else f"raise alpha to {above(verdict.safe[0])} or more"
        yield Says(
            "alpha",
            f"alpha {verdict.setting.alpha:.4g} is above its collapse threshold {below(verdict.threshold)}, but a "
            f"typical network keeps little free spread: {_spread(verdict)}, and {verdict.safe_spread[0]:.2g} is safe, "
            f"at {case.shown('temperature', 'classes')}",
            remedy,
        )


_RECOMMEND = "lower the temperature and raise alpha (ssem-advisor recommend gives both)"


def _spread(verdict: Verdict) -> str:
    """The expected free spread, and how it is known."""
    from ssem_advisor.advice import Basis

    point = verdict.point
    assert point is not None
    kind = {Basis.exact: "exact", Basis.rough: "a rough estimate"}
    return f"about {point.free_spread:.2g} ({kind.get(point.basis, 'an estimate')})"  # type: ignore[arg-type]


@rule("SSM103", "temperature-above-critical", "warning", theorem="TEMPERATURE", uses=_ALL, fixable=True)
def temperature_above_critical(case: Case) -> Iterator[Says]:
    """The temperature is at or above the one from which on class collapse minimises the loss.

    ## What it does

    The rule compares the temperature with the critical temperature at the `alpha` of the run. If `alpha` is not known,
    it compares the temperature with the one above which no weight prevents collapse.

    ## Why is this bad

    At a high temperature the softmax hardly reacts to the differences within a class. This is the same problem as in
    `collapse-is-optimal`. It is reported at the temperature because lowering the temperature is the other remedy.

    ## Example

    ```yaml
    temperature: 0.5
    alpha: 0.5
    n_augment: 2
    balanced_batch: true
    batch_size: 500
    dim: 128
    num_classes: 100
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    balanced_batch: true
    batch_size: 500
    dim: 128
    num_classes: 100
    ```

    ## When to ignore

    The same reasons as for `collapse-is-optimal` apply.
    """
    verdict = case.verdict
    if verdict is None:
        return
    temperature = verdict.setting.temperature
    if verdict.collapses and verdict.critical:
        critical = below(verdict.critical)
        yield Says(
            "temperature",
            f"temperature {temperature} is at or above {critical}, its critical value at "
            f"{case.shown('alpha', 'classes')}",
            f"lower the temperature below {critical}",
        )
    elif verdict.setting.alpha is None and verdict.threshold >= 1:
        yield Says(
            "temperature",
            f"at temperature {temperature} class collapse minimises the loss whatever the weight alpha",
            "lower the temperature",
            "error",
        )


@rule("SSM104", "too-much-variance", "warning", theorem="RELIABILITY", uses=_ALL, fixable=True)
def too_much_variance(case: Case) -> Iterator[Says]:
    """The weight asks for so much free spread that the classes themselves suffer.

    ## What it does

    The rule estimates the free spread that a typical network reaches, which is the share of the variance that
    instances of one class differ in. It reports a free spread above the range that `ssem-advisor recommend` calls
    safe.

    ## Why is this bad

    The self-supervised term dominates. In the recorded runs on images, the accuracy on the trained labels fell above
    the safe range, and the accuracy on finer labels did not rise any more.

    ## Example

    ```yaml
    temperature: 0.2
    alpha: 0.95
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## Use instead

    ```yaml
    temperature: 0.2
    alpha: 0.3
    n_augment: 2
    balanced_batch: true
    batch_size: 250
    dim: 128
    num_classes: 10
    ```

    ## When to ignore

    Ignore it if the labels are only a hint, for example because many of them are wrong.
    """
    verdict = case.verdict
    if verdict is None or verdict.point is None or verdict.safe_spread is None:
        return
    from ssem_advisor.advice import LARGEST_WEIGHT, State

    point = verdict.point
    if point.state is not State.too_much or point.free_spread is None:
        return
    what = (
        f"a typical network reaches a free spread of {_spread(verdict)}, and up to {verdict.safe_spread[1]:.2g} is safe"
    )
    if point.free_spread <= verdict.safe_spread[1]:
        what = f"above {LARGEST_WEIGHT:g} too little is left of the supervised one"
    yield Says(
        "alpha",
        f"the self-supervised term takes over: {what}, at {case.shown('alpha', 'temperature', 'classes')}",
        _RECOMMEND if verdict.safe is None else f"lower alpha to {below(verdict.safe[1])} or less",
    )
