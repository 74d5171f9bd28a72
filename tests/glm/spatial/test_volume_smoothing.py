"""Smoothing inside a mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from boldglm.glm.spatial.volume_smoothing import MaskSmoother, gaussian_kernel, smooth_volume

FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))


def test_deep_inside_a_mask_it_is_the_gaussian_filter_of_scipy():
    rng = np.random.default_rng(0)
    volume = rng.normal(100, 10, (60, 50, 40))
    sizes = (2.0, 2.5, 3.3)
    smoother = MaskSmoother(np.ones(volume.shape, dtype=bool), 5.0, sizes)

    result = smoother.smooth(volume.ravel()).reshape(volume.shape)

    expected = ndimage.gaussian_filter(volume, [5.0 / FWHM_PER_SIGMA / size for size in sizes])
    deep = (slice(10, -10),) * 3
    np.testing.assert_allclose(result[deep], expected[deep], rtol=1e-6)


def test_at_any_edge_it_is_the_quotient_of_two_gaussian_filters():
    rng = np.random.default_rng(1)
    mask = ndimage.gaussian_filter(rng.normal(size=(50, 70, 45)), 3) > 0
    volume = rng.normal(100, 10, mask.shape)
    sigma = [6.0 / FWHM_PER_SIGMA / size for size in (3.0, 2.0, 4.0)]

    result = MaskSmoother(mask, 6.0, (3.0, 2.0, 4.0)).smooth(volume[mask])

    numerator = ndimage.gaussian_filter(np.where(mask, volume, 0), sigma, mode="constant")
    denominator = ndimage.gaussian_filter(mask.astype(float), sigma, mode="constant")
    np.testing.assert_allclose(result, numerator[mask] / denominator[mask], rtol=2e-6)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.1, 40.0),
    st.tuples(*[st.floats(0.5, 5.0)] * 3),
    st.floats(0.02, 1.0),
)
def test_a_constant_stays_constant_up_to_the_edge(seed, fwhm, sizes, density):
    mask = np.random.default_rng(seed).random((7, 40, 5)) < density
    mask[3, 20, 2] = True

    result = MaskSmoother(mask, fwhm, sizes).smooth(np.full(mask.sum(), 1234.5))

    np.testing.assert_allclose(result, 1234.5, rtol=1e-6)


def test_what_is_outside_the_mask_does_not_matter_from_one_volume_to_the_next():
    rng = np.random.default_rng(2)
    mask = rng.random((9, 9, 9)) < 0.5
    first, second = rng.normal(size=(2, mask.sum()))
    smoother = MaskSmoother(mask, 5.0, (2.0, 2.0, 2.0))
    alone = smoother.smooth(second)
    row = np.empty(mask.sum(), dtype=np.float32)

    smoother.smooth(first)
    smoother.smooth(second, out=row)

    np.testing.assert_array_equal(row, alone)


def test_the_kernel_sums_to_one_and_halves_at_half_the_full_width():
    kernel = gaussian_kernel(8.0, 1.0)

    np.testing.assert_allclose(kernel.sum(), 1.0, rtol=1e-14)
    np.testing.assert_allclose(kernel[len(kernel) // 2 + 4] / kernel.max(), 0.5, rtol=1e-12)


@pytest.mark.parametrize("fwhm", [0.0, -1.0, np.nan, np.inf])
def test_a_width_that_is_not_positive_is_refused(fwhm):
    with pytest.raises(ValueError, match="positive"):
        MaskSmoother(np.ones((2, 2, 2), dtype=bool), fwhm, (1.0, 1.0, 1.0))


@pytest.mark.parametrize("mask", [np.zeros((2, 2, 2)), np.ones((2, 2))])
def test_a_mask_that_cannot_be_smoothed_in_is_refused(mask):
    with pytest.raises(ValueError, match="three axes"):
        MaskSmoother(mask, 4.0, (1.0, 1.0, 1.0))


def test_a_series_is_smoothed_volume_by_volume_within_the_mask():
    rng = np.random.default_rng(0)
    mask = rng.random((6, 7, 5)) > 0.3
    series = rng.normal(size=(6, 7, 5, 3))
    smoother = MaskSmoother(mask, 4.0, (2.0, 2.0, 3.0))

    smooth = smooth_volume(series, mask, 4.0, (2.0, 2.0, 3.0))

    assert not smooth[~mask].any()
    for k in range(3):
        np.testing.assert_array_equal(smooth[mask, k], smoother.smooth(series[mask, k]))
        volume = smooth_volume(series[..., k], mask, 4.0, (2.0, 2.0, 3.0))
        np.testing.assert_array_equal(smooth[..., k], volume)


def test_a_volume_that_does_not_fit_its_mask_is_refused():
    mask = np.ones((4, 4, 4), dtype=bool)
    holed = np.ones((4, 4, 4))
    holed[1, 1, 1] = np.nan

    with pytest.raises(ValueError, match="need the same three axes"):
        smooth_volume(np.ones((4, 4, 3)), mask, 4.0, (2, 2, 2))
    with pytest.raises(ValueError, match="values in the mask that are not finite"):
        smooth_volume(holed, mask, 4.0, (2, 2, 2))
