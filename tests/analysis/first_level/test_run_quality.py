"""The motion of a run: where displacement is from, what is said of it, and what is stored."""

import json

import numpy as np
import pandas as pd
import pytest

from boldglm.analysis.first_level.run_quality import (
    RunQuality,
    motion_sentence,
    motion_warning,
    quality_of_run,
)
from boldglm.glm import build_design
from boldglm.glm.design.confound_names import MOTION
from boldglm.glm.design.head_motion import MotionCorrelation, framewise_displacement
from boldglm.io.bids.confounds_table import read_confounds

N_SCANS = 60
TIMES = np.arange(N_SCANS) * 2.0


@pytest.fixture
def design():
    events = {"onset": [10.0, 50.0, 80.0], "duration": [5.0] * 3, "trial_type": ["go"] * 3}
    return build_design(events, TIMES, high_pass=None)


@pytest.fixture
def parameters():
    steps = np.random.default_rng(1).normal(0, 0.02, (N_SCANS, 6)) / [1, 1, 1, 50, 50, 50]
    return np.cumsum(steps, axis=0)


def table(tmp_path, **columns):
    path = tmp_path / "confounds.tsv"
    pd.DataFrame(columns).to_csv(path, sep="\t", na_rep="n/a", index=False)
    return read_confounds(path)


def motion(parameters):
    return dict(zip(MOTION, parameters.T, strict=True))


def test_displacement_is_that_of_the_table(tmp_path, design, parameters):
    moved = np.full(N_SCANS, 0.1)
    moved[[0, 30]] = np.nan, 2.0
    with_moved = table(tmp_path, **motion(parameters), framewise_displacement=moved)

    quality = quality_of_run(with_moved, design)

    np.testing.assert_array_equal(quality.displacement, moved)
    assert quality.displacement_source == "column framewise_displacement"
    assert quality.n_correlations == 7


def test_displacement_is_computed_from_six_parameters(tmp_path, design, parameters):
    quality = quality_of_run(table(tmp_path, **motion(parameters)), design)

    np.testing.assert_allclose(quality.displacement, framewise_displacement(parameters))
    assert "computed from the six motion parameters" in quality.displacement_source


def test_displacement_is_not_made_up_from_five(tmp_path, design, parameters):
    five = motion(parameters)
    del five["rot_y"]

    quality = quality_of_run(table(tmp_path, **five), design)

    assert quality.displacement is None
    assert "no framewise_displacement and no rot_y" in quality.displacement_source
    assert quality.n_correlations == 5
    assert quality_of_run(None, design).displacement is None


def test_standardized_dvars_comes_first_and_text_is_no_value(tmp_path, design):
    std = ["n/a", "much", *["1.1"] * (N_SCANS - 2)]
    quality = quality_of_run(table(tmp_path, dvars=np.arange(N_SCANS), std_dvars=std), design)

    assert quality.dvars_name == "std_dvars"
    assert np.isnan(quality.dvars[:2]).all()
    np.testing.assert_array_equal(quality.dvars[2:], 1.1)


@pytest.mark.parametrize(("r", "is_warned"), [(0.49, False), (-0.51, True)])
def test_only_a_strong_correlation_is_a_warning(r, is_warned):
    found = MotionCorrelation("trial_type.go", "trans_z", r, is_modeled=False)

    notice = motion_warning(RunQuality(correlations=(found,), n_correlations=7))

    assert (notice is not None) == is_warned
    if notice is not None:
        assert notice.kind == "warning"
        assert "go and head motion along z (trans_z) share 26 % of their variance" in notice.text
        assert "--confounds motion6" in notice.text


def test_several_strong_ones_are_one_warning_with_their_number():
    strong = [MotionCorrelation("go", name, 0.8, is_modeled=True) for name in MOTION[:3]]

    notice = motion_warning(RunQuality(correlations=tuple(strong), n_correlations=3))

    assert "its variance is at least 2.8 times as large (2 further pairs in the report)" in (
        notice.text
    )


def test_the_sentence_about_displacement_does_not_ask_for_a_regressor():
    found = MotionCorrelation("go", "framewise_displacement", 0.6, is_modeled=False)

    assert "motion6" not in motion_sentence(found)
    assert "--fd-threshold" in motion_sentence(found)


def test_what_is_stored_reads_back(tmp_path, design, parameters):
    dvars = np.linspace(0.9, 1.3, N_SCANS)
    dvars[0] = np.nan
    quality = quality_of_run(table(tmp_path, **motion(parameters), std_dvars=dvars), design)

    again = RunQuality.from_dict(json.loads(json.dumps(quality.to_dict())))

    np.testing.assert_allclose(again.displacement, quality.displacement, rtol=1e-3)
    np.testing.assert_allclose(again.dvars, dvars, rtol=1e-3)
    assert [each.motion for each in again.correlations] == [
        each.motion for each in quality.correlations
    ]
    assert (again.n_correlations, again.dvars_name) == (7, "std_dvars")
    assert again.by_chance == pytest.approx(quality.by_chance, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"FramewiseDisplacement": [float("inf")]},
        {"FramewiseDisplacement": ["far"]},
        {"DVARS": 3},
        {"StrongestByChance": "half"},
        {"Correlations": "many"},
        {"Correlations": [{"Regressor": "a", "Motion": "b", "r": 7, "IsModeled": True}]},
    ],
)
def test_damaged_records_are_refused(change):
    with pytest.raises((KeyError, TypeError, ValueError)):
        RunQuality.from_dict({**RunQuality().to_dict(), **change})
