"""Python configs and training scripts by their syntax tree alone; no line of them runs."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeGuard

from ssem_advisor.config import scalars
from ssem_advisor.config.evidence import SUPERVISED
from ssem_advisor.config.loss_sums import Term, loss_sums
from ssem_advisor.config.tree import MAX_DEPTH, MAX_LEAVES, UNKNOWN, Leaf, Text, Unreadable

_BUILDS = re.compile(r"[Ll]oss$|SupCon|Sampler$|Trainer|TrainingArguments|Memory|DataLoader$|Criterion|^NTXent")
_SETTINGS = re.compile(r"Config|Args|Arguments|Params|Settings|Options|Hyper|^CFG$", re.I)
_ARGUMENTS = frozenset(
    {"args", "opt", "opts", "cfg", "config", "hparams", "flags", "FLAGS", "hp", "params", "conf", "_C", "__C"}
)
_POSITIONS = {
    "losses.SupConLoss": ("temperature", "contrast_mode", "base_temperature"),
    "pytorch_metric_learning.losses.SupConLoss": ("temperature",),
    "pytorch_metric_learning.samplers.MPerClassSampler": ("labels", "m", "batch_size"),
    "ssem_advisor.losses.SupervisedContrastiveLoss": ("alpha", "temperature", "loss"),
    "ssem_advisor.training.BalancedBatchSampler": ("labels", "classes_per_batch", "instances_per_class"),
    "ssem_advisor.training.sampler.BalancedBatchSampler": ("labels", "classes_per_batch", "instances_per_class"),
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_COMPOUND = (ast.Call, ast.Dict, ast.List, ast.Tuple)
"""What may be built from the arguments of the command line, which are therefore read first."""
Path = tuple[str | int, ...]


def read(text: Text) -> list[Leaf]:
    """Module constants, `dict(...)` configs, argparse defaults, settings classes and the calls that build a loss.

    Raises Unreadable.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text.text)
    except SyntaxError as error:
        raise Unreadable(f"line {error.lineno or 1}: not Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise Unreadable(f"not Python: {error}") from error
    try:
        return _Module(text, module).leaves
    except _TooMany:
        return []  # a table of data, not a config


class _TooMany(Exception):
    """More values than a config has."""


class _Module:
    def __init__(self, text: Text, module: ast.Module) -> None:
        self.text, self.module = text, module
        self.constants: dict[str, Leaf] = {}
        self.arguments: dict[str, Leaf] = {}
        self.leaves: list[Leaf] = []
        self.imported = {
            alias.asname or alias.name: f"{node.module or ''}.{alias.name}"
            for node in ast.walk(module)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assigned = self.assigned(module.body)
        self.assign({name: value for name, value in assigned.items() if not isinstance(value, _COMPOUND)})
        nodes = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
        for node in nodes:
            self.argument(node)
        self.assign({name: value for name, value in assigned.items() if isinstance(value, _COMPOUND)})
        self.leaves += self.arguments.values()
        self.attributes()
        self.dicts_in_functions()
        dead = self.dead()
        nodes = [node for node in nodes if id(node) not in dead]
        for settings in ast.walk(module):
            if isinstance(settings, ast.ClassDef):
                self.settings(settings)
        for node in nodes:
            self.build(node)
        self.mixtures()

    # -- places --

    def leaf(self, path: Path, value: Any, node: ast.expr) -> Leaf:
        if len(self.leaves) >= MAX_LEAVES:
            raise _TooMany
        start, end = (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )
        return Leaf(path, value, self.text.text[start:end], self.text.at(start, end))

    def offset(self, line: int, column: int) -> int:
        """A character offset from ast's line and UTF-8 column."""
        start = self.text.line_start(line)
        part = self.text.text[start : start + column]
        if part.isascii():
            return start + column
        return start + len(part.encode(errors="replace")[:column].decode(errors="ignore"))

    # -- values --

    def literal(self, node: ast.expr | None) -> Any:
        if isinstance(node, ast.Constant):
            return node.value if not isinstance(node.value, (bytes, complex)) else UNKNOWN
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self.literal(node.operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            left, right = self.literal(node.left), self.literal(node.right)
            small = scalars.is_number(left) and scalars.is_number(right) and max(abs(left), abs(right)) < 2**40
            if small and (not isinstance(node.op, ast.Pow) or (0 <= right <= 40 and abs(left) <= 100)):
                try:
                    return _ARITHMETIC[type(node.op)](left, right)
                except (ArithmeticError, ValueError):
                    return UNKNOWN
        return UNKNOWN

    def expand(self, path: Path, node: ast.expr, depth: int = 0) -> Iterator[Leaf]:
        """The leaves of an expression: dictionaries and lists by their parts, names followed to their one literal."""
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield from self.expand((*path, keyword.arg), keyword.value, depth + 1)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield from self.expand((*path, key.value), value, depth + 1)
        elif isinstance(node, (ast.List, ast.Tuple)):
            for position, value in enumerate(node.elts):
                yield from self.expand((*path, position), value, depth + 1)
        elif isinstance(node, ast.Call):
            yield self.leaf((*path, "__call__"), _name(node.func) or UNKNOWN, node.func)
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield from self.expand((*path, keyword.arg), keyword.value, depth + 1)
        else:
            yield self.follow(path, node)

    def follow(self, path: Path, node: ast.expr) -> Leaf:
        known = None
        if isinstance(node, ast.Name):
            known = self.constants.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if owner in _ARGUMENTS:
                known = self.arguments.get(node.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            place = (node.value.id, self.literal(node.slice))
            known = next((leaf for leaf in self.leaves if leaf.path == place), None)
        if known is not None:
            return known.moved(path)
        value = self.literal(node)
        if value is UNKNOWN and (name := _name(node)) and re.match(r"[A-Z]\w*[a-z]", name) and not _calls(node):
            value = self.imported.get(name, name)  # a class handed over by its name
        return self.leaf(path, value, node)

    def truth(self, test: ast.expr) -> bool | None:
        """Whether a condition holds at the defaults; None where that cannot be told."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.truth(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            parts = [self.truth(part) for part in test.values]
            settled = isinstance(test.op, ast.Or)  # one of these decides
            return settled if settled in parts else None if None in parts else not settled
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _COMPARISONS:
            left, right = (self.follow(("?",), side).value for side in (test.left, test.comparators[0]))
            equality = isinstance(test.ops[0], (ast.Eq, ast.NotEq))
            if left is UNKNOWN or right is UNKNOWN or not (equality or all(map(scalars.is_number, (left, right)))):
                return None
            return bool(_COMPARISONS[type(test.ops[0])](left, right))
        if isinstance(test, (ast.Name, ast.Attribute, ast.Constant)):
            value = self.follow(("?",), test).value
            return None if value is UNKNOWN else bool(value)
        return None

    def dead(self) -> set[int]:
        """The nodes that do not run at the defaults: the other branch of every condition that these decide."""
        nodes: set[int] = set()
        for node in ast.walk(self.module):
            if isinstance(node, (ast.If, ast.IfExp)) and (truth := self.truth(node.test)) is not None:
                branch = node.orelse if truth else node.body
                parts = branch if isinstance(branch, list) else [branch]
                nodes.update(id(inner) for part in parts for inner in ast.walk(part))
        return nodes

    # -- statements --

    def attributes(self) -> None:
        """`config.loss.temperature = 0.1` on an object that is called a config, anywhere in the file."""
        found: dict[Path, list[ast.expr]] = {}
        for node in ast.walk(self.module):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Attribute):
                root, *names = _dotted(node.targets[0]).split(".")
                if root in _ARGUMENTS:
                    found.setdefault(tuple(names), []).append(node.value)
        for path, values in found.items():
            if len(values) == 1 and not (isinstance(values[0], ast.Call) and not values[0].keywords):
                self.leaves += self.expand(path, values[0])

    def dicts_in_functions(self) -> None:
        """A dictionary that a function calls its config, or returns as one."""
        for function in ast.walk(self.module):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                value = None
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    named = node.targets[0].id in _ARGUMENTS or _SETTINGS.search(node.targets[0].id)
                    value = node.value if named else None
                elif isinstance(node, ast.Return) and _SETTINGS.search(function.name):
                    value = node.value
                if isinstance(value, ast.Dict) or (isinstance(value, ast.Call) and _name(value) == "dict"):
                    self.leaves += self.expand((function.name,), value)

    def assigned(self, body: list[ast.stmt]) -> dict[str, ast.expr]:
        """Names that the module sets; one set twice, or under a condition, has no value of its own."""
        targets: dict[str, list[ast.expr]] = {}
        body = [inner for each in body for inner in (each.body if _is_main(each) else [each])]
        for statement in body:
            if isinstance(statement, ast.Assign):
                names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
                value: ast.expr | None = statement.value
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names, value = [statement.target.id], statement.value
            else:
                continue
            for name in names:
                if value is not None:
                    targets.setdefault(name, []).append(value)
        conditional = {
            node.id
            for statement in body
            if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.AugAssign))
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        conditional.update(
            name for node in ast.walk(self.module) if isinstance(node, ast.Global) for name in node.names
        )
        for name, values in targets.items():
            if len(values) > 1 or name in conditional:
                self.leaves.append(self.leaf((name,), UNKNOWN, values[-1]))
        return {n: values[0] for n, values in targets.items() if len(values) == 1 and n not in conditional}

    def assign(self, values: dict[str, ast.expr]) -> None:
        for name, value in values.items():
            for leaf in self.expand((name,), value):
                self.leaves.append(leaf)
                if leaf.path == (name,):
                    self.constants[name] = leaf

    def argument(self, node: ast.Call) -> None:
        """`add_argument("--temp", default=0.07)`, `set_defaults(temp=0.1)`, and absl's `DEFINE_float("temp", 0.1)`."""
        if not isinstance(node.func, ast.Attribute):
            return
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if node.func.attr == "set_defaults":
            for name, value in given.items():
                self.arguments[name] = self.follow((name,), value)
            return
        flags = [self.literal(flag) for flag in node.args]
        if node.func.attr.startswith("DEFINE_") and len(flags) > 1 and isinstance(flags[0], str):  # absl
            self.arguments[flags[0]] = self.follow((flags[0],), node.args[1])
            return
        if node.func.attr not in ("add_argument", "add_option", "option") or not flags or not isinstance(flags[0], str):
            return
        longest = next((flag for flag in flags if isinstance(flag, str) and flag.startswith("--")), flags[0])
        name = self.literal(given.get("dest")) or longest.lstrip("-").replace("-", "_")
        action = self.literal(given.get("action"))
        if "default" in given:
            leaf = self.follow((name,), given["default"])
            if isinstance(leaf.value, str) and _name(given.get("type")) in ("float", "int"):
                leaf = replace(leaf, value=scalars.word(leaf.value))
        elif action in ("store_true", "store_false"):
            leaf = self.leaf((name,), action == "store_false", node)
        else:
            leaf = self.leaf((name,), UNKNOWN if given.get("required") else None, node)
        clash = self.arguments.get(name)
        if clash is not None and clash.value != leaf.value:
            leaf = self.leaf((name,), UNKNOWN, node)
        self.arguments[name] = leaf

    def settings(self, node: ast.ClassDef) -> None:
        """Class attributes of dataclasses and of classes that are called a config."""
        decorated = any("dataclass" in (_name(each) or "") for each in node.decorator_list)
        if not (decorated or _SETTINGS.search(node.name)):
            return
        for statement in node.body:
            target: ast.expr | None = None
            if isinstance(statement, ast.AnnAssign):
                target = statement.target
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and value is not None:
                self.leaves += self.expand((node.name, target.id), value)

    @cached_property
    def _initialisers(self) -> dict[str, list[str]]:
        """The parameters of the classes that this file defines."""
        return {
            node.name: [each.arg for each in inner.args.args[1:]]
            for node in reversed(list(ast.walk(self.module)))
            if isinstance(node, ast.ClassDef)
            for inner in reversed(node.body)
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__"
        }

    def parameters(self, name: str, full: str) -> Sequence[str]:
        """The names of a call's positional arguments, where this file or common knowledge tells them."""
        if name in self._initialisers:
            return self._initialisers[name]
        if full in _POSITIONS:
            return _POSITIONS[full]
        return ("temperature?",) if SUPERVISED.search(name) else ()

    def build(self, node: ast.Call) -> None:
        """A call that builds a loss, a sampler or a trainer: its name and its keywords."""
        name = _name(node.func)
        if name is None or not _BUILDS.search(name):
            return
        head, dot, rest = _dotted(node.func).partition(".")
        full = self.imported.get(head, head) + dot + rest
        self.leaves.append(self.leaf((name, "__call__"), full, node.func))
        for parameter, value in zip(self.parameters(name, full), node.args, strict=False):
            self.leaves.append(self.follow((name, parameter), value))
        for keyword in node.keywords:
            if keyword.arg is not None:
                self.leaves += self.expand((name, keyword.arg), keyword.value)

    def mixtures(self) -> None:
        """A loss that is summed with itself, once with labels and once without: a mixture, in the words of a config."""
        found = loss_sums(self.module, self.truth)
        if not found:
            return
        weights = [tuple(map(self.weight, each.both)) if each.both else (UNKNOWN, UNKNOWN) for each in found]
        if all(own == 0 for _, own in weights):
            return  # plain after all
        self.leaves.append(self.leaf(("loss",), "supcon+self", found[0].node))
        if all(pair == weights[0] for pair in weights) and UNKNOWN not in weights[0]:
            for name, value in zip(("supcon", "simclr"), weights[0], strict=True):
                self.leaves.append(self.leaf(("loss_weights", name), value, found[0].node))

    def weight(self, term: Term) -> Any:
        """The product of the factors of a term at the defaults; UNKNOWN where one of them is."""
        values = [self.number(factor) for factor in term.factors]
        return UNKNOWN if UNKNOWN in values else math.prod(values)

    def number(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not isinstance(node.op, ast.Pow):
            left, right = self.number(node.left), self.number(node.right)
            try:
                return UNKNOWN if UNKNOWN in (left, right) else _ARITHMETIC[type(node.op)](left, right)
            except ArithmeticError:
                return UNKNOWN
        value = self.literal(node) if isinstance(node, (ast.Constant, ast.UnaryOp)) else self.follow(("?",), node).value
        return value if scalars.is_number(value) else UNKNOWN


def _name(node: ast.expr | None) -> str | None:
    """The last name of `a.b.Name` or `Name(...)`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _is_main(statement: ast.stmt) -> TypeGuard[ast.If]:
    """`if __name__ == "__main__":`"""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )


def _calls(node: ast.expr) -> bool:
    return isinstance(node, ast.Call)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"
