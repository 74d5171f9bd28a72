"""Response functions against the textbook, scipy and numerical integration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.glm import build_design
from boldglm.glm.design import hrf as module
from boldglm.glm.design.hrf import (
    HRF_MODELS,
    HRFBasis,
    default_fir_delays,
    dispersion_derivative,
    double_gamma_hrf,
    fir_basis,
    glover_hrf,
    hrf_basis,
    spm_hrf,
    textbook_hrf,
    time_derivative,
)
from boldglm.glm.design.kernels import GLOVER, SPM, TEXTBOOK, Box, DoubleGamma, FiniteDifference

KERNELS = [
    SPM,
    GLOVER,
    TEXTBOOK,
    DoubleGamma(5.0, 15.0, 0.5, 0.8, 1.2, length=None),
    DoubleGamma(length=12.0),
    FiniteDifference(SPM, SPM, shift=0.1, step=0.1),
    Box(delay=3.0, width=1.5),
    Box(delay=-2.0, width=2.0),
]


def test_the_textbook_response_has_the_printed_correlation_of_two_events():
    # "Correlated regressors": times every 2 s, events at 0 and 2 s, printed 0.7023
    times = np.arange(0, 30, 2)

    first, second = textbook_hrf(times), textbook_hrf(times - 2)

    np.testing.assert_allclose(np.corrcoef(first, second)[0, 1], 0.7023, atol=5e-5)
    np.testing.assert_allclose(first.sum(), 1.0, rtol=1e-14)


def test_the_textbook_response_is_the_difference_of_gamma_densities_over_its_sum():
    times = np.arange(0, 30, 2.0)
    values = stats.gamma.pdf(times, 6) - 0.35 * stats.gamma.pdf(times, 12)

    np.testing.assert_allclose(textbook_hrf(times), values / values.sum(), rtol=1e-12)


def test_the_textbook_response_cannot_be_scaled_without_a_time_after_the_event():
    with pytest.raises(ValueError, match="after the event"):
        textbook_hrf([-2.0, 0.0])


def test_the_textbook_model_of_a_design_has_the_same_shape_at_unit_area():
    times = np.arange(0, 30, 2.0)
    kernel = hrf_basis("textbook").kernels[0]

    ratio = kernel(times)[1:] / textbook_hrf(times)[1:]

    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    np.testing.assert_allclose(integrate.quad(kernel, 0, 32)[0], 1.0, rtol=1e-9)


def test_the_spm_response_is_scipy_gamma_densities_scaled_by_their_area_over_32_s():
    times = np.array([0.3, 1, 5, 9.7, 16, 31.9, 32.1, 100])
    values = stats.gamma.pdf(times, 6) - stats.gamma.pdf(times, 16) / 6
    area = stats.gamma.cdf(32, 6) - stats.gamma.cdf(32, 16) / 6

    expected = np.where(times <= 32, values / area, 0)

    np.testing.assert_allclose(spm_hrf(times), expected, rtol=1e-12)
    np.testing.assert_allclose(double_gamma_hrf(times), expected, rtol=1e-12)


def test_the_glover_response_has_shape_delay_over_dispersion_and_scale_dispersion():
    times = np.array([0.3, 1, 5, 9.7, 16, 31.9])
    values = stats.gamma.pdf(times, 6 / 0.9, scale=0.9)
    values -= 0.48 * stats.gamma.pdf(times, 12 / 0.9, scale=0.9)
    area = stats.gamma.cdf(32, 6 / 0.9, scale=0.9) - 0.48 * stats.gamma.cdf(
        32, 12 / 0.9, scale=0.9
    )

    np.testing.assert_allclose(glover_hrf(times), values / area, rtol=1e-12)


def test_nothing_happens_at_or_before_the_event():
    times = np.array([-1e9, -3.0, -1e-12, 0.0])

    for response in (spm_hrf, glover_hrf, lambda t: time_derivative(spm_hrf, t)):
        np.testing.assert_array_equal(response(times), 0.0)


def test_a_response_without_a_length_has_unit_area_over_all_time():
    kernel = DoubleGamma(length=None)

    assert kernel.integral(1e4) == pytest.approx(1.0, rel=1e-14)
    assert kernel(60.0) != 0.0


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_the_running_integral_is_the_integral_of_the_values(kernel):
    edges = [edge for edge in kernel.support if np.isfinite(edge)]

    for time in (-5.0, -0.5, 0.05, 0.7, 3.2, 4.4, 6.0, 11.0, 20.0, 33.0):
        inside = [edge for edge in edges if -6 < edge < time]
        area, _ = integrate.quad(kernel, -6.0, time, points=inside, limit=400, epsabs=1e-11)
        np.testing.assert_allclose(kernel.integral(time), area, atol=1e-9)


@given(
    peak=st.floats(1.0, 12.0),
    later=st.floats(1.0, 12.0),
    ratio=st.floats(0.0, 0.9),
    dispersion=st.floats(0.3, 2.0),
    length=st.none() | st.floats(15.0, 60.0),
)
def test_any_response_with_a_positive_area_has_unit_area(peak, later, ratio, dispersion, length):
    kernel = DoubleGamma(peak, peak + later, ratio, dispersion, dispersion, length)

    np.testing.assert_allclose(kernel.integral(1e6), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"peak": 0.0}, "peak must be above 0"),
        ({"undershoot_dispersion": -1.0}, "undershoot_dispersion must be above 0"),
        ({"length": 0.0}, "length must be above 0"),
        ({"ratio": 1.2}, "Make ratio .1.2. smaller"),
        ({"peak": float("nan")}, "peak must be above 0"),
        ({"ratio": float("nan")}, "unit area"),
    ],
)
def test_impossible_parameters_are_refused_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        double_gamma_hrf([1.0], **parameters)


def test_the_time_derivative_shifts_the_peak_earlier():
    times = np.arange(0, 32, 0.01)
    earlier = spm_hrf(times) + 0.5 * time_derivative(spm_hrf, times)

    assert times[earlier.argmax()] < times[spm_hrf(times).argmax()] - 0.3


def test_the_time_derivative_tends_to_the_slope():
    times = np.array([2.0, 4.0, 7.0])
    slope = (spm_hrf(times + 1e-5) - spm_hrf(times - 1e-5)) / 2e-5

    np.testing.assert_allclose(time_derivative(spm_hrf, times, delta=1e-6), slope, atol=1e-6)


def test_the_dispersion_derivative_narrows_the_response():
    times = np.arange(0, 32, 0.01)
    narrower = spm_hrf(times) + 0.3 * dispersion_derivative(SPM, times)

    def width(values):
        return np.sum(values > values.max() / 2)

    assert width(narrower) < width(spm_hrf(times))


def test_fir_boxes_tile_the_time_after_an_event():
    times = np.arange(0, 12, 0.7)

    boxes = fir_basis(times, delays=np.arange(0, 12, 1.5), width=1.5)

    np.testing.assert_array_equal(boxes.sum(axis=1), 1.0)
    np.testing.assert_array_equal(boxes.argmax(axis=1), np.floor(times / 1.5))


def test_a_scan_at_the_edge_of_a_bin_but_for_rounding_is_in_the_later_bin():
    assert 2.3 - 0.3 < 2  # what floating point makes of it

    np.testing.assert_array_equal(fir_basis([2.3 - 0.3], [0.0, 2.0], width=2.0), [[0.0, 1.0]])


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_bin_without_width_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        fir_basis([1.0], [0.0], width)
    with pytest.raises(ValueError, match="width"):
        Box(0.0, width)


def test_each_model_has_the_names_that_people_know():
    suffixes = {model: hrf_basis(model).suffixes for model in HRF_MODELS if model != "fir"}

    assert suffixes == {
        "spm": ("",),
        "spm + derivative": ("", "_derivative"),
        "spm + derivative + dispersion": ("", "_derivative", "_dispersion"),
        "glover": ("",),
        "glover + derivative": ("", "_derivative"),
        "glover + derivative + dispersion": ("", "_derivative", "_dispersion"),
        "textbook": ("",),
    }


@pytest.mark.parametrize("family", [SPM, GLOVER])
def test_the_kernels_of_a_model_are_the_functions_of_the_same_name(family):
    model = {SPM: "spm", GLOVER: "glover"}[family] + " + derivative + dispersion"
    times = np.linspace(-1, 31, 50)

    canonical, derivative, dispersion = hrf_basis(model).kernels

    np.testing.assert_array_equal(canonical(times), family(times))
    np.testing.assert_array_equal(derivative(times), time_derivative(family, times))
    np.testing.assert_array_equal(dispersion(times), dispersion_derivative(family, times))


def test_fir_kernels_are_boxes_of_unit_area_in_order_of_delay():
    basis = hrf_basis("fir", fir_delays=[4.0, 0.0, 2.0])

    assert basis.suffixes == ("_delay_0", "_delay_2", "_delay_4")
    assert basis.kernels == (Box(0.0, 2.0), Box(2.0, 2.0), Box(4.0, 2.0))
    assert all(kernel.integral(100.0) == 1.0 for kernel in basis.kernels)


def test_fir_bins_of_uneven_delays_leave_no_gap_and_share_a_height():
    basis = hrf_basis("fir", fir_delays=[0.0, 1.0, 4.0, 6.0])
    times = np.arange(0.0, 8.0, 0.25)

    columns = np.column_stack([kernel(times) for kernel in basis.kernels])

    np.testing.assert_array_equal(columns.sum(axis=1), 1.0)  # of the shortest, 1 s
    ends = [kernel.support for kernel in basis.kernels]
    assert ends == [(0.0, 1.0), (1.0, 4.0), (4.0, 6.0), (6.0, 8.0)]
    assert [kernel.integral(100.0) for kernel in basis.kernels] == [1.0, 3.0, 2.0, 2.0]
    weights = basis.kernels[1].on_grid(0.1)
    np.testing.assert_allclose([weights.sum(), weights.size], [3.0, 40])


def test_estimates_of_uneven_fir_bins_are_in_proportion_to_the_response():
    rng = np.random.default_rng(0)
    events = {"onset": np.cumsum(rng.uniform(9, 14, 30)), "duration": np.zeros(30)}
    events["trial_type"] = ["a"] * 30
    response = np.array([2.0, 5.0, 1.0])  # from 0 to 2 s, to 6 s, to 10 s
    scans = np.arange(400) * 1.0
    since = scans[:, np.newaxis] - events["onset"]
    bins = [((since >= start) & (since < end)).sum(axis=1) for start, end in
            ((0, 2), (2, 6), (6, 10))]  # fmt: skip

    design = build_design(events, scans, hrf_model="fir", fir_delays=[0, 2, 6], high_pass=None)
    betas = np.linalg.lstsq(design.matrix, response @ bins)[0][:3]

    np.testing.assert_allclose(betas / 2.0, response, rtol=1e-9)  # heights are 1 / (2 s)


def test_a_given_bin_width_is_used():
    assert hrf_basis("fir", [0.0, 6.0], fir_width=1.0).kernels == (Box(0.0, 1.0), Box(6.0, 1.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("smp",), "unknown hrf_model 'smp'.*Known: spm, .*Did you mean 'spm'"),
        (("fir",), "needs fir_delays in seconds"),
        (("fir", []), "needs fir_delays in seconds"),
        (("fir", [2.0]), "Pass fir_width"),
        (("fir", [2.0, 2.0]), "FIR delays must differ"),
        (("spm", [0.0, 2.0]), "hrf_model 'spm' takes no fir_delays"),
    ],
)
def test_a_basis_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        hrf_basis(*arguments)


def test_a_basis_of_ones_own_needs_one_suffix_per_kernel():
    with pytest.raises(ValueError, match="2 suffixes for 1 kernels"):
        HRFBasis(("", "_late"), (SPM,))
    with pytest.raises(ValueError, match="must all differ"):
        HRFBasis(("", ""), (SPM, GLOVER))


def test_every_public_response_returns_new_arrays():
    times = np.linspace(-2, 30, 17)
    before = times.copy()

    for function in (module.spm_hrf, module.glover_hrf, module.textbook_hrf):
        assert function(times) is not times
    np.testing.assert_array_equal(times, before)


def test_rounding_does_not_decide_whether_the_last_moment_counts():
    last = np.array([32.0 - 4e-15, 32.0, 32.0 + 4e-15])

    np.testing.assert_allclose(spm_hrf(last), spm_hrf([32.0])[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("repetition_time", "n_bins"), [(2, 10), (0.8, 25), (2.2, 10), (3, 7), (2.5, 8), (30, 2)]
)
def test_default_fir_bins_start_before_20_s_and_cover_it(repetition_time, n_bins):
    delays = default_fir_delays(repetition_time)

    assert len(delays) == n_bins
    np.testing.assert_allclose(delays, np.arange(n_bins) * repetition_time, rtol=1e-9)
    assert delays[-1] + repetition_time >= 20
    assert n_bins == 2 or delays[-1] < 20


@pytest.mark.parametrize("repetition_time", [0.8, 2, 2.2, 3])
def test_python_and_the_command_line_have_the_same_default_fir_bins(repetition_time):
    events = {"onset": [4.0], "duration": [1.0], "trial_type": ["go"]}
    scans = 0.363 + np.arange(60) * repetition_time

    design = build_design(events, scans, hrf_model="fir", high_pass=None)
    model = default_model("x", ["go"], repetition_time, DefaultModelOptions(hrf_model="fir"))

    convolve = model["Nodes"][0]["Transformations"]["Instructions"][1]
    from_model = build_design(
        events, scans, hrf_model="fir", fir_delays=convolve["FirDelays"], high_pass=None
    )
    assert design == from_model
