"""SSM4xx: classes, their sizes, and the space they are put in."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule
from ssem_advisor.rounding import above


def _codimension(case: Case) -> int | None:
    """dim - (classes - 1) of a supervised run; None if unknown."""
    classes, dim = case.value("classes"), case.value("dim")
    if not case.supervised or not isinstance(classes, int) or not isinstance(dim, int):
        return None
    return dim - (classes - 1)


@rule("SSM401", "dimension-below-simplex", "warning", theorem="DIMENSION", uses=("dim", "classes"))
def dimension_below_simplex(case: Case) -> Iterator[Says]:
    """The projection has fewer than `classes - 1` dimensions: the classes cannot lie equally far apart.

    ## What it does

    The rule compares the dimension of the projection with the number of classes.

    ## Why is this bad

    Class means at equal distances form a simplex, which needs `classes - 1` dimensions. With fewer dimensions some
    classes must be closer to each other than others, and the closed form of the collapse threshold does not apply.

    ## Example

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    balanced_batch: true
    batch_size: 500
    dim: 64
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

    Ignore it if some classes are naturally similar to each other, so that you do not want equal distances.
    """
    if (room := _codimension(case)) is not None and room < 0:
        classes = case.value("classes")
        yield Says(
            "dim",
            f"{case.shown('classes')} cannot be equally far apart in {case.shown('dim')}",
            f"use at least {classes} dimensions",
        )


@rule("SSM402", "dimension-exactly-simplex", "warning", theorem="TIGHT", uses=("dim", "classes"))
def dimension_exactly_simplex(case: Case) -> Iterator[Says]:
    """The projection has exactly `classes - 1` dimensions: collapse can trap the training above its threshold.

    ## What it does

    The rule reports a projection dimension equal to `classes - 1`.

    ## Why is this bad

    The class means use all dimensions, so no direction is left in which the instances of a class can spread. Collapse
    then remains a local minimum for weights well above the threshold, and training may end there.

    ## Example

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    balanced_batch: true
    batch_size: 650
    dim: 64
    num_classes: 65
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    balanced_batch: true
    batch_size: 650
    dim: 128
    num_classes: 65
    ```

    ## When to ignore

    Ignore it if `ssem-advisor measure` finds the trained embedding healthy.
    """
    if _codimension(case) == 0:
        yield Says(
            "dim",
            f"{case.shown('dim')} is exactly classes - 1 ({case.shown('classes')}): collapse stays a local minimum "
            "above its threshold",
            f"use at least {case.value('classes')} dimensions",
        )


@rule(
    "SSM403",
    "small-class-collapses",
    "error",
    theorem="UNEQUAL",
    uses=("alpha", "temperature", "class_counts", "classes", "views", "dim"),
    fixable=True,
)
def small_class_collapses(case: Case) -> Iterator[Says]:
    """Classes differ in size, and at this weight the smallest of them collapse.

    ## What it does

    The rule works out at which weight each class leaves collapse and compares the weight with the last of them, above
    which no class is known to stay collapsed. In few dimensions that is a search or an estimate, with its error added;
    where no weight is known to open every class, the rule says so in a warning. Many classes in many dimensions take
    too long here; use `ssem-advisor recommend` for them.

    ## Why is this bad

    Small classes usually need a larger weight than large ones. A weight that keeps the spread of the large classes can
    collapse the small ones, and an average over all classes does not show this.

    ## Example

    ```yaml
    temperature: 0.1
    alpha: 0.1
    n_augment: 2
    batch_size: 256
    dim: 128
    class_counts: [5000, 3000, 1000, 500, 100]
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.4
    n_augment: 2
    batch_size: 256
    dim: 128
    class_counts: [5000, 3000, 1000, 500, 100]
    ```

    ## When to ignore

    Ignore it if the small classes do not matter.
    """
    verdict = case.verdict
    if verdict is None or not verdict.setting.unequal or not verdict.collapses:
        return
    counts, weight = verdict.setting.class_counts or (), f"alpha {verdict.setting.alpha:.4g}"
    sizes = f"(class sizes {min(counts)} to {max(counts)})"
    if verdict.threshold >= 1:
        told = f"{weight}: no weight is known to open every class {sizes}"
        yield Says("alpha", told, "draw balanced batches, or use more dimensions", "warning")
        return
    yield Says(
        "alpha",
        f"{weight} is at or below {above(verdict.threshold)}, and only above it no class is known to stay collapsed "
        f"{sizes}",
        f"raise alpha above {above(verdict.threshold)}, or draw balanced batches",
    )


@rule("SSM404", "relu-before-loss", "warning", theorem="GEOMETRY")
def relu_before_loss(case: Case) -> Iterator[Says]:
    """The embedding passes a ReLU before it enters the loss.

    ## What it does

    The rule reports a projection whose last layer is a ReLU.

    ## Why is this bad

    Without negative coordinates two embeddings can be orthogonal, but never opposite. The class means then cannot form
    the simplex that minimises the loss, and other thresholds hold: `ssem-advisor recommend --features non-negative`
    computes them.

    ## Example

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    projector: {projection_dim: 128, last_activation: relu}
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    projector: {projection_dim: 128, last_activation: none}
    ```

    ## When to ignore

    Ignore it if the loss does not normalise the embedding.
    """
    if case.supervised:
        for trap in case.traps("relu-last"):
            yield Says(trap, "the embedding passes a ReLU before the loss", "end the projection with a linear layer")
