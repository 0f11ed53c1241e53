"""The report of `validate`: the same mapping as text for a terminal, and as one self-contained page with pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape
from typing import Any

WIDTH = 80
_MARKS = {"confirmed": "+", "refuted": "-", "undecided": "?", "not tested": " "}
_ENDED = {
    "interrupted": "Interrupted: this report holds what was finished, and its verdict stays open.",
    "budget": "The budget of minutes ran out: this report holds what was finished.",
}


def text(report: dict[str, Any]) -> str:
    """The report for a terminal of 80 columns."""
    lines = [
        f"{report['verdict'].upper()}  {', '.join(s['suite'] for s in report['suites'])}; "
        f"{duration(report['seconds'])} on {report['device']}"
    ]
    if report["ended"] in _ENDED:
        lines.append(_ENDED[report["ended"]])
    for suite in report["suites"]:
        lines += ["", f"{suite['suite']}: {suite['verdict']}", *_wrap(describe(suite), "  ")]
        for claim in suite["claims"]:
            lines.append("")
            lines += _wrap(
                f"{claim['number']}. {claim['title']}: {claim['verdict']}", f"{_MARKS[claim['verdict']]} ", "     "
            )
            lines += _wrap(claim["summary"], "     ")
            if claim["control"]:
                lines += _wrap(f"control: {claim['control']}: {control_outcome(claim)}", "     ")
            for check in claim["checks"]:
                if not check.get("control") and check["verdict"] != "confirmed":
                    lines += _wrap(f"{check['verdict']}: {check['curve']}, {check['what']}: {interval(check)}", "     ")
        if suite["suite"] != "embeddings":
            for curve in suite["curves"]:
                lines += ["", *_table(suite, curve)]
    return "\n".join(lines) + "\n"


def _table(suite: dict[str, Any], curve: dict[str, Any]) -> list[str]:
    where = f"temperature {curve['temperature']:g}"
    if "class_openings" in curve:
        pairs = zip(curve["class_counts"], curve["class_openings"], strict=True)
        openings = ", ".join(f"{count}: {_number(alpha)}" for count, alpha in pairs)
        head = _wrap(f"{where}, classes open by size {openings}", "  ")
    else:
        head = _wrap(
            f"{where}, collapse threshold {_number(curve['threshold'])}, read off the training {_read_off(curve)}", "  "
        )
    rows = [f"  {'alpha':>8}  {'optimum':>7}  {'expected':>8}  {'measured variance':<23}  {'fine probe':<10}"]
    for point in points_of(suite, curve):
        probe = _number(point["probe_fine"]["mean"] if "probe_fine" in point else None)
        rows.append(
            f"  {point['alpha']:>7.3f}{'*' if point['recommended'] else ' '}  {_number(point['optimum']):>7}  "
            f"{_number(point['expected']):>8}  {interval(point['variance']):<23}  {probe:<10}".rstrip()
        )
    if any(point["recommended"] for point in points_of(suite, curve)):
        rows.append("  * the recommended weight at this temperature")
    return head + rows


def describe(suite: dict[str, Any]) -> str:
    """One sentence on what a suite trains and how much of it is done."""
    protocol, tasks = suite["protocol"], suite["tasks"]
    seeds = "1 seed" if protocol["seeds"] == 1 else f"{protocol['seeds']} seeds"
    if suite["suite"] == "embeddings":
        loss = protocol["loss"] or "every loss"
        what = f"free unit vectors, {loss}, every sampler, {seeds}; {len(suite['runs'])} minimisations"
    else:
        batch = (
            "full batch"
            if protocol["sampler"] == "full"
            else f"{protocol['sampler']} batches of {protocol['batch_size']}"
        )
        what = (
            f"{protocol['classes']} classes, {protocol['dim']} dimensions, {protocol['loss']}, {batch}, "
            f"{protocol['views']} views, {protocol['epochs']} epochs, {seeds}; {len(suite['runs'])} models trained"
        )
    if suite["stopped_early"]:
        what += "; stopped early, further seeds would not change the verdict"
    elif tasks["done"] < tasks["planned"]:
        what += f"; {tasks['done']} of {tasks['planned']} parts finished"
    return what


def control_outcome(claim: dict[str, Any]) -> str:
    return "fails, as it must" if claim["control_failed"] else "does NOT fail"


def interval(values: dict[str, Any]) -> str:
    """Mean and 95 % interval; the mean alone where there is no interval."""
    if values["low"] is None:
        return f"{values['mean']:.4g}"
    return f"{values['mean']:.4f} [{values['low']:.4f}, {values['high']:.4f}]"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def points_of(suite: dict[str, Any], curve: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for p in suite["points"] if all(p[k] == curve[k] for k in ("problem", "temperature"))]


def _read_off(curve: dict[str, Any]) -> str:
    found = curve.get("read_off") or []
    return f"{sum(found) / len(found):.3f}" if found else "nothing yet"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _wrap(message: str, first: str, rest: str | None = None) -> list[str]:
    return textwrap.wrap(message, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest)


# -- the page ----------------------------------------------------------------------------------------------------------


def html(report: dict[str, Any]) -> str:
    """One HTML page that needs no other file: verdicts, tables and pictures. Needs jinja2."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ssem_advisor", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "duration": duration,
        "interval": interval,
        "number": _number,
        "svg": jinja2.utils.markupsafe.Markup,
    }
    template = environment.get_template("validation.html.j2")
    return template.render(
        report=report, ended=_ENDED.get(report["ended"]), describe=describe, control_outcome=control_outcome,
        curve_picture=curve_picture, scatter=scatter, points_of=points_of, read_off=_read_off, views_of=views_of,
        agreement=agreement,
    )  # fmt: skip


