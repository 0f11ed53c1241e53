"""Would a test notice? Changes the code in one random small place at a time and runs the tests that pass there.

    python tests/mutation.py --sample 150 --seed 1

prints the mutants that no test noticed, and the share that one did. Every place counts once: operators, comparisons,
conditions, numbers, short strings, keyword arguments, statements left out; in functions, in decorators and in what a
module does on import. Not changed: docstrings, annotations, prose (strings of several words), `__all__` and imports.

Tests are those of `tests/theory`, `tests/advice`, `tests/lint` and `tests/experiments/test_claims.py`, or of `--tests`;
for a mutant only those that run the changed line, quick ones first, for at most `--seconds` of processor time: what
outlasts them counts as not noticed. Which test runs which line is recorded once, into `--map`.

Tests are collected once. A mutant inside a function is a copy of that process in which the function has other code and
no cache holds anything; one outside of functions, as in a decorator or a constant, is imported into a fresh process,
which takes seconds longer. What `--log` already holds is not asked again, so that a run can be interrupted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import random
import resource
import signal
import sys
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("theory/*.py", "advice/*.py", "lint/rules/*.py", "experiments/claims.py")
FIRST = 10
TESTS = ("tests/theory", "tests/advice", "tests/lint", "tests/experiments/test_claims.py")
QUIET = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
COMPARED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
REVERSED: dict[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
}  # fmt: skip
COMPUTED: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult,
}  # fmt: skip
SWAPPED = {
    "min": "max", "max": "min", "nanmin": "nanmax", "nanmax": "nanmin", "minimum": "maximum", "maximum": "minimum",
    "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin", "exp": "expm1", "log": "log1p", "ceil": "floor",
    "floor": "ceil",
}  # fmt: skip

# Mutants that change nothing, and why: they are left out of the sample.
EQUIVALENT = {
    "theory/classes.py  (batch.weight * batch.same).sum(axis=0)  ->  (batch.weight * batch.same).sum()":
        "of equal classes every composition has one number",
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[ast.AST | None]:
    """The mutants of one node; None stands for a statement left out."""
    if isinstance(node, ast.Compare):
        for position, operator in enumerate(node.ops):
            for table in (COMPARED, REVERSED):
                if type(operator) in table:
                    operators = list(node.ops)
                    operators[position] = table[type(operator)]()
                    yield ast.Compare(node.left, operators, node.comparators)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in COMPUTED:
        changed = copy.copy(node)
        changed.op = COMPUTED[type(node.op)]()
        yield changed
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield ast.Constant(node.value + 1)
            if node.value not in (0, 1):
                yield ast.Constant(node.value / 2 if isinstance(node.value, float) else node.value - 1)
        elif isinstance(node.value, str) and node.value and " " not in node.value:
            yield ast.Constant(node.value + "X")
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        changed = copy.copy(node)
        changed.test = ast.UnaryOp(ast.Not(), node.test)
        yield changed
    elif isinstance(node, ast.Call):
        for position, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                yield ast.Call(node.func, node.args, node.keywords[:position] + node.keywords[position + 1 :])
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in SWAPPED:
            function = copy.copy(node.func)
            setattr(function, "attr" if isinstance(function, ast.Attribute) else "id", SWAPPED[name])
            yield ast.Call(function, node.args, node.keywords)
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, (ast.Raise, ast.Continue, ast.Break, ast.Expr, ast.AugAssign)):
        yield None


class Places(ast.NodeVisitor):
    """Every place of a module that may change, as (node, mutant)."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.AST, ast.AST | None]] = []

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _cached(node):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
            return
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        self.found += [(node, mutant) for mutant in changes(node)]
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_comment", "keywords") and name != "keywords":
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)


