"""The explorer in a real headless Chromium: its engine against the Python one, and the page as its users meet it."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from ssem_advisor.advice import Outlook, aims, complete, outlook_of, recommend
from ssem_advisor.cli import app
from ssem_advisor.domain import AdvisorError, NotCovered, Setting
from ssem_advisor.measurement.loss_value import place_loss
from ssem_advisor.report import explorer
from ssem_advisor.theory import (
    alpha_for_variance,
    collapse_limits,
    collapse_threshold,
    critical_temperature,
    equivalent_alpha,
    optimal_variance,
    plain_weight,
    reference_losses,
)
from ssem_advisor.theory.estimates import expected_variance
from ssem_advisor.theory.network import PERFECT, alpha_for_free_spread, expected_free_spread, typical

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium binary on this machine")
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
RELATIVE = 1e-9


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return explorer.write(tmp_path_factory.mktemp("explorer") / "page.html").as_uri()


@pytest.fixture(scope="module")
def engine(browser: Any, address: str) -> Any:
    page = browser.new_page()
    page.goto(address)
    return page


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Opens the page at a hash, in a context of its own; fails the test on any error or request of the page."""
    contexts, troubles = [], []

    def open_page(hash_: str = "", url: str = address, **context: Any) -> Any:
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda request: troubles.append(request.url) if request.url.startswith("http") else None)
        page.goto(f"{url}#{hash_}")
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def settle(page: Any) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def numbers(page: Any, list_: str = "#numbers") -> dict[str, str]:
    return dict(
        zip(
            page.locator(f"{list_} dt").all_inner_texts(),
            page.locator(f"{list_} strong").all_inner_texts(),
            strict=True,
        )
    )


def js_setting(setting: Setting) -> dict[str, Any]:
    """The setting as the engine takes it; Infinity travels as null in JSON, so the page side puts it back."""
    return {
        "loss": setting.loss,
        "sampler": setting.sampler,
        "classes": setting.classes,
        "instances": setting.instances_per_class,
        "batch": setting.batch_size,
        "perBatch": setting.classes_per_batch,
        "views": setting.views,
        "dim": setting.dim,
        "alpha": setting.alpha,
        "tau": setting.temperature,
    }


def ask(engine: Any, question: str, cases: list[tuple[Any, ...]]) -> list[Any]:
    """The engine's answers to `question`, a JavaScript function of (s, ...), for all cases in one call."""
    prepared = [[js_setting(setting), *rest] for setting, *rest in cases]
    return engine.evaluate(
        f"""(cases) => cases.map(([s, ...rest]) => {{
            s.instances ??= Infinity;
            s.dim ??= Infinity;
            return ({question})(SSEM.checked(s), ...rest);
        }})""",
        prepared,
    )


def vector_setting(vector: dict[str, Any], **changes: Any) -> Setting:
    names = ("loss", "sampler", "classes", "instances_per_class", "batch_size", "views", "temperature")
    return Setting(**{name: vector[name] for name in names} | {"alpha": 0.5} | changes)


def agree(got: list[Any], wanted: list[Any]) -> None:
    assert len(got) == len(wanted) > 0
    wrong = [
        (index, g, w)
        for index, (g, w) in enumerate(zip(got, map(float, wanted), strict=True))
        if not (g == w or abs(g - w) <= RELATIVE * abs(w))
    ]
    assert wrong == []


# -- the engine -------------------------------------------------------------------------------------------------------

QUESTIONS = {
    "threshold": ("(s) => SSEM.collapseThreshold(s)", collapse_threshold),
    "optimum": ("(s) => SSEM.optimalVariance(s)", optimal_variance),
    "weight": ("(s, v) => SSEM.alphaForVariance(s, v)", alpha_for_variance),
    "temperature": ("(s) => SSEM.criticalTemperature(s)", critical_temperature),
}


