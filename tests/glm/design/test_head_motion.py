"""Framewise displacement, and correlations of motion with the task, against planted values."""

import numpy as np
import pytest

from boldglm.glm import build_design
from boldglm.glm.design.confound_names import MOTION
from boldglm.glm.design.head_motion import (
    framewise_displacement,
    motion_correlations,
    strongest_by_chance,
)

TIMES = np.arange(120) * 2.0
EVENTS = {
    "onset": np.arange(10.0, 220.0, 30.0),
    "duration": np.full(7, 8.0),
    "trial_type": np.array(["go"] * 7),
}


def residual(values, basis):
    return values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]


def correlated(target, basis, r, rng):
    """A time course whose correlation with the target is r once the basis is removed."""
    along = residual(target, basis)
    along /= np.linalg.norm(along)
    across = residual(rng.normal(size=target.size), np.column_stack([basis, along]))
    return r * along + np.sqrt(1 - r**2) * across / np.linalg.norm(across)


def test_a_jump_of_known_size_is_the_displacement():
    parameters = np.zeros((50, 6))
    parameters[20:, 1] = 0.7  # mm
    parameters[35:, 5] = -0.01  # rad: 0.5 mm on a sphere of 50 mm

    displacement = framewise_displacement(parameters)

    assert np.isnan(displacement[0])
    np.testing.assert_allclose(displacement[[19, 20, 21, 35]], [0, 0.7, 0, 0.5])
    np.testing.assert_allclose(np.nansum(displacement), 1.2)


def test_a_planted_correlation_is_found_beneath_drift():
    rng = np.random.default_rng(3)
    design = build_design(EVENTS, TIMES, high_pass=128)
    go = design.matrix[:, design.columns("condition")[0]]
    drift = design.matrix[:, [*design.columns("drift"), *design.columns("constant")]]
    motion = correlated(go, drift, -0.6, rng) + 40 * drift[:, 0]

    found = motion_correlations(design, {"trans_z": motion, "rot_x": rng.normal(size=120)})

    assert abs(np.corrcoef(go, motion)[0, 1]) < 0.1  # drift hides it
    assert (found[0].regressor, found[0].motion) == ("go", "trans_z")
    assert found[0].r == pytest.approx(-0.6)
    assert found[0].share == pytest.approx(0.36)
    assert not found[0].is_modeled


def test_cosines_of_a_confounds_table_are_drift():
    cosine = np.cos(np.pi * (np.arange(120) + 0.5) / 120)
    rng = np.random.default_rng(4)
    design = build_design(
        EVENTS, TIMES, high_pass=None, confounds=np.column_stack([cosine, rng.normal(size=120)]),
        confound_names=["cosine00", "trans_x"],
    )  # fmt: skip
    go = design.matrix[:, 0]
    basis = np.column_stack([np.ones(120), cosine])
    motion = correlated(go, basis, 0.5, rng) + 30 * cosine

    (found,) = motion_correlations(design, {"trans_x": motion})

    assert found.r == pytest.approx(0.5)
    assert found.is_modeled


def test_censored_volumes_do_not_count():
    rng = np.random.default_rng(5)
    design = build_design(EVENTS, TIMES, high_pass=None, censored=[9, 60])
    kept = np.setdiff1d(np.arange(120), [0, 9, 60])
    go = design.matrix[:, 0]
    motion = np.zeros(120)
    motion[kept] = correlated(go[kept], np.ones((117, 1)), 0.4, rng)
    motion[[9, 60]] = 1e3
    motion[0] = np.nan

    (found,) = motion_correlations(design, {"framewise_displacement": motion})

    assert found.r == pytest.approx(0.4)


def test_what_cannot_be_correlated_is_left_out():
    design = build_design(EVENTS, TIMES, high_pass=None)
    holes = np.arange(120.0)
    holes[50] = np.nan

    assert motion_correlations(design, {"trans_x": holes, "trans_y": np.full(120, 3.0)}) == ()
    assert motion_correlations(design, {}) == ()


def test_parameters_in_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        framewise_displacement(np.zeros((10, len(MOTION) - 1)))


def test_unrelated_motion_is_as_strong_as_chance_says_in_one_of_twenty_runs():
    rng = np.random.default_rng(6)
    exceeds = []
    for _ in range(300):
        onsets = np.sort(rng.uniform(0, 220, 20))
        events = {"onset": onsets, "duration": np.ones(20), "trial_type": ["go", "stop"] * 10}
        design = build_design(events, TIMES, high_pass=100)
        motion = {name: np.cumsum(rng.normal(size=120)) + rng.normal(size=120) for name in MOTION}
        strongest = abs(motion_correlations(design, motion)[0].r)
        exceeds.append(strongest > strongest_by_chance(design, motion))

    assert 0.01 < np.mean(exceeds) < 0.12
    assert strongest_by_chance(design, {}) is None


def test_chance_is_that_of_shifted_motion_without_drift():
    rng = np.random.default_rng(11)
    design = build_design(EVENTS, TIMES, high_pass=100)
    course = np.cumsum(rng.normal(size=120))
    drift = design.matrix[:, 1:]
    moved = residual(course, drift)
    task = residual(design.matrix[:, 0], drift)
    shifted = [residual(np.roll(moved, k), drift) for k in range(120)]
    expected = np.quantile([abs(np.corrcoef(task, each)[0, 1]) for each in shifted], 0.95)

    found = strongest_by_chance(design, {"trans_x": course})

    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_chance_counts_all_pairs():
    rng = np.random.default_rng(7)
    design = build_design(EVENTS, TIMES, high_pass=None)
    motion = {name: rng.normal(size=120) for name in MOTION}

    one = strongest_by_chance(design, {"trans_x": motion["trans_x"]})

    assert strongest_by_chance(design, motion) > one