def _cached(node: ast.AST) -> bool:
    """How much a cache holds is no behaviour."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", "") == "lru_cache"


class Replace(ast.NodeTransformer):
    def __init__(self, node: ast.AST, mutant: ast.AST | None) -> None:
        self.node, self.mutant = node, mutant

    def visit(self, node: ast.AST) -> Any:
        if node is not self.node:
            return self.generic_visit(node)
        return ast.copy_location(ast.Pass() if self.mutant is None else self.mutant, node)


def mutants() -> list[tuple[Path, int]]:
    """Every mutant of the code: its file and its number there."""
    files = sorted(path for pattern in CODE for path in (ROOT / "ssem_advisor").glob(pattern))
    return [(path, number) for path in files for number in range(len(places_of(path)[1]))]


def places_of(path: Path) -> tuple[ast.Module, list[tuple[ast.AST, ast.AST | None]]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = Places()
    places.visit(tree)
    return tree, places.found


def around(path: Path, first: int, last: int) -> list[tuple[int, int]]:
    """The lines themselves, and those of what holds them, as the object or the table that a lambda stands in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spans = {(node.lineno, node.end_lineno or node.lineno) for node in ast.walk(tree) if isinstance(node, ast.expr)}
    holding = sorted((b - a, a, b) for a, b in spans if a <= first and last <= b)
    return [(first, last), *((a, b) for _, a, b in holding)]


