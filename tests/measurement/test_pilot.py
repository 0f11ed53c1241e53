"""What `recommend --from FILE` makes of embeddings never contradicts what `measure FILE` says of them."""

import json
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

from ssem_advisor.cli import app

SMALL_BATCH = ("--batch-size", "200", "--sampler", "balanced")


def rows(m=5, n=40, d=32, views=2, between=0.5, free=0.1, noise=0.1, common=0.0, sizes=None, seed=0):
    """Gaussian classes around a simplex, or around random means where dim < classes - 1, with the squares asked for."""
    rng = np.random.default_rng(seed)
    means = np.linalg.svd(np.eye(m) - 1 / m)[0][:, : m - 1] if d >= m else rng.normal(size=(m, d))
    means = means / np.linalg.norm(means, axis=1, keepdims=True)
    y = np.repeat(np.arange(m), sizes or (n,) * m)
    z = np.zeros((len(y), views, d))
    z[..., : means.shape[1]] += np.sqrt(between) * means[y][:, None]
    z += np.sqrt(free / d) * rng.normal(size=(len(y), 1, d)) + np.sqrt(noise / d) * rng.normal(size=z.shape)
    z[..., -1] += np.sqrt(common)
    return z, y


TAIL = (90, 60, 40, 24, 12)
FILES = {
    "healthy": {},
    "too little": {"free": 0.05, "noise": 0.08},
    "collapsed": {"free": 0.004, "noise": 0.02},
    "collapsed, noisy": {"free": 0.004, "noise": 0.3},
    "far common mean": {"free": 0.05, "noise": 0.05, "common": 2.0},
    "more than is asked for": {"free": 0.6, "noise": 0.1},
    "no classes": {"between": 0.0, "free": 0.4, "noise": 0.1},
    "only view noise": {"free": 0.0, "noise": 0.3},
    "one view": {"views": 1},
    "one view, collapsed": {"views": 1, "free": 0.0, "noise": 0.01},
    "long tail": {"sizes": TAIL},
    "long tail, collapsed": {"sizes": TAIL, "free": 0.004, "noise": 0.02},
    "crowded": {"m": 20, "n": 20, "d": 24, "free": 0.2},
    "crowded, collapsed": {"m": 20, "n": 20, "d": 24, "free": 0.005, "noise": 0.02},
    "few dimensions": {"m": 12, "n": 30, "d": 8, "free": 0.2},
    "few dimensions, collapsed": {"m": 12, "n": 30, "d": 8, "free": 0.004, "noise": 0.02},
    "few dimensions, one view": {"m": 12, "n": 30, "d": 8, "free": 0.2, "views": 1},
    "few rows": {"n": 9},
    "fewer": {"n": 4},
}
SETTINGS = {
    "unknown": (),
    "batch": SMALL_BATCH,
    "weight": (*SMALL_BATCH, "--temperature", "0.1", "--alpha", "0.05"),
    "large weight": (*SMALL_BATCH, "--temperature", "0.1", "--alpha", "0.6"),
    "plain": (*SMALL_BATCH, "--temperature", "0.2"),
}
runner = CliRunner()


def asked(*words):
    """Exit code, JSON (None where refused) and messages of a command."""
    done = runner.invoke(app, [str(word) for word in (*words, "--format", "json")])
    return done.exit_code, json.loads(done.stdout) if done.exit_code == 0 else None, done.stderr


