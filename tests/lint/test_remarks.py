"""What `check` says of runs in which nothing is wrong."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from ssem_advisor.config import read
from ssem_advisor.lint import Policy, check_document
from ssem_advisor.theory.values import reference_losses


def remarks(text, name="train.yaml"):
    result = check_document(read(Path(name), text=text), Policy())
    assert not result.active
    return result.remarks


def info_nce(embeddings, positives, queue=0, temperature=0.2):
    """InfoNCE of equal rows by its definition, with so many further keys."""
    similar = embeddings @ embeddings.T / temperature
    losses = []
    for anchor, positive in enumerate(positives):
        others = [similar[anchor, other] for other in range(len(positives)) if other != anchor or queue]
        candidates = [similar[anchor, positive], *([1 / temperature] * queue)] if queue else others
        losses.append(np.log(np.exp(candidates).sum()) - similar[anchor, positive])
    return float(np.mean(losses))


def test_simclr_is_told_the_loss_of_equal_embeddings_and_a_weight():
    (said,) = remarks("method: simclr\ntemperature: 0.2\nprojection_dim: 128\nbatch_size: 16\nnum_classes: 4\n")
    told = float(re.search(r"ln\(2 x 16 - 1\) = ([\d.]+)", said).group(1))
    equal = np.tile([1.0, 0.0], (32, 1))
    assert told == pytest.approx(info_nce(equal, [(i + 16) % 32 for i in range(32)]), abs=0.01)
    assert said.startswith("1: note: ")
    assert "4 classes in random batches of 16" in said


def test_a_queue_counts_the_keys_and_gives_the_command():
    line = "python main_moco.py --batch-size 8 --moco-k 64 --moco-t 0.2 --num_classes 4 --mlp\n"
    (said,) = remarks(line, "train.sh")
    told = float(re.search(r"ln\(1 \+ 64\) = ([\d.]+)", said).group(1))
    assert told == pytest.approx(info_nce(np.tile([1.0, 0.0], (8, 1)), range(8), queue=64), abs=0.01)
    assert said.endswith("ssem-advisor recommend --config train.sh --queue 64")


def test_a_mixture_in_the_safe_range_is_told_how_far_it_is_from_collapse():
    text = (
        "loss: {name: supcon_simclr, lambda_self: 0.3, lambda_sup: 1.0}\ntemperature: 0.1\nnum_classes: 10\n"
        "batch_size: 256\nn_views: 2\nprojection_dim: 128\n"
    )
    (said,) = remarks(text)
    assert said.startswith("1: note: alpha 0.2308 (inferred) is above its collapse threshold 0.0201")


def test_nothing_is_said_of_a_number_that_the_file_does_not_give():
    (said,) = remarks("method: simclr\ntemperature: 0.2\n")
    assert "ln(" not in said
    assert said.endswith("recommend --config train.yaml --classes CLASSES --batch-size BATCH_SIZE")


def test_a_loss_whose_candidates_are_not_known_gets_no_number():
    (said,) = remarks("method: infonce\ntemperature: 0.2\nbatch_size: 64\nprojection_dim: 128\n")
    assert "ln(" not in said


def test_the_number_of_equal_embeddings_is_that_of_the_theory():
    from ssem_advisor import Setting

    values = reference_losses(Setting(classes=4, batch_size=16, views=2, temperature=0.2, alpha=1.0))
    assert math.log(31) == pytest.approx(float(values.total_collapse))
