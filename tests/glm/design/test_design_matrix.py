"""Designs: columns, names and roles, what is refused, orthogonalization rules."""

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from boldglm.glm.design.convolution import convolve_events
from boldglm.glm.design.design_matrix import Design, build_design
from boldglm.glm.design.hrf import HRFBasis
from boldglm.glm.design.kernels import SPM, Box, DoubleGamma
from boldglm.glm.design.orthogonalize import orthogonalize_design

SCANS = np.arange(100) * 2.0
RNG = np.random.default_rng(7)
EVENTS = {
    "onset": np.arange(24) * 8.0 + RNG.uniform(0, 3, 24),
    "duration": RNG.choice([0.5, 2.0, 4.0], 24),
    "trial_type": np.array(["face", "house", "tool"] * 8),
}
MOTION = RNG.normal(size=(100, 2)).cumsum(axis=0)


def design_with_confounds(**options):
    return build_design(
        EVENTS, SCANS, confounds=MOTION, confound_names=["trans_x", "rot_x"], **options
    )


def fitted(design, data):
    return design @ np.linalg.lstsq(design, data, rcond=None)[0]


def test_columns_are_conditions_confounds_drift_constant():
    design = design_with_confounds(hrf_model="spm + derivative", high_pass=150.0)

    assert design.names == (
        *("face", "face_derivative", "house", "house_derivative", "tool", "tool_derivative"),
        *("trans_x", "rot_x", "drift_1", "drift_2", "constant"),
    )
    assert design.roles == (
        *["condition"] * 6,
        *["confound"] * 2,
        *["drift"] * 2,
        "constant",
    )
    assert design.conditions[:3] == ("face", "face", "house")
    assert design.n_scans == 100
    assert design.n_regressors == len(design.names)
    np.testing.assert_array_equal(design.matrix[:, design.columns("confound")], MOTION)
    np.testing.assert_array_equal(design.matrix[:, -1], 1.0)


def test_each_condition_is_the_convolution_of_its_own_events():
    design = build_design({**EVENTS, "modulation": np.arange(24.0)}, SCANS)

    for condition in ("face", "house", "tool"):
        mine = EVENTS["trial_type"] == condition
        expected = convolve_events(
            EVENTS["onset"][mine], EVENTS["duration"][mine], np.arange(24.0)[mine], SPM, SCANS
        )
        np.testing.assert_array_equal(design.matrix[:, design.index(condition)], expected)


def test_a_dict_a_data_frame_and_lists_give_the_same_design():
    as_lists = {name: list(values) for name, values in EVENTS.items()}

    assert build_design(as_lists, SCANS) == build_design(EVENTS, SCANS)
    assert build_design(pd.DataFrame(EVENTS), SCANS) == build_design(EVENTS, SCANS)


def test_the_order_and_choice_of_conditions_can_be_given():
    design = build_design(EVENTS, SCANS, conditions=["tool", "face"], high_pass=None)

    assert design.names == ("tool", "face", "constant")


def test_without_drift_and_constant_only_the_conditions_remain():
    design = build_design(EVENTS, SCANS, high_pass=None, constant=False)

    assert design.names == ("face", "house", "tool")


def test_fir_bins_are_repetition_times_before_20_s_unless_given():
    by_default = build_design(EVENTS, SCANS, hrf_model="fir", conditions=["face"], high_pass=None)
    given = build_design(
        EVENTS, SCANS, hrf_model="fir", conditions=["face"], fir_delays=[0, 4], high_pass=None
    )
    single = build_design(
        EVENTS, SCANS, hrf_model="fir", conditions=["face"], fir_delays=[4], high_pass=None
    )

    assert by_default.names == (*(f"face_delay_{k}" for k in range(0, 20, 2)), "constant")
    assert given.names == ("face_delay_0", "face_delay_4", "constant")
    mine = EVENTS["trial_type"] == "face"
    times = EVENTS["onset"][mine], EVENTS["duration"][mine], np.ones(8)
    np.testing.assert_array_equal(
        given.matrix[:, 1], convolve_events(*times, Box(4.0, 4.0), SCANS)
    )
    np.testing.assert_array_equal(
        single.matrix[:, 0], convolve_events(*times, Box(4.0, 2.0), SCANS)
    )


def test_kernels_of_ones_own_can_be_used():
    basis = HRFBasis(("", "_late"), (DoubleGamma(peak=5.0), DoubleGamma(peak=8.0)))

    design = build_design(EVENTS, SCANS, hrf_model=basis, conditions=["face"], high_pass=None)

    assert design.names == ("face", "face_late", "constant")


