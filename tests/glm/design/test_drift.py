"""Drift columns: orthogonality, cut-off, and what cannot be a drift."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boldglm.glm.design.drift import (
    cosine_drift,
    drift_columns,
    order_for_duration,
    polynomial_drift,
    split_drift,
)

SCANS = np.arange(200) * 2.0


@given(
    n_scans=st.integers(5, 300),
    repetition_time=st.floats(0.3, 4.0),
    start=st.floats(-10, 10),
    high_pass=st.floats(30.0, 500.0),
)
def test_cosines_are_orthonormal_and_orthogonal_to_the_constant(
    n_scans, repetition_time, start, high_pass
):
    drift = cosine_drift(start + repetition_time * np.arange(n_scans), high_pass)

    np.testing.assert_allclose(drift.T @ drift, np.eye(drift.shape[1]), atol=1e-9)
    np.testing.assert_allclose(drift.sum(axis=0), 0.0, atol=1e-9)


def test_every_period_down_to_the_cutoff_is_there_and_none_below():
    # 400 s: half periods of 400/k s, hence periods 800/k; 800/6 = 133 and 800/7 = 114
    assert cosine_drift(SCANS, high_pass=128).shape == (200, 6)
    assert cosine_drift(SCANS, high_pass=114).shape == (200, 7)


def test_a_short_run_has_no_drift():
    assert cosine_drift([0.0, 2.0, 4.0], high_pass=128).shape == (3, 0)
    assert cosine_drift([0.0], high_pass=128).shape == (1, 0)


def test_the_first_cosine_is_half_a_wave_over_the_run():
    first = cosine_drift(SCANS, 128)[:, 0]

    assert first[0] > 0 > first[-1]
    np.testing.assert_allclose(first, -first[::-1], atol=1e-14)


def test_unevenly_spaced_scans_get_the_cosines_of_their_times():
    kept = np.delete(np.arange(200), [3, 4, 50, 51, 52, 120])
    drift = cosine_drift(SCANS[kept], 128)

    # mean spacing is a little larger and the run as long, so the phase is that of the run
    spacing = 398 / (len(kept) - 1)
    phase = np.pi * (SCANS[kept] / spacing + 0.5) / len(kept)
    expected = np.sqrt(2 / len(kept)) * np.cos(np.outer(phase, np.arange(1, 7)))
    np.testing.assert_allclose(drift, expected, atol=1e-13)


@pytest.mark.parametrize("high_pass", [0.0, -128.0, float("nan"), float("inf")])
def test_a_cutoff_that_is_no_period_is_refused(high_pass):
    with pytest.raises(ValueError, match="period above 0 s"):
        cosine_drift(SCANS, high_pass)


def test_a_cutoff_in_hertz_is_caught():
    with pytest.raises(ValueError, match=r"0.0078 s removes all that scans 2 s apart"):
        cosine_drift(SCANS, 0.0078)


@given(n_scans=st.integers(2, 300), order=st.integers(0, 8), seed=st.integers(0, 99))
def test_polynomials_are_orthonormal_and_span_the_powers_of_time(n_scans, order, seed):
    order = min(order, n_scans - 1)
    gaps = np.random.default_rng(seed).uniform(0.5, 3, n_scans)
    scans = np.cumsum(gaps)

    drift = polynomial_drift(scans, order)

    assert drift.shape == (n_scans, order)
    np.testing.assert_allclose(drift.T @ drift, np.eye(order), atol=1e-9)
    np.testing.assert_allclose(drift.sum(axis=0), 0.0, atol=1e-9)
    assert np.all(drift[-1] > 0)
    unit = (scans - scans[0]) / (scans[-1] - scans[0])
    basis = np.column_stack([np.ones(n_scans) / np.sqrt(n_scans), drift])
    for power in range(order + 1):
        values = unit**power
        np.testing.assert_allclose(basis @ (basis.T @ values), values, atol=1e-8)


@pytest.mark.parametrize("order", [-1, 200, 1.5])
def test_an_order_that_cannot_be_is_refused(order):
    with pytest.raises(ValueError, match="an integer from 0 to 199"):
        polynomial_drift(SCANS, order)


def test_a_single_scan_has_no_polynomial():
    assert polynomial_drift([3.0], 0).shape == (1, 0)


@pytest.mark.parametrize(
    ("n_scans", "repetition_time", "order"),
    [(1, 2.0, 0), (2, 2.0, 1), (2, 400.0, 1), (74, 2.0, 1), (75, 2.0, 2), (375, 0.8, 3)],
)
def test_a_polynomial_has_one_order_more_for_each_150_seconds(n_scans, repetition_time, order):
    scans = 7.0 + repetition_time * np.arange(n_scans)

    assert order_for_duration(scans) == order
    np.testing.assert_array_equal(
        drift_columns(scans, "polynomial"), polynomial_drift(scans, order)
    )


def test_a_drift_is_the_family_that_was_chosen():
    np.testing.assert_array_equal(drift_columns(SCANS, "cosine", 90), cosine_drift(SCANS, 90))
    np.testing.assert_array_equal(
        drift_columns(SCANS, "polynomial:5", 90), polynomial_drift(SCANS, 5)
    )
    for drift, period in (("none", 90), ("cosine", None)):
        assert drift_columns(SCANS, drift, period).shape == (200, 0)


@pytest.mark.parametrize("drift", ["cosines", "polynomial:", "polynomial:0", "cosine:3", ""])
def test_a_drift_that_does_not_exist_is_refused(drift):
    with pytest.raises(ValueError, match=f"no drift '{drift}'.*polynomial:ORDER"):
        split_drift(drift)
