"""Slices fitted with designs at their own times: equal to separate fits, and unbiased."""

from dataclasses import replace

import numpy as np
import pytest

from boldglm.glm import build_design, fit
from boldglm.glm.first_level.r_squared import r_squared
from boldglm.glm.first_level.slice_fit import SliceFit, fit_slices
from boldglm.glm.first_level.whiteness import whiteness
from boldglm.glm.spatial.smoothness import sampled_residuals

TR, N_SCANS = 3.0, 160
TIMES = (0.0, 1.0, 2.0)
CONTRASTS = ["a", "a - b", "any = a, b"]


def events(seed=0, n=40):
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(2, N_SCANS * TR - 25, n))
    return {"onset": onset, "duration": np.full(n, 2.0), "trial_type": np.tile(["a", "b"], n // 2)}


def design_at(time):
    return build_design(events(), np.arange(N_SCANS) * TR + time)


def simulated(n_voxels=120, percent=3.0, noise=1.0, seed=1, rho=0.4):
    """Return voxels of three slices in their natural, interleaved order, and their groups."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n_voxels) % 3
    bold = rng.normal(size=(N_SCANS, n_voxels)) * noise
    for scan in range(1, N_SCANS):
        bold[scan] = rho * bold[scan - 1] + np.sqrt(1 - rho**2) * bold[scan]
    for group, time in enumerate(TIMES):
        a, b = design_at(time).matrix[:, :2].T
        bold[:, groups == group] += (percent * a - b)[:, np.newaxis]
    return bold + 100, groups


def parts_of(groups):
    voxels = [np.flatnonzero(groups == group) for group in range(3)]
    return voxels, np.concatenate(voxels)


def fitted(noise, bold, groups, times=TIMES, reference=1.0):
    voxels, order = parts_of(groups)
    designs = [design_at(time) for time in times]
    return fit_slices(bold[:, order], designs, voxels, design_at(reference), noise, n_threads=1)


@pytest.mark.parametrize("noise", ["ols", "ar1", "ar2", "arma11", "nilearn-ar1"])
def test_each_slice_is_fitted_as_by_itself(noise):
    bold, groups = simulated()
    found = list(fitted(noise, bold, groups).contrasts(CONTRASTS))
    order = parts_of(groups)[1]
    for group, time in enumerate(TIMES):
        separate = fit(bold[:, groups == group], design_at(time), noise=noise)
        for mine, theirs in zip(found, separate.contrasts(CONTRASTS), strict=True):
            those = groups[order] == group
            np.testing.assert_allclose(mine.statistic[those], theirs.statistic, rtol=1e-9)
            np.testing.assert_allclose(
                np.broadcast_to(mine.dof, groups.shape)[those], theirs.dof, rtol=1e-9
            )


@pytest.mark.parametrize("noise", ["ols", "ar1", "ar2", "arma11", "nilearn-ar1", "auto"])
def test_effects_are_unbiased_and_residuals_lower_than_at_one_time(noise):
    bold, groups = simulated(n_voxels=600, noise=0.5)
    order = parts_of(groups)[1]
    sliced = fitted(noise, bold, groups)
    single = fit(bold[:, order], design_at(1.0), noise=noise)
    [effect] = sliced.contrasts(["a"])
    at_one_time = single.contrast("a").effect
    for group in range(3):
        those = groups[order] == group
        error = effect.effect[those] - 3.0
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(those.sum())
        if group == 1:  # the slice that the single design is right for
            continue
        assert abs(at_one_time[those].mean() - 3.0) > 4 * abs(error.mean())
    np.testing.assert_array_less(
        r_squared(bold[:, order], single).mean(), r_squared(bold[:, order], sliced).mean()
    )
    assert sliced.sigma2.mean() < single.sigma2.mean()


@pytest.mark.parametrize("noise", ["ols", "ar1", "ar2", "arma11", "nilearn-ar1", "auto"])
def test_slices_at_one_time_are_the_plain_fit(noise):
    bold, groups = simulated(n_voxels=900)
    order = parts_of(groups)[1]
    sliced = fitted(noise, bold, groups, times=(1.0, 1.0, 1.0))
    plain = fit(bold[:, order], design_at(1.0), noise=noise)
    for mine, theirs in zip(sliced.contrasts(CONTRASTS), plain.contrasts(CONTRASTS), strict=True):
        np.testing.assert_allclose(mine.statistic, theirs.statistic, rtol=1e-8, atol=1e-8)


def test_the_noise_of_auto_is_pooled_over_all_slices():
    bold, groups = simulated(n_voxels=900)
    sliced = fitted("auto", bold, groups)
    order = parts_of(groups)[1]
    plain = fit(bold[:, order], design_at(1.0), noise="auto")
    # pooled over 900 voxels: much nearer to the coefficients of the plain fit than those of
    # slices by themselves
    alone = np.concatenate(
        [
            fit(bold[:, groups == group], design_at(time), noise="auto").ar
            for group, time in enumerate(TIMES)
        ],
        axis=1,
    )
    distance = abs(sliced.ar - plain.ar).mean()
    assert distance < 0.5 * abs(alone - plain.ar).mean()
    assert len({part.estimates.simulated_true.tobytes() for part in sliced.parts}) == 1


@pytest.mark.parametrize("noise", ["ols", "ar1", "auto"])
def test_a_fit_survives_the_disk_and_shares_what_is_shared(noise, tmp_path):
    bold, groups = simulated(n_voxels=300)
    sliced = fitted(noise, bold, groups)
    np.savez(tmp_path / "fit.npz", **sliced.to_arrays())
    with np.load(tmp_path / "fit.npz") as archive:
        loaded = SliceFit.from_arrays(dict(archive))
        assert sum("simulated_true" in key for key in archive) <= 1
    for mine, theirs in zip(loaded.contrasts(CONTRASTS), sliced.contrasts(CONTRASTS), strict=True):
        np.testing.assert_array_equal(mine.statistic, theirs.statistic)
    np.testing.assert_array_equal(loaded.voxels, sliced.voxels)


@pytest.mark.parametrize("noise", ["ols", "auto"])
def test_fitted_values_whiteness_and_residuals_are_those_of_the_parts(noise):
    bold, groups = simulated(n_voxels=301)
    sliced = fitted(noise, bold, groups)
    order = parts_of(groups)[1]
    whole = sliced.fitted(slice(None))
    expected = np.concatenate([part.fitted(slice(None)) for part in sliced.parts], axis=1)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(sliced.fitted(slice(90, 240)), expected[:, 90:240])
    rows = sampled_residuals(bold[:, order], sliced)
    assert rows.shape[1] == 301
    z = whiteness(bold[:, order], sliced)
    assert z.shape == (301,)
    assert (abs(z) > 2.3).mean() < 0.05 or noise == "ols"
    np.testing.assert_array_equal(
        sliced.in_voxel_order(groups[order].astype(float)), groups.astype(float)
    )


def test_empty_slices_and_threads_change_nothing():
    bold, groups = simulated(n_voxels=90)
    voxels, order = parts_of(groups)
    designs = [design_at(time) for time in (*TIMES, 2.5)]
    empty = np.array([], dtype=int)
    sliced = fit_slices(bold[:, order], designs, [*voxels, empty], design_at(1.0), "ar1", 2)
    plain = fitted("ar1", bold, groups)
    for mine, theirs in zip(sliced.contrasts(["a"]), plain.contrasts(["a"]), strict=True):
        np.testing.assert_array_equal(mine.statistic, theirs.statistic)


def test_designs_of_other_regressors_or_rank_are_refused():
    bold, groups = simulated(n_voxels=9)
    voxels, order = parts_of(groups)
    designs = [design_at(time) for time in TIMES]
    matrix = designs[1].matrix.copy()
    matrix[:, 0] = 0
    deficient = replace(designs[1], matrix=matrix)
    with pytest.raises(ValueError, match="ranks"):
        fit_slices(bold[:, order], [*designs[:2], deficient], voxels, designs[0], noise="ols")
    other = build_design({**events(), "trial_type": ["c", "d"] * 20}, np.arange(N_SCANS) * TR)
    with pytest.raises(ValueError, match="other regressors"):
        fit_slices(bold[:, order], [*designs[:2], other], voxels, designs[0], noise="ols")