def test_oversampling_reaches_the_convolution():
    exact = build_design(EVENTS, SCANS).matrix
    coarse = build_design(EVENTS, SCANS, oversampling=2).matrix

    assert abs(exact - coarse).max() > 0.01 * abs(exact).max()


def test_the_design_cannot_be_changed_and_does_not_follow_its_sources():
    source = np.ones((3, 1))
    design = Design(source, ["constant"], [0, 2, 4], ["constant"])
    source[:] = 5

    np.testing.assert_array_equal(design, np.ones((3, 1)))
    with pytest.raises(ValueError, match="read-only"):
        design.matrix[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        design.frame_times[0] = 2.0
    with pytest.raises(AttributeError):
        design.names = ("other",)


def test_a_design_is_an_array_to_numpy():
    design = build_design(EVENTS, SCANS)

    assert np.asarray(design) is not None
    np.testing.assert_array_equal(np.asarray(design), design.matrix)
    assert np.asarray(design, dtype=np.float32).dtype == np.float32
    writable = np.array(design)
    writable[:] = 0
    assert design.matrix.any()


def test_equal_designs_are_equal_and_others_are_not():
    design = build_design(EVENTS, SCANS)
    renamed = Design(
        design.matrix, ["x", *design.names[1:]], SCANS, design.roles, design.conditions
    )

    assert design == copy.deepcopy(design) == pickle.loads(pickle.dumps(design))
    assert design != renamed
    assert design != build_design(EVENTS, SCANS + 0.5)
    assert design != "design"


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_a_copy_of_a_design_cannot_be_changed_either(duplicate):
    design = duplicate(build_design(EVENTS, SCANS))

    assert not design.matrix.flags.writeable
    assert not design.frame_times.flags.writeable


def test_a_name_finds_its_column_in_short_too():
    events = {**EVENTS, "trial_type": ["trial_type." + name for name in EVENTS["trial_type"]]}
    design = build_design(events, SCANS, hrf_model="spm + derivative")

    assert design.index("house") == 2
    assert design.condition_columns("house") == [2, 3]
    with pytest.raises(ValueError, match=r"there is no 'hose'.*Did you mean 'trial_type.house'"):
        design.index("hose")
    with pytest.raises(ValueError, match=r"there is no role 'conditions'.*Did you mean"):
        design.columns("conditions")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"onset": None}, "events have no column onset, only duration, trial_type"),
        ({"duration": [np.nan] * 24}, "condition 'face': durations has 8 missing"),
        ({"duration": [-1.0] * 24}, r"condition 'face': durations must be 0 or more"),
        ({"duration": ["long"] * 24}, "column 'duration' of events must hold numbers"),
        ({"trial_type": ["a", None] * 12}, "event 1 has no trial_type"),
        ({"trial_type": ["a", np.nan] * 12}, "event 1 has no trial_type"),
        ({"trial_type": ["a"] * 3}, r"different lengths: \[3, 24\]"),
        ({"modulation": np.zeros(24)}, "condition 'face' has modulation 0 at all"),
        ({name: [] for name in EVENTS}, "events table is empty"),
    ],
)
def test_events_that_make_no_design_are_refused(changes, message):
    events = {name: v for name, v in {**EVENTS, **changes}.items() if v is not None}

    with pytest.raises(ValueError, match=message):
        build_design(events, SCANS)


def test_a_condition_without_events_is_refused_with_the_candidates():
    with pytest.raises(
        ValueError, match=r"condition 'fac' has no event.*Known: face, house, tool.*mean 'face'"
    ):
        build_design(EVENTS, SCANS, conditions=["house", "fac"])


@pytest.mark.parametrize(
    ("onsets", "oversampling"),
    [
        ([300.0, 900.0], None),
        ([300.0, 900.0], 20),
        ([197.999, 400.0], None),
        ([197.999, 400.0], 20),
        ([-200.0, -150.0], None),  # nilearn's grid would put these at its start
    ],
)
def test_a_condition_outside_the_run_is_refused_with_its_times(onsets, oversampling):
    events = {"onset": onsets, "duration": [1.0, 1.0], "trial_type": ["late", "late"]}

    with pytest.raises(
        ValueError,
        match=rf"'late' has no response .* 2 events are at {onsets[0]:g} to {onsets[1]:g} s, the "
        "scans at 0 to 198 s",
    ):
        build_design(events, SCANS, oversampling=oversampling)