_W, _H, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 300, 46, 38, 14, 14


class _Plot:
    """A small SVG plot over [x0, x1] x [y0, y1]."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], xlabel: str, ylabel: str, title: str) -> None:
        self.x, self.y = x, y
        self.parts: list[str] = []
        for i in range(6):
            a, b = x[0] + i / 5 * (x[1] - x[0]), y[0] + i / 5 * (y[1] - y[0])
            px, py = self.place(a, b)
            self.parts += [
                f'<line class="grid" x1="{px}" y1="{_TOP}" x2="{px}" y2="{_H - _BOTTOM}"/>',
                f'<line class="grid" x1="{_LEFT}" y1="{py}" x2="{_W - _RIGHT}" y2="{py}"/>',
                f'<text x="{px}" y="{_H - _BOTTOM + 15}" text-anchor="middle">{a:.3g}</text>',
                f'<text x="{_LEFT - 6}" y="{py + 4}" text-anchor="end">{b:.3g}</text>',
            ]
        self.parts += [
            f'<text x="{(_W + _LEFT) / 2}" y="{_H - 4}" text-anchor="middle">{escape(xlabel)}</text>',
            f'<text transform="translate(11 {(_H - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(ylabel)}</text>",
        ]
        self.title = title

    def place(self, a: float, b: float) -> tuple[float, float]:
        px = _LEFT + (a - self.x[0]) / (self.x[1] - self.x[0]) * (_W - _LEFT - _RIGHT)
        py = _H - _BOTTOM - (b - self.y[0]) / (self.y[1] - self.y[0]) * (_H - _BOTTOM - _TOP)
        return round(px, 1), round(py, 1)

    def line(self, points: Iterable[tuple[float, float]], style: str) -> None:
        path = " ".join(f"{a},{b}" for a, b in (self.place(*p) for p in points))
        self.parts.append(f'<polyline class="{style}" points="{path}"/>')

    def vertical(self, at: float, style: str, name: str) -> None:
        (px, low), (_, high) = self.place(at, self.y[0]), self.place(at, self.y[1])
        self.parts.append(
            f'<line class="{style}" x1="{px}" y1="{low}" x2="{px}" y2="{high}"><title>{escape(name)}</title></line>'
        )

    def bar(self, at: float, low: float, high: float, style: str) -> None:
        (px, a), (_, b) = self.place(at, max(low, self.y[0])), self.place(at, min(high, self.y[1]))
        self.parts.append(f'<line class="{style}" x1="{px}" y1="{a}" x2="{px}" y2="{b}"/>')

    def dot(self, at: float, value: float, style: str, name: str = "", radius: float = 3.5) -> None:
        px, py = self.place(at, value)
        hover = f"<title>{escape(name)}</title>" if name else ""
        self.parts.append(f'<circle class="{style}" cx="{px}" cy="{py}" r="{radius}">{hover}</circle>')

    def svg(self) -> str:
        body = "".join(self.parts)
        return f'<svg viewBox="0 0 {_W} {_H}" role="img" aria-label="{escape(self.title)}">{body}</svg>'


def curve_picture(suite: dict[str, Any], curve: dict[str, Any]) -> str:
    """Predicted variance over alpha with the measured points and intervals, the threshold, and the probe's accuracy."""
    points = points_of(suite, curve)
    top = 1.0
    plot = _Plot(
        (0, 1),
        (0, top),
        "alpha",
        "within-class variance, probe accuracy",
        f"variance over alpha at temperature {curve['temperature']}",
    )
    if "class_openings" in curve:
        for i, (count, alpha) in enumerate(zip(curve["class_counts"], curve["class_openings"], strict=True)):
            if alpha is not None:
                plot.vertical(alpha, f"threshold hue{i % 10}", f"the class of {count} opens: {alpha:.3f}")
            plot.line([(p["alpha"], p["per_class"][i]) for p in points], f"curve hue{i % 10}")
            for p in points:
                plot.dot(
                    p["alpha"], p["per_class"][i], f"fill hue{i % 10}", f"class of {count}: {p['per_class'][i]:.4f}"
                )
        return plot.svg()
    threshold = curve["threshold"]
    if threshold is not None and threshold <= 1:
        plot.vertical(threshold, "threshold", f"collapse threshold {threshold:.4f}")
    plot.line(zip(curve["alphas"], curve["optimum"], strict=True), "optimum")
    if curve["expected"] is not None:
        plot.line(zip(curve["alphas"], curve["expected"], strict=True), "expected")
    probed = [(p["alpha"], p["probe_fine"]["mean"]) for p in points if "probe_fine" in p]
    if probed:
        plot.line(probed, "probe")
    for p in points:
        v = p["variance"]
        if v["low"] is not None:
            plot.bar(p["alpha"], v["low"], v["high"], "interval")
        name = f"alpha {p['alpha']:g}: measured {interval(v)}"
        plot.dot(
            p["alpha"], v["mean"], "advised" if p["recommended"] else "measured", name, 5 if p["recommended"] else 3.5
        )
    return plot.svg()


