"""The pictures of `validate`: what they draw is what the points say."""

import json
import re
from pathlib import Path

import pytest

from ssem_advisor.report import evidence_pictures

STUDIES = sorted((Path(__file__).parents[2] / "validation").glob("cifar*/result.json"))


@pytest.fixture(params=STUDIES, ids=lambda path: path.parent.name)
def suite(request):
    return json.loads(request.param.read_text())["suites"][0]


def heights(polygon):
    """The vertical extent at each weight of a stacked area, in drawing units."""
    points = [tuple(map(float, pair.split(","))) for pair in polygon.split()]
    half = len(points) // 2
    return [low - high for (_, low), (_, high) in zip(points[:half], reversed(points[half:]), strict=True)]


def test_the_three_parts_stack_to_the_variance(suite):
    for curve in suite["curves"]:
        points = evidence_pictures.points_of(suite, curve)
        picture = next(p for p in evidence_pictures.panels(suite, curve) if "made of" in p)
        areas = [heights(found) for found in re.findall(r'<polygon class="\w+" points="([^"]*)"', picture)]
        unit = 320 - 58 - 38
        for i, point in enumerate(points):
            assert sum(area[i] for area in areas) / unit == pytest.approx(point["variance"]["mean"], abs=0.01)


def test_every_panel_names_itself_and_keeps_its_legend_inside(suite):
    for curve in suite["curves"]:
        panels = evidence_pictures.panels(suite, curve)
        assert len(panels) == 3
        for panel in panels:
            assert f"temperature {curve['temperature']:g}" in panel
            for x, text in re.findall(r'<text x="([\d.]+)" y="34">([^<]*)', panel):
                assert float(x) + 6.5 * len(text) < 460


def test_files_stand_alone(suite):
    files = evidence_pictures.files(suite)
    assert len(files) == len(suite["curves"])
    for picture in files.values():
        assert picture.count("<svg") == picture.count("</svg>")
        assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