def test_a_run_without_events_can_be_asked_for():
    nothing = {name: [] for name in EVENTS}

    design = build_design(nothing, SCANS, conditions=[], high_pass=None)

    assert design.names == ("constant",)
    with pytest.raises(ValueError, match="the design has no column"):
        build_design(nothing, SCANS, conditions=[], high_pass=None, constant=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"confounds": np.ones((50, 1))},
            r"shape \(50, 1\), but need one row for each of 100 scans",
        ),
        ({"confounds": MOTION, "confound_names": ["x"]}, "1 confound_names for 2 confounds"),
        ({"confound_names": ["x"]}, "1 confound_names for 0 confounds"),
        ({"confounds": MOTION, "confound_names": ["face", "x"]}, "more than one column is named"),
        (
            {"confounds": np.r_[np.nan, np.ones(99)], "confound_names": ["fd"]},
            "confound 'fd' has 1 missing values, the first at scan 0",
        ),
        ({"hrf_model": "spm+derivative"}, "unknown hrf_model .*mean 'spm . derivative'"),
        ({"fir_delays": [0, 2]}, "hrf_model 'spm' takes no fir_delays"),
    ],
)
def test_options_that_make_no_design_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_design(EVENTS, SCANS, **options)


def test_confounds_without_names_are_numbered():
    names = build_design(EVENTS, SCANS, confounds=MOTION, high_pass=None).names

    assert names[3:] == ("confound_1", "confound_2", "constant")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 1)), ["a"], [0, 2], ["condition"]), r"shape \(3, 1\).* 2 frame_times"),
        ((np.ones((2, 2)), ["a"], [0, 2], ["condition"]), "2 columns need as many names"),
        ((np.ones((2, 1)), ["a"], [0, 2], ["task"]), "there is no role 'task'"),
        ((np.ones((2, 2)), ["a", "a"], [0, 2], ["condition"] * 2), "more than one column"),
        ((np.full((2, 1), np.inf), ["a"], [0, 2], ["condition"]), "column 'a' has values"),
    ],
)
def test_parts_that_make_no_design_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Design(*arguments)


def test_orthogonalizing_gives_the_estimate_without_the_other_condition():
    design = design_with_confounds(conditions=["face", "house"])
    without = design_with_confounds(conditions=["face"])
    data = np.random.default_rng(0).normal(size=(100, 5))

    changed = orthogonalize_design(design, [("house", ["face"])])

    betas, alone, before = (
        np.linalg.lstsq(np.asarray(x), data, rcond=None)[0] for x in (changed, without, design)
    )
    np.testing.assert_allclose(betas[0], alone[0], rtol=1e-9)
    np.testing.assert_allclose(betas[1], before[1], rtol=1e-9)
    np.testing.assert_allclose(
        fitted(changed.matrix, data), fitted(design.matrix, data), atol=1e-10
    )
    assert (changed.names, changed.roles) == (design.names, design.roles)


def test_only_the_orthogonalized_columns_change_and_only_in_the_new_design():
    design = design_with_confounds(hrf_model="spm + derivative")
    before = design.matrix.copy()

    changed = orthogonalize_design(design, [("house", ["face"])])

    np.testing.assert_array_equal(design.matrix, before)
    different = np.flatnonzero((changed.matrix != before).any(axis=0)).tolist()
    assert different == design.condition_columns("house") == [2, 3]


def test_a_condition_is_taken_out_with_all_its_columns():
    design = build_design(EVENTS, SCANS, hrf_model="spm + derivative")
    nuisance = design.matrix[:, design.columns("drift") + design.columns("constant")]

    changed = orthogonalize_design(design, [("house", ["face", "tool"])])

    others = changed.matrix[:, [0, 1, 4, 5]]
    others = others - fitted(nuisance, others)
    np.testing.assert_allclose(others.T @ changed.matrix[:, [2, 3]], 0.0, atol=1e-9)


def test_a_single_column_of_a_condition_can_be_named():
    design = build_design(EVENTS, SCANS, hrf_model="spm + derivative")

    changed = orthogonalize_design(design, [("house_derivative", ["face_derivative"])])

    assert np.flatnonzero((changed.matrix != design.matrix).any(axis=0)).tolist() == [3]


