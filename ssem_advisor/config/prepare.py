"""What the training program's own parsers do to a tree before any value is used."""

from __future__ import annotations

import re
from dataclasses import replace

from ssem_advisor.config import scalars
from ssem_advisor.config.dialects import Dialect
from ssem_advisor.config.from_shell import LAUNCHER
from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import UNKNOWN, Tree, normalise

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_OMEGACONF = re.compile(r"^defaults *:|^# *@package|\$\{", re.M)
_MAX_HOPS = 10


def resolved(tree: Tree) -> Tree:
    """Interpolations followed within the tree; what only a running program can fill in becomes UNKNOWN."""
    if tree.format == "shell":
        return tree
    places = {leaf.path: leaf for leaf in tree.leaves}
    # OmegaConf and jsonargparse read 1e-1 as a number, PyYAML as a text.
    lenient = bool(tree.names & {"_target_", "class_path"}) or _OMEGACONF.search(tree.text) is not None
    leaves = []
    for leaf in tree.leaves:
        for _ in range(_MAX_HOPS):
            match = _REFERENCE.fullmatch(leaf.value) if isinstance(leaf.value, str) else None
            target = places.get(tuple(match.group(1).split("."))) if match else None
            if target is None:
                break
            leaf = target.moved(leaf.path)
        if isinstance(leaf.value, str):
            if "${" in leaf.value or "{{" in leaf.value or leaf.value == "???":
                leaf = replace(leaf, value=UNKNOWN)
            elif lenient and leaf.quirk == "string-number":
                leaf = replace(leaf, value=scalars.word(leaf.value), quirk="")
        leaves.append(leaf)
    return replace(tree, leaves=leaves)


def completed(tree: Tree, dialect: Dialect) -> Tree:
    """Abbreviated flags spelt out: argparse accepts any unique prefix of a long one."""
    if tree.format != "shell":
        return tree
    script = {"_".join(normalise(flag)) for flag in dialect.flags}
    quantities = ("temperature", "alpha", "batch_size", "views", "classes")
    names = script or {name for quantity in quantities for name in dialect.names(quantity) if "." not in name}
    shortest = 1 if script else 4  # without the script's own list of flags, a short prefix could be anything
    leaves, traps, complete = [], list(tree.traps), tree.complete
    for leaf in tree.leaves:
        flag, name = leaf.path[0], "_".join(leaf.keys)
        if isinstance(flag, str) and flag.startswith("--") and name not in names and len(name) >= shortest:
            full = [other for other in names if other.startswith(name)]
            if script and not full and name not in LAUNCHER:
                complete = False  # a fork of the script, whose defaults nobody has read
            elif len(full) == 1:
                traps.append(Trap("abbreviated-flag", f"read as --{full[0]}", flag, leaf.location))
                leaf = leaf.moved((f"--{full[0]}", *leaf.path[1:]))
            elif full and script:
                complete = False
                traps.append(Trap("malformed", f"may be {' or '.join(sorted(full))}", flag, leaf.location))
        leaves.append(leaf)
    return replace(tree, leaves=leaves, traps=traps, complete=complete)
