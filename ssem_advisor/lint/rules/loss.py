"""SSM2xx: the form of the loss."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule

_ADD = "add a self-supervised term, L = (1-alpha) L_sup + alpha L_self"


def _collapses(case: Case, message: str, remedy: str = _ADD) -> Says:
    """The sentence, what it rests on, and the weight that would prevent it, or the command that gives one."""
    from ssem_advisor.lint.remedy import in_words, remedy_for

    seen = remedy_for(case.run, case.document.path, case.queue)
    if case.value("views") == 1:
        remedy = f"use two views, and {remedy}"
    why = f", once you know {in_words(list(seen.missing))}" if seen.missing else ""
    remedy = f"{remedy}; for alpha{why}: {seen.command}"
    return Says("loss", message, remedy, case.severity_of_collapse(), case.read, seen.numbers)


@rule("SSM201", "plain-supcon", "warning", theorem="PLAIN-SUPCON", uses=("loss",))
def plain_supcon(case: Case) -> Iterator[Says]:
    """The loss is supervised contrastive alone: class collapse minimises it at every temperature.

    ## What it does

    The rule reports a supervised contrastive loss without a self-supervised term. It needs no number, because the
    statement holds for every temperature, batch and number of classes.

    ## Why is this bad

    Nothing in the loss keeps two instances of a class apart. For pure classification this may be what you want, so the
    finding is a warning. With `goal = "transfer"` it is an error, and with `goal = "classification"` it is a note.

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

    Ignore it if you will only ever use the trained classes. You can say so once with `goal = "classification"`. The
    recommended weight stays the same: on the recorded images it cost no accuracy on the trained labels.
    """
    if case.supervised and case.run.kind == "supcon" and case.value("loss") != "l_in":
        yield _collapses(case, "plain supervised contrastive loss: class collapse minimises it at every temperature")


@rule("SSM202", "cross-entropy-plus-supcon", "warning", theorem="CE-SUPCON", uses=("loss",))
def cross_entropy_plus_supcon(case: Case) -> Iterator[Says]:
    """Cross-entropy does not keep a supervised contrastive loss from collapsing.

    ## What it does

    The rule reports a supervised contrastive loss that has cross-entropy beside it, but no self-supervised term.

    ## Why is this bad

    Cross-entropy depends only on the classes, too. Both terms are smallest when the instances of a class have the same
    embedding, so the weight between them cannot prevent collapse. With `goal = "transfer"` the finding is an error,
    and with `goal = "classification"` it is a note.

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

    Ignore it if you will only ever use the trained classes. You can say so once with `goal = "classification"`. The
    recommended weight stays the same: on the recorded images it cost no accuracy on the trained labels.
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

    The rule reports a method that is known to average the positives inside the logarithm instead of outside, such as
    `supcon` in solo-learn, if it has no self-supervised term. If it has one, `alpha` is compared with the threshold of
    that mixture.

    ## Why is this bad

    This form has collapse as its optimum at every temperature, too. It is also not the loss of most published results
    and of most theorems here. In its gradient, easy positives can replace hard ones. For a mixture with a
    self-supervised term, it is only known at which weight collapse stops being a local minimum (`ssem-advisor
    recommend --loss l_in`).

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

    The same reasons as for `plain-supcon` apply.
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

    The rule reports `alpha > 0` with one view.

    ## Why is this bad

    The positives of the self-supervised term are the other views of the same instance. With one view there are none,
    so the term is zero or NaN, and the weight has no effect or a wrong one.

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

    Ignore it if the second view comes from inside the model, for example from dropout.
    """
    alpha = case.value("alpha")
    if case.run.kind == "supcon+self" and case.value("views") == 1 and (alpha is None or alpha > 0):
        yield Says(
            "views",
            "the self-supervised term has no positives: there is one view of each instance",
            "use two augmented views",
        )
