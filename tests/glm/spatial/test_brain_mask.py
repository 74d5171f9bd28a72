"""The brain mask on images of known shape."""

import numpy as np
import pytest
from scipy import ndimage

from boldglm.glm.spatial.brain_mask import clip_level, compute_brain_mask


def ellipsoid(shape, center, radii):
    grid = np.indices(shape)
    offsets = [(g - c) / r for g, c, r in zip(grid, center, radii, strict=True)]
    return sum(o**2 for o in offsets) <= 1


def head(shape=(40, 48, 30)):
    """Return a noisy image of a brain with eyes in dim surround, and where the brain is."""
    rng = np.random.default_rng(0)
    brain = ellipsoid(shape, [s / 2 for s in shape], [s * 0.35 for s in shape])
    image = np.where(brain, 1000.0, 40.0) + rng.normal(0, 15, size=shape)
    return np.abs(image), brain


def overlap(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_the_brain_is_found_in_noise():
    image, brain = head()

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    assert mask.dtype == bool
    assert overlap(mask, brain) > 0.99


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_image_does_not_matter(unit):
    image, _ = head()
    everywhere = np.ones(image.shape, bool)

    np.testing.assert_array_equal(
        compute_brain_mask(image * unit, everywhere), compute_brain_mask(image, everywhere)
    )


def test_eyes_on_thin_stalks_and_separate_scalp_are_left_out():
    image, brain = head()
    image[20, 41:44, 15] = 1000.0  # a stalk of one voxel
    eye = ellipsoid(image.shape, (20, 45, 15), (2, 2, 2))
    image[eye] = 1500.0
    image[2:5, 10:40, 5:25] = 900.0  # scalp

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    assert not mask[eye & ~brain].any()
    assert not mask[2:5].any()
    assert overlap(mask, brain) > 0.98


def test_dark_ventricles_inside_belong_to_the_brain():
    image, brain = head()
    ventricle = ellipsoid(image.shape, (20, 24, 15), (3, 4, 2))
    image[ventricle] = 60.0

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    assert mask[ventricle].all()
    assert overlap(mask, brain) > 0.99


def test_voxels_without_signal_are_never_brain():
    image, brain = head()
    has_signal = np.ones(image.shape, bool)
    has_signal[:20] = False
    image[30, 24, 15] = np.nan

    mask = compute_brain_mask(image, has_signal)

    assert not mask[:20].any()
    assert not mask[30, 24, 15]
    assert overlap(mask, brain & has_signal) > 0.97


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n_slices", [1, 2])
def test_one_or_two_slices_are_masked_like_a_plane(axis, n_slices):
    image, brain = head((40, 48, 30))
    image[20, 24, 15] = image[21, 24, 15] = 60.0
    plane = np.moveaxis(image, 2, 0)[15 : 15 + n_slices]
    expected = np.moveaxis(brain, 2, 0)[15 : 15 + n_slices]

    mask = compute_brain_mask(
        np.moveaxis(plane, 0, axis), np.ones(np.moveaxis(plane, 0, axis).shape, bool)
    )

    assert overlap(np.moveaxis(mask, axis, 0), expected) > 0.98
    assert np.moveaxis(mask, axis, 0)[0, 20, 24]


def test_an_eye_on_a_stalk_is_left_out_of_a_single_slice_too():
    image, brain = head()
    image[20, 41:44, 15] = 1000.0
    eye = ellipsoid(image.shape, (20, 45, 15), (2, 2, 2)) & ~brain
    image[eye] = 1500.0
    plane = slice(15, 16)

    mask = compute_brain_mask(image[:, :, plane], np.ones((40, 48, 1), bool))

    assert not mask[eye[:, :, plane]].any()
    assert overlap(mask, brain[:, :, plane]) > 0.98


def test_a_slab_is_not_worn_away_at_its_faces():
    image, brain = head()
    slab = slice(13, 17)

    mask = compute_brain_mask(image[:, :, slab], np.ones(image[:, :, slab].shape, bool))

    assert overlap(mask, brain[:, :, slab]) > 0.98


def test_an_image_that_is_masked_already_is_kept_whole():
    image, brain = head()
    pieces = brain & (np.indices(brain.shape)[0] % 10 < 3)
    masked = np.where(pieces, image, 0.0)

    mask = compute_brain_mask(masked, masked != 0)

    np.testing.assert_array_equal(mask, pieces)


def test_single_voxels_far_apart_are_kept_when_nothing_else_is_there():
    image = np.zeros((20, 20, 20))
    image[::6, ::6, ::6] = 500.0

    mask = compute_brain_mask(image, image > 0)

    np.testing.assert_array_equal(mask, image > 0)


def test_demeaned_images_are_kept_whole_because_brightness_says_nothing():
    rng = np.random.default_rng(0)
    _, brain = head()
    image = np.where(brain, rng.normal(0, 1e-6, size=brain.shape), 0.0)

    mask = compute_brain_mask(image, brain)

    np.testing.assert_array_equal(mask, brain)


def test_a_few_negative_values_around_the_brain_are_background():
    image, brain = head()
    ringing = ndimage.binary_dilation(brain, iterations=2) & ~brain
    image[ringing] = -20.0

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    assert overlap(mask, brain) > 0.99


def test_the_clip_level_is_half_of_the_median_above_it():
    values = np.abs(head()[0]).ravel()

    level = clip_level(values)

    np.testing.assert_allclose(level, 0.5 * np.median(values[values > level]), rtol=1e-12)
    assert 100 < level < 900


def test_images_that_cannot_be_masked_are_refused():
    with pytest.raises(ValueError, match="same three axes"):
        compute_brain_mask(np.ones((4, 4)), np.ones((4, 4), bool))
    with pytest.raises(ValueError, match="same three axes"):
        compute_brain_mask(np.ones((4, 4, 4)), np.ones((4, 4, 5), bool))
    with pytest.raises(ValueError, match="no voxel varies"):
        compute_brain_mask(np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool))


def test_voxels_with_mean_0_do_not_hide_that_an_image_is_masked():
    # interpolation may leave voxels that vary around 0 outside of a mask
    image = np.zeros((20, 20, 20))
    image[4:12, 4:12, 4:12] = 100.0
    image[16, 16, 16] = 100.0

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    np.testing.assert_array_equal(mask, image > 0)


@pytest.mark.parametrize(("width", "stays"), [(3, False), (5, True)])
def test_what_is_attached_by_fewer_than_four_voxels_is_excluded(width, stays):
    image = np.full((40, 40, 40), 5.0)
    image[4:20, 8:32, 8:32] = 100.0
    stalk = slice(20 - width // 2, 21 + width // 2)
    image[20:28, stalk, stalk] = 100.0
    image[28:36, 14:26, 14:26] = 100.0

    mask = compute_brain_mask(image, np.ones(image.shape, bool))

    assert mask[10, 20, 20]
    assert mask[30, 20, 20] == stays
