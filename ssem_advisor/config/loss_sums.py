"""The sum that a training script writes: one supervised contrastive loss called with labels and without them.

`SupConLoss` of the SupContrast code is SimCLR's loss where it gets no labels, so that `crit(z, y) + w * crit(z)` is a
mixture although the script names one loss only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ssem_advisor.config.evidence import SUPERVISED

_LABELS = frozenset({"labels", "label", "targets", "target", "y"})
_MOST_TERMS = 32
_LONGEST_FACTOR = 9  # nodes, as of 1 - weight
_MOST_HOPS = 3  # names that stand for one another in a factor


Truth = Callable[[ast.expr], "bool | None"]
Context = tuple[ast.AST, ...]
"""The loops, and the conditions that the defaults do not decide, in which a statement stands."""


@dataclass(frozen=True)
class Term:
    """A summand. supervised: whether labels are given; None for a term of another kind. factors: what multiplies it;
    sure: whether it is part of every sum."""

    supervised: bool | None
    factors: tuple[ast.expr, ...]
    sure: bool


@dataclass(frozen=True)
class LossSum:
    """A sum with a term of either kind, and where it stands."""

    terms: tuple[Term, ...]
    node: ast.expr

    @property
    def mixed(self) -> bool:
        return {True, False} <= {term.supervised for term in self.terms}

    @property
    def both(self) -> tuple[Term, Term] | None:
        """The supervised and the self-supervised term, where these two are the sum and both belong to every one."""
        first, *rest = sorted(self.terms, key=lambda term: term.supervised is not True)
        if len(rest) == 1 and first.supervised and rest[0].supervised is False and first.sure and rest[0].sure:
            return first, rest[0]
        return None


def loss_sums(module: ast.Module, truth: Truth) -> list[LossSum]:
    """The sums of a module in which a supervised contrastive loss has labels once and none once.

    truth: whether a condition holds at the defaults of the script; None where that cannot be told.
    """
    losses = _losses(module)
    scopes = [node for node in ast.walk(module) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [each for scope in (*scopes, module) for each in _Scope(scope, losses, truth).sums() if each.mixed]


def _losses(module: ast.Module) -> set[str]:
    """The names that hold a supervised contrastive loss, wherever the script builds one, and nothing else."""
    built: dict[str, set[bool]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and isinstance(value := _unwrapped(node.value), ast.Call):
            maker = _last(value.func)
            if maker[:1].isupper():
                for target in node.targets:
                    built.setdefault(_last(target), set()).add(SUPERVISED.search(maker) is not None)
    return {name for name, kinds in built.items() if name and kinds == {True}}


def _unwrapped(node: ast.expr) -> ast.expr:
    """`SupConLoss(0.1).to(device)` without what follows the constructor."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        node = node.func.value
    return node


