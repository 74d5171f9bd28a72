"""Kernels, regressors and drifts against nilearn, with its known departures written down.

nilearn counts FIR delays in scans, takes the high-pass cut-off in hertz, and writes SPM's
ratio of 1/6 as 0.167. Where it departs from the exact convolution, a test says by how much.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boldglm.glm.design.convolution import convolve_events
from boldglm.glm.design.design_matrix import build_design
from boldglm.glm.design.drift import cosine_drift
from boldglm.glm.design.hrf import HRFBasis, hrf_basis
from boldglm.glm.design.kernels import GLOVER, Box, DoubleGamma, FiniteDifference
from boldglm.glm.first_level.fit import fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import hemodynamic_models as nilearn_hrf
    from nilearn.glm.first_level import make_first_level_design_matrix, run_glm
    from nilearn.signal import create_cosine_drift

NILEARN_SPM = DoubleGamma(ratio=0.167)
CANONICAL = {"spm": NILEARN_SPM, "glover": GLOVER}


@st.composite
def runs(draw, *, shortest=0.0):
    """Draw events and scan times: (onsets, durations, amplitudes), frame_times."""
    repetition_time = draw(st.sampled_from([0.72, 0.8, 1.37, 2.0, 3.0]))
    start = draw(st.sampled_from([0.0, 0.5 * repetition_time, 0.95]))
    scans = start + repetition_time * np.arange(draw(st.integers(20, 150)))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_events = draw(st.integers(1, 30))
    onsets = rng.uniform(scans[0] - 23.9, scans[-1] + 5, n_events)
    durations = np.maximum(rng.choice([0.0, 0.1, 1.0, 2.5, 20.0], n_events), shortest)
    return (onsets, durations, rng.normal(size=n_events)), scans


def nilearn_column(events, model, scans, oversampling=50, **options):
    """Return the first column, which nilearn does not orthogonalize."""
    columns, _ = nilearn_hrf.compute_regressor(
        events, model, scans, oversampling=oversampling, **options
    )
    return columns[:, 0]


@pytest.mark.parametrize("model", ["spm", "glover"])
@pytest.mark.parametrize("repetition_time", [0.72, 2.0, 2.51])
def test_the_kernel_at_nilearns_time_stamps_is_nilearns(model, repetition_time):
    theirs = getattr(nilearn_hrf, f"{model}_hrf")(repetition_time, oversampling=50)
    # nilearn's samples: evenly from 0 to 32 s inclusive, one step late, scaled to unit sum
    stamps = np.linspace(0, 32, theirs.size) - repetition_time / 50

    ours = CANONICAL[model](stamps)

    np.testing.assert_allclose(ours / ours.sum(), theirs, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("model", ["spm", "glover"])
@pytest.mark.parametrize("oversampling", [16, 50])
def test_the_time_derivative_on_the_grid_is_nilearns(model, oversampling):
    theirs = getattr(nilearn_hrf, f"{model}_time_derivative")(2.0, oversampling=oversampling)
    kernel = CANONICAL[model]

    ours = FiniteDifference(kernel, kernel, shift=0.1, step=0.1).on_grid(2.0 / oversampling)

    np.testing.assert_allclose(ours, theirs, atol=1e-12 * abs(theirs).max())


def test_the_dispersion_derivative_on_the_grid_is_nilearns():
    theirs = nilearn_hrf.spm_dispersion_derivative(2.0, oversampling=50)

    wider = DoubleGamma(ratio=0.167, peak_dispersion=1.01)
    ours = FiniteDifference(NILEARN_SPM, wider, shift=0.0, step=0.01).on_grid(0.04)

    np.testing.assert_allclose(ours, theirs, atol=1e-12 * abs(theirs).max())


def test_nilearns_glover_dispersion_has_another_undershoot_which_hardly_matters():
    # It gives the undershoot dispersion 1, where its own Glover response has 0.9. The
    # undershoot cancels in the difference, all but its area beyond 32 s.
    theirs = nilearn_hrf.glover_dispersion_derivative(2.0, oversampling=50)
    odd = [DoubleGamma(6.0, 12.0, 0.48, d, 1.0) for d in (0.9, 0.91)]

    np.testing.assert_allclose(
        FiniteDifference(*odd, shift=0.0, step=0.01).on_grid(0.04),
        theirs,
        atol=1e-11 * abs(theirs).max(),
    )
    ours = hrf_basis("glover + derivative + dispersion").kernels[2].on_grid(0.04)
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * abs(theirs).max())


@settings(deadline=None)
@given(runs(), st.sampled_from(["spm", "glover"]), st.sampled_from([1, 16, 50]))
def test_columns_on_the_grid_are_nilearns(run, model, oversampling):
    events, scans = run

    theirs = nilearn_column(events, model, scans, oversampling)

    ours = convolve_events(*events, CANONICAL[model], scans, oversampling)
    np.testing.assert_allclose(ours, theirs, atol=1e-12 * max(abs(theirs).max(), 1e-3))


@settings(deadline=None)
@given(runs(), st.integers(0, 8), st.sampled_from([1, 50]))
def test_fir_columns_on_the_grid_are_nilearns(run, delay, oversampling):
    events, scans = run
    repetition_time = float(np.diff(scans).min())

    theirs = nilearn_column(events, "fir", scans, oversampling, fir_delays=[delay])

    kernel = Box(delay * repetition_time, repetition_time)
    ours = convolve_events(*events, kernel, scans, oversampling)
    np.testing.assert_allclose(ours, theirs, atol=1e-12 * max(abs(theirs).max(), 1e-3))


@pytest.mark.parametrize("model", ["spm", "glover"])
@pytest.mark.parametrize("start", [0.0, 0.95])
def test_nilearns_columns_approach_the_exact_one_in_proportion_to_the_grid(model, start):
    rng = np.random.default_rng(4)
    scans = start + np.arange(120) * 2.0
    events = (rng.uniform(-15, 235, 25), rng.choice([0.5, 3.0, 10.0], 25), rng.normal(size=25))
    exact = convolve_events(*events, CANONICAL[model], scans)

    oversampling = np.array([25, 100, 400])
    errors = [
        np.sqrt(np.mean((nilearn_column(events, model, scans, int(n)) - exact) ** 2))
        for n in oversampling
    ]

    rms = np.sqrt(np.mean(exact**2))
    np.testing.assert_allclose(errors[0] / rms, 0.02, rtol=0.75)
    np.testing.assert_allclose(errors * oversampling / (errors[0] * 25), 1.0, atol=0.35)


def test_nilearns_fir_marks_a_scan_before_the_event_where_ours_marks_the_one_after():
    scans = np.arange(20) * 2.0
    event = ([10.5], [0.0], [1.0])

    theirs = nilearn_column(event, "fir", scans, fir_delays=[0])
    ours = convolve_events(*event, Box(0.0, 2.0), scans)

    assert scans[np.flatnonzero(theirs > 1e-9)].tolist() == [10.0]
    assert scans[np.flatnonzero(ours)].tolist() == [12.0]


def test_an_event_of_no_duration_lasts_one_grid_step_in_nilearn():
    scans = np.arange(60) * 2.0
    event = ([8.0], [0.0], [1.0])

    theirs = nilearn_column(event, "spm", scans, 400)

    exact = convolve_events(*event, NILEARN_SPM, scans) * 2.0 / 400
    np.testing.assert_allclose(theirs, exact, atol=0.02 * exact.max())


def test_events_earlier_than_nilearns_grid_go_to_its_start_as_its_warning_does_not_say():
    scans = np.arange(60) * 2.0
    event = ([-30.0], [20.0], [1.0])

    with pytest.warns(UserWarning, match="not considered in the model"):
        theirs = nilearn_column(event, "spm", scans)

    assert theirs[0] != 0.0
    ours = convolve_events(*event, NILEARN_SPM, scans, 50)
    np.testing.assert_allclose(ours, theirs, atol=1e-14)


def test_a_whole_design_on_the_grid_is_nilearns():
    rng = np.random.default_rng(11)
    scans = 0.4 + np.arange(150) * 1.5
    events = pd.DataFrame(
        {
            "onset": np.sort(rng.uniform(-10, 220, 40)),
            "duration": rng.choice([0.5, 1.0, 5.0], 40),
            "trial_type": rng.choice(["b", "a", "c"], 40),
            "modulation": rng.uniform(0.5, 2, 40),
        }
    )
    motion = rng.normal(size=(150, 2))

    theirs = make_first_level_design_matrix(
        scans,
        events,
        hrf_model="spm",
        high_pass=1 / 128,
        add_regs=motion,
        add_reg_names=["x", "y"],
    )
    ours = build_design(
        events,
        scans,
        hrf_model=HRFBasis(("",), (NILEARN_SPM,)),
        confounds=motion,
        confound_names=["x", "y"],
        oversampling=50,
    )

    assert ours.names == tuple(theirs.columns)
    np.testing.assert_allclose(ours.matrix, theirs.to_numpy(), atol=1e-12)


@settings(deadline=None)
@given(
    n_scans=st.integers(3, 400),
    repetition_time=st.sampled_from([0.5, 0.72, 0.8, 1.0, 1.37, 2.0, 2.5, 3.0]),
    start=st.sampled_from([0.0, 0.95, 12.0]),
    high_pass=st.sampled_from([50.0, 90.0, 100.0, 128.0, 200.0]),
)
def test_cosine_drifts_are_nilearns(n_scans, repetition_time, start, high_pass):
    scans = start + repetition_time * np.arange(n_scans)

    theirs = create_cosine_drift(1 / high_pass, scans)[:, :-1]

    np.testing.assert_allclose(cosine_drift(scans, high_pass), theirs, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_polynomial_drifts_span_what_nilearns_do(order):
    rng = np.random.default_rng(order)
    scans = 0.95 + 2.0 * np.arange(150)
    events = pd.DataFrame({"onset": np.arange(5.0, 280, 14), "duration": 4.0, "trial_type": "a"})
    theirs = make_first_level_design_matrix(
        scans, events, hrf_model="spm", drift_model="polynomial", drift_order=order
    ).to_numpy()
    ours = build_design(
        events,
        scans,
        hrf_model=HRFBasis(("",), (NILEARN_SPM,)),
        drift=f"polynomial:{order}",
        oversampling=50,
    )
    bold = 100 + rng.normal(size=(150, 20)) + 1e-6 * scans[:, np.newaxis] ** 3

    contrast = fit(bold, ours, noise="ols").contrast("a")
    labels, results = run_glm(bold, theirs, noise_model="ols")
    expected = compute_contrast(labels, results, np.eye(theirs.shape[1])[0])

    assert ours.matrix.shape == theirs.shape
    basis = np.linalg.qr(theirs)[0]
    np.testing.assert_allclose(basis @ (basis.T @ ours.matrix), ours.matrix, atol=1e-9)
    np.testing.assert_allclose(contrast.effect, expected.effect_size(), rtol=1e-7)
    np.testing.assert_allclose(contrast.t, expected.stat(), rtol=1e-7)
