"""The part of a section that says whether the run was all right."""

import re
from html import unescape
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from boldglm.glm.design.head_motion import MotionCorrelation
from boldglm.reports.motion import TimeCourse, plot_motion
from boldglm.reports.quality import DrawnQuality, draw_quality
from boldglm.reports.svg import RED, RULE

TIMES = 1 + np.arange(100) * 2.0


def words(path):
    root = ET.parse(path).getroot()
    return [unescape("".join(t.itertext())) for t in root.iter("{http://www.w3.org/2000/svg}text")]


def quality(**changes):
    moved = np.full(100, 0.1)
    moved[[0, 40]] = np.nan, 3.0
    content = {
        "frame_times": TIMES, "displacement": moved, "displacement_source": "column x",
        "dvars": None, "dvars_name": "", "censored": (40, 41),
        "events": (("trial_type.go", [4.0, 30.0], [2.0, 2.0]),),
    }  # fmt: skip
    return DrawnQuality(**content | changes)


def test_a_planted_spike_is_marked_and_said(tmp_path):
    (figure,), tables = draw_quality(quality(), tmp_path)

    assert "largest 3.00 mm, above 0.5 mm in 1 of 99 volumes (1.01 %)" in figure.caption
    assert "Gray: censored volumes, 2 of 100 (2 %): 40, 41." in figure.caption
    assert "3.00 mm, is at 81 s. 2 censored volumes are marked." in figure.alt
    drawing = figure.path.read_text()
    (dots,) = re.findall(rf'<path d="([^"]+)"[^>]*stroke="{RED}"', drawing)
    assert dots.count("M") == 1
    (bands,) = re.findall(rf'<path d="([^"]+)" fill="{RULE}"', drawing)
    assert bands.count("M") == 2
    assert {"framewise", "displacement", "mm", "0.5", "go", "time (s)"} <= set(words(figure.path))
    assert tables == ()


def test_the_spike_lies_at_its_time(tmp_path):
    (figure,), _ = draw_quality(quality(events=(), censored=()), tmp_path)

    (dot,) = re.findall(rf'<path d="M([\d.]+) [^"]+"[^>]*stroke="{RED}"', figure.path.read_text())
    width = (9.6 - 2.4) * 72
    assert float(dot) == pytest.approx(40 / 99 * width, abs=0.02)


def test_standardized_dvars_has_its_line_and_other_dvars_none(tmp_path):
    values = np.linspace(0.9, 1.2, 100)

    for name, has_line in (("std_dvars", True), ("dvars", False)):
        (figure,), _ = draw_quality(quality(dvars=values, dvars_name=name), tmp_path)
        assert ("1.5" in words(figure.path)) == has_line
        assert f"from one volume to the next (column {name}): largest 1.2" in figure.caption


def test_nothing_is_drawn_of_a_run_without_motion(tmp_path):
    nothing = quality(displacement=None, displacement_source="no confounds table")

    assert draw_quality(nothing, tmp_path) == ((), ())
    assert draw_quality(quality(displacement=np.full(100, np.nan)), tmp_path) == ((), ())


def test_the_table_has_the_strongest_first_and_says_what_it_means(tmp_path):
    found = (
        MotionCorrelation("trial_type.go", "rot_x", -0.48, is_modeled=True),
        MotionCorrelation("trial_type.go", "trans_x", 0.1, is_modeled=False),
    )
    shown = quality(
        correlations=found,
        n_correlations=14,
        sentences=("the regressor of go so",),
        by_chance=0.412,
    )

    _, (table,) = draw_quality(shown, tmp_path)

    assert table.rows == (
        ("go", "head rotation about x (rot_x)", "−0.48", "23 %", "yes"),
        ("go", "head motion along x (trans_x)", "0.10", "1 %", "no"),
    )
    assert "the 2 strongest of 14. The regressor of go so." in table.caption
    assert "the strongest is above 0.41 in 5 % of the shifts" in table.caption
    weak = quality(correlations=found[1:], n_correlations=1)
    assert "No condition shares as much as a tenth" in draw_quality(weak, tmp_path)[1][0].caption


def test_events_of_very_many_conditions_share_a_row(tmp_path):
    events = [(f"c{number}", [3.0 * number], [1.0]) for number in range(20)]
    course = TimeCourse("displacement", "mm", np.ones(100))

    shown = words(plot_motion([course], TIMES, tmp_path / "m.svg", events=events))

    assert "events of 20 conditions" in shown
    assert "c3" not in shown


def test_a_course_of_another_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="99 values"):
        plot_motion([TimeCourse("x", "mm", np.ones(99))], TIMES, tmp_path / "m.svg")
    with pytest.raises(ValueError, match="no time course"):
        plot_motion([], TIMES, tmp_path / "m.svg")