def mutant_of(path: Path, number: int) -> tuple[Any, int, int, str]:
    """The code of a mutant, its first and last line, and what changed."""
    tree, places = places_of(path)
    node, mutant = places[number]
    was = ast.unparse(node)
    first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
    if isinstance(node, (ast.If, ast.While)):
        last = node.test.end_lineno or first
        was, now = ast.unparse(node.test), ast.unparse(mutant.test)  # type: ignore[union-attr]
    else:
        now = "nothing" if mutant is None else ast.unparse(ast.fix_missing_locations(copy.deepcopy(mutant)))
    code = compile(ast.fix_missing_locations(Replace(node, mutant).visit(tree)), str(path), "exec")
    return code, first, last, f"{' '.join(was.split())[:90]}  ->  {' '.join(now.split())[:90]}"


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Hands out the mutant in place of its module."""

    def __init__(self, path: Path, code: Any) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.package = parts[-1] == "__init__"
        self.name, self.path, self.code = ".".join(parts[:-1] if self.package else parts), path, code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=self, submodule_search_locations=[str(self.path.parent)] if self.package else None
        )

    def get_code(self, name: str) -> Any:
        return self.code

    def get_source(self, name: str) -> str:
        return self.path.read_text(encoding="utf-8")

    def get_filename(self, name: str) -> str:
        return str(self.path)


# -- which test runs which line ---------------------------------------------------------------------------------------


def record(target: Path, asked: Sequence[str]) -> None:
    """Run all tests once and write {file: {line: [tests]}}, and how long each test takes."""
    import coverage

    watch = coverage.Coverage(data_file=None, include=[str(ROOT / "ssem_advisor" / pattern) for pattern in CODE])
    seconds: dict[str, float] = {}

    class Plugin:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item, nextitem: object) -> Iterator[None]:
            empty_caches()  # or a test would not run what an earlier one has asked for
            watch.switch_context(item.nodeid)
            begin = time.process_time()
            result = yield
            seconds[item.nodeid] = time.process_time() - begin
            watch.switch_context("")
            return result

    watch.start()
    status = pytest.main([*asked, *QUIET], plugins=[Plugin()])
    watch.stop()
    if status != 0:
        raise SystemExit("the tests fail without any mutant")
    data = watch.get_data()
    lines = {
        str(Path(name).relative_to(ROOT)): {str(k): v for k, v in data.contexts_by_lineno(name).items()}
        for name in data.measured_files()
    }
    target.write_text(json.dumps({"seconds": seconds, "lines": lines}))


def empty_caches() -> None:
    for cached in gc.get_objects():
        if isinstance(cached, functools._lru_cache_wrapper):
            cached.cache_clear()


def tests_of(known: dict[str, Any], path: Path, first: int, last: int) -> list[str]:
    """Tests that run one of the lines; where only its import does, all in the files that test the module, those that
    run something of the same table first.

    Quick ones first, of them those that run the least beside it: they were written for it.
    """
    lines = known["lines"].get(str(path.relative_to(ROOT)), {})
    hits = (
        {test for line in range(a, b + 1) for test in lines.get(str(line), [])} - {""}
        for a, b in around(path, first, last)
    )
    hit, beside = next(hits), next(filter(None, hits), set())
    if not hit:
        near = {test.partition("::")[0] for tests in lines.values() for test in tests} - {""}
        hit = {test for test in known["seconds"] if test.partition("::")[0] in near}
    reach = known.setdefault("reach", {})
    if not reach:
        for tests in known["lines"].values():
            for line in tests.values():
                for test in line:
                    reach[test] = reach.get(test, 0) + 1

    def order(test: str) -> tuple[bool, bool, int, float]:
        return known["seconds"][test] > 0.5, test not in beside, reach.get(test, 0), known["seconds"][test]

    return sorted(hit, key=order)


# -- one mutant -------------------------------------------------------------------------------------------------------


def noticed(path: Path, code: Any, tests: list[str], seconds: float, usual: dict[str, float]) -> bool:
    """Whether a test fails, in a process of its own that has loaded nothing of the package yet."""
    if not tests:
        return False

    def child() -> bool:
        sys.meta_path.insert(0, Mutated(path, code))
        # 1: a test failed; 2, 3, 4: the code could not even be imported
        return pytest.main([*tests, *QUIET], plugins=[Budget(seconds, usual)]) != 0

    return _in_a_child(child)


class Budget:
    """Ends a process that has run tests for so many seconds of processor time: as far as we waited, none failed."""

    def __init__(self, seconds: float, usual: dict[str, float]) -> None:
        self.limit, self.usual = seconds, usual
        self.began = time.process_time()

    def pytest_collection_finish(self) -> None:
        self.began = time.process_time()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        # A test that takes far longer than without the mutant hangs: that is noticed (SIGVTALRM kills).
        signal.setitimer(signal.ITIMER_VIRTUAL, 5 + 10 * self.usual.get(nodeid, 5))

    def pytest_runtest_logfinish(self) -> None:
        if time.process_time() - self.began > self.limit:
            os.kill(os.getpid(), signal.SIGPROF)


def _in_a_child(fails: Any) -> bool:
    """What a function answers in a copy of this process; True also where the copy dies, unless of its budget."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return os.WTERMSIG(status) != signal.SIGPROF
        return os.WEXITSTATUS(status) == 1
    with contextlib.suppress(BaseException):
        out = os.open(os.devnull, os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
        os._exit(1 if fails() else 0)
    os._exit(1)


Place = tuple[str, int]  # qualified name and first line of a function


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield part
            yield from _codes(part)


def _by_place(code: types.CodeType) -> dict[Place, list[types.CodeType]]:
    found: dict[Place, list[types.CodeType]] = {}
    for part in _codes(code):
        found.setdefault((part.co_qualname, part.co_firstlineno), []).append(part)
    return found


def changed_functions(path: Path, mutated: types.CodeType) -> dict[Place, types.CodeType]:
    """New code for the functions that a mutant changes; empty where it changes what the module does on import."""
    before = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    old, found = _by_place(before), {}
    if _alone(before) != _alone(mutated):
        return {}
    for place, codes in _by_place(mutated).items():
        was = old.get(place, [])
        if codes == was:
            continue
        in_a_function = codes[0].co_flags & inspect.CO_OPTIMIZED
        if not in_a_function and _alone(codes[0]) == _alone(was[0]):  # a class of which a method is changed
            continue
        if not in_a_function or len(codes) != 1 or len(was) != 1 or codes[0].co_freevars != was[0].co_freevars:
            return {}  # the body of a class, or lambdas of one line, which cannot be told apart
        found[place] = codes[0]
    return found


def _alone(code: types.CodeType) -> tuple[Any, ...]:
    """A piece of code without the functions in it."""
    return (code.co_code, code.co_names, [c for c in code.co_consts if not isinstance(c, types.CodeType)])


def functions_of(path: Path) -> Iterator[types.FunctionType]:
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == str(path):
            yield function


def _place(function: types.FunctionType) -> Place:
    return function.__code__.co_qualname, function.__code__.co_firstlineno


class Collected:
    """All tests, collected once; asks them about one mutant after another instead of running them."""

    def __init__(self, ask: Any, seconds: float, usual: dict[str, float]) -> None:
        self.ask, self.seconds, self.usual = ask, seconds, usual

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}

        def noticed(path: Path, codes: dict[Place, types.CodeType], tests: list[str]) -> bool | None:
            """As the function of that name, for functions that are loaded; None where they are not."""
            if codes.keys().isdisjoint(map(_place, functions_of(path))):
                return None

            def child() -> bool:
                for function in functions_of(path):
                    function.__code__ = codes.get(_place(function), function.__code__)
                empty_caches()
                session.config.pluginmanager.register(FirstFailure(self.seconds, self.usual))
                chosen = [items[test] for test in tests if test in items]
                for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                    session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                return False

            return _in_a_child(child)

        self.ask(noticed)
        return True


