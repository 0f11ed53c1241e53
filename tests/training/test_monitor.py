"""The monitor: its numbers against `measure`, its verdicts in real training, its state, two processes, its loggers."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from ssem_advisor import Setting, measure, recommend, reference_losses
from ssem_advisor.losses import supervised_contrastive_loss
from ssem_advisor.theory.network import PERFECT
from ssem_advisor.training import CollapseMonitor, CollapseWarning
from ssem_advisor.training.loggers import log_to

SETTING = Setting(classes=4, dim=8, temperature=0.5, alpha=0.6, batch_size=24, sampler="balanced")


def batch(seed: int = 0, spread: float = 0.5, common: float = 0.0, views: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(24) % 4
    means = torch.eye(8)[:4] - torch.eye(8)[:4].mean(0) + common * torch.eye(8)[7]
    own, view = torch.randn(24, 1, 8, generator=generator), torch.randn(24, views, 8, generator=generator)
    z = means[y][:, None] + spread * (0.8 * own + 0.6 * view) / 8**0.5
    return z, y


def close(scalars, **expected):
    for name, value in expected.items():
        assert scalars[f"ssem/{name}"] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_numbers_are_those_of_measure():
    z, y = batch()
    fit = measure(z, y).ssem
    scalars = CollapseMonitor(every=1).update(z, y)
    structure = (fit.within_similarity - fit.between_similarity) * 3 / 4
    close(
        scalars,
        within_class_variance=1 - fit.within_similarity,
        between_class_variance=structure,
        total_variance=1 - fit.within_similarity + structure,
        anchors_with_positives=1.0,
    )


def test_layouts_scales_and_types_agree():
    z, y = batch()
    expected = CollapseMonitor(every=1).update(z, y)
    shuffled = torch.randperm(48)
    ids, flat = torch.arange(24).repeat_interleave(2)[shuffled] * 7, z.reshape(48, 8)[shuffled]
    rows = CollapseMonitor(every=1).update(flat * 5, y.repeat_interleave(2)[shuffled], instance_ids=ids)
    half = CollapseMonitor(every=1).update(z.bfloat16(), y)
    for name, value in expected.items():
        assert rows[name] == pytest.approx(value, rel=1e-5)
        assert half[name] == pytest.approx(value, abs=0.02)


def test_estimates_from_small_batches_are_unbiased():
    """Two instances a class in a batch: 1 - |class mean|^2 would see half of the variance."""
    generator = torch.Generator().manual_seed(0)
    z = torch.eye(16)[:8][torch.arange(4000) % 8] + 0.2 * torch.randn(4000, 16, generator=generator)
    y = torch.arange(4000) % 8
    monitor = CollapseMonitor(every=5)
    reports = [monitor.update(z[rows], y[rows]) for rows in torch.arange(4000).reshape(250, 16)]
    for name in ("within_class_variance", "total_variance"):
        seen = np.mean([scalars[f"ssem/{name}"] for scalars in reports if scalars is not None])
        assert seen == pytest.approx(getattr(measure(z, y), name), rel=0.02)


def test_share_of_anchors_with_positives():
    z = torch.randn(5, 8)
    scalars = CollapseMonitor(every=1).update(z, torch.tensor([0, 0, 1, 2, 3]))
    close(scalars, anchors_with_positives=0.4)


def test_distances_in_nats():
    z, y = batch()
    scalars = CollapseMonitor(SETTING, every=1).update(z, y)
    loss = float(supervised_contrastive_loss(z, y, 0.6, 0.5))
    plateau, collapse, optimum = reference_losses(SETTING)
    close(
        scalars,
        loss=loss,
        distance_to_plateau=plateau - loss,
        distance_to_class_collapse=collapse - loss,
        distance_to_optimum=loss - optimum,
    )
    assert scalars["ssem/distance_to_optimum"] > 0


def test_at_total_collapse_the_distance_to_the_plateau_is_zero():
    _, y = batch()
    scalars = CollapseMonitor(SETTING, every=1).update(torch.ones(24, 2, 8), y)
    close(scalars, distance_to_plateau=0.0, total_variance=0.0)


def test_reports_every_kth_update_over_all_of_them():
    monitor = CollapseMonitor(every=3)
    assert monitor.update(*batch(0)) is None
    assert monitor.update(*batch(1)) is None
    close(
        monitor.update(*batch(2)),
        within_class_variance=np.mean(
            [CollapseMonitor(every=1).update(*batch(i))["ssem/within_class_variance"] for i in range(3)]
        ),
    )
    assert monitor.update(*batch(3)) is None


@pytest.mark.parametrize(("size", "steps"), [(24, [1, 34, 67, 100]), (240, [50, 100]), (480, [100])])
def test_between_the_batches_that_a_report_rests_on_nothing_is_read(monkeypatch, size, steps):
    from ssem_advisor.training import monitor as module

    read, reported = [], []
    sums = module.pair_sums
    monkeypatch.setattr(module, "pair_sums", lambda *args: read.append(monitor.steps) or sums(*args))
    monitor = CollapseMonitor(SETTING)
    z, y = (x.repeat(size // 24, *[1] * (x.ndim - 1)) for x in batch())
    for step in range(1, 201):
        if monitor.update(z, y) is not None:
            reported.append(step)
    assert reported == [100, 200]
    assert read == [*steps, *(100 + step for step in steps)]


def test_free_spread_is_measured_early_and_then_ever_more_rarely():
    monitor, measured = CollapseMonitor(SETTING, patience=100), []
    z, y = batch()
    for step in range(1, 6001):
        scalars = monitor.update(z, y)
        if scalars is not None and "ssem/free_spread" in scalars:
            measured.append(step)
            assert 512 <= monitor.spread.instances < 512 + 24
    assert measured == [100, 200, 400, 800, 1600, 3200, 5200]


def test_a_spread_that_is_never_wanted_is_never_measured():
    monitor = CollapseMonitor(SETTING, every=1, spread_every=0)
    assert all("ssem/free_spread" not in monitor.update(*batch(step)) for step in range(30))
    assert monitor.spread is None


def test_labels_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"z of shape \(48, 8\) with 24 labels"):
        CollapseMonitor().update(batch()[0].reshape(48, 8), batch()[1])


def test_no_gradient_is_touched():
    z, y = batch()
    z.requires_grad_()
    CollapseMonitor(SETTING, every=1).update(z, y)
    assert z.grad is None


# -- verdicts -------------------------------------------------------------------------------------------------------


def feed(monitor, steps, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(steps):
            monitor.update(*batch(step, **options))
    return [str(w.message) for w in caught if w.category is CollapseWarning]


def test_class_collapse_is_warned_about_once_with_the_remedy():
    monitor = CollapseMonitor(SETTING.with_(alpha=0.1), every=2)
    assert feed(monitor, 5, spread=0.02) == []  # patience: three reports
    (message,) = feed(monitor, 40, spread=0.02)
    assert message.startswith("class collapse after 6 updates")
    assert message.startswith("class collapse after 6 updates: set alpha=")  # the number first
    assert "now alpha=0.1 at temperature 0.5" in message
    assert "alpha=0.1 is not above the collapse threshold" in message
    assert "\n" not in message
    assert monitor.warning == message


def test_the_warning_and_the_remedy_name_one_weight():
    """That of a typical network: early in training the views of an instance are more alike than they will be."""
    setting = Setting(classes=4, dim=24, temperature=0.1, alpha=0.05, batch_size=64, sampler="balanced")
    generator = torch.Generator().manual_seed(0)
    means, y = torch.eye(24)[:4], torch.arange(64) % 4
    monitor = CollapseMonitor(setting, every=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        while monitor.warning is None and monitor.steps < 1000:
            own, view = (torch.randn(64, k, 24, generator=generator) for k in (1, 2))
            monitor.update(means[y][:, None] + 0.02 * own + 0.02 * view, y)
    weight = recommend(setting).recommended.alpha
    network, free = monitor.spread.pilot
    assert recommend(setting, network=network, pilot=free).recommended.alpha < 0.9 * weight
    assert f"set alpha={weight:.3g} (now" in monitor.warning
    assert f"alpha={weight:.3g}; " in monitor.verdict.remedy
    assert "--from" not in monitor.verdict.remedy


def test_bad_reports_count_only_in_a_row():
    monitor = CollapseMonitor(every=1, spread_every=0)
    spreads = [0.02, 0.02, 0.5] * 5
    assert [m for spread in spreads for m in feed(monitor, 1, spread=spread)] == []
    assert len([m for _ in range(3) for m in feed(monitor, 1, spread=0.02)]) == 1


def test_little_free_spread_is_called_out_sooner_where_the_loss_asks_for_it():
    """Views that differ much hide it from the within-class variance: free spread alone sees it."""
    generator = torch.Generator().manual_seed(0)
    means, y = torch.eye(8)[:4] - torch.eye(8)[:4].mean(0), torch.arange(24) % 4

    def warned_at(alpha):
        monitor = CollapseMonitor(SETTING.with_(alpha=alpha))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)
            while monitor.warning is None and monitor.steps < 1000:
                monitor.update(means[y][:, None] + 0.3 * torch.randn(24, 2, 8, generator=generator), y)
        assert monitor.verdict.name == "class collapse"
        return monitor.steps

    assert warned_at(alpha=0.1) == 200
    assert warned_at(alpha=0.6) == 400


def test_measured_alone_it_waits_until_the_variance_is_gone():
    assert feed(CollapseMonitor(every=1), 20, spread=0.3) == []
    assert len(feed(CollapseMonitor(every=1), 20, spread=0.02)) == 1


def test_total_collapse_is_warned_about_but_not_the_start_of_training():
    (message,) = feed(CollapseMonitor(every=1), 30, spread=0.5, common=20.0)
    assert message.startswith("total collapse")
    monitor = CollapseMonitor(every=1)
    rising = [m for step in range(30) for m in feed(monitor, 1, spread=0.5, common=20.0 * 0.9**step)]
    assert rising == []


def test_the_warning_points_at_the_training_loop():
    monitor = CollapseMonitor(every=1)
    monitor.update(*batch(spread=0.02))
    monitor.update(*batch(spread=0.02))
    with pytest.warns(CollapseWarning) as caught:
        monitor.update(*batch(spread=0.02))
    assert caught[0].filename == __file__


def test_compiled_training_steps_leave_the_monitor_out_of_the_graph():
    monitor = CollapseMonitor(SETTING, every=1)

    @torch.compile(backend="eager")
    def step(z, y):
        monitor.update(z, y)
        return z.sum()

    z, y = batch()
    step(z, y)
    assert monitor.steps == 1


def test_healthy_is_silent():
    monitor = CollapseMonitor(SETTING, every=1, spread_every=100)
    assert feed(monitor, 30) == []
    assert monitor.verdict.name == "healthy"


def test_nan_embeddings_do_not_break_the_run():
    z, y = batch()
    monitor = CollapseMonitor(SETTING, every=1)
    assert math.isnan(monitor.update(z * math.nan, y)["ssem/total_variance"])
    assert monitor.verdict is None


def test_a_collapsing_run_is_called_out_in_its_first_epochs_and_the_recommended_one_is_not():
    from plain_torch import train

    with pytest.warns(CollapseWarning, match="alpha=0.1 is not above the collapse threshold 0.319"):
        collapsing, _ = train(alpha=0.1, epochs=8)
    assert int(collapsing.warning.split()[3]) <= 8 * 7  # seven batches an epoch
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        # the digits' views are nearly perfect
        recommended = recommend(collapsing.setting, network=PERFECT).recommended
        healthy, _ = train(recommended.alpha, recommended.temperature, epochs=25)
    assert healthy.verdict.name == "healthy"


# -- state, processes, loggers --------------------------------------------------------------------------------------


def test_state_goes_through_json_and_resumes_exactly():
    setting = SETTING.with_(alpha=0.1)
    whole = CollapseMonitor(setting, every=4)
    expected = [whole.update(*batch(i, spread=0.02)) for i in range(10)]
    first, second = CollapseMonitor(setting, every=4), CollapseMonitor(setting, every=4)
    seen = [first.update(*batch(i, spread=0.02)) for i in range(6)]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    seen += [second.update(*batch(i, spread=0.02)) for i in range(6, 10)]
    assert seen == expected
    assert len(feed(second, 8, spread=0.02)) == 1
    third = CollapseMonitor(setting, every=4)
    third.load_state_dict(second.state_dict())
    assert feed(third, 20, spread=0.02) == []  # warned already


def _rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    logged = []
    monitor = CollapseMonitor(SETTING, every=2, log=lambda scalars, step: logged.append((scalars, step)))
    monitor.update(*batch(rank))
    scalars = monitor.update(*batch(2 + rank))
    with open(f"{folder}/{rank}.json", "w") as file:
        json.dump([scalars, logged], file)
    torch.distributed.destroy_process_group()


def test_two_processes_report_what_one_does(tmp_path):
    mp.spawn(_rank, (str(tmp_path),), nprocs=2)
    (one, logged), (two, silent) = (json.loads((tmp_path / f"{r}.json").read_text()) for r in (0, 1))
    assert one == two
    assert logged == [[one, 2]]
    assert silent == []
    alone = CollapseMonitor(SETTING, every=4)
    for i in range(3):
        alone.update(*batch(i))
    expected = alone.update(*batch(3))
    for name in ("within_class_variance", "total_variance", "anchors_with_positives", "share_of_optimum"):
        assert one[f"ssem/{name}"] == pytest.approx(expected[f"ssem/{name}"], rel=1e-6)
    losses = [float(supervised_contrastive_loss(*batch(i), 0.6, 0.5)) for i in (2, 3)]
    assert one["ssem/loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_tensorboard_writer(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tmp_path)
    monitor = CollapseMonitor(SETTING, every=2, log=writer)
    scalars = [monitor.update(*batch(i), step=10 * i) for i in range(4)]
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == set(scalars[1])
    recorded = events.Scalars("ssem/within_class_variance")
    assert [e.step for e in recorded] == [10, 30]
    assert recorded[1].value == pytest.approx(scalars[3]["ssem/within_class_variance"], rel=1e-6)


def test_what_is_not_a_logger_is_refused():
    with pytest.raises(TypeError, match="SummaryWriter"):
        log_to("runs")


def test_plain_supcon_is_called_out():
    monitor = CollapseMonitor(SETTING.with_(alpha=None), every=1)
    (message,) = feed(monitor, 5, spread=0.2)
    assert "plain SupCon" in message
    scalars = monitor.update(*batch())
    close(scalars, loss=float(supervised_contrastive_loss(*batch(), None, 0.5)))
    assert scalars["ssem/distance_to_optimum"] == -scalars["ssem/distance_to_class_collapse"]


def test_fewer_dimensions_than_classes_leave_the_plateau():
    z, y = torch.randn(24, 2, 8), torch.arange(24) % 12
    setting = Setting(classes=12, dim=8, temperature=0.5, alpha=0.6, batch_size=24, sampler="balanced")
    scalars = CollapseMonitor(setting, every=1).update(z, y)
    close(scalars, distance_to_plateau=math.log(47) - scalars["ssem/loss"])
    assert "ssem/distance_to_optimum" not in scalars
