"""What else a config says about the training that matters for collapse, as traps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ssem_advisor.config import scalars
from ssem_advisor.config.evidence import elsewhere
from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import Text, Tree

_QUEUE = re.compile(r"moco_k|queue_(?:size|len\w*)|memory_bank_size|bank_size|q_size\w*")
_OTHER_QUEUE = re.compile(r"gan|pool|image|replay|buffer|load|data|log")
_LAST_RELU = re.compile(r"(?:last|final|output|proj(?:ect(?:or|ion))?(?:_out\w*)?)_(?:relu|activation|act)")
_AUTOCAST = re.compile(r"(?:^|_)amp(?:_|$)|mixed_precision|autocast|^fp16$|use_fp16")
_WITH_GRADIENT = frozenset({"gather_with_grad", "gather_with_gradient", "gather_grad"})
_GATHER_CALL = re.compile(r"\ball_gather(?:_into_tensor)?\(")
_GRADIENT_CALL = re.compile(r"distributed\.nn|autograd\.Function|fabric\.all_gather|self\.all_gather|sync_grads")


def hazards(tree: Tree) -> Iterator[Trap]:
    """Queues, batches without shuffling, a ReLU at the end, and gathering that cuts the gradient."""
    for leaf in tree.leaves:
        if not leaf.keys:
            continue
        *sections, name = leaf.keys
        if (
            (
                _QUEUE.fullmatch(name)
                or (name == "k" and "moco" in sections)
                or (name == "memory_size" and any("memory" in key for key in sections))
            )
            and scalars.is_number(leaf.value)
            and leaf.value > 0
            and not any(_OTHER_QUEUE.search(key) for key in leaf.keys)
        ):
            yield Trap("queue", f"{leaf.dotted} = {leaf.raw}", leaf.dotted, leaf.location)
        elif name in _WITH_GRADIENT and leaf.value is False:
            detail = "the embeddings of other devices come without gradient"
            yield Trap("gather-without-gradient", detail, leaf.dotted, leaf.location)
        elif _AUTOCAST.search(name) and leaf.value not in (False, None, "no", "O0"):
            detail = "autocast computes softmax and exponentials in float32"
            yield Trap("autocast", detail, leaf.dotted, leaf.location)
        elif name == "precision" and "mixed" in str(leaf.value):
            yield Trap("autocast", "mixed precision is autocast", leaf.dotted, leaf.location)
        elif name == "shuffle" and leaf.value is False and not elsewhere(leaf):
            yield Trap("no-shuffle", "the batches are the same in every epoch", leaf.dotted, leaf.location)
        elif _LAST_RELU.fullmatch(name) and str(leaf.value).lower() in ("true", "relu"):
            yield Trap("relu-last", "the projection ends in a ReLU", leaf.dotted, leaf.location)
    if tree.format == "python" and (call := _GATHER_CALL.search(tree.text)) and not _GRADIENT_CALL.search(tree.text):
        yield Trap(
            "gather-without-gradient", "all_gather cuts the gradient", "all_gather", Text(tree.text).at(*call.span())
        )
