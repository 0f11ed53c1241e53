"""SSM3xx: what one loss value sees."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule

_LONELY = 0.1


@rule("SSM301", "few-positives", "warning", theorem="BATCH", uses=("classes", "batch_size", "sampler"))
def few_positives(case: Case) -> Iterator[Says]:
    """Many anchors meet no other instance of their class in a batch.

    ## What it does

    The rule computes the share of anchors that meet no other instance of their class under the sampler of the run. It
    reports a share above one tenth.

    ## Why is this bad

    For such an anchor the supervised term is zero, or NaN in code that divides by the number of positives. The loss
    then learns from only a part of the batch, and the supervised term has less weight than the config says.

    ## Example

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    batch_size: 256
    dim: 1024
    num_classes: 1000
    ```

    ## Use instead

    ```yaml
    temperature: 0.1
    alpha: 0.5
    n_augment: 2
    batch_size: 512
    dim: 128
    num_classes: 100
    ```

    or a sampler that draws several instances of each class it draws.

    ## When to ignore

    Ignore it if a sampler outside the config already draws several instances of each class. You can state this under
    `[tool.ssem-advisor]`.
    """
    if not case.supervised or (share := case.lonely_share) is None or share <= _LONELY:
        return
    if any(case.traps("queue")):  # the keys hold positives
        return
    yield Says(
        "batch_size",
        f"{share:.0%} of the anchors have no other instance of their class in the batch "
        f"({case.shown('batch_size', 'classes', 'sampler')})",
        "draw several instances of each class (a balanced or P x K sampler), or use a larger batch",
    )


@rule("SSM302", "per-device-batch", "warning", theorem="BATCH", uses=("batch_size", "world_size", "gather"))
def per_device_batch(case: Case) -> Iterator[Says]:
    """The run uses several devices, but each computes the loss on its own part of the batch.

    ## What it does

    The rule reports a contrastive loss on more than one device if the embeddings are not gathered.

    ## Why is this bad

    The loss sees the batch of one device. More devices do not add positives or negatives, and the collapse threshold
    remains that of the small batch.

    ## Example

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    num_gpus: 8
    gather: false
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    num_gpus: 8
    gather: true
    ```

    ## When to ignore

    Ignore it if the batch of one device is the batch that you planned with.
    """
    devices = case.value("world_size")
    if case.supervised and devices is not None and devices > 1 and case.value("gather") is False:
        yield Says(
            "world_size",
            f"the loss sees the batch of one device only: {case.shown('batch_size', 'world_size')}, no gather",
            "gather the embeddings of all devices (with gradient), or plan with the batch of one device",
        )


@rule("SSM303", "gather-without-gradient", "warning", theorem="BATCH", uses=("gather",))
def gather_without_gradient(case: Case) -> Iterator[Says]:
    """Embeddings of other devices enter the loss without their gradient.

    ## What it does

    The rule reports a gather that does not pass the gradient on, as `torch.distributed.all_gather` by itself.

    ## Why is this bad

    Each device then minimises a different function from the loss over the whole batch. The pull of the anchors on
    other devices is missing, the gradient is too small by a factor that depends on the number of devices, and a
    threshold that is computed for the whole batch does not apply.

    ## Example

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    num_gpus: 8
    gather_with_grad: false
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    num_gpus: 8
    gather_with_grad: true
    ```

    ## When to ignore

    Ignore it if the code restores the gradient in another way.
    """
    for trap in case.traps("gather-without-gradient"):
        yield Says(
            trap,
            "the gather across devices cuts the gradient",
            "use a gather that passes the gradient (torch.distributed.nn.all_gather)",
        )


@rule("SSM304", "memory-bank", "warning", theorem="BATCH")
def memory_bank(case: Case) -> Iterator[Says]:
    """A memory bank or queue adds stale embeddings to the loss.

    ## What it does

    The rule reports a queue or memory bank beside a supervised contrastive loss.

    ## Why is this bad

    With a queue the anchors meet many more embeddings, which are old and have no gradient. The collapse threshold of
    the batch therefore does not apply. If the keys count as current embeddings, it is known at which weight collapse
    stops being a local minimum (`ssem-advisor recommend --queue KEYS`). How old keys change this weight is not known.

    ## Example

    ```sh
    python main_supcon.py --method SupCon --temp 0.1 --batch_size 256 --moco-k 65536
    ```

    ## Use instead

    ```sh
    python main_supcon.py --method SupCon --temp 0.1 --batch_size 256
    ```

    ## When to ignore

    Ignore it if `ssem-advisor measure` finds the trained embedding healthy.
    """
    if not case.supervised:
        return
    from ssem_advisor.lint.remedy import remedy_for

    classes = case.value("classes")
    for trap in case.traps("queue"):
        keys = case.queue
        command = (
            remedy_for(case.run, case.document.path, keys).command if keys else "ssem-advisor recommend --queue KEYS"
        )
        shared = f"; about {keys / classes:.0f} of the keys share the class of an anchor" if keys and classes else ""
        yield Says(
            trap,
            f"{trap.detail or 'a memory bank'}: the threshold of the batch does not hold with keys that are stale and "
            f"without gradient{shared}",
            f"for the local threshold: {command}; check the trained embedding with ssem-advisor measure",
        )


@rule("SSM305", "no-reshuffling", "warning", theorem="BATCH")
def no_reshuffling(case: Case) -> Iterator[Says]:
    """The training data is not shuffled anew in every epoch.

    ## What it does

    The rule reports a training loader with shuffling turned off beside a supervised contrastive loss.

    ## Why is this bad

    The threshold assumes that every batch is drawn anew. With fixed batches an instance meets the same few others in
    every epoch. If the data is stored class by class, each batch then holds one class and has no negatives at all.

    ## Example

    ```yaml
    method: supcon
    temperature: 0.1
    data: {batch_size: 256, shuffle: false}
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    data: {batch_size: 256, shuffle: true}
    ```

    ## When to ignore

    Ignore it if a sampler does the shuffling.
    """
    if case.supervised:
        for trap in case.traps("no-shuffle"):
            yield Says(
                trap, "the training data is not reshuffled: every epoch has the same batches", "turn shuffling on"
            )