def _last(node: ast.expr) -> str:
    """The last name of `a`, `self.a` or `a(...)`."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Scope:
    """One function, or the module beside its functions: what its names are set to, and what is added to them."""

    def __init__(self, scope: ast.AST, losses: set[str], truth: Truth) -> None:
        self.losses, self.truth = losses, truth
        self.set: dict[str, list[tuple[ast.expr, Context]]] = {}
        self.added: dict[str, list[tuple[ast.expr, Context]]] = {}
        self.written: list[tuple[ast.expr, Context]] = []
        self.known: dict[str, list[Term]] = {}
        for node, context in _statements(scope, truth):
            added = _addition(node)
            if added is not None:
                self.added.setdefault(added[0], []).append((added[1], context))
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self.set.setdefault(node.targets[0].id, []).append((node.value, context))
                self.written.append((node.value, context))
            elif isinstance(node, (ast.Assign, ast.Return, ast.Expr)) and node.value is not None:
                self.written.append((node.value, context))

    def sums(self) -> Iterator[LossSum]:
        for value, context in self.written:
            for node in _outermost_sums(value):
                yield LossSum(tuple(_sure(self.terms(node, context), _is_sure(context))), node)
        for name, more in self.added.items():
            value, context = more[-1]
            alternatives = self.set.get(name, [])
            if len(alternatives) == 1:
                terms = _sure(self.terms(ast.Name(name), context), _is_sure(context))
            else:
                terms = [term for first, home in alternatives for term in _sure(self.terms(first, home), False)]
                added = [term for each, place in more for term in _sure(self.terms(each, place), False)]
                terms = [*terms, *added] if any(term.supervised is not None for term in added) else []
            yield LossSum(tuple(terms), value)

    def terms(self, node: ast.expr, context: Context) -> list[Term]:
        """The summands of an expression that stands in a context."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            right = self.terms(node.right, context)
            if isinstance(node.op, ast.Sub):
                right = _times(right, ast.UnaryOp(ast.USub(), ast.Constant(1)))
            return _brief(self.terms(node.left, context) + right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            left, right = self.terms(node.left, context), self.terms(node.right, context)
            if isinstance(node.op, ast.Div):
                return _times(left, ast.BinOp(ast.Constant(1), ast.Div(), self.followed(node.right)))
            if any(term.supervised is not None for term in right):
                return _times(right, self.followed(node.left))
            return _times(left, self.followed(node.right))
        if isinstance(node, ast.IfExp):
            holds = self.truth(node.test)
            taken = [node.body] * (holds is not False) + [node.orelse] * (holds is not True)
            return _brief(_sure([term for each in taken for term in self.terms(each, context)], holds is not None))
        if isinstance(node, ast.Name) and len(self.set.get(node.id, [])) == 1:
            home = self.set[node.id][0][1]
            return _sure(self.named(node.id), home == context[: len(home)])
        if isinstance(node, ast.Constant) and node.value == 0:
            return []
        return [Term(self.labelled(node), (), True)]

    def named(self, name: str) -> list[Term]:
        """The summands of a name that is set once."""
        if name not in self.known:
            self.known[name] = [Term(None, (), True)]  # of a name that is set to itself
            value, home = self.set[name][0]
            found = self.terms(value, home)
            for more, place in self.added.get(name, []):
                found = _brief(found + _sure(self.terms(more, place), place == home))
            self.known[name] = found
        return self.known[name]

    def followed(self, node: ast.expr, hops: int = 0) -> ast.expr:
        """A short factor with names of this scope that are set once replaced by what they are set to."""
        if isinstance(node, ast.BinOp) and sum(1 for _ in ast.walk(node)) <= _LONGEST_FACTOR:
            return ast.BinOp(self.followed(node.left, hops), node.op, self.followed(node.right, hops))
        if isinstance(node, ast.Name) and len(known := self.set.get(node.id, [])) == 1 and hops < _MOST_HOPS:
            value, home = known[0]
            return self.followed(value, hops + 1) if _is_sure(home) and node.id not in self.added else node
        return node

    def labelled(self, node: ast.expr) -> bool | None:
        """Whether this calls the loss with labels, or without any; None for anything else."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mean":
            node = node.func.value
        if not isinstance(node, ast.Call):
            return None
        name = _last(node.func)
        builds = name[:1].isupper() and not isinstance(node.func, ast.Call)
        if builds or not (name in self.losses or SUPERVISED.search(name)):
            return None
        keywords = {each.arg: each.value for each in node.keywords}
        if not keywords.keys() <= {"features", *_LABELS} or any(isinstance(arg, ast.Starred) for arg in node.args):
            return None
        given = [*node.args[1:], *(value for name, value in keywords.items() if name != "features")]
        return any(not (isinstance(value, ast.Constant) and value.value is None) for value in given)


def _addition(node: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name and what `name += more`, `name = name + more` or `name = more + name` adds to it."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add)):
        return None
    name, sides = _last(node.targets[0]), (node.value.left, node.value.right)
    for one, other in (sides, sides[::-1]):
        if isinstance(one, ast.Name) and isinstance(node.targets[0], ast.Name) and one.id == name:
            return name, other
    return None


def _outermost_sums(value: ast.expr) -> Iterator[ast.BinOp]:
    """The sums in an expression that are not the beginning of a longer one."""
    inner: set[int] = set()
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            if id(node) not in inner:
                yield node
            inner |= {id(node.left), id(node.right)}


def _sure(terms: list[Term], sure: bool) -> list[Term]:
    return terms if sure else [replace(term, sure=False) for term in terms]


def _brief(terms: list[Term]) -> list[Term]:
    """The terms; of very many, one of each kind, of unknown weight."""
    if len(terms) <= _MOST_TERMS:
        return terms
    return [Term(supervised, (), False) for supervised in {term.supervised: None for term in terms}]


def _times(terms: list[Term], factor: ast.expr) -> list[Term]:
    return [replace(term, factors=(*term.factors, factor)) for term in terms]


def _is_sure(context: Context) -> bool:
    return not any(isinstance(node, (ast.If, ast.Try)) for node in context)


def _statements(scope: ast.AST, truth: Truth) -> Iterator[tuple[ast.stmt, Context]]:
    """The statements of a scope that may run at the defaults, in their order."""
    waiting: list[tuple[ast.stmt, Context]] = [(node, ()) for node in getattr(scope, "body", ())]
    while waiting:
        node, context = waiting.pop(0)
        yield node, context
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        blocks += [handler.body for handler in getattr(node, "handlers", [])]
        if isinstance(node, ast.If) and (holds := truth(node.test)) is not None:
            blocks = [node.body if holds else node.orelse]
        elif isinstance(node, (ast.If, ast.Try, ast.For, ast.While)):
            context = (*context, node)
        waiting[:0] = [(inner, context) for block in blocks for inner in block]