def held_together(file, options):
    """`measure` and `recommend --from` of one file and one setting against each other; what `measure` said."""
    _, measured, _ = asked("measure", file, *options)
    code, advice, refusal = asked("recommend", *options, "--from", file)
    spread, remedy = measured["spread"], measured["remedy"]
    command = remedy[remedy.index("ssem-advisor") :].removesuffix(" says more") if "ssem-advisor" in remedy else ""
    if advice is None:
        assert code == 2
        assert refusal.count("\n") == 1
        assert "--from" not in command
        told = (spread["view_reliability"] or {"interval": [0.0]})["interval"][0] > 0
        unsure = spread["directions"]["interval"][1] > 2 * spread["directions"]["interval"][0]
        # Never refused where `measure` is sure of the reliability and of the directions, unless its verdict says why.
        assert not told or unsure or f"{measured['verdict']}: {measured['meaning']}" in refusal
        return measured
    assert measured["verdict"] not in ("total collapse", "class structure lost", "cannot tell")
    judged = spread["local_free"] or spread["free_spread"]
    (note,) = [note for note in advice["notes"] if note["code"] == "pilot"]
    assert note["values"]["measured_spread"] == max(judged["value"], 0.0)
    assert note["values"]["measured_reliability"] == pytest.approx(spread["view_reliability"]["value"])
    if command:
        assert "--from" in command
        code, again, _ = asked(*shlex.split(command)[1:])
        assert code == 0
        assert again == advice
        number = remedy.removesuffix(f"; {command} says more").rpartition(": ")[2]
        if number.endswith(" that is safe"):
            shown, _, which = number.removeprefix("alpha=").partition(", the ")
            end = {"least that is safe": 0, "most that is safe": 1}[which]
            assert float(shown) == pytest.approx(advice["alpha"]["safe"][end], rel=0.01)
        elif number.startswith("alpha="):
            shown = number.removeprefix("alpha=").replace(" for its default batch", "").split(" at temperature ")
            told = [advice[name]["recommended"] for name in ("alpha", "temperature")]
            assert [float(x) for x in shown] == pytest.approx(told[: len(shown)], rel=6e-3)
            if len(shown) == 1 and "--alpha" in options:
                assert ("raise alpha" in remedy) == (told[0] > float(options[-1]))
        else:
            assert advice["alpha"]["recommended"] is None
    return measured


# Every file in one setting; in all of them takes a minute.
PAIRS = [
    pytest.param(file, options, marks=[pytest.mark.slow] * ((i + j) % len(SETTINGS) > 0))
    for i, file in enumerate(FILES)
    for j, options in enumerate(SETTINGS)
]


@pytest.mark.parametrize(("name", "options"), PAIRS)
def test_measure_and_recommend_say_one_thing_of_a_file(name, options, tmp_path):
    z, y = rows(**FILES[name])
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    said = SETTINGS[options]
    if 200 % len(set(y.tolist())):
        said = tuple("random" if word == "balanced" else word for word in said)
    held_together(tmp_path / "z.npz", said)


TYPED = {
    "sizes": ["--class-counts", "90,60,40,24,12", "--batch-size", "64"],
    "sizes in a file": ["--class-counts", "SIZES", "--batch-size", "64", "--temperature", "0.1", "--alpha", "0.02"],
    "ratio": ["--class-counts", "9:6:4:2:1", "--instances", "2260", "--batch-size", "64"],
    "processes": ["--batch-size", "50", "--world-size", "4", "--gather", "--sampler", "balanced"],
    "config": ["--config", "CONFIG"],
    "config and options": ["--config", "CONFIG", "--batch-size", "300", "--dim", "32"],
    "labels beside": ["--labels", "LABELS", "--classes-per-batch", "5", "--sampler", "balanced", "--batch-size", "100"],
    "data set": ["--dataset", "cifar10", "--classes", "5", "--views", "2"],
}


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("name", TYPED)
def test_the_printed_command_repeats_what_was_typed(name, views, tmp_path):
    """It runs as it is printed, for the setting that `measure` was told, and gives the number that was printed."""
    z, y = rows(sizes=TAIL, free=0.004, noise=0.02 if views > 1 else 0.0, views=views)
    np.savez(tmp_path / "z.npz", embeddings=z, **({} if name == "labels beside" else {"labels": y}))
    np.save(tmp_path / "y y.npy", y)
    (tmp_path / "sizes.json").write_text("[90, 60, 40, 24, 12]")
    (tmp_path / "run.yaml").write_text("loss: SupConLoss\ntemperature: 0.2\nbatch_size: 128\nnum_classes: 5\n")
    files = {"SIZES": tmp_path / "sizes.json", "CONFIG": tmp_path / "run.yaml", "LABELS": tmp_path / "y y.npy"}
    options = [str(files.get(word, word)) for word in TYPED[name]]
    _, measured, _ = asked("measure", tmp_path / "z.npz", *options)
    remedy = measured["remedy"]
    assert measured["verdict"] == "class collapse"
    command = shlex.split(remedy[remedy.index("ssem-advisor") :].removesuffix(" says more"))
    code, advice, _ = asked(*command[1:])
    assert code == 0
    assert ("--from" in command) == (views == 2)
    assert ("--labels" in command) == (views == 2 and name == "labels beside")
    known = [word for word in options if word not in ("--labels", str(files["LABELS"]))]
    known += ["--classes", "5"] if name in ("processes", "labels beside") else []
    _, expected, _ = asked("recommend", *known, *([] if "--dim" in known else ["--dim", "32"]))
    assert advice["setting"] | {"assumed": 0} == expected["setting"] | {"assumed": 0}
    shown = remedy.rsplit("alpha=", 1)[1].split(";")[0].split()[0]
    assert float(shown) == pytest.approx(advice["alpha"]["recommended"], rel=6e-3)


