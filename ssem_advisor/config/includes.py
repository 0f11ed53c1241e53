"""Configs that continue in other files: `_base_` of OpenMMLab and Hydra's `defaults` list.

Only plain files inside the project are followed, a bounded number of them, and each once on the way down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import UNKNOWN, Leaf, Tree, Unreadable, override

MAX_OPENED = 100
MAX_HOPS = 8
_MARKERS = (".git", "pyproject.toml", "ssem-advisor.toml", "setup.py", "setup.cfg", "requirements.txt")
_PACKAGE = re.compile(r"^\s*#\s*@package\s+([\w.]+)", re.M)
_BASES = frozenset({"_base_", "_BASE_"})
_PLAIN = re.compile(r"[\w./ -]+")

Parse = Callable[[Path], Tree]
"""Reads one file into a tree, without following what it includes; raises Unreadable."""


def project_root(path: Path) -> Path:
    """The folder that includes must not leave: the nearest one with a project's marks, else the file's own."""
    folder = path.absolute().parent
    for place in (folder, *folder.parents):
        if any((place / marker).exists() for marker in _MARKERS):
            return place.resolve()
    here = Path.cwd()
    return here.resolve() if folder.is_relative_to(here) else folder.resolve()


@dataclass
class _Walk:
    """What following the includes of one file has cost and met so far."""

    parse: Parse
    root: Path
    opened: int = 0
    trees: dict[Path, Tree] = field(default_factory=dict)
    traps: list[Trap] = field(default_factory=list)
    complete: bool = True

    def refuse(self, what: str, leaf: Leaf | None) -> None:
        self.complete = False
        key, place = (leaf.dotted, leaf.location) if leaf is not None else ("", None)
        self.traps.append(Trap("include", what, key, place))

    def open(self, path: Path, leaf: Leaf | None, chain: tuple[Path, ...]) -> Tree | None:
        """The tree of an included file; None, with a trap, if it must not or cannot be read."""
        try:
            real = path.resolve()
            if not real.is_relative_to(self.root):
                self.refuse(f"{path.name} is outside the project, not followed", leaf)
            elif real in chain:
                self.refuse(f"{path.name} includes itself", leaf)
            elif len(chain) > MAX_HOPS or self.opened >= MAX_OPENED:
                self.refuse(f"{path.name} is not followed: too many files", leaf)
            else:
                self.opened += 1
                if real not in self.trees:
                    self.trees[real] = _marked(self.parse(real), real)
                return self.trees[real]
        except (Unreadable, OSError, ValueError, RuntimeError) as error:
            self.refuse(f"{path.name}: {error}", leaf)
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or no name at all
        return False


def _marked(tree: Tree, path: Path) -> Tree:
    """The tree with its own path in every location."""
    leaves = [replace(leaf, location=replace(leaf.location, path=path)) for leaf in tree.leaves]
    return replace(tree, leaves=leaves)


def follow(tree: Tree, parse: Parse) -> Tree:
    """The tree with everything it includes underneath its own values."""
    names = {leaf.path[0] for leaf in tree.leaves}
    if not names & {*_BASES, "defaults"}:
        package = _PACKAGE.search(tree.text[:500]) if tree.format == "yaml" else None
        return tree if package is None else replace(tree, leaves=_placed(tree.leaves, package.group(1), ""))
    walk = _Walk(parse, project_root(tree.path))
    chain = (tree.path.absolute().resolve(),)
    if names & _BASES:
        leaves = _based(tree, walk, chain)
    elif any(leaf.path[0] == "defaults" and len(leaf.path) > 1 and leaf.path[1] == 0 for leaf in tree.leaves):
        leaves = _Hydra(walk, tree.path.absolute().parent).compose(tree, chain)
    else:
        return tree
    return replace(tree, leaves=leaves, traps=tree.traps + walk.traps, complete=tree.complete and walk.complete)


# -- --config ---------------------------------------------------------------------------------------------------------

_CONFIG_FLAGS = frozenset({"c", "cfg", "conf", "config", "config_file", "cfg_file", "config_path", "yaml", "yml_path"})


def configured(tree: Tree, parse: Parse) -> Tree:
    """A launch line with the config file that it names underneath its flags; only a file inside the project is read."""
    leaf = next((each for each in tree.leaves if each.keys[-1:] and each.keys[-1] in _CONFIG_FLAGS), None)
    name = leaf.value if leaf is not None else None
    option = next((each.value for each in tree.leaves if each.keys == ("config_name",)), None)
    if isinstance(option, str):  # Hydra's own flags
        name = f"{name or '.'}/{option.removesuffix('.yaml')}.yaml"
    if (
        not isinstance(name, str)
        or not _PLAIN.fullmatch(name)
        or not name.endswith((".yaml", ".yml", ".json", ".toml", ".py"))
    ):
        return tree
    walk = _Walk(parse, project_root(tree.path))
    folder = tree.path.absolute().parent
    places = [folder, *(place for place in folder.parents if place.resolve().is_relative_to(walk.root))]
    path = next((place / name for place in places if _is_file(place / name)), None)
    below = walk.open(path, leaf, (tree.path.absolute().resolve(),)) if path is not None else None
    if below is None:
        return replace(tree, complete=False, traps=tree.traps + walk.traps)
    below = follow(below, parse)
    given = {each.keys[-1] for each in tree.leaves if each.keys}
    kept = [each for each in below.leaves if not (each.keys and each.keys[-1] in given)]
    return replace(
        tree,
        leaves=override(kept, tree.leaves),
        traps=[*tree.traps, *below.traps, *walk.traps],
        complete=tree.complete and below.complete,
    )


# -- _base_ ---------------------------------------------------------------------------------------------------------


def _based(tree: Tree, walk: _Walk, chain: tuple[Path, ...]) -> list[Leaf]:
    below: list[Leaf] = []
    for leaf in tree.leaves:
        if leaf.path[0] not in _BASES:
            continue
        name = leaf.value
        if not isinstance(name, str) or not _PLAIN.fullmatch(name) or name.startswith("/"):
            walk.refuse(f"{leaf.raw[:60]} is not followed", leaf)
            continue
        path = chain[-1].parent / name
        base = walk.open(path, leaf, chain)
        if base is not None:
            below = override(below, _based(base, walk, (*chain, path.resolve())))
    return override(below, [leaf for leaf in tree.leaves if leaf.path[0] not in _BASES])


# -- Hydra ----------------------------------------------------------------------------------------------------------


def _placed(leaves: list[Leaf], header: str | None, group: str) -> list[Leaf]:
    """The leaves under the package that a header names, by default that of the group."""
    package = group if header in (None, "_group_") else "" if header == "_global_" else str(header)
    prefix = tuple(part for part in package.split(".") if part)
    return [leaf.moved((*prefix, *leaf.path)) for leaf in leaves] if prefix else leaves


@dataclass(frozen=True)
class _Entry:
    """One line of a defaults list: group (None for a plain name), option, package and modifiers."""

    leaf: Leaf
    group: str | None
    option: object
    package: str | None = None
    optional: bool = False
    override: bool = False


class _Hydra:
    """Composes a primary config from its folder by the rules of Hydra 1.3 for defaults lists of plain options."""

    def __init__(self, walk: _Walk, folder: Path) -> None:
        self.walk, self.folder = walk, folder
        self.choices: dict[str, object] = {}
        self.chosen: dict[tuple[str | int, ...], Leaf] = {}

    def compose(self, tree: Tree, chain: tuple[Path, ...]) -> list[Leaf]:
        if any(leaf.path[:2] == ("hydra", "searchpath") for leaf in tree.leaves):
            self.walk.refuse("hydra.searchpath is not followed", None)
        self.overrides(tree, "", chain)
        leaves = self.config(tree, "", "", chain)
        return [leaf for leaf in leaves if leaf.path and leaf.path[0] != "hydra"] + list(self.chosen.values())

    def choice(self, entry: _Entry, group: str, quirk: str = "absent") -> None:
        """Keeps the name of an option: it may say which loss or data set is meant, also where its file is absent."""
        if entry.group is not None and isinstance(entry.option, str):
            leaf = replace(entry.leaf, path=("defaults", group.rpartition("/")[2]), value=entry.option, quirk=quirk)
            self.chosen[leaf.path] = leaf

    def entries(self, tree: Tree) -> Iterator[_Entry]:
        for leaf in tree.leaves:
            if leaf.path[0] != "defaults" or len(leaf.path) < 2:
                continue
            if len(leaf.path) == 2:
                name, _, package = str(leaf.value).partition("@")
                yield _Entry(leaf, None, name, package or None)
                continue
            words = str(leaf.path[2]).split()
            group, _, package = words[-1].partition("@")
            yield _Entry(leaf, group, leaf.value, package or None, "optional" in words, "override" in words)

    def overrides(self, tree: Tree, group: str, chain: tuple[Path, ...]) -> None:
        """Collects `override group: option` of all configs on the way; the outermost decides."""
        for entry in self.entries(tree):
            if entry.override and entry.group is not None:
                where = self.absolute(entry.group, group)
                self.choices.setdefault(where, entry.option)
                if not _is_file(self.folder / where / f"{entry.option}.yaml"):
                    self.choice(entry, where)
        for entry in self.entries(tree):
            if not entry.override and (found := self.load(entry, group, chain, quiet=True)) is not None:
                child, child_group, path = found
                self.overrides(child, child_group, (*chain, path))

    def absolute(self, name: str, group: str) -> str:
        return name.strip("/") if name.startswith("/") or not group else f"{group}/{name}"

    def load(
        self, entry: _Entry, group: str, chain: tuple[Path, ...], quiet: bool = False
    ) -> tuple[Tree, str, Path] | None:
        """The file that an entry names, and its group."""
        if entry.option == "_self_" or entry.group == "hydra" or str(entry.group).startswith("hydra/"):
            return None
        if entry.group is None:
            full = self.absolute(str(entry.option), group)
            where, _, option = full.rpartition("/")
        else:
            where = self.absolute(entry.group, group)
            chosen = self.choices.get(where, entry.option)
            if chosen is None:
                return None
            option = str(chosen) if chosen is not UNKNOWN else "${}"
        traps, complete = len(self.walk.traps), self.walk.complete
        result = None
        if not _PLAIN.fullmatch(f"{where}/{option}"):
            self.walk.refuse(f"{option[:60]} is not followed", entry.leaf)
        else:
            name = option if option.endswith((".yaml", ".yml")) else f"{option}.yaml"
            path = self.folder / where / name
            if not _is_file(path):
                if not entry.optional and not quiet:
                    self.choice(entry, where)
                    self.walk.refuse(f"{where}/{option}: no such file", entry.leaf)
            elif (tree := self.walk.open(path, entry.leaf, chain)) is not None:
                result = tree, where, path.resolve()
                if not quiet:
                    self.choice(replace(entry, option=option), where, "option")
        if quiet:
            del self.walk.traps[traps:]
            self.walk.complete = complete
        return result

    def config(self, tree: Tree, group: str, package: str, chain: tuple[Path, ...]) -> list[Leaf]:
        """The leaves of one config with its defaults; its own values come last unless `_self_` says where."""
        header = _PACKAGE.search(tree.text[:500])
        own = _placed(
            [leaf for leaf in tree.leaves if leaf.path[0] != "defaults"], header.group(1) if header else None, package
        )
        inner = "" if header and header.group(1) == "_global_" else package
        result: list[Leaf] = []
        entries = list(self.entries(tree))
        for entry in entries:
            if entry.option == "_self_":
                result = override(result, own)
            elif not entry.override and (found := self.load(entry, group, chain)) is not None:
                child, where, path = found
                result = override(
                    result, self.config(child, where, self.package(entry, inner, where, group), (*chain, path))
                )
        return result if any(entry.option == "_self_" for entry in entries) else override(result, own)

    def package(self, entry: _Entry, inner: str, where: str, group: str) -> str:
        """Where an entry's values go: by `@package`, else by its group, inside the package of its parent."""
        if entry.package is not None:
            name = entry.package
            if name.startswith("_global_"):
                return name[len("_global_") :].strip(".")
            if name == "_here_":
                return inner
        elif entry.group is None:
            name = str(entry.option).rpartition("/")[0]
        else:
            name = entry.group
        return ".".join(part for part in (inner, name.strip("/").replace("/", ".")) if part)
