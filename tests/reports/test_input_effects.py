"""Effects of single inputs at peaks: dots, intervals and names of outliers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from boldglm.reports.input_effects import InputMaps, draw_input_effects, outlying, short_names

RNG = np.random.default_rng(0)


def maps_of(effects, errors=None, design=None, unit="%"):
    n = len(effects)
    return InputMaps(
        tuple(f"sub-{k:02d}" for k in range(n)),
        np.ones((n, 1)) if design is None else design,
        unit,
        lambda voxels: (effects[:, voxels], None if errors is None else errors[:, voxels]),
    )


def test_an_input_far_from_the_others_is_named_at_its_peak_only(tmp_path):
    effects = RNG.normal(1, 0.1, size=(12, 40))
    effects[3, 7] = 4.0

    figure = draw_input_effects(
        maps_of(effects, np.full((12, 40), 0.2)), [("A", 7), ("B", 30)], tmp_path / "m", "cue"
    )

    text = figure.path.read_text()
    assert "robust standard deviations from the others: sub-03 at A." in figure.caption
    assert "sub-03 at B" not in figure.caption
    assert re.search(r'fill="#c2570c">sub-03<', text)
    assert len(re.findall(r">sub-\d\d<", text)) == 2 * 12
    assert f"A: {effects[:, 7].min():.3g} to 4 %" in figure.alt


def test_the_caption_names_in_whom_an_effect_may_be_missing(tmp_path):
    effects, errors = np.full((10, 3), 1.0), np.full((10, 3), 0.3)
    errors[2, 0] = 0.6
    effects[4, 0] = -0.5
    errors[:9, 1] = 0.6
    peaks = [("A", 0), ("B", 1), ("C", 2)]

    figure = draw_input_effects(maps_of(effects, errors), peaks, tmp_path / "m", "cue")

    assert "in each participant" in figure.caption
    assert "Intervals include zero: sub-02, sub-04 at A; 9 of 10 at B. " in figure.caption
    clear = draw_input_effects(maps_of(effects, errors), [("C", 2)], tmp_path / "n", "cue")
    assert "No interval includes zero." in clear.caption


def test_inputs_that_are_not_participants_are_called_inputs(tmp_path):
    maps = maps_of(np.ones((4, 1)))
    named = replace(maps, names=tuple(f"{name}_run-1" for name in maps.names))

    figure = draw_input_effects(named, [("A", 0)], tmp_path / "m", "cue")

    assert "in each input" in figure.caption


def test_a_difference_that_the_design_explains_makes_no_outlier():
    group = np.repeat([0.0, 1], [8, 2])
    effects = RNG.normal(0, 0.1, size=10) + 5 * group

    assert outlying(effects, np.ones((10, 1)))[8:].all()
    assert not outlying(effects, np.column_stack([1 - group, group])).any()


def test_inputs_without_data_and_equal_inputs_are_no_outliers(tmp_path):
    effects = np.array([1.0, 1.0, 1.0, np.nan, 1.0, 1.0])

    assert not outlying(effects, np.ones((6, 1))).any()
    assert not outlying(np.full(6, np.nan), np.ones((6, 1))).any()
    figure = draw_input_effects(maps_of(effects[:, None]), [("A", 0)], tmp_path / "m", "cue")
    assert "No participant is more than 3.5 robust" in figure.caption
    assert "intervals" not in figure.caption
    assert "nan" not in figure.path.read_text()


def test_of_many_inputs_only_outliers_are_named(tmp_path):
    effects = RNG.normal(1, 0.1, size=(60, 1))
    effects[50] = -3.0

    figure = draw_input_effects(maps_of(effects), [("A", 0)], tmp_path / "m", "cue")

    assert re.findall(r">(sub-\d\d)<", figure.path.read_text()) == ["sub-50"]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (("sub-01_task-a_run-1", "sub-02_task-a_run-1"), ("sub-01", "sub-02")),
        (("sub-01", "sub-01"), ("sub-01", "sub-01")),
    ],
)
def test_names_of_inputs_leave_out_what_all_share(names, short):
    assert short_names(names) == short
