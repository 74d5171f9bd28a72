"""Permutation tests against nilearn's permuted_ols, with its own random numbers and with ours."""

import numpy as np
import pytest
from nilearn.mass_univariate import permuted_ols
from nilearn.mass_univariate._utils import calculate_cluster_measures, calculate_tfce
from scipy import ndimage, stats

from boldglm.glm import Enhancement, enhance, find_clusters, permutation_test
from boldglm.glm.inference.neighbors import grid_neighbors
from boldglm.glm.inference.partition import partition_design
from boldglm.glm.inference.permutations import Permutations
from boldglm.glm.inference.permuted_statistics import PermutedStatistics, ResidualBlocks

N_WAYS, SEED = 60, 7


@pytest.fixture
def smooth_map():
    """Return a mask and a map in it whose largest value is positive."""
    generator = np.random.default_rng(8)
    smooth = ndimage.gaussian_filter(generator.normal(size=(12, 11, 10)), 1.0)
    smooth *= 2 * np.sign(smooth.flat[np.abs(smooth).argmax()]) / smooth.std()
    mask = generator.random(smooth.shape) < 0.9
    mask.flat[smooth.argmax()] = True
    return mask, smooth[mask]


def nilearn_generator():
    """Return the generator that permuted_ols draws from in its only job."""
    seed = np.random.RandomState(SEED).randint(1, np.iinfo(np.int32).max - 1)
    return np.random.RandomState(seed)


def signs_of_nilearn(n_inputs):
    """Flips follow each other on the same data there, so they multiply."""
    generator = nilearn_generator()
    flips = [generator.randint(2, size=(n_inputs, 1)) * 2 - 1 for _ in range(N_WAYS)]
    return Permutations("sign flips", np.cumprod(flips, axis=0)[:, :, 0], is_exhaustive=False)


def orders_of_nilearn(n_inputs):
    generator = nilearn_generator()
    order, orders = np.arange(n_inputs), []
    for _ in range(N_WAYS):
        order = order[generator.permutation(n_inputs)]
        orders.append(order)
    return Permutations("permutations", np.array(orders), is_exhaustive=False)


def maxima(y, design, weights, ways, *, two_sided):
    space = partition_design(design, weights)
    residuals = ResidualBlocks(lambda: [y], space)
    return PermutedStatistics(space, ways, space.nuisance, residuals, two_sided).maxima()


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("n_inputs", [7, 20])
def test_the_same_sign_flips_have_the_same_maxima(n_inputs, two_sided):
    y = np.random.default_rng(0).normal(size=(n_inputs, 300)) + 0.3
    ones = np.ones((n_inputs, 1))

    found = maxima(y, ones, [1], signs_of_nilearn(n_inputs), two_sided=two_sided)
    theirs = permuted_ols(ones, y, n_perm=N_WAYS, two_sided_test=two_sided, random_state=SEED)

    np.testing.assert_allclose(found, theirs["h0_max_t"][0], rtol=1e-9)


@pytest.mark.parametrize("n_covariates", [0, 2])
def test_the_same_orders_have_the_same_maxima(n_covariates):
    generator = np.random.default_rng(0)
    group = np.repeat([0.0, 1.0], 9)
    covariates = generator.normal(size=(18, n_covariates)) + 1
    y = generator.normal(size=(18, 200)) + group[:, np.newaxis]
    design = np.column_stack([group, covariates, np.ones(18)])
    weights = np.eye(design.shape[1])[0]

    found = maxima(y, design, weights, orders_of_nilearn(18), two_sided=True)
    theirs = permuted_ols(
        group[:, np.newaxis],
        y,
        confounding_vars=covariates if n_covariates else None,
        n_perm=N_WAYS,
        random_state=SEED,
    )

    np.testing.assert_allclose(found, theirs["h0_max_t"][0], rtol=1e-9)


def test_own_rearrangements_give_the_distribution_and_the_p_values_of_nilearn():
    y = np.random.default_rng(3).normal(size=(16, 80))
    y[:, 0] += 1.5
    ones = np.ones((16, 1))

    ours = permutation_test(y, ones, [1], 3000, np.random.default_rng(1), two_sided=True)
    theirs = permuted_ols(ones, y, n_perm=3000, random_state=1)

    np.testing.assert_allclose(ours.statistic, theirs["t"][0], rtol=1e-9)
    assert stats.ks_2samp(ours.maxima[1:], theirs["h0_max_t"][0]).pvalue > 0.01
    np.testing.assert_allclose(ours.p_max, 10 ** -theirs["logp_max_t"][0], atol=0.05)
    assert ours.p_max[0] < 0.05


def test_nilearn_flips_signs_where_groups_are_compared_if_it_is_given_the_constant():
    """A disagreement: with its own constant it exchanges inputs, as we do in either case."""
    group = np.repeat([0.0, 1.0], 6)[:, np.newaxis]
    y = np.random.default_rng(3).normal(size=(12, 40))

    own = permuted_ols(group, y, n_perm=N_WAYS, random_state=SEED)["h0_max_t"][0]
    given = permuted_ols(
        group, y, confounding_vars=np.ones((12, 1)), n_perm=N_WAYS, random_state=SEED
    )["h0_max_t"][0]

    design = np.column_stack([group, np.ones(12)])
    exchanged = maxima(y, design, [1, 0], orders_of_nilearn(12), two_sided=True)
    flipped = maxima(y, design, [1, 0], signs_of_nilearn(12), two_sided=True)
    np.testing.assert_allclose(own, exchanged, rtol=1e-9)
    np.testing.assert_allclose(given, flipped, rtol=1e-9)
    kind = permutation_test(y, design, [1, 0], 5, np.random.default_rng()).scheme
    assert kind == "permutations"


def test_enhanced_values_are_those_of_nilearn_times_the_step(smooth_map):
    mask, values = smooth_map
    n_steps = round(values.max() / 0.1)
    step = values.max() / n_steps  # nilearn's last threshold is the largest value
    volume = np.zeros((*mask.shape, 1))
    volume[mask, 0] = values

    theirs = calculate_tfce(volume, ndimage.generate_binary_structure(3, 1), dh=0.1)

    # a hair less, so that rounding does not put the largest value below the last threshold
    own = enhance(
        values, grid_neighbors(mask, 6), Enhancement(step=step * (1 - 1e-12)), two_sided=True
    )
    np.testing.assert_allclose(own, theirs[mask, 0] * step, rtol=1e-9)


@pytest.mark.parametrize("two_sided", [True, False])
def test_largest_clusters_are_those_of_nilearn(smooth_map, two_sided):
    mask, values = smooth_map
    volume = np.zeros((*mask.shape, 1))
    volume[mask, 0] = values

    size, mass = calculate_cluster_measures(
        volume, 1.5, ndimage.generate_binary_structure(3, 1), two_sided_test=two_sided
    )

    _, extents, masses = find_clusters(values, 1.5, grid_neighbors(mask, 6), two_sided=two_sided)
    np.testing.assert_allclose(extents.max(), size, rtol=1e-12)
    np.testing.assert_allclose(masses.max(), mass, rtol=1e-12)
