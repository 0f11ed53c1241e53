"""What the plan of `recommend` says that a result would mean, against what `measure` says of such a result; and that
the answer moves with the setting without steps that are not explained."""

import numpy as np
import pytest

from ssem_advisor import Setting, measure, recommend
from ssem_advisor.advice import Code, Purpose
from ssem_advisor.theory.network import shares_directions

SETTINGS = {
    "few classes": Setting(classes=5, dim=64, batch_size=400, sampler="balanced"),
    "three": Setting(classes=3, dim=32, batch_size=256),
    "ten": Setting(classes=10, dim=128, batch_size=512),
    "twenty": Setting(classes=20, dim=64, batch_size=400, sampler="balanced"),
    "shared directions": Setting(classes=20, dim=32, batch_size=400, sampler="balanced"),
}


def result(setting, free, reliability=0.5, each=60, seed=0):
    """Embeddings of two views of a network with this free spread, in all directions beside the class means alike, or
    in all directions where these take most."""
    m, d = setting.classes, setting.dim
    rng = np.random.default_rng(seed)
    means = np.linalg.svd(np.eye(m) - 1 / m)[0][:, : m - 1]
    means = np.pad(means / np.linalg.norm(means, axis=1, keepdims=True), ((0, 0), (0, d - m + 1)))
    beside = np.zeros(d)
    beside[0 if shares_directions(setting) else m - 1 :] = 1.0
    beside /= np.linalg.norm(beside)
    y = np.repeat(np.arange(m), each)
    noise = free * (1 / reliability - 1)
    z = np.sqrt(1 - free - noise) * means[y][:, None] + np.sqrt(free) * beside * rng.normal(size=(len(y), 1, d))
    return z + np.sqrt(noise) * beside * rng.normal(size=(len(y), 2, d)), y


@pytest.mark.parametrize("name", SETTINGS)
def test_a_result_as_expected_is_healthy_with_nothing_to_do(name):
    """ "healthy: done", at every point of the plan that keeps what it is expected to keep."""
    answer = recommend(SETTINGS[name])
    for trial in answer.plan:
        at = answer.setting.with_(alpha=trial.point.alpha, temperature=trial.point.temperature)
        # A hair inside the range: at its lower end a sample is as often below it.
        free = trial.point.free_spread * (1.1 if trial.purpose is Purpose.less_spread else 1.0)
        found = measure(*result(at, free), setting=at, bootstrap=0, pairs=10)
        assert (found.verdict, found.remedy) == ("healthy", "nothing to do"), trial


@pytest.mark.parametrize("name", SETTINGS)
def test_a_start_that_measures_too_little_is_sent_where_the_plan_goes(name):
    """ "If the start measured too little": more weight, where the views are as unreliable as that takes; where they are
    reliable enough for the weight, training has not come as far."""
    answer = recommend(SETTINGS[name])
    start = answer.plan[0].point
    assert any(trial.purpose is Purpose.more_spread for trial in answer.plan)
    at = answer.setting.with_(alpha=start.alpha, temperature=start.temperature)
    for reliability in (0.2, 0.5):
        rows = result(at, 0.2 * answer.safe_spread[0], reliability)
        found = measure(*rows, setting=at, bootstrap=0, pairs=10)
        assert found.verdict in ("class collapse", "too little")
        again = recommend(at, network=found.pilot.network, pilot=found.pilot.free_spread)
        if again.recommended.alpha > 1.02 * start.alpha:
            number = float(found.remedy.rpartition("alpha=")[2].split(";")[0].split(" ")[0])
            assert number == pytest.approx(again.recommended.alpha, rel=5e-3)
        else:
            assert "training was too short" in found.remedy or "train longer" in found.remedy
    assert again.recommended.alpha < start.alpha


def told(answer):
    """Whether the answer explains that it left what is usual, or that it reaches less than is wanted."""
    codes = {note.code for note in answer.notes}
    return codes & {Code.another_temperature, Code.temperature_moved, Code.both_moved, Code.less_than_wanted}


CROWD = {"classes": 128, "batch_size": 512}
SWEEPS = [
    pytest.param([Setting(dim=d, **CROWD) for d in (126, 127, 128, 129, 132, 140)], id="dim near classes"),
    pytest.param([Setting(classes=10, dim=d, batch_size=512) for d in range(16, 40, 2)], id="few dimensions"),
    pytest.param([Setting(dim=d, **CROWD) for d in range(100, 161, 3)], id="128 classes", marks=pytest.mark.slow),
    pytest.param(
        [Setting(classes=10, dim=d, batch_size=512) for d in range(8, 65)], id="10 classes", marks=pytest.mark.slow
    ),
    pytest.param(
        [Setting(classes=20, dim=128, batch_size=round(b)) for b in np.geomspace(80, 4096, 60)],
        id="batches", marks=pytest.mark.slow,
    ),
    pytest.param(
        [Setting(classes=m, dim=128, batch_size=512) for m in range(3, 140)], id="classes", marks=pytest.mark.slow
    ),
    pytest.param(
        [Setting(classes=10, dim=128, batch_size=512, temperature=t) for t in np.geomspace(0.02, 0.3, 200)],
        id="temperatures", marks=pytest.mark.slow,
    ),
]  # fmt: skip


@pytest.mark.parametrize("settings", SWEEPS)
def test_the_weight_moves_without_unexplained_steps(settings):
    """From one setting to the next the weight moves by little, or the answer says why temperature moved."""
    before = last = None
    for setting in settings:
        answer = recommend(setting)
        now = answer.recommended
        assert now is not None, setting
        if before is not None and abs(now.alpha - before.alpha) > 0.08 * max(now.alpha, before.alpha):
            assert now.temperature != before.temperature, (setting, before.alpha, now.alpha)
            assert told(answer) or told(last), setting
        before, last = now, answer
