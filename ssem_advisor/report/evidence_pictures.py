"""Pictures of a `validate` report as SVG: every one has its title and legend inside, and fits the width of a phone.

For each temperature three panels: predicted and measured free spread, the parts that the within-class variance is made
of, and the linear probes; for free embeddings one, measured against predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ssem_advisor.documents import CurveShown, OverSeeds, PointOfCurve, Suite

_W, _H, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 320, 40, 38, 58, 14

STYLE = """.panel { font: 12px system-ui, sans-serif } .panel text { fill: var(--soft, #566273) }
.panel .title { font-weight: 600; font-size: 14px; fill: var(--ink, #1b2430) } .panel polyline { fill: none;
stroke-width: 2 } .panel polygon { stroke: none } .panel .gridline { stroke: var(--line, #d5dbe3); stroke-width: .6 }
.panel .optimum { stroke: var(--soft, #8793a3); stroke-dasharray: 2 3; fill: none } .panel .typical { stroke: #d97706;
stroke-dasharray: 7 4; fill: none } .panel .estimate { stroke: #2456a6; fill: none }
.panel .threshold { stroke: #b3261e; stroke-dasharray: 3 3; fill: none; stroke-width: 1.4 }
.panel .interval { stroke: var(--ink, #1b2430); stroke-width: 1.6 }
.panel .measured { fill: var(--ink, #1b2430) } .panel .advised { fill: #fff; stroke: #1f7a4d; stroke-width: 3 }
.panel .fine { stroke: #1f7a4d; fill: none } .panel .coarse { stroke: #a463c9; stroke-dasharray: 7 4; fill: none }
.panel circle.fine { fill: #1f7a4d } .panel circle.coarse { fill: #a463c9 } .panel .noise { fill: #c3cad4 }
.panel .confusion { fill: #e8a33d } .panel .free { fill: #3f9142 }"""
_HUES = ["4269d0", "d97706", "d9455f", "3aa3a0", "3f9142", "9a7400", "a463c9", "7d6c5c", "708090", "0e7490"]
HUES = "".join(f".hue{i} {{ stroke: #{h} }} circle.hue{i} {{ fill: #{h}; stroke: none }}" for i, h in enumerate(_HUES))


class _Panel:
    """A small plot over [x0, x1] x [y0, y1] with a title above, and a legend of (style, name) below the title."""

    def __init__(
        self, title: str, ylabel: str, legend: Sequence[tuple[str, str]], y: tuple[float, float] = (0.0, 1.0),
        xlabel: str = "weight alpha of the self-supervised term",
    ) -> None:  # fmt: skip
        self.y, self.title, self.parts = y, title, [f'<text class="title" x="6" y="17">{escape(title)}</text>']
        for i in range(6):
            value = y[0] + i / 5 * (y[1] - y[0])
            px, py = self._place(i / 5, value)
            self.parts += [
                f'<line class="gridline" x1="{px}" y1="{_TOP}" x2="{px}" y2="{_H - _BOTTOM}"/>',
                f'<line class="gridline" x1="{_LEFT}" y1="{py}" x2="{_W - _RIGHT}" y2="{py}"/>',
                f'<text x="{px}" y="{_H - _BOTTOM + 15}" text-anchor="middle">{i / 5:.2g}</text>',
                f'<text x="{_LEFT - 6}" y="{py + 4}" text-anchor="end">{value:.2g}</text>',
            ]
        self.parts += [
            f'<text x="{(_W + _LEFT) / 2}" y="{_H - 5}" text-anchor="middle">{escape(xlabel)}</text>',
            f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(ylabel)}</text>',
        ]
        self._legend(legend)

    def _legend(self, entries: Sequence[tuple[str, str]]) -> None:
        x = 8.0
        for style, name in entries:
            if style in ("noise", "confusion", "free"):
                self.parts.append(f'<rect class="{style}" x="{x}" y="25" width="14" height="10"/>')
            elif style in ("measured", "advised"):
                self.parts.append(f'<circle class="{style}" cx="{x + 7}" cy="30" r="4"/>')
            else:
                self.parts.append(f'<polyline class="{style}" points="{x},30 {x + 16},30"/>')
            self.parts.append(f'<text x="{x + 19}" y="34">{escape(name)}</text>')
            x += 31 + 6.8 * len(name)

    def _place(self, a: float, b: float) -> tuple[float, float]:
        low, high = self.y
        px = _LEFT + a * (_W - _LEFT - _RIGHT)
        py = _H - _BOTTOM - (min(max(b, low), high) - low) / (high - low) * (_H - _BOTTOM - _TOP)
        return round(px, 1), round(py, 1)

    def line(self, points: Iterable[tuple[float, float]], style: str) -> None:
        path = " ".join(f"{a},{b}" for a, b in (self._place(*p) for p in points))
        self.parts.append(f'<polyline class="{style}" points="{path}"/>')

    def area(self, points: Sequence[tuple[float, float, float]], style: str) -> None:
        """Between two heights: (x, low, high)."""
        edge = [self._place(x, low) for x, low, _ in points] + [self._place(x, high) for x, _, high in points[::-1]]
        self.parts.append(f'<polygon class="{style}" points="{" ".join(f"{a},{b}" for a, b in edge)}"/>')

    def vertical(self, at: float, style: str, name: str) -> None:
        (px, low), (_, high) = self._place(at, self.y[0]), self._place(at, self.y[1])
        self.parts.append(
            f'<line class="{style}" x1="{px}" y1="{low}" x2="{px}" y2="{high}"><title>{escape(name)}</title></line>'
        )

    def dot(self, at: float, value: OverSeeds, style: str, name: str, radius: float = 3.5) -> None:
        """A mean with its interval."""
        if value["low"] is not None and value["high"] is not None:
            (px, low), (_, high) = self._place(at, value["low"]), self._place(at, value["high"])
            self.parts.append(f'<line class="interval" x1="{px}" y1="{low}" x2="{px}" y2="{high}"/>')
        self.mean(at, value["mean"], style, name, radius)

    def mean(self, at: float, value: float, style: str, name: str, radius: float = 3.5) -> None:
        px, py = self._place(at, value)
        hover = f"<title>{escape(name)}: {value:.4f}</title>"
        self.parts.append(f'<circle class="{style}" cx="{px}" cy="{py}" r="{radius}">{hover}</circle>')

    def svg(self) -> str:
        label = f'role="img" aria-label="{escape(self.title)}"'
        return f'<svg class="panel" viewBox="0 0 {_W} {_H}" {label}>{"".join(self.parts)}</svg>'


def panels(suite: Suite, curve: CurveShown) -> list[str]:
    """The pictures of one temperature of one suite."""
    points = points_of(suite, curve)
    if not points:
        return []
    at = f"temperature {curve['temperature']:g}"
    found = [_classes(points, curve, at) if "class_openings" in curve else _free(points, curve, at)]
    if all("free_spread" in p for p in points):
        found.append(_parts(points, at))
    if all("probe_fine" in p or "probe_coarse" in p for p in points):
        found.append(_probes(points, at))
    return found


def points_of(suite: Suite, curve: CurveShown) -> list[PointOfCurve]:
    """The points of one curve of a suite, by weight."""
    return [p for p in suite["points"] if all(p[k] == curve[k] for k in ("problem", "temperature"))]


def free_of(point: PointOfCurve) -> OverSeeds:
    """Its free spread; in records made before confusion was measured, the instances' own variance."""
    return point.get("free_spread", point["own_variance"])


def _free(points: list[PointOfCurve], curve: CurveShown, at: str) -> str:
    measured = "free spread" if "free_spread" in points[0] else "own variance"
    legend = [("measured", "measured"), ("estimate", "estimate"), ("typical", "typical"),
              ("optimum", "optimum"), ("threshold", "threshold")]  # fmt: skip
    panel = _Panel(f"Predicted and measured {measured}, {at}", measured, legend)
    if curve["threshold"] is not None and curve["threshold"] <= 1:
        panel.vertical(curve["threshold"], "threshold", f"collapse threshold {curve['threshold']:.4f}")
    for style, values in (("optimum", curve.get("optimum")), ("typical", curve.get("typical"))):
        if values is not None:
            panel.line(zip(curve["alphas"], values, strict=True), style)
    panel.line([(p["alpha"], p["estimate"]["mean"]) for p in points if p["estimate"] is not None], "estimate")
    for p in points:
        name = f"alpha {p['alpha']:g}{', recommended' if p['recommended'] else ''}"
        panel.dot(
            p["alpha"], free_of(p), "advised" if p["recommended"] else "measured", name, 5 if p["recommended"] else 3.5
        )
    return panel.svg()


def _classes(points: list[PointOfCurve], curve: CurveShown, at: str) -> str:
    """Unequal classes: the free spread of each, with the weights at which they are predicted to open."""
    counts = curve["class_counts"]
    key: Literal["free_per_class", "per_class"] = "free_per_class" if "free_per_class" in points[0] else "per_class"
    what = "free spread" if key == "free_per_class" else "variance"
    few = [(f"hue{i % 10}", str(count)) for i, count in enumerate(counts)][:8]
    panel = _Panel(f"Measured {what} by class size, {at}", f"{what}; vertical lines: predicted to open", few)
    for i, (count, alpha) in enumerate(zip(counts, curve["class_openings"], strict=True)):
        if alpha is not None:
            panel.vertical(alpha, f"threshold hue{i % 10}", f"the class of {count} opens: {alpha:.3f}")
        panel.line([(p["alpha"], p[key][i]) for p in points], f"curve hue{i % 10}")
        for p in points:
            panel.mean(p["alpha"], p[key][i], f"hue{i % 10}", f"class of {count}")
    return panel.svg()


def _parts(points: list[PointOfCurve], at: str) -> str:
    legend = [("free", "free spread"), ("confusion", "confusion of classes"), ("noise", "view noise")]
    panel = _Panel(f"What within-class variance is made of, {at}", "within-class variance", legend)
    below = [0.0] * len(points)
    parts: tuple[tuple[Literal["free_spread", "confusion", "view_noise"], str], ...]
    parts = (("free_spread", "free"), ("confusion", "confusion"), ("view_noise", "noise"))
    for name, style in parts:
        above = [b + max(p[name]["mean"], 0.0) for b, p in zip(below, points, strict=True)]
        panel.area([(p["alpha"], b, a) for p, b, a in zip(points, below, above, strict=True)], style)
        below = above
    return panel.svg()


_PROBES: dict[Literal["probe_fine", "probe_coarse"], tuple[str, str]] = {
    "probe_fine": ("fine", "labels never trained on"),
    "probe_coarse": ("coarse", "trained labels"),
}


def _probes(points: list[PointOfCurve], at: str) -> str:
    kinds = [k for k in _PROBES if all(k in p for p in points)]
    values = [p[k]["mean"] for p in points for k in kinds]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values) + 0.3) / 10
    legend = [_PROBES[k] for k in kinds]
    panel = _Panel(f"Accuracy of linear probes, {at}", "test accuracy", legend, (max(low, 0.0), min(high, 1.0)))
    for kind in kinds:
        style = _PROBES[kind][0]
        panel.line([(p["alpha"], p[kind]["mean"]) for p in points], style)
        for p in points:
            recommended = p["recommended"] and style == "fine"
            name = f"alpha {p['alpha']:g}{', recommended' if recommended else ''}"
            panel.dot(p["alpha"], p[kind], "advised" if recommended else style, name, 5 if recommended else 3.5)
    return panel.svg()


def agreement(suite: Suite) -> str:
    """Measured against predicted variance of every free-embedding problem: theory is the diagonal."""
    legend = [("optimum", "theorem"), ("measured", "minimised")]
    panel = _Panel("Free embeddings: measured against predicted", "measured within-class variance", legend,
                   xlabel="predicted within-class variance")  # fmt: skip
    panel.line([(0, 0), (1, 1)], "optimum")
    for p in suite["points"]:
        name = f"{p['problem']}, temperature {p['temperature']:g}, alpha {p['alpha']:g}"
        assert p["optimum"] is not None
        panel.mean(p["optimum"], p["own_variance"]["mean"], "measured", name, 2.5)
    return panel.svg()


def files(suite: Suite) -> dict[str, str]:
    """The pictures of one suite as SVG files that need no style sheet: name -> content, one for each temperature."""
    if suite["suite"] == "embeddings":
        return {"picture.svg": _file([agreement(suite)])}
    return {f"picture-{c['temperature']:g}.svg": _file(panels(suite, c)) for c in suite["curves"]}


def _file(parts: Sequence[str]) -> str:
    """Panels below one another, on white."""
    placed = "".join(
        part.replace("<svg ", f'<svg y="{i * _H}" width="{_W}" height="{_H}" ', 1) for i, part in enumerate(parts)
    )
    height = _H * len(parts)
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" width="{_W}" height="{height}"'
    ground = f'<rect width="{_W}" height="{height}" fill="#fff"/>'
    return f"<svg {head}><style>{STYLE}{HUES}</style>{ground}{placed}</svg>\n"