_STYLE = """svg { font: 11px system-ui, sans-serif; background: #fff } text { fill: #566273 } polyline { fill: none;
stroke-width: 1.8 } .grid { stroke: #d5dbe3; stroke-width: .6 } .optimum { stroke: #566273; stroke-dasharray: 5 4 }
.expected { stroke: #2456a6 } .probe { stroke: #1f7a4d; stroke-dasharray: 1.5 3 } .threshold { stroke: #b3261e;
stroke-width: 1.4; stroke-dasharray: 3 3 } .interval { stroke: #1b2430; stroke-width: 1.4 } .measured { fill: #1b2430 }
.advised { fill: #fff; stroke: #2456a6; stroke-width: 2.5 } .curve { stroke-opacity: .8 }"""
_HUES = ["4269d0", "d97706", "d9455f", "3aa3a0", "3f9142", "9a7400", "a463c9", "7d6c5c", "708090", "0e7490"]


def picture(suite: dict[str, Any]) -> str:
    """The pictures of one suite side by side, as one SVG file that needs no style sheet."""
    parts = [agreement(suite)] if suite["suite"] == "embeddings" else [curve_picture(suite, c) for c in suite["curves"]]
    hues = "".join(
        f".hue{i} {{ stroke: #{h} }} circle.hue{i} {{ fill: #{h}; stroke: none }}" for i, h in enumerate(_HUES)
    )
    placed = "".join(
        part.replace("<svg ", f'<svg x="{i * _W}" width="{_W}" height="{_H}" ', 1) for i, part in enumerate(parts)
    )
    size = f'viewBox="0 0 {_W * len(parts)} {_H}" width="{_W * len(parts)}" height="{_H}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}{hues}</style>{placed}</svg>\n'


def agreement(suite: dict[str, Any]) -> str:
    """Measured against predicted variance of every free-embedding problem: theory is the diagonal."""
    plot = _Plot((0, 1), (0, 1), "predicted within-class variance", "measured", "measured against predicted variance")
    plot.line([(0, 0), (1, 1)], "optimum")
    for p in suite["points"]:
        name = (
            f"{p['problem']}, temperature {p['temperature']:g}, alpha {p['alpha']:g}: {p['own_variance']['mean']:.6f}"
        )
        plot.dot(p["optimum"], p["own_variance"]["mean"], "measured", name, 2.5)
    return plot.svg()


def views_of(suite: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs whose embeddings are shown: collapsed first, recommended second, by temperature."""
    shown = [r for r in suite["runs"] if "view" in r]
    return sorted(shown, key=lambda r: (r["temperature"], r["alpha"]))


def scatter(view: dict[str, Any]) -> str:
    """The first two principal components of one embedding; colour = fine label."""
    size, reach = 220, 1.1
    dots: list[str] = []
    for (x, y), fine in zip(view["points"], view["fine"], strict=True):
        px, py = (size / 2 * (1 + x / reach), size / 2 * (1 - y / reach))
        dots.append(f'<circle class="fill hue{fine % 10}" cx="{px:.1f}" cy="{py:.1f}" r="2.2"/>')
    body = "".join(dots)
    label = 'role="img" aria-label="embedding, two principal components"'
    return f'<svg class="scatter" viewBox="0 0 {size} {size}" {label}>{body}</svg>'