def vector_cases(kind: str) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Cases of one kind over all vectors, and the answers to 15 and more digits."""
    if kind == "threshold":
        return [(vector_setting(vector),) for vector in VECTORS], [vector["alpha_c"] for vector in VECTORS]
    key, answer = {
        "optimum": ("optimum", "within_class_variance"),
        "weight": ("alpha_for_variance", "alpha"),
        "temperature": ("temperature_c", "temperature"),
    }[kind]
    rows = [(vector, row) for vector in VECTORS for row in vector[key]]
    if kind == "weight":
        cases = [(vector_setting(vector), row["within_class_variance"]) for vector, row in rows]
    else:
        cases = [(vector_setting(vector, alpha=row["alpha"]),) for vector, row in rows]
    return cases, [row[answer] for _, row in rows]


@needs_chromium
@pytest.mark.parametrize("kind", QUESTIONS)
def test_engine_agrees_with_the_vectors_and_with_python(engine: Any, kind: str) -> None:
    question, python = QUESTIONS[kind]
    cases, answers = vector_cases(kind)
    got = ask(engine, question, cases)
    agree(got, answers)
    agree(got, [python(*case) for case in cases])


def finite_settings() -> list[Setting]:
    """Dimensions with and without room, every sampler, both losses that have an estimate."""
    batches: list[dict[str, Any]] = [
        {"sampler": "full", "instances_per_class": 5},
        {"sampler": "balanced", "batch_size": 60},
        {"sampler": "balanced", "batch_size": 40, "classes_per_batch": 5, "instances_per_class": 30},
        {"sampler": "random", "batch_size": 64},
        {"sampler": "random", "batch_size": 64, "instances_per_class": 20},
    ]
    grid = itertools.product(
        ("supcon", "ssem"), batches, (10, 16, 64, 500), ((0.1, 0.4), (0.5, 0.9), (0.3, 1.0), (0.07, 0.0))
    )
    return [
        Setting(classes=10, loss=loss, dim=dim, views=3, temperature=tau, alpha=alpha, **batch)
        for loss, batch, dim, (tau, alpha) in grid
    ]


@needs_chromium
@pytest.mark.parametrize("network", ["typical", "perfect"])
def test_expected_free_spread_is_the_one_of_python(engine: Any, network: str) -> None:
    settings = finite_settings()
    who = [PERFECT if network == "perfect" else typical(setting) for setting in settings]
    with_network = f"(s) => SSEM.freeSpread({{...s, network: {network!r}}})"
    agree(
        ask(engine, with_network, [(setting,) for setting in settings]),
        [expected_free_spread(setting, net) for setting, net in zip(settings, who, strict=True)],
    )
    cases = [(setting, spread) for setting in settings for spread in (0.05, 0.1, 0.25)]
    agree(
        ask(engine, f"(s, v) => SSEM.weightFor({{...s, network: {network!r}}}, v)", cases),
        [
            alpha_for_free_spread(setting, spread, PERFECT if network == "perfect" else typical(setting))
            for setting, spread in cases
        ],
    )


@needs_chromium
def test_l_spread_in_finite_dimensions_is_the_estimate_of_python(engine: Any) -> None:
    settings = [setting.with_(loss="l_spread") for setting in finite_settings() if setting.loss == "supcon"]
    agree(ask(engine, "(s) => SSEM.freeSpread({...s, network: 'typical'})", [(s,) for s in settings]),
          [expected_variance(s) for s in settings])  # fmt: skip
    outlooks = [outlook_of(s) for s in settings]
    got = ask(engine, "(s) => SSEM.safeWeights({...s, network: 'typical'})", [(s,) for s in settings])
    safe = [outlook.safe_weights(outlook.setting.temperature) for outlook in outlooks]
    assert [found is None for found in got] == [found is None for found in safe]
    pairs = [(g, w) for g, w in zip(got, safe, strict=True) if w is not None]
    assert len(pairs) > 20
    for found, wanted in pairs:
        assert found == pytest.approx(wanted, rel=1e-6)


@needs_chromium
@pytest.mark.parametrize("network", ["typical", "perfect"])
def test_advice_is_the_one_of_python(engine: Any, network: str) -> None:
    settings = finite_settings()[::3]
    if network == "perfect":
        settings += [vector_setting(vector, temperature=tau) for vector in VECTORS[::3] for tau in (0.07, 0.3)]
    here = []
    for setting in settings:
        net = PERFECT if network == "perfect" else typical(setting)
        wanted, safe = aims(setting, net)
        outlook = Outlook(setting, net, safe)
        here.append(
            (setting, outlook.safe_weights(setting.temperature), outlook.best_weight(wanted, setting.temperature))
        )
    got = ask(
        engine,
        f"""(s) => ((t) => [SSEM.recommendedWeight(t), ...(SSEM.safeWeights(t) ?? [null, null])])(
            {{...s, network: {network!r}}})""",
        [(setting,) for setting, _, _ in here],
    )
    assert [row[0] is None for row in got] == [safe is None for _, safe, _ in here]
    numbers = [(row, (best, *safe)) for row, (_, safe, best) in zip(got, here, strict=True) if safe]
    assert len(numbers) > 10
    for row, wanted in numbers:
        assert row == pytest.approx(wanted, rel=1e-6)


def crowded_settings() -> list[Setting]:
    """Fewer dimensions than classes; every one with thresholds that Python finds in a moment."""
    shapes = [(9, 8), (20, 12), (40, 39), (60, 24), (100, 64), (300, 32), (5, 2), (7, 3), (12, 4), (20, 5), (12, 7)]
    draws: list[dict[str, Any]] = [{"sampler": "random"}, {"sampler": "balanced"}]
    return [
        Setting(classes=m, dim=d, batch_size=6 * m, loss=loss, temperature=tau, alpha=0.5, **draw)
        for (m, d), draw, loss, tau in itertools.product(shapes, draws, ("supcon", "ssem"), (0.05, 0.1, 0.25, 0.6))
    ]


@needs_chromium
@pytest.mark.parametrize("network", ["typical", "perfect"])
def test_with_fewer_dimensions_than_classes_nothing_is_safe_that_python_does_not_call_safe(
    engine: Any, network: str
) -> None:
    settings = crowded_settings()[:: 2 if network == "typical" else 7]
    got = ask(
        engine,
        f"""(s) => ((t) => [SSEM.collapseThreshold(t), ...(SSEM.safeWeights(t) ?? [null, null])])(
            {{...s, network: {network!r}}})""",
        [(setting,) for setting in settings],
    )
    narrow = 0
    for (threshold, low, high), setting in zip(got, settings, strict=True):
        true = min(collapse_limits(setting).open_above, 1.0)
        assert threshold is None or threshold >= true
        if setting.classes**2 * setting.dim <= 3000 and threshold is not None:  # found by descent, with a margin
            assert min(threshold, 1.0) <= 1.4 * true, setting
        if low is None:
            continue
        safe = outlook_of(setting, PERFECT if network == "perfect" else None).safe_weights(setting.temperature)
        assert safe is not None
        assert safe[0] * (1 - 1e-9) <= low < high <= safe[1] * (1 + 1e-6)
        narrow += 1
    assert narrow > (15 if network == "typical" else 3)


@needs_chromium
def test_reference_losses_are_those_of_python(engine: Any) -> None:
    settings = [vector_setting(vector, alpha=alpha) for vector in VECTORS for alpha in (0.7, 1.0)]
    got = ask(
        engine,
        "(s) => Object.values(SSEM.referenceLosses(s))",
        [(setting,) for setting in settings],
    )
    agree(list(itertools.chain(*got)), list(itertools.chain(*map(reference_losses, settings))))


@needs_chromium
def test_plain_supcon_has_the_equivalent_weight(engine: Any) -> None:
    settings = [
        Setting(classes=10, sampler="balanced", batch_size=200, views=3, temperature=0.1, alpha=0.5),
        Setting(classes=10, sampler="full", instances_per_class=7, temperature=0.1, alpha=0.5),
        Setting(classes=10, batch_size=101, instances_per_class=1000, temperature=0.1, alpha=0.5),
        Setting(classes=365, batch_size=64, temperature=0.1, alpha=0.5),  # most anchors are alone
    ]
    got = ask(engine, "(s) => SSEM.plainWeight(s)", [(setting,) for setting in settings])
    agree(got[:2], [equivalent_alpha(same, setting.views) for setting, same in zip(settings, (19, 6), strict=False)])
    agree(got, [plain_weight(setting) for setting in settings])


@needs_chromium
def test_contours_are_drawn_from_merged_batches_within_half_a_pixel(engine: Any) -> None:
    settings = [
        Setting(classes=m, batch_size=batch, loss=loss, temperature=tau, alpha=0.5)
        for m, batch in ((2, 4096), (100, 512), (10, 30))
        for loss in ("supcon", "ssem", "l_spread")
        for tau in (0.05, 0.2, 1.0)
    ]
    for variance in (0.0, 0.25):
        cases = [(setting, variance) for setting in settings]
        drawn = ask(engine, "(s, v) => SSEM.weightFor(s, v, SSEM.merged(SSEM.batches(s)))", cases)
        exact = ask(engine, "(s, v) => SSEM.weightFor(s, v)", cases)
        assert max(abs(min(a, 1) - min(b, 1)) for a, b in zip(drawn, exact, strict=True)) < 1e-3


@needs_chromium
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"classes": 1}, "classes"),
        ({"classes": 2.5}, "classes"),
        ({"batch": 510, "sampler": "balanced"}, "batch"),
        ({"batch": 10**7, "instances": 10}, "batch"),
        ({"perBatch": 200, "sampler": "balanced"}, "perBatch"),
        ({"sampler": "full"}, "instances"),
        ({"alpha": 1.5}, "alpha"),
        ({"tau": 0}, "tau"),
    ],
)
def test_engine_names_the_field_that_is_wrong(engine: Any, changes: dict[str, Any], field: str) -> None:
    setting = js_setting(Setting(classes=100, batch_size=512, temperature=0.1, alpha=0.5)) | changes
    found = engine.evaluate(
        """(s) => {
            s.instances ??= Infinity;
            s.dim ??= Infinity;
            try { SSEM.checked(s); } catch (error) { return [error.field, error.message]; }
        }""",
        setting,
    )
    assert found[0] == field
    assert len(found[1]) > 20


# -- pages that carry thresholds --------------------------------------------------------------------------------------

BY_CLASS = {
    "unequal": Setting(class_counts=(50, 30, 20), batch_size=40, dim=16, temperature=0.3, alpha=0.6),
    "unequal ssem": Setting(
        class_counts=(9, 7, 4), sampler="full", dim=32, temperature=0.2, alpha=0.5, loss="ssem", views=3
    ),
    "unequal balanced": Setting(
        class_counts=(90, 40, 40, 12), sampler="balanced", batch_size=40, dim=64, temperature=0.17, alpha=0.2
    ),
    "unequal in few dimensions": Setting(
        class_counts=(40, 30, 20, 10), batch_size=30, dim=2, temperature=0.1, alpha=0.9
    ),
    "with a class of one": Setting(class_counts=(20, 9, 1), batch_size=12, dim=8, temperature=0.15, alpha=0.1),
    "crowded": Setting(classes=400, dim=32, batch_size=1600, temperature=0.07, alpha=0.4),
    "crowded in few dimensions": Setting(
        classes=12, dim=4, batch_size=60, sampler="balanced", temperature=0.08, alpha=0.7
    ),
    "tight": Setting(classes=8, dim=7, batch_size=160, sampler="balanced", temperature=0.4, alpha=0.3),
    "roomy": Setting(classes=20, dim=64, batch_size=300, temperature=0.2, alpha=0.6),
}
TITLES = {
    "collapse": {"Collapse is the optimum", "Collapse is the optimum at every weight"},
    "may collapse": {"Some classes are collapsed", "Collapse may be the optimum"},
    "too little": {"Too little"},
    "safe": {"Safe"},
    "too much": {"Too much"},
}


def printed(text: str, value: float, way: int = 0) -> bool:
    """Whether four printed digits are those of a number, or the next above (way 1) or below (way -1)."""
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3) if value else 1e-9
    low, high = {0: (-0.5, 0.5), 1: (0.0, 1.0), -1: (-1.0, 0.0)}[way]
    return low - 0.02 <= (float(text) - value) / unit <= high + 0.02


@needs_chromium
@pytest.mark.parametrize("name", BY_CLASS)
def test_a_page_tells_what_recommend_tells_at_its_temperature(visit: Any, tmp_path: Path, name: str) -> None:
    setting = BY_CLASS[name]
    url = explorer.write(tmp_path / "page.html", setting).as_uri()
    page = visit(url=url)
    for network, alpha in itertools.product(("typical", "perfect"), (0.02, setting.alpha)):
        net = PERFECT if network == "perfect" else None
        wanted, _ = aims(setting, net)
        outlook = outlook_of(setting, net)
        limits, point = outlook.limits(setting.temperature), outlook.point(alpha, setting.temperature)
        page.get_by_label(network.capitalize(), exact=True).check()
        page.locator("#alpha").fill(str(alpha))
        settle(page)
        assert page.locator("#verdict strong").inner_text() in TITLES[point.state], (network, alpha)
        shown = numbers(page)
        assert printed(shown["Collapse threshold of α"], min(limits.open_above, 1.0), -1 if name == "roomy" else 1)
        weights = outlook.safe_weights(setting.temperature)
        assert (shown["Safe range of α"] == "none") == (weights is None)
        if weights is not None:
            low, high = shown["Safe range of α"].split(" to ")
            assert printed(low, weights[0], 1)
            assert printed(high, weights[1], -1)
            assert printed(shown["Recommended α"], outlook.best_weight(wanted, setting.temperature))
        assert printed(shown["Free spread"], point.free_spread)
    page.get_by_label("Typical", exact=True).check()
    settle(page)
    told = CliRunner().invoke(app, [*page.inner_text("#command").split()[1:], "--format", "json"])
    answer, point = json.loads(told.stdout)["given"], outlook_of(setting).point(setting.alpha, setting.temperature)
    assert (answer["state"], answer["free_spread"]) == (point.state, pytest.approx(point.free_spread))


@needs_chromium
@pytest.mark.parametrize("temperature", [1 / 3, 0.0071234567, 12.3456712, 0.1])
def test_a_page_knows_its_own_temperature_to_the_last_digit_and_rounds_both_limits(
    visit: Any, tmp_path: Path, temperature: float
) -> None:
    setting = BY_CLASS["unequal"].with_(temperature=temperature)
    page = visit(url=explorer.write(tmp_path / "page.html", setting).as_uri())
    limits = collapse_limits(setting)
    note = page.locator("#numbers div:has(dt:text-is('Collapse threshold of α')) span").inner_text()
    described = page.get_by_role("img", name="Phase diagram").get_attribute("aria-label")
    last = re.search(r"some class may be collapsed up to weight ([\d.]+);", described)
    assert last is not None
    assert printed(last[1], min(limits.open_above, 1.0), 1)
    if limits.open_above < 1:
        first = re.search(r"; ([\d.]+) of the first$", note)
        assert first is not None, note
        assert printed(first[1], limits.collapse_up_to, -1)


@needs_chromium
@pytest.mark.parametrize("name", ["unequal", "unequal balanced", "unequal ssem"])
def test_reference_losses_of_unequal_classes_are_those_of_python(browser: Any, tmp_path: Path, name: str) -> None:
    """At the temperature of the page; at another one, and where Python does not know them, the page has none."""
    page = browser.new_page()
    setting = BY_CLASS[name]
    page.goto(explorer.write(tmp_path / "page.html", setting).as_uri())
    stand_in = outlook_of(complete(setting)[0]).stand_in
    names = ("totalCollapse", "classCollapse", "optimum")
    weights = (0.0, 0.013, 0.1, 0.37, 0.6, 0.81, 0.97, 0.999, 1.0)
    cases = [(stand_in.with_(alpha=alpha),) for alpha in weights]
    for alpha, answer in zip(weights, ask(page, "SSEM.referenceLosses", cases), strict=True):
        exact = reference_losses(setting.with_(alpha=alpha))
        assert [answer[name] for name in names] == pytest.approx(list(exact), abs=0.002)
    assert ask(page, "SSEM.referenceLosses", [(stand_in.with_(temperature=0.5),)]) == [None]
    shown = page.locator("#losses dd strong").all_inner_texts()
    assert [float(text) for text in shown] == pytest.approx(list(reference_losses(setting)), abs=0.002)
    known = page.evaluate("SSEM.GIVEN.losses")
    assert f"to within {known['error']:g}" in page.locator("#losses").inner_text()
    assert known["error"] <= 0.002
    page.close()


@pytest.mark.parametrize("name", ["unequal", "unequal ssem", "crowded", "tight"])
def test_between_its_temperatures_a_page_is_off_by_what_it_says_and_to_the_safe_side(
    visit: Any, tmp_path: Path, name: str
) -> None:
    setting = BY_CLASS[name]
    page = visit(url=explorer.write(tmp_path / "page.html", setting).as_uri())
    error = float(re.search(r"off by about ([\d.]+)", page.locator("#basis").inner_text())[1])
    assert error < 0.01
    for temperature in (0.012, 0.043, 0.093, 0.131, 0.187, 0.27, 0.41, 0.8, 3.1):
        page.locator("#tau").fill(str(temperature))
        settle(page)
        limits = collapse_limits(setting.with_(temperature=temperature))
        shown = float(numbers(page)["Collapse threshold of α"])
        exact = min(limits.open_above, 1.0)
        assert exact - 0.5 * error <= shown <= exact + 2 * error + 1e-4, temperature
        first = page.locator("#numbers div:has(dt:text-is('Collapse threshold of α')) span").inner_text()
        if "of the first" in first:
            found = float(re.search(r"; ([\d.]+) of the first", first)[1])
            exact = min(limits.collapse_up_to, 1.0)
            assert exact - 2 * error - 1e-4 <= found <= exact + 0.5 * error, temperature
            assert f"to within {error}" in first


@needs_chromium
def test_with_unequal_classes_another_batch_has_another_page_by_the_command_shown(visit: Any, tmp_path: Path) -> None:
    setting = BY_CLASS["unequal"]
    page = visit(url=explorer.write(tmp_path / "page.html", setting).as_uri())
    assert page.locator("#classes").is_disabled()
    assert page.locator("[data-of=instances]").is_disabled()
    assert page.locator("#sizes").inner_text() == "Classes of different size, 20 to 50 instances: fixed in this page."
    assert page.locator("#some-key").inner_text() == "some class may be collapsed"
    page.locator("#batch").fill("24")
    settle(page)
    assert page.locator("#verdict strong").inner_text() == "Not covered"
    assert set(numbers(page).values()) == {"not covered"}
    command = page.inner_text("#command").split()
    assert command[:4] == ["ssem-advisor", "explore", "--class-counts", "50,30,20"]
    target = tmp_path / "other.html"
    done = CliRunner().invoke(app, [*command[1:-1], str(target)])
    assert done.exit_code == 0, done.stderr
    other = visit(url=target.as_uri())
    limits = collapse_limits(setting.with_(batch_size=24))
    assert printed(numbers(other)["Collapse threshold of α"], limits.open_above, 1)
    page.locator("#batch").fill("40")
    settle(page)
    assert page.locator("#verdict strong").inner_text() != "Not covered"


@needs_chromium
def test_away_from_its_setting_a_page_of_equal_classes_is_any_other(visit: Any, tmp_path: Path) -> None:
    page = visit(url=explorer.write(tmp_path / "page.html", BY_CLASS["crowded"]).as_uri())
    for width, label in ((32, "of the last class"), (40, "approximate, on the safe side")):
        page.locator("#dim").fill(str(width))
        settle(page)
        assert label in page.locator("#numbers div:has(dt:text-is('Collapse threshold of α')) span").inner_text()
    plain = visit("classes=400&dim=40&batch=1600&tau=0.07&alpha=0.4")
    assert numbers(page) == numbers(plain)


def test_class_sizes_stand_in_commands_by_the_name_of_their_data_set(tmp_path: Path) -> None:
    for options, source in (
        (["--dataset", "sst2"], "--dataset sst2"),
        (["--dataset", "sst2", "--class-counts", "7:2", "--instances", "90"], "--class-counts 70,20"),
    ):
        done = CliRunner().invoke(app, ["explore", *options, "--batch-size", "8", "-o", str(tmp_path / "page.html")])
        assert done.exit_code == 0, done.stderr
        assert f'"source":"{source}"' in (tmp_path / "page.html").read_text()
    assert "--class-counts FILE" in explorer.page(Setting(class_counts=(3,) * 60 + (2,) * 60, batch_size=6))


# -- the page ---------------------------------------------------------------------------------------------------------


def test_page_is_one_small_file_that_names_no_other() -> None:
    html = explorer.page()
    assert len(html.encode()) <= 56 * 1024
    assert not re.search(r"https?:|<link[^>]+href=(?!\"data:,)|@import|url\((?!#)|\bsrc=", html)
    assert html == explorer.page()


def test_writing_to_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(AdvisorError, match=r"gone/page\.html: cannot be written"):
        explorer.write(tmp_path / "gone" / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_what_comes_with_a_page_is_small() -> None:
    lean, full = (explorer.page(BY_CLASS[name]) for name in ("roomy", "unequal"))
    assert '"given":null' in lean
    assert 0 < len(full.encode()) - len(lean.encode()) <= 2 * 1024


def test_unequal_classes_are_not_covered_where_no_threshold_is() -> None:
    with pytest.raises(NotCovered, match="not covered"):
        explorer.page(Setting(class_counts=(5, 6), batch_size=4, loss="l_spread"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--loss l_in", "loss: not covered, the explorer draws supcon, ssem, l_spread"),
        ("--queue 4096", "queue: not covered"),
        ("--features non-negative", "features: not covered"),
        ("--temperature 0.1 --self-temperature 0.5", "self_temperature: not covered"),
        ("--cross-entropy 1 --queue 99", "queue, cross_entropy: not covered"),
        ("--temperature 1e-300", "temperature=1e-300: the explorer takes 0.005 to 100"),
        ("--temperature 101", "temperature=101.0: the explorer takes 0.005 to 100"),
        ("--dim 1", "not covered, because it assumes: unit vectors can spread"),
        ("--dim 7 --loss l_spread", "not covered, because it assumes: the loss is supcon or ssem"),
    ],
)
def test_what_the_page_cannot_show_is_refused_and_nothing_written(tmp_path: Path, options: str, told: str) -> None:
    output = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["explore", "--classes", "10", *options.split(), "-o", str(output)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not output.exists()


def test_the_page_opens_at_the_ends_of_its_range() -> None:
    for temperature in (0.005, 100):
        assert f"tau={temperature}" in explorer.page(Setting(classes=10, temperature=temperature))
    full = explorer.page(Setting(classes=10, sampler="full", batch_size=50))
    assert "instances=5&" in full  # which the page needs for a full batch


def test_command_writes_the_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["explore", "-m", "7", "-b", "70", "--loss", "ssem", "-o", str(tmp_path / "page.html")]
    )
    assert result.exit_code == 0, result.output
    assert "loss=ssem&amp;sampler=random&amp;classes=7&amp;batch=70" in (tmp_path / "page.html").read_text()


@needs_chromium
def test_numbers_are_those_of_python_and_bounds_are_rounded_to_the_safe_side(visit: Any) -> None:
    setting = Setting(classes=20, batch_size=300, instances_per_class=500, dim=64, temperature=0.2, alpha=0.6)
    page = visit("classes=20&batch=300&instances=500&dim=64&tau=0.2&alpha=0.6")
    shown = numbers(page)
    threshold = float(shown["Collapse threshold of α"])
    assert collapse_threshold(setting) * 0.999 < threshold <= collapse_threshold(setting)
    critical = float(shown["Critical temperature"])
    assert critical_temperature(setting) <= critical < critical_temperature(setting) * 1.001
    low, high = map(float, shown["Safe range of α"].split(" to "))
    network = typical(setting)
    assert expected_free_spread(setting.with_(alpha=low), network) >= aims(setting)[1][0]
    assert expected_free_spread(setting.with_(alpha=high), network) <= aims(setting)[1][1]
    best = recommend(setting.with_(alpha=None)).alpha.recommended
    assert float(shown["Recommended α"]) == pytest.approx(best, rel=1e-3)
    assert float(shown["Free spread"]) == pytest.approx(expected_free_spread(setting, network), rel=1e-3)
    assert float(shown["Variance at the optimum"]) == pytest.approx(optimal_variance(setting), rel=1e-3)


@needs_chromium
@pytest.mark.parametrize(
    ("hash_", "title"),
    [
        ("alpha=0", "Collapse is the optimum"),
        ("tau=10&alpha=0.9", "Collapse is the optimum"),
        ("sampler=balanced&classes=10&batch=40&instances=1000&tau=50", "Collapse is the optimum at every weight"),
        ("alpha=0.14", "Too little"),
        ("alpha=0.34", "Safe"),
        ("dim=99&alpha=0.1", "Collapse may be the optimum"),
        ("alpha=0.99&dim=512", "Too much"),
        ("dim=98&alpha=0.36", "Safe"),
        ("dim=7", "Not covered"),
        ("loss=l_spread&alpha=0.06", "Safe"),
        ("loss=l_spread&dim=99", "Not covered"),
        ("dim=98&network=perfect&alpha=0.2", "Too little"),
        ("classes=20&dim=5&alpha=0.05", "Collapse may be the optimum"),
        ("dim=1", "Not covered"),
        ("views=1", "Not covered"),
        ("batch=512&sampler=balanced", "Not a setting yet"),
    ],
)
def test_verdict_follows_the_address_and_is_spoken(engine: Any, hash_: str, title: str) -> None:
    start = "loss=supcon&sampler=random&classes=100&instances=&batch=512&perBatch=&views=2&dim=128&alpha=0.3&tau=0.1"
    engine.evaluate("(hash) => { location.hash = hash; }", f"{start}&{hash_}")
    engine.locator("#verdict").get_by_text(title, exact=True).wait_for(timeout=60_000)
    engine.get_by_role("status").get_by_text(f"{title}. ").wait_for(timeout=60_000, state="attached")


@needs_chromium
def test_a_setting_that_is_none_marks_its_field_and_offers_nothing(visit: Any) -> None:
    page = visit("alpha=2")
    assert page.locator("[aria-invalid=true]").evaluate_all("(all) => all.map((e) => e.id)") == ["alpha"]
    assert page.locator("#take").is_disabled()
    page.get_by_label("Weight α of the self-supervised term").fill("0.2")
    settle(page)
    assert page.locator("[aria-invalid]").count() == 0
    assert page.locator("#take").is_enabled()


@needs_chromium
def test_what_is_not_covered_is_said_everywhere(visit: Any) -> None:
    page = visit("dim=5")
    assert page.locator("#diagram").inner_text() == "Not covered"
    assert page.locator("#take").is_disabled()
    assert set(numbers(page).values()) == {"not covered"}


@needs_chromium
def test_with_fewer_dimensions_than_classes_the_boundary_is_approximate_and_says_so(visit: Any) -> None:
    page = visit("dim=50&alpha=0.05")
    assert page.locator("#verdict strong").inner_text() == "Collapse may be the optimum"
    found = numbers(page)
    assert found["Variance at the optimum"] == "not covered"
    assert found["Collapse threshold of α"] != "not covered"
    assert numbers(page, "#losses")["Each class one point"] == "not covered"
    assert page.locator("#diagram svg").count() == 1


@needs_chromium
def test_address_carries_the_state(visit: Any) -> None:
    page = visit()
    page.get_by_label("L_spread", exact=True).check()
    page.get_by_label("Balanced").check()
    for label, text in {
        "Classes": "12",
        "Batch size": "48",
        "Classes per batch": "6",
        "Dimension": "",
        "Temperature τ": "0.33",
    }.items():
        page.get_by_label(label, exact=True).fill(text)
    settle(page)
    page.wait_for_url("**loss=l_spread**tau=0.33")
    address = page.evaluate("location.href")
    again = visit(address.split("#")[1])
    assert numbers(again) == numbers(page)
    assert "--loss l_spread --sampler balanced --classes 12 --batch-size 48 --classes-per-batch 6" in again.inner_text(
        "#command"
    )
    assert "--dim" not in again.inner_text("#command")


@needs_chromium
def test_page_opens_at_the_given_setting(visit: Any, tmp_path: Path) -> None:
    setting = Setting(
        classes=7, loss="ssem", sampler="full", instances_per_class=9, views=4, temperature=0.4, alpha=0.8
    )
    page = visit(url=explorer.write(tmp_path / "seven.html", setting).as_uri())
    assert float(numbers(page)["Variance at the optimum"]) == pytest.approx(optimal_variance(setting), rel=1e-3)


@needs_chromium
def test_sliders_work_from_the_keyboard_and_keep_a_balanced_batch_whole(visit: Any) -> None:
    page = visit("sampler=balanced&batch=400&alpha=0.2")
    page.get_by_label("Weight alpha, slider").focus()
    before = numbers(page)["Free spread"]
    page.keyboard.press("PageUp")
    settle(page)
    assert float(page.locator("#alpha").input_value()) == pytest.approx(0.3, abs=0.01)
    assert numbers(page)["Free spread"] > before
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_label("Batch size, slider").focus()
    page.keyboard.press("PageUp")
    settle(page)
    batch = int(page.locator("#batch").input_value())
    assert batch > 400
    assert batch % 100 == 0
    page.get_by_label("Dimension, slider").focus()
    page.keyboard.press("End")
    settle(page)
    assert page.locator("#dim").input_value() == ""


@needs_chromium
def test_dragging_in_the_diagram_moves_the_point(visit: Any) -> None:
    page = visit()
    box = page.locator("#diagram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8 + (box["height"] - 48) * 0.25)
    page.mouse.up()
    settle(page)
    assert float(page.locator("#alpha").input_value()) == pytest.approx(0.75, abs=0.01)
    assert 0.2 < float(page.locator("#tau").input_value()) < 0.5


@needs_chromium
def test_recommended_weight_is_taken_with_one_click(visit: Any) -> None:
    page = visit("alpha=0.05")
    page.get_by_role("button", name="Use the recommended α").click()
    settle(page)
    best = recommend(Setting(classes=100, batch_size=512, dim=128, temperature=0.1)).alpha.recommended
    assert float(page.locator("#alpha").input_value()) == pytest.approx(best, rel=1e-3)


@needs_chromium
def test_every_control_has_a_name_and_the_diagram_a_table(visit: Any) -> None:
    page = visit()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, button')]
            .filter((e) => !(e.ariaLabel || e.labels?.[0]?.innerText || e.innerText)).length"""
    )
    assert nameless == 0
    assert "collapse is optimal up to weight 0.1111" in page.get_by_role("img", name="Phase diagram").get_attribute(
        "aria-label"
    )
    page.get_by_text("The diagram as a table").click()
    settle(page)
    rows = page.get_by_role("row").all_inner_texts()
    assert len(rows) == 11
    threshold = collapse_threshold(Setting(classes=100, batch_size=512, temperature=0.2))
    shown = float(next(row for row in rows if row.startswith("0.2\t")).split("\t")[1])
    assert threshold * 0.999 < shown <= threshold


