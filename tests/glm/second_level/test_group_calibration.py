"""Tests of groups and of repeated participants must be significant in noise as often as they say.

Bands are four standard errors wide at the number of voxels or datasets here.
"""

import numpy as np
import pytest

from boldglm.glm import fit_second_level, permute_contrast

N_VOXELS = 20_000
GROUPS = np.repeat([0, 1], [6, 18])
MEANS = np.eye(2)[GROUPS]


def rate(tested):
    return float((2 * np.minimum(tested.p, 1 - tested.p) < 0.05).mean())


@pytest.mark.parametrize(
    ("deviations", "pooled"), [((2, 1), 0.156), ((1, 2), 0.011), ((4, 1), 0.249), ((1, 1), 0.05)]
)
def test_groups_of_unequal_size_and_variance_have_the_nominal_rate(deviations, pooled):
    rng = np.random.default_rng(31)
    y = rng.normal(size=(24, N_VOXELS)) * np.array(deviations)[GROUPS][:, np.newaxis]

    own = fit_second_level(y, MEANS, variance_groups=GROUPS).contrast([1.0, -1.0])
    one = fit_second_level(y, MEANS).contrast([1.0, -1.0])

    assert 0.044 < rate(own) < 0.060
    assert rate(one) == pytest.approx(pooled, abs=0.012)


def test_the_family_wise_error_of_groups_of_unequal_variance_is_kept():
    hits, exchanged = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=(24, 60)) * np.array([2, 1])[GROUPS][:, np.newaxis]
        for options, found in (({"variance_groups": GROUPS}, hits), ({}, exchanged)):
            fit = fit_second_level(y, MEANS, **options)
            test = permute_contrast(fit, [1.0, -1.0], 100, rng, two_sided=True)
            found.append(test.p_max.min() <= 0.05)

    assert np.mean(hits) < 0.125
    assert np.mean(exchanged) > 0.25  # with one variance, exchanges are far off


def test_repeated_participants_have_the_nominal_rate():
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(8), 3)
    shared = 1.5 * rng.normal(size=(8, N_VOXELS))[subjects]
    y = rng.normal(size=(24, N_VOXELS)) + shared
    design = np.column_stack([np.ones(24), np.tile([0.0, 1, 2], 8)])
    for weights, naive in (([1.0, 1.0], 0.22), ([0.0, 1.0], 0.002)):
        robust = fit_second_level(y, design, blocks=subjects).contrast(weights)
        assert 0.044 < rate(robust) < 0.056
        assert rate(fit_second_level(y, design).contrast(weights)) == pytest.approx(
            naive, abs=0.03
        )
