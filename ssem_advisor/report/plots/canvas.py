"""What pictures are drawn on: colours, a titled figure in a file, axes and legends. matplotlib is loaded here, on use.

The colours are ordered in lightness (cividis), and contours, hatching and markers carry the same facts, so the
pictures survive colour blindness and a grey printer. The same call writes the same bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ssem_advisor.domain import AdvisorError
from ssem_advisor.files import write_atomically
from ssem_advisor.printing import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
POWER = 0.6  # of the variance, before colouring: gives the safe range its share of the colours


@dataclass(frozen=True)
class Look:
    """The colours of a theme."""

    page: str
    ink: str
    soft: str
    edge: str
    grid: str
    collapse: str
    hatch: str
    safe: str
    safe_ink: str
    bad: str
    shades: tuple[float, float]  # the part of cividis that lines may use on this page

    @property
    def style(self) -> dict[str, Any]:
        """matplotlib's settings."""
        return {
            "svg.hashsalt": "ssem-advisor",
            "svg.fonttype": "none",  # text stays text: searchable, selectable, set in the reader's fonts
            "pdf.fonttype": 42,  # TrueType, as publishers ask for; matplotlib's own default is Type 3
            "font.family": "DejaVu Sans",
            "figure.facecolor": self.page,
            "axes.facecolor": self.page,
            "axes.edgecolor": self.edge,
            "axes.labelcolor": self.ink,
            "text.color": self.ink,
            "xtick.color": self.soft,
            "ytick.color": self.soft,
            "grid.color": self.grid,
            "hatch.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "savefig.dpi": 160,
        }

    def line(self, share: float) -> Any:
        """A colour for a line, share 0 to 1 of the way through this theme's shades."""
        low, high = self.shades
        return _cividis()(low + (high - low) * share)

    def halo(self, colour: str | None = None, width: float = 3.0) -> list[Any]:
        from matplotlib.patheffects import withStroke

        return [withStroke(linewidth=width, foreground=colour or self.page)]


LOOKS = {
    "light": Look(
        page="#ffffff", ink="#1b2430", soft="#566273", edge="#8290a2", grid="#e3e7ed", collapse="#e8ebf0",
        hatch="#a3adba", safe="#e4f3ee", safe_ink="#0b6b50", bad="#a3282f", shades=(0.0, 0.88),
    ),
    "dark": Look(
        page="#1e2129", ink="#e8ecf2", soft="#aab4c2", edge="#6d7a8c", grid="#343b47", collapse="#2a303b",
        hatch="#566273", safe="#15302a", safe_ink="#6fd3b1", bad="#f59a9e", shades=(0.5, 1.0),
    ),
}  # fmt: skip
Theme = Literal["light", "dark"]
INK = LOOKS["light"].ink
# cividis at 0, 0.1 ... 1, for the terminal, which shall not load matplotlib
SHADES = (
    "#00224e",
    "#083370",
    "#35456c",
    "#4f576c",
    "#666970",
    "#7d7c78",
    "#948e77",
    "#aea371",
    "#c8b866",
    "#e5cf52",
    "#fee838",
)
_METADATA: dict[str, dict[str, str | None]] = {  # no dates and no versions
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Paper:
    """What a picture is drawn on. size: width and height in inches, 2 to 40 each; None = what suits the picture.

    network: whose free spread it shows, that of networks as trained on real images or that of the loss minimiser.
    """

    size: tuple[float, float] | None = None
    theme: Theme = "light"
    network: Literal["typical", "perfect"] = "typical"


PAPER = Paper()


def check_ending(path: str | os.PathLike[str]) -> str:
    """The ending of a picture's name, in small letters. Raises AdvisorError for a format that is not written."""
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise AdvisorError(f"{path}: unknown picture format {ending!r}; end the name in {', '.join(ENDINGS)}")
    return ending


@contextmanager
def canvas(
    path: str | os.PathLike[str],
    paper: Paper,
    usual: tuple[float, float],
    title: str,
    heading: str,
    left: float = 0.7,
) -> Iterator[tuple[Figure, Axes, Look]]:
    """A titled figure with one pair of axes in the paper's colours, written to `path` when the block ends.

    left: inches that the axis labels take beside the title.
    """
    ending = check_ending(path)
    size, look = paper.size or usual, LOOKS[paper.theme]
    if not all(2 <= length <= 40 for length in size):
        raise AdvisorError(f"size={size[0]:g}x{size[1]:g}: width and height of a picture are 2 to 40 inches")
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", look.style]):  # the user's matplotlibrc shall not change our bytes
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        _title(figure, axes, look, title, heading, left)
        yield figure, axes, look
        picture = io.BytesIO()
        metadata = _METADATA[ending[1:]] | {"Title": f"{title}: {heading}"}
        figure.savefig(picture, format=ending[1:], metadata=metadata)
    write_atomically(path, picture.getvalue())


def _title(figure: Figure, axes: Axes, look: Look, title: str, heading: str, left: float) -> None:
    """The title in bold and the setting below it, broken where the picture is narrow."""
    room = figure.get_figwidth() - left  # inches; a letter takes 1/11.5 of them below, 1/7.4 in bold
    below = "\n".join(wrapped(heading, int(11.5 * room)))
    bold = "\n".join(wrapped(title, int(7.4 * room)))
    axes.set_title(bold, loc="left", fontsize=13, fontweight="bold", pad=12 + 12 * (below.count("\n") + 1))
    axes.annotate(below, (0, 1), (0, 7), "axes fraction", "offset points", color=look.soft, fontsize=9.5)


def mark(axes: Axes, look: Look, x: float, label: str) -> None:
    """A dotted line at x that says what it is."""
    axes.axvline(x, color=look.soft, linewidth=1, linestyle=(0, (2, 3)))
    axes.annotate(label, (x, 0), (4, 4), ("data", "axes fraction"), "offset points", rotation=90, va="bottom",
                  fontsize=8.5, color=look.soft, zorder=5, path_effects=look.halo())  # fmt: skip


def _cividis() -> Any:
    from matplotlib import colormaps

    return colormaps["cividis"]


def colour_scale(most: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    return ScalarMappable(PowerNorm(POWER, 0, most), _cividis())


def legend_below(figure: Figure) -> None:
    """The legend under the axes, in as many columns of 2.5 inches as there is room for."""
    columns = int(np.clip(figure.get_figwidth() // 2.5, 1, 3))
    figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.4, columnspacing=1.8)


def weight_label(figure: Figure) -> str:
    return "weight α of the self-supervised term" if figure.get_figheight() >= 4.4 else "weight α"


def logarithmic(axis: Axis, ticks: Sequence[float]) -> None:
    if axis.axes.figure.get_figwidth() < 6:  # type: ignore[union-attr]
        ticks = ticks[::2]
    axis.axes.set_xscale("log")
    axis.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)