@pytest.mark.parametrize("command", ["measure", "diagnose --embeddings"])
def test_the_printed_command_stands_on_one_line(command, tmp_path, monkeypatch):
    """On a screen of 80 columns: what is copied from it runs, and says what the sentence says."""
    z, y = rows(free=0.004, noise=0.02)
    file = tmp_path / "a folder" / "embeddings of the long run.npz"
    file.parent.mkdir()
    np.savez(file, embeddings=z, labels=y)
    done = runner.invoke(app, [*command.split(), str(file), *SMALL_BATCH], env={"COLUMNS": "80"})
    (line,) = [line for line in done.stdout.splitlines() if "ssem-advisor" in line]
    assert len(line) > 80
    asked_for = shlex.split(line)
    assert asked_for[:2] == ["ssem-advisor", "recommend"]
    code, advice, _ = asked(*asked_for[1:])
    assert code == 0
    assert (advice["setting"]["classes"], advice["setting"]["batch_size"]) == (5, 200)


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ("--sampler balanced --batch-size 10 --temperature 0.1", "draw two instances or more of each class in a batch"),
        ("--views 1 --batch-size 50 --temperature 0.1", "take two views of each instance"),
    ],
)
def test_where_nothing_prevents_collapse_the_remedy_says_why_and_repeats_no_weight(options, way, tmp_path):
    """The network is not to blame, and neither is a weight: none is large enough."""
    z, y = rows(m=10, free=0.004, noise=0.02)
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    _, measured, _ = asked("measure", tmp_path / "z.npz", *options.split(), "--alpha", "0.3")
    reason, command = measured["remedy"].removesuffix(" says more").split("; ssem-advisor ")
    assert reason.endswith(f"no alpha and temperature are safe here: {way}")
    assert "--alpha" not in command
    code, advice, _ = asked(*shlex.split(command))
    assert code == 0
    assert advice["recommended"] is None


@pytest.mark.parametrize(
    ("options", "temperature"),
    [("", 0.1), ("--temperature 0.1", 0.1), ("--temperature 0.2", 0.2), ("--temperature 0.07", 0.07)],
)
def test_the_answer_keeps_the_temperature_of_the_measured_run(options, temperature, tmp_path):
    """However reliable the views are; a warmer one is named, with the option that asks for it."""
    z, y = rows(free=0.12, noise=0.02)
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    done = runner.invoke(app, ["recommend", "--from", str(tmp_path / "z.npz"), *SMALL_BATCH, *options.split()])
    assert f"temperature = {temperature}\n" in done.stdout
    text = " ".join(done.stdout.split())
    assert ("--temperature 0.3 gives the weight to train there" in text) == (not options)
    assert ("If the run was not at the temperature above" in text) == (not options)


def test_a_temperature_at_which_no_weight_is_safe_is_left_and_the_answer_says_why(tmp_path):
    z, y = rows()
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    code, advice, _ = asked("recommend", "--from", tmp_path / "z.npz", *SMALL_BATCH, "--temperature", "2")
    assert code == 0
    assert advice["recommended"]["temperature"] == 0.1
    assert "temperature-moved" in {note["code"] for note in advice["notes"]}
