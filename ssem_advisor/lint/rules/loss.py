"""SSM2xx: the form of the loss."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule

_ADD = "add a self-supervised term, L = (1-alpha) L_sup + alpha L_self"


def _collapses(case: Case, message: str, remedy: str = _ADD) -> Says:
    """The sentence, what it rests on, and the weight that would prevent it, or the command that gives one."""
    from ssem_advisor.lint.remedy import in_words, remedy_for

    seen = remedy_for(case.run)
    if case.value("views") == 1:
        remedy = f"use two views, and {remedy}"
    if not seen.numbers:
        why = f" once {in_words(list(seen.missing))} is known" if seen.missing else ""
        remedy = f"{remedy}; for alpha{why}: {seen.command}"
    return Says("loss", message, remedy, case.severity_of_collapse(), case.read, seen.numbers)


@rule("SSM201", "plain-supcon", "warning", theorem="PLAIN-SUPCON", uses=("loss",))
def plain_supcon(case: Case) -> Iterator[Says]:
    """The loss is supervised contrastive alone: class collapse minimises it at every temperature.

    ## What it does

    Reports a supervised contrastive loss without a self-supervised term. No number is needed: the statement holds for
    every temperature, batch and number of classes.

    ## Why is this bad

    Nothing in the loss keeps two instances of a class apart. For pure classification that may be wanted, so this is a
    warning; with `goal = "transfer"` it is an error, with `goal = "classification"` a note.

    ## Example

    ```yaml
    loss: {name: supcon, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 2}
    model: {projection_dim: 128}
    ```

    ## Use instead

    ```yaml
    loss: {supcon_weight: 0.7, simclr_weight: 0.3, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 2}
    model: {projection_dim: 128}
    ```

    with the weight that `ssem-advisor recommend` gives.

    ## When to ignore

    When the classes are all that will ever be asked of the embedding: say so once with `goal = "classification"`.
    """
    if case.supervised and case.run.kind == "supcon" and case.value("loss") != "l_in":
        yield _collapses(case, "plain supervised contrastive loss: class collapse minimises it at every temperature")


@rule("SSM202", "cross-entropy-plus-supcon", "warning", theorem="CE-SUPCON", uses=("loss",))
def cross_entropy_plus_supcon(case: Case) -> Iterator[Says]:
    """Cross-entropy does not keep a supervised contrastive loss from collapsing.

    ## What it does

    Reports a supervised contrastive loss that is joined by cross-entropy, but not by a self-supervised term.

    ## Why is this bad

    Cross-entropy looks at classes as well: both terms are smallest when the instances of a class share one embedding,
    so their weight is no remedy. With `goal = "transfer"` this is an error, with `goal = "classification"` a note.

    ## Example

    ```yaml
    loss: {ce_weight: 1.0, supcon_weight: 0.5, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 2}
    model: {projection_dim: 128}
    ```

    ## Use instead

    ```yaml
    loss: {supcon_weight: 0.7, simclr_weight: 0.3, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 2}
    model: {projection_dim: 128}
    ```

    with the weight that `ssem-advisor recommend` gives.

    ## When to ignore

    When the classes are all that will ever be asked of the embedding: say so once with `goal = "classification"`.
    """
    if case.supervised and case.run.kind == "ce+supcon" and case.value("loss") != "l_in":
        yield _collapses(
            case,
            "cross-entropy with a supervised contrastive loss: class collapse minimises both, whatever their weights",
        )


@rule("SSM203", "log-of-sum-form", "warning", theorem="L-IN", uses=("loss",))
def log_of_sum_form(case: Case) -> Iterator[Says]:
    """The supervised contrastive loss takes the logarithm of a sum over positives (the L_in form).

    ## What it does

    Reports a method known to average the positives inside the logarithm instead of outside, as solo-learn's `supcon`,
    without a self-supervised term; with one, `alpha` is compared with the threshold of that mixture.

    ## Why is this bad

    This form collapses at every temperature as well, and it is not the loss that the published results and the
    theorems behind this tool mostly speak of: its gradient lets easy positives stand for hard ones, and of a mixture
    with a self-supervised term only the weight is known at which collapse ceases to be a local minimum
    (`ssem-advisor recommend --loss l_in`).

    ## Example

    ```yaml
    method: supcon
    backbone: {name: resnet18}
    method_kwargs: {proj_hidden_dim: 2048, proj_output_dim: 256, temperature: 0.2}
    data: {dataset: cifar10}
    optimizer: {batch_size: 256}
    ```

    ## Use instead

    ```yaml
    method: simclr
    backbone: {name: resnet18}
    method_kwargs: {proj_hidden_dim: 2048, proj_output_dim: 256, temperature: 0.2}
    data: {dataset: cifar10}
    optimizer: {batch_size: 256}
    ```

    or a loss that averages over the positives outside the logarithm, with a self-supervised term.

    ## When to ignore

    As for `plain-supcon`.
    """
    if case.supervised and case.run.kind != "supcon+self" and case.value("loss") == "l_in":
        yield _collapses(
            case,
            "supervised contrastive loss with the sum over positives inside the logarithm: it collapses at every "
            "temperature, and a mixture with it has a local threshold only (recommend --loss l_in)",
            "average over the positives outside the logarithm, and " + _ADD,
        )


@rule("SSM204", "self-term-without-second-view", "error", theorem="THRESHOLD", uses=("alpha", "views"))
def self_term_without_second_view(case: Case) -> Iterator[Says]:
    """A self-supervised term has a weight, but there is only one view of each instance.

    ## What it does

    Reports `alpha > 0` with one view.

    ## Why is this bad

    The positives of the self-supervised term are the other views of the same instance. With one view there are none:
    the term is zero, or NaN, and the weight does not do what it says.

    ## Example

    ```yaml
    loss: {supcon_weight: 0.7, simclr_weight: 0.3, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 1}
    model: {projection_dim: 128}
    ```

    ## Use instead

    ```yaml
    loss: {supcon_weight: 0.7, simclr_weight: 0.3, temperature: 0.1}
    data: {num_classes: 10, batch_size: 256, n_views: 2}
    model: {projection_dim: 128}
    ```

    ## When to ignore

    When the second view comes from inside the model, as from dropout.
    """
    alpha = case.value("alpha")
    if case.run.kind == "supcon+self" and case.value("views") == 1 and (alpha is None or alpha > 0):
        yield Says(
            "views",
            "the self-supervised term has no positives: there is one view of each instance",
            "use two augmented views",
        )
