"""No content makes the reader raise, hang or run anything."""

import random
import signal
import time
from pathlib import Path

import hostile
import pytest
import scoring
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssem_advisor.config import Document, collect, read, reader
from ssem_advisor.limits import TOO_LARGE, TooLong, processor_time

SUFFIXES = (".yaml", ".json", ".toml", ".py", ".sh", ".md", "")
SEEDS = [path.read_bytes().decode("utf-8", errors="replace") for path in scoring.cases()]


def check(path, text):
    document = read(path, text=text)
    assert isinstance(document, Document)
    for run in document.runs:
        for value in run.fields.values():
            place = value.location
            if place is not None and place.path is None:
                assert 0 <= place.start <= place.end <= len(document.text)
                assert place.line >= 1
                assert place.column >= 1
            for name in ("temperature", "alpha", "classes", "batch_size"):
                if name in run.fields:
                    number = run.fields[name].value
                    assert isinstance(number, (int, float))
                    assert 0 <= number < float("inf")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=300), suffix=st.sampled_from(SUFFIXES), said=st.booleans())
def test_any_text(text, suffix, said):
    check(Path(f"x{suffix}"), ("# supcon\n" if said else "") + text)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_configs(seed):
    rng = random.Random(seed)
    for _ in range(40):
        text = hostile.mutated(rng.choice(SEEDS), rng)
        check(Path(f"x{rng.choice(SUFFIXES)}"), text)


NESTED = {
    "deep flow yaml": (".yaml", "supcon: " + "[" * 20_000),
    "deep block yaml": (".yaml", "supcon:\n" + "".join(" " * i + "a:\n" for i in range(1, 900))),
    "deep json": (".json", '{"supcon": ' * 20_000),
    "deep toml": (".toml", "supcon = " + "[" * 20_000),
    "deep python": (".py", "supcon = " + "(" * 20_000),
    "long python sum": (".py", "SupConLoss = " + "+".join(["1"] * 20_000)),
    "huge integer": (".yaml", "method: supcon\nbatch_size: " + "9" * 100_000),
    "huge python integer": (".py", "loss = 'supcon'\nbatch_size = " + "9" * 100_000),
    "huge json integer": (".json", '{"method": "supcon", "batch_size": ' + "9" * 100_000 + "}"),
    "many keys": (".yaml", "supcon: 1\n" + "".join(f"k{i}: {i}\n" for i in range(30_000))),
    "many commands": (".sh", "python a.py --loss supcon --temperature 0.1\n" * 3_000),
    "one long line": (".sh", "python a.py --loss supcon " + "x" * 900_000),
    "backslashes": (".sh", "python supcon.py " + "\\\n" * 200_000),
    "quotes": (".sh", "python supcon.py " + "'\"" * 100_000),
    "openings": (".sh", "python supcon.py " + "$(" * 100_000),
    "regex bait": (".json", '{"supcon": "' + "\\" * 400_001),
    "toml bait": (".toml", 'supcon = """' + "\\" * 300_001),
    "comment bait": (".json", "/*" * 100_000 + "supcon"),
    "key of one word": (".yaml", "supcon" * 100_000 + ": 1"),
    "alias bomb": (".yaml", "a0: &a0 [supcon]\n" + "".join(
        f"a{i + 1}: &a{i + 1} [{f'*a{i}, ' * 9}]\n" for i in range(20)
    )),
    "merge bomb": (".yaml", "a0: &a0 {supcon: 1}\n" + "".join(
        f"a{i + 1}: &a{i + 1} {{x: *a{i}, y: *a{i}, <<: *a{i}}}\n" for i in range(60)
    )),
    "interpolation loop": (".yaml", "_target_: SupConLoss\ntemperature: ${b}\nb: ${temperature}\n"),
    "own alias": (".yaml", "supcon: &x\n  temperature: *x\n  <<: *x\n"),
    "near misses": (".yaml", "method: supcon\n" + "".join(f"temperatur{i}: 1\n" for i in range(4000))),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_hostile_text_is_bounded(name):
    suffix, text = NESTED[name]
    start = time.process_time()  # not of the wall: the machine may be busy with other things
    check(Path(f"x{suffix}"), text)
    assert time.process_time() - start < 20


ENDLESS = {
    "dots": (".toml", "# supcon\n[" + ".".join(["a"] * 400_000) + "]\n"),
    "tables": (".toml", "# supcon\n" + "".join(f"[{'.'.join('a' * (i % 300 + 1))}.c{i}]\n" for i in range(900))),
    "exclamation marks": (".yaml", "supcon: " + "!" * 900_000),
    "flow maps": (".yaml", "supcon: [" + "{}," * 300_000 + "]"),
    "dashes": (".yaml", "supcon:\n" + "- " * 400_000),
    "documents": (".yaml", "# supcon\n" + "---\na: 1\n" * 90_000),
    "empty documents": (".yaml", "# supcon\n" + "---\n" * 200_000),
    "calls": (".py", "loss='supcon'\n" + "".join(f"class A{i}: pass\nSupConLoss({i})\n" for i in range(4000))),
    "repeated keys": (
        ".json",
        '{"supcon": 1,' + ",".join(f'"b{i}": 1' for i in range(4000)) + "," + '"a": 1,' * 20_000 + '"z": 1}',
    ),
    "open braces": (".sh", "python supcon.py " + "${" * 100_000),
    "programs": (".sh", "x='supcon " + "python " * 28_000 + "'\n"),
}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer of processor time")
@pytest.mark.parametrize("name", ENDLESS)
def test_a_file_that_takes_too_long_is_left_and_said(name, monkeypatch):
    monkeypatch.setattr(reader, "READ_SECONDS", 0.2)
    suffix, text = ENDLESS[name]
    start = time.process_time()
    document = read(Path(f"x{suffix}"), text=text)
    assert time.process_time() - start < 3
    assert (
        document.error is None
        or TOO_LARGE in document.error
        or document.error.startswith(("more than", "nested", "line"))
    )
    assert read(Path("next.yaml"), text="method: supcon\ntemperature: 0.1\n").runs
    assert signal.getsignal(signal.SIGPROF) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer of processor time")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_drops_comes_again():
    """What is raised in __del__ or in a callback of the garbage collector reaches nobody."""
    dropped = []

    class Slow:
        def __del__(self):
            end = time.process_time() + 2
            try:
                while time.process_time() < end:
                    pass
            except TooLong:
                dropped.append(True)
                raise

    def block():
        Slow()
        end = time.process_time() + 10
        while time.process_time() < end:
            pass

    start = time.process_time()
    with pytest.raises(TooLong), processor_time(0.1):
        block()
    assert dropped
    assert time.process_time() - start < 8
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is signal.SIG_DFL


@pytest.mark.parametrize(
    "data", [b"\x00\x01supcon\xff" * 100, b"\xff\xfesupcon", b"\xef\xbb\xbf", b"", b"supcon\x80\x81"]
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_bytes(tmp_path, data, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    assert isinstance(read(path), Document)


def test_a_huge_file_is_not_loaded(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    start = time.process_time()
    assert "larger than" in read(path).error
    assert list(collect([tmp_path])) == []
    assert time.process_time() - start < 1
