"""Search against theory: Optuna's TPE over (alpha, temperature) on the digits, and the one recommended setting.

    python validation/tpe/compare.py [--trials 30] [--epochs 40]

Both train the same network on the same five merged classes with the same seed, and are judged by a linear probe of the
ten digits, which training never sees. The search is even allowed to look at that probe, which a user could not.
Writes comparison.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import optuna
import torch

from ssem_advisor import recommend
from ssem_advisor.experiments.data import BatchSampler, digits, stream
from ssem_advisor.experiments.metrics import probe
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.stacked import Stack


def train(alpha: float, temperature: float, epochs: int, seed: int = 0) -> float:
    protocol, data = Protocol.default("digits", epochs=epochs), digits(5)
    sampler = BatchSampler("balanced", data.coarse, 250)
    stack = Stack((64, *protocol.hidden, protocol.dim), [seed], [alpha], [temperature])
    steps = epochs * -(-len(data.x) // 250)
    for step in range(steps):
        chosen = sampler.draw(seed, step)
        stack.step(data.views(chosen, 2, stream(seed, step, "augment")), data.coarse[chosen], step / steps)
    z, z_test = (stack.embed(x.flatten(1), 0) for x in (data.x, data.x_test))
    return probe(z, data.fine, z_test, data.fine_test)


def main(trials: int, epochs: int) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began = time.perf_counter()
    protocol = Protocol.default("digits")
    setting = protocol.setting(0.1, counts=digits(5).counts).with_(temperature=None)
    point = recommend(setting).recommended
    assert point is not None
    accuracy = train(point.alpha, point.temperature, epochs)
    advised = {"alpha": point.alpha, "temperature": point.temperature, "probe": accuracy}
    advised["seconds"] = time.perf_counter() - began

    began = time.perf_counter()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(
        lambda trial: train(
            trial.suggest_float("alpha", 0, 1), trial.suggest_float("temperature", 0.02, 2, log=True), epochs
        ),
        trials,
    )
    searched = {**study.best_params, "probe": study.best_value, "seconds": time.perf_counter() - began}
    found = [t.value for t in study.trials]
    needed = next((i + 1 for i, v in enumerate(found) if v is not None and v >= accuracy), None)
    result = {
        "trials": trials, "epochs": epochs, "recommended": advised, "search": searched,
        "trials_to_reach_the_recommended": needed, "probes": found,
    }  # fmt: skip
    Path(__file__).with_name("comparison.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=40)
    main(**vars(parser.parse_args()))
