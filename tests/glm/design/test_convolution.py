"""Convolution: exact against numerical integration, and what must hold for any events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate

from boldglm.glm.design import convolution as module
from boldglm.glm.design.convolution import checked_frame_times, convolve_events
from boldglm.glm.design.hrf import hrf_basis, spm_hrf
from boldglm.glm.design.kernels import GLOVER, SPM, Box, DoubleGamma

SCANS = np.arange(0.0, 120.0, 2.0)
PEAK = SPM(5.0)


@st.composite
def event_lists(draw, *, min_size=1):
    """Onsets from well before the run to its end, durations with many zeros, amplitudes."""
    n_events = draw(st.integers(min_size, 8))

    def numbers(low, high):
        return draw(hnp.arrays(float, n_events, elements=st.floats(low, high)))

    lasting = draw(hnp.arrays(bool, n_events))
    return numbers(-40, 125), np.where(lasting, numbers(0.01, 30), 0.0), numbers(-3, 3)


def by_quadrature(onset, duration, hrf, time):
    """Integrate the response to a block by brute force."""
    low, high = time - onset - duration, time - onset
    edges = [edge for edge in (0.0, 32.0) if low < edge < high]
    return integrate.quad(hrf, low, high, points=edges or None, epsabs=1e-13, limit=200)[0]


@pytest.mark.parametrize("hrf", [SPM, GLOVER, spm_hrf], ids=["spm", "glover", "function"])
@pytest.mark.parametrize("duration", [0.05, 1.3, 12.0, 50.0])
def test_a_block_has_the_integrated_response(hrf, duration):
    expected = [by_quadrature(7.3, duration, hrf, time) for time in SCANS]

    found = convolve_events([7.3], [duration], [1.0], hrf, SCANS)

    np.testing.assert_allclose(found, expected, atol=1e-9 * PEAK)


def test_a_long_block_reaches_a_plateau_of_its_amplitude():
    found = convolve_events([0.0], [100.0], [2.5], SPM, SCANS)

    np.testing.assert_allclose(found[(SCANS >= 34) & (SCANS <= 100)], 2.5, rtol=1e-12)


def test_an_event_of_no_duration_is_an_impulse_of_unit_area():
    impulse = convolve_events([4.3], [0.0], [1.0], SPM, SCANS)
    very_short = convolve_events([4.3 - 5e-4], [1e-3], [1e3], SPM, SCANS)

    np.testing.assert_array_equal(impulse, SPM(SCANS - 4.3))
    np.testing.assert_allclose(impulse, very_short, atol=1e-6)


def test_an_event_before_the_first_scan_still_contributes():
    inside = convolve_events([6.0], [3.0], [1.0], SPM, SCANS)
    before = convolve_events([-4.0], [3.0], [1.0], SPM, SCANS)

    np.testing.assert_allclose(before[:-5], inside[5:], atol=1e-15)
    assert before[0] > 0.1


def test_a_start_time_moves_every_scan_and_nothing_else():
    start_time = 0.95
    shifted = convolve_events([10.0], [2.0], [1.0], SPM, SCANS + start_time)

    expected = convolve_events([10.0 - start_time], [2.0], [1.0], SPM, SCANS)

    np.testing.assert_allclose(shifted, expected, atol=1e-14)


def test_the_time_axis_is_not_stretched_at_the_end_of_a_long_run():
    scans = np.arange(1000) * 2.0
    late = convolve_events([1900.3], [0.0], [1.0], SPM, scans)

    np.testing.assert_allclose(late, SPM(scans - 1900.3), atol=1e-16)


def test_scans_at_any_times_have_the_values_of_those_times():
    dense = np.arange(0.0, 60.0, 0.25)
    some = np.sort(np.random.default_rng(0).choice(dense.size, 40, replace=False))
    events = ([3.1, 20.0], [0.0, 6.0], [1.0, -2.0])

    found = convolve_events(*events, SPM, dense[some])

    np.testing.assert_allclose(found, convolve_events(*events, SPM, dense)[some], atol=1e-15)


@given(event_lists(), event_lists(), st.floats(-3, 3))
def test_convolution_is_linear_in_the_events(some, others, factor):
    onsets, durations, _ = (np.concatenate(pair) for pair in zip(some, others, strict=True))
    amplitudes = np.concatenate([some[2], factor * others[2]])

    together = convolve_events(onsets, durations, amplitudes, SPM, SCANS)

    separate = convolve_events(*some, SPM, SCANS) + factor * convolve_events(*others, SPM, SCANS)
    np.testing.assert_allclose(together, separate, atol=1e-12)


@given(event_lists(), st.floats(-50, 50), st.sampled_from([SPM, GLOVER, DoubleGamma(length=None)]))
def test_moving_events_and_scans_together_changes_nothing(events, shift, hrf):
    onsets, durations, amplitudes = events

    moved = convolve_events(onsets + shift, durations, amplitudes, hrf, SCANS + shift)

    np.testing.assert_allclose(moved, convolve_events(*events, hrf, SCANS), atol=1e-11)


@given(event_lists())
def test_the_order_of_events_does_not_matter(events):
    backwards = [values[::-1] for values in events]

    found = convolve_events(*backwards, SPM, SCANS)

    np.testing.assert_allclose(found, convolve_events(*events, SPM, SCANS), atol=1e-13)


@given(event_lists())
def test_a_block_is_the_sum_of_its_halves(events):
    onsets, durations, amplitudes = events
    lasting = durations > 0
    onsets, durations, amplitudes = (values[lasting] for values in (onsets, durations, amplitudes))
    half = durations / 2

    halves = convolve_events(
        np.concatenate([onsets, onsets + half]),
        np.tile(half, 2),
        np.tile(amplitudes, 2),
        SPM,
        SCANS,
    )

    whole = convolve_events(onsets, durations, amplitudes, SPM, SCANS)
    np.testing.assert_allclose(halves, whole, atol=1e-12)


@given(event_lists())
def test_a_plain_function_gives_what_the_closed_form_gives(events):
    numeric = convolve_events(*events, spm_hrf, SCANS)

    np.testing.assert_allclose(numeric, convolve_events(*events, SPM, SCANS), atol=1e-10 * PEAK)


def test_a_function_that_never_ends_is_followed_to_the_last_scan():
    def decay(times):
        return np.where(times > 0, np.exp(-np.maximum(times, 0) / 50) / 50, 0.0)

    found = convolve_events([0.0], [10.0], [1.0], decay, SCANS)[6:]

    times = SCANS[6:]
    expected = np.exp(-(times - 10) / 50) - np.exp(-times / 50)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_event_after_the_last_scan_has_no_response():
    for hrf in (SPM, spm_hrf):
        np.testing.assert_array_equal(convolve_events([500.0], [5.0], [1.0], hrf, SCANS), 0.0)


def test_no_event_at_all_is_no_response():
    for oversampling in (None, 10):
        found = convolve_events([], [], [], SPM, SCANS, oversampling)
        np.testing.assert_allclose(found, np.zeros(SCANS.size), atol=0)


def test_a_bin_marks_the_scans_that_are_so_long_after_an_event():
    found = convolve_events([0.5, 20.0], [0.0, 0.0], [1.0, 3.0], Box(4.0, 2.0), SCANS)

    # 4 to 6 s after 0.5 s is the scan at 6 s; after 20 s it is the one at 24 s
    expected = np.zeros(SCANS.size)
    expected[[3, 12]] = np.array([1.0, 3.0]) / 2.0
    np.testing.assert_array_equal(found, expected)


def test_a_bin_before_the_event_is_possible():
    found = convolve_events([20.0], [0.0], [1.0], Box(-4.0, 2.0), SCANS)

    assert np.flatnonzero(found).tolist() == [8]


def test_memory_is_bounded_by_working_in_pieces(monkeypatch):
    rng = np.random.default_rng(1)
    events = (rng.uniform(-30, 120, 200), rng.choice([0.0, 4.0, 60.0], 200), rng.normal(size=200))
    whole = convolve_events(*events, SPM, SCANS)
    sizes = []
    pairs = module._pairs

    def noting_sizes(first, counts):
        for event, scan in pairs(first, counts):
            sizes.append(event.size)
            yield event, scan

    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 100)
    monkeypatch.setattr(module, "_pairs", noting_sizes)
    pieces = convolve_events(*events, SPM, SCANS)

    assert len(sizes) > 10
    assert max(sizes) <= 100
    np.testing.assert_allclose(pieces, whole, atol=1e-13)


@pytest.mark.parametrize("oversampling", [None, 10])
def test_the_callers_arrays_are_untouched(oversampling):
    arrays = [np.array([-3.0, 4.0]), np.array([0.0, 2.0]), np.array([1.0, 2.0]), SCANS.copy()]
    before = [array.copy() for array in arrays]
    onsets, durations, amplitudes, scans = arrays

    convolve_events(onsets, durations, amplitudes, SPM, scans, oversampling)

    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (([1, 5], [0, -2], [1, 1]), r"event 1 \(onset 5 s\) has -2 s"),
        (([1, np.nan], [0, 2], [1, 1]), "onsets has 1 missing"),
        (([1, 2], [0, np.nan], [1, 1]), r"durations has 1 missing .*event 1 \(onset 2 s\)"),
        (([1, 2], [0, 2], [np.inf, 1]), "amplitudes has 1 missing or infinite"),
        (
            ([1, 2], [0], [1, 1]),
            r"a duration and an amplitude, but the shapes are \(2,\) onsets, \(1,\)",
        ),
        (([[1, 2]], [[0, 1]], [[1, 1]]), "an onset, a duration and an amplitude"),
    ],
)
def test_events_that_make_no_sense_are_refused(events, message):
    with pytest.raises(ValueError, match=message):
        convolve_events(*events, SPM, SCANS)


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ([0, 2, 2], "scan 2 at 2 s follows scan 1 at 2 s"),
        ([0, np.nan], "1 missing"),
        ([], "a list of seconds"),
        ([[0, 2]], "a list of seconds"),
    ],
)
def test_scan_times_that_make_no_sense_are_refused(scans, message):
    with pytest.raises(ValueError, match=message):
        checked_frame_times(scans)


@pytest.mark.parametrize("oversampling", [0, -5, 2.5])
def test_a_grid_needs_a_whole_number_of_points(oversampling):
    with pytest.raises(ValueError, match="an integer above 0"):
        convolve_events([0], [1], [1], SPM, SCANS, oversampling)


def test_what_the_grid_cannot_do_is_refused():
    with pytest.raises(ValueError, match="at least two scans"):
        convolve_events([0], [1], [1], SPM, [3.0], 10)
    with pytest.raises(ValueError, match="finite length"):
        convolve_events([0], [1], [1], DoubleGamma(length=None), SCANS, 10)
    with pytest.raises(ValueError, match="starts before the event"):
        convolve_events([0], [1], [1], Box(-2.0, 2.0), SCANS, 10)
    with pytest.raises(ValueError, match="before the last scan"):
        convolve_events([0], [1], [1], SPM, SCANS - 500, 10)


def test_a_response_function_that_returns_nonsense_is_refused():
    with pytest.raises(ValueError, match="one finite value for each time"):
        convolve_events([0], [1], [1], lambda times: times[:-1], SCANS)
    with pytest.raises(ValueError, match="not finite"):
        convolve_events([0], [0], [1], lambda times: times * np.nan, SCANS)


def test_a_plain_function_on_the_grid_is_nearly_the_kernel_of_the_same_shape():
    events = ([3.0, 40.0], [4.0, 0.0], [1.0, 1.0])

    found = convolve_events(*events, spm_hrf, SCANS, 50)

    expected = convolve_events(*events, SPM, SCANS, 50)
    np.testing.assert_allclose(found, expected, atol=2e-3 * expected.max())


@pytest.mark.parametrize("model", ["spm", "glover"])
def test_derivatives_on_the_grid_approach_the_exact_ones(model):
    for kernel in hrf_basis(f"{model} + derivative + dispersion").kernels:
        exact = convolve_events([10.0], [6.0], [1.0], kernel, SCANS)

        errors = [
            abs(convolve_events([10.0], [6.0], [1.0], kernel, SCANS, n) - exact).max()
            for n in (25, 100)
        ]

        assert errors[1] < 0.3 * errors[0]
        assert errors[1] < 0.02 * abs(exact).max()