@needs_chromium
def test_a_command_with_many_class_sizes_stays_on_a_phone(visit: Any, tmp_path: Path) -> None:
    sizes = "--class-counts " + ",".join(map(str, range(301, 401)))
    target = explorer.write(tmp_path / "page.html", BY_CLASS["unequal ssem"], sizes)
    page = visit(url=target.as_uri(), viewport={"width": 360, "height": 740})
    assert ",399,400 " in page.inner_text("#command")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@needs_chromium
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_sticks_out_sideways(visit: Any, width: int) -> None:
    page = visit(viewport={"width": width, "height": 740})
    page.get_by_text("The diagram as a table").click()
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@needs_chromium
def test_light_and_dark_follow_the_system_and_the_button(visit: Any) -> None:
    def brightness(page: Any) -> float:
        return sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))))

    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    assert brightness(light) > 600 > 200 > brightness(dark)
    light.get_by_role("button", name="Switch to dark colours").click()
    assert brightness(light) == brightness(dark)


@needs_chromium
def test_text_is_readable_on_its_ground(visit: Any) -> None:
    """WCAG AA: a contrast of at least 4.5 for every piece of text, in both themes and every verdict."""
    measure = """() => {
        const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
        const linear = (x) => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
        const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
        const ground = (e) => {
            const colour = parse(getComputedStyle(e).backgroundColor);
            return colour.length === 3 || colour[3] === 1 ? colour : ground(e.parentElement);
        };
        const poor = [];
        for (const e of document.querySelectorAll('body *')) {
            const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
            if (!own || e.closest('svg, noscript, script, style, [hidden]') || e.matches(':disabled')) continue;
            const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) poor.push([e.textContent.trim().slice(0, 30), contrast]);
        }
        return poor;
    }"""
    page = visit(reduced_motion="reduce")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for hash_ in ("alpha=0", "alpha=0.14", "alpha=0.5", "dim=50"):
            page.evaluate("(hash) => { location.hash = hash; }", hash_)
            settle(page)
            assert page.evaluate(measure) == [], (scheme, hash_)