class FirstFailure(Budget):
    """Ends the process at the first test that fails."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the paths to change, as theory/")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="those to ask, as tests/theory")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--map", type=Path, default=ROOT / "mutants" / "map.json")
    parser.add_argument("--log", type=Path, default=None, help="default: beside the map, named after the seed")
    options = parser.parse_args()
    os.chdir(ROOT)
    options.map.parent.mkdir(exist_ok=True)
    if not options.map.exists():
        child = os.fork()
        if not child:
            record(options.map, options.tests)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0 or not options.map.exists():
            raise SystemExit("no map")
    known = json.loads(options.map.read_text())
    log = options.log or options.map.with_name(f"seed-{options.seed}.jsonl")
    asked = dict(map(json.loads, log.read_text().splitlines())) if log.exists() else {}
    import hypothesis, jsonschema, mpmath, numpy, rich, ruamel.yaml, scipy.optimize, scipy.special, sympy, torch, typer  # noqa: E401, F401, I001

    every = [m for m in mutants() if options.only in str(m[0])]
    chosen = random.Random(options.seed).sample(every, min(options.sample, len(every)))

    def tell(path: Path, number: int, tests: list[str], lives: bool, begin: float) -> None:
        _, first, _, what = mutant_of(path, number)
        name = f"{path.relative_to(ROOT / 'ssem_advisor')}"
        asked[f"{name} {number}"] = lives
        with log.open("a") as file:
            file.write(json.dumps([f"{name} {number}", lives]) + "\n")
        print(
            f"{len(asked)} {'LIVES  ' if lives else 'noticed'} {name}:{first} "
            f"[{len(tests)} tests, {time.time() - begin:.0f} s]  {what}",
            flush=True,
        )

    def left() -> Iterator[tuple[Path, int, Any, list[str]]]:
        for path, number in chosen:
            if f"{path.relative_to(ROOT / 'ssem_advisor')} {number}" not in asked:
                code, first, last, what = mutant_of(path, number)
                if f"{path.relative_to(ROOT / 'ssem_advisor')}  {what}" not in EQUIVALENT:
                    yield path, number, code, tests_of(known, path, first, last)

    def ask_copies(noticed: Any) -> None:
        for path, number, code, tests in left():
            begin = time.time()
            found = noticed(path, changed_functions(path, code), tests)
            if found is not None:
                tell(path, number, tests, not found, begin)

    worker = os.fork()
    if not worker:
        pytest.main([*options.tests, *QUIET, "-s"], plugins=[Collected(ask_copies, options.seconds, known["seconds"])])
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(worker, 0)
    asked = dict(map(json.loads, log.read_text().splitlines())) if log.exists() else {}
    for path, number, code, tests in left():
        begin = time.time()
        few, rest = tests[:FIRST], tests[FIRST:]  # most mutants are noticed by these; collecting the rest costs seconds
        lives = not any(noticed(path, code, part, options.seconds, known["seconds"]) for part in (few, rest))
        tell(path, number, tests, lives, begin)
    alive = sum(asked.values())
    print(f"{len(asked) - alive} of {len(asked)} noticed ({1 - alive / len(asked):.0%}); {len(every)} mutants in all")


if __name__ == "__main__":
    main()