def test_a_later_rule_sees_what_an_earlier_one_has_left():
    design = build_design(EVENTS, SCANS)

    both = orthogonalize_design(design, [("house", ["face"]), ("tool", ["house"])])

    first = orthogonalize_design(design, [("house", ["face"])])
    assert both == orthogonalize_design(first, [("tool", ["house"])])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([("house", ["fase"])], "there is no 'fase'.*Did you mean 'face'"),
        ([("hose", ["face"])], "there is no 'hose'.*Did you mean 'house'"),
        ([("house", ["face", "house"])], "'house' cannot be orthogonalized against itself"),
        ([("house_derivative", ["house"])], "against itself"),
        ([("house", [])], "'house' has no column to orthogonalize against"),
        ([("house", ["face"]), ("face", ["house"])], "rules of face, .*house.* are circular"),
        (
            [("house", ["face"]), ("tool", ["house"]), ("face", ["tool"])],
            "are circular",
        ),
        ([("house", ["face"]), ("house", ["tool"])], "'house' has two .*'B ~ A1 . A2'"),
    ],
)
def test_rules_that_make_no_sense_are_refused_by_name(rules, message):
    design = build_design(EVENTS, SCANS, hrf_model="spm + derivative")

    with pytest.raises(ValueError, match=message):
        orthogonalize_design(design, rules)


def test_a_column_of_which_nothing_would_be_left_is_refused():
    matrix = np.column_stack([np.sin(SCANS), 3 * np.sin(SCANS) + 2, np.ones(100)])
    design = Design(matrix, ["a", "b", "constant"], SCANS, ["condition", "condition", "constant"])

    with pytest.raises(ValueError, match="cannot be orthogonalized, because a explain"):
        orthogonalize_design(design, [("b", ["a"])])


def test_fir_bins_count_seconds_from_each_event_wherever_scans_are():
    events = {"onset": [10.7, 41.3], "duration": [0, 0], "trial_type": ["a", "a"]}
    scans = np.arange(40) * 2.0

    design = build_design(
        events, scans, hrf_model="fir", fir_delays=[0, 1.5, 3.0, 4.5], high_pass=None
    )

    assert design.names[:4] == ("a_delay_0", "a_delay_1.5", "a_delay_3", "a_delay_4.5")
    since = scans[:, np.newaxis] - np.array(events["onset"])
    for column, start in zip(design.matrix.T, (0, 1.5, 3.0, 4.5), strict=False):
        inside = ((since >= start) & (since < start + 1.5)).any(axis=1)
        np.testing.assert_allclose(column, inside / 1.5)


# --- what is shown


def shown_design():
    return build_design(
        EVENTS,
        SCANS,
        confounds=np.sin(SCANS) * 3,
        confound_names=["pulse < 1"],
        censored=[4],
    )


def test_a_data_frame_of_a_design_has_its_names_and_times():
    design = shown_design()

    frame = design.to_frame()

    assert tuple(frame.columns) == design.names
    np.testing.assert_array_equal(frame.to_numpy(), design.matrix)
    np.testing.assert_array_equal(frame.index, design.frame_times)
    frame.iloc[0, 0] = 7.0  # a copy, which may be changed
    assert design.matrix[0, 0] != 7.0


def test_a_plot_shows_every_column_scaled_to_its_largest_value():
    design = shown_design()
    axes = Figure().add_subplot()

    assert design.plot(axes) is axes

    image = axes.get_images()[0].get_array()
    np.testing.assert_allclose(abs(image).max(axis=0), 1.0)
    np.testing.assert_allclose(image[:, 3] * abs(np.sin(SCANS) * 3).max(), np.sin(SCANS) * 3)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(design.names)


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_frame"), ("matplotlib", "plot")])
def test_what_needs_a_package_that_is_absent_says_so(package, method, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match=f"Design.{method} needs {package}. Install it."):
        getattr(shown_design(), method)()


def test_three_lines_describe_a_design():
    design = shown_design()
    n_drift = len(design.columns("drift"))

    assert repr(design).splitlines() == [
        f"Design of 100 scans, {design.n_regressors} regressors",
        f"  frame times: {SCANS[0]:.4g} to {SCANS[-1]:.4g} s",
        f"  columns: 3 condition, 1 confound, 1 censored, {n_drift} drift, 1 constant",
    ]
    table = design._repr_html_()
    assert "<th>condition</th><td>face, house, tool</td>" in table
    assert "<th>confound</th><td>pulse &lt; 1</td>" in table