def test_infinite_answers_survive_the_comparison() -> None:
    """The comparison itself can fail, on a digit, on a sign and on infinity."""
    agree([math.inf, 0.0], ["+inf", "0.0"])
    for got, wanted in ((1 + 2e-9, "1"), (-1.0, "1"), (math.inf, "1"), (math.nan, "1")):
        with pytest.raises(AssertionError):
            agree([got], [wanted])


@needs_chromium
def test_link_is_copied_at_once(visit: Any) -> None:
    page = visit("alpha=0.7", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#tau").fill("0.25")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Link copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("alpha=0.7&tau=0.25")


@needs_chromium
def test_command_is_copied(visit: Any) -> None:
    page = visit("alpha=0.7", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy command").click()
    page.get_by_role("button", name="Command copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("ssem-advisor recommend --loss supcon")
    assert "--alpha 0.7" in copied


@needs_chromium
def test_pointer_reads_the_diagram_without_moving_the_point(visit: Any) -> None:
    page = visit("dim=&alpha=0.6&tau=0.2")
    box = page.locator("#diagram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8 + (box["height"] - 48) * 0.1)
    read = page.locator("#readout").inner_text()
    tau, alpha, variance = map(float, re.findall(r"\d+\.?\d*(?=[,:.])", read)[:3])
    assert alpha == pytest.approx(0.9, abs=0.01)
    at = Setting(classes=100, batch_size=512, temperature=tau, alpha=alpha)
    expected = expected_free_spread(at, typical(at))
    assert variance == pytest.approx(expected, abs=2e-3)
    assert page.locator("#alpha").input_value() == "0.6"


@needs_chromium
def test_two_settings_are_compared_and_the_address_keeps_both(visit: Any) -> None:
    page = visit("batch=512&alpha=0.3")
    page.get_by_role("button", name="Compare").click()
    page.locator("#batch").fill("2048")
    settle(page)
    there = "#numbers div:has(dt:text-is('Collapse threshold of α'))"
    first = numbers(visit("batch=512"))["Collapse threshold of α"]
    assert page.locator(f"{there} em").inner_text() == f"pinned: {first}"
    assert page.locator("#diagram .pinned").count() == 1
    page.wait_for_url("**with=**")
    again = visit(page.evaluate("location.href").split("#")[1])
    assert again.locator(f"{there} em").inner_text() == f"pinned: {first}"
    again.get_by_role("button", name="Stop comparing").click()
    settle(again)
    assert again.locator("#numbers em, #diagram .pinned").count() == 0


@needs_chromium
@pytest.mark.parametrize(("batch", "base", "tau", "alpha"), [(512, None, 0.1, 0.3), (256, 0.07, 0.1, 0.05)])
def test_a_loss_value_is_placed_as_measure_places_it(
    visit: Any, batch: int, base: float | None, tau: float, alpha: float
) -> None:
    words = {
        "total collapse": "Total collapse: ",
        "above total collapse": "Above total collapse",
        "class collapse": "Class collapse",
        "optimum": "The optimum",
        "below the optimum": "Below the optimum",
        "between total and class collapse": "Between total and class",
        "between class collapse and optimum": "Between class collapse and",
    }
    page = visit(f"classes=20&batch={batch}&dim=&tau={tau}&alpha={alpha}")
    page.locator("#base").fill("" if base is None else str(base))
    setting = Setting(classes=20, batch_size=batch, temperature=tau, alpha=alpha)
    total, collapse, optimum = (x if base is None else x * tau / base for x in reference_losses(setting))
    seen = set()
    for value in (total + 1, total, total - 1, collapse + 0.3, collapse, (collapse + optimum) / 2, optimum, 0.3):
        page.locator("#value").fill(str(value))
        settle(page)
        verdict = place_loss(value, setting=setting, base_temperature=base).verdict
        assert page.locator("#placed").inner_text().startswith(words[verdict]), value
        seen.add(verdict)
    assert len(seen) > 3


@needs_chromium
def test_picture_is_saved_as_a_file_of_its_own(visit: Any, browser: Any, tmp_path: Path) -> None:
    page = visit()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == "class-collapse.svg"
    saved = tmp_path / "picture.svg"
    download.value.save_as(saved)
    root = ElementTree.parse(saved).getroot()
    assert root.tag.endswith("svg")
    threshold = next(e for e in root.iter() if e.get("class") == "threshold")
    assert (threshold.get("fill"), threshold.get("stroke-width")) == ("none", "2.4px")
    picture = browser.new_page()
    picture.goto(saved.as_uri())
    assert picture.evaluate("document.querySelectorAll('text').length") > 10
    picture.close()


@needs_chromium
def test_recipes_are_those_of_the_plots(visit: Any) -> None:
    from ssem_advisor.report import plots

    page = visit("loss=supcon")
    shown = page.locator("#diagram .recipe title").all_text_contents()
    assert shown == [recipe.label for recipe in plots.RECIPES if "supcon" in recipe.losses]
    assert visit("loss=l_spread&dim=").locator("#diagram .recipe title").all_text_contents() == ["L_spread defaults"]


@needs_chromium
def test_inside_a_site_the_page_follows_its_colours_and_its_address(browser: Any, tmp_path: Path) -> None:
    """Served from one place, as the documentation is: the outer page's scheme and address rule."""
    explorer.write(tmp_path / "page.html")
    outer = '<body data-md-color-scheme="slate"><iframe src="page.html" width="1200" height="900"></iframe>'
    (tmp_path / "outer.html").write_text(f"<!doctype html>{outer}")
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/outer.html#tau=0.33&alpha=0.4")
        inner = page.frame_locator("iframe")
        inner.locator("#diagram svg").wait_for()
        assert inner.locator("html").get_attribute("data-theme") == "dark"
        assert inner.locator("#tau").input_value() == "0.33"
        page.evaluate("document.body.dataset.mdColorScheme = 'default'")
        inner.locator("html[data-theme=light]").wait_for()
        inner.locator("#alpha").fill("0.55")
        page.wait_for_url("**alpha=0.55**")
        page.close()
        server.shutdown()
