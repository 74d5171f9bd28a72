"""Levels above the run against statsmodels, nilearn, scipy and a direct search for the REML."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from boldglm.glm import fit_second_level
from boldglm.glm.second_level.estimators import reml_variance

RNG = np.random.default_rng(11)
N, V = 14, 12
DESIGN = np.column_stack([np.ones(N), np.arange(N) % 2, RNG.normal(size=N)])
EFFECTS = RNG.normal(size=(N, V)) * 1.3
VARIANCES = RNG.chisquare(12, (N, V)) / 12


def test_least_squares_are_those_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    found = fit_second_level(EFFECTS, DESIGN)
    for voxel in range(V):
        theirs = sm.OLS(EFFECTS[:, voxel], DESIGN).fit()
        ours = found.contrast([0, 1, 0])
        np.testing.assert_allclose(ours.t[voxel], theirs.tvalues[1], rtol=1e-9)
        F = found.contrast([[0, 1, 0], [0, 0, 1]])
        np.testing.assert_allclose(F.F[voxel], theirs.fvalue, rtol=1e-9)
        np.testing.assert_allclose(F.p[voxel], theirs.f_pvalue, rtol=1e-8)


def test_two_samples_are_tested_as_scipy_tests_them():
    found = fit_second_level(EFFECTS, DESIGN[:, :2]).contrast([0, 1])
    second, first = EFFECTS[1::2], EFFECTS[::2]
    theirs = stats.ttest_ind(second, first, alternative="greater")
    np.testing.assert_allclose(found.t, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.p, theirs.pvalue, rtol=1e-9)


def test_weighted_estimates_are_those_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    known = fit_second_level(
        EFFECTS, DESIGN, variances=VARIANCES, dofs=np.full(N, np.inf), method="fixed"
    ).contrast([0, 0, 1])
    for voxel in range(V):
        theirs = sm.WLS(EFFECTS[:, voxel], DESIGN, weights=1 / VARIANCES[:, voxel]).fit()
        np.testing.assert_allclose(known.effect[voxel], theirs.params[2], rtol=1e-9)
        np.testing.assert_allclose(
            known.variance[voxel], theirs.normalized_cov_params[2, 2], rtol=1e-9
        )


def test_the_variance_between_inputs_is_where_the_restricted_likelihood_is_highest():
    basis, _ = np.linalg.qr(DESIGN)
    found = reml_variance(basis, EFFECTS, VARIANCES)

    def minus_likelihood(between, voxel):
        w = 1 / (VARIANCES[:, voxel] + between)
        A = DESIGN.T @ (w[:, None] * DESIGN)
        beta = np.linalg.solve(A, DESIGN.T @ (w * EFFECTS[:, voxel]))
        residuals = EFFECTS[:, voxel] - DESIGN @ beta
        return (-np.log(w).sum() + np.linalg.slogdet(A)[1] + (w * residuals**2).sum()) / 2

    for voxel in range(V):
        best = optimize.minimize_scalar(
            minus_likelihood, bounds=(0, 30), args=(voxel,), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        assert minus_likelihood(found[voxel], voxel) <= best.fun + 1e-9
        np.testing.assert_allclose(found[voxel], best.x, atol=2e-4)


def test_maps_over_participants_are_those_of_nilearn(tmp_path):
    second_level = pytest.importorskip("nilearn.glm.second_level")
    shape = (3, 2, 2)
    images = [nib.Nifti1Image(row.reshape(shape), np.eye(4)) for row in EFFECTS]
    mask = nib.Nifti1Image(np.ones(shape, dtype=np.uint8), np.eye(4))
    table = pd.DataFrame(DESIGN, columns=["intercept", "group", "age"])
    model = second_level.SecondLevelModel(mask_img=mask).fit(images, design_matrix=table)
    theirs = model.compute_contrast("group", output_type="stat").get_fdata().ravel()
    ours = fit_second_level(EFFECTS, DESIGN, names=list(table)).contrast("group")
    np.testing.assert_allclose(ours.t, theirs, rtol=1e-6)


def test_fixed_effects_of_nilearn_differ_by_the_correction_for_estimated_weights_alone():
    compute = pytest.importorskip("nilearn.glm.contrasts").compute_fixed_effects
    shape = (3, 2, 2)
    images = [
        [nib.Nifti1Image(row.reshape(shape), np.eye(4)) for row in rows]
        for rows in (EFFECTS, VARIANCES)
    ]
    mask = nib.Nifti1Image(np.ones(shape, dtype=np.uint8), np.eye(4))
    effect, variance, *_ = compute(*images, mask=mask, precision_weighted=True)
    ours = fit_second_level(
        EFFECTS, np.ones((N, 1)), variances=VARIANCES, dofs=np.full(N, np.inf), method="fixed"
    ).contrast([1.0])
    np.testing.assert_allclose(ours.effect, effect.get_fdata().ravel(), rtol=1e-6)
    np.testing.assert_allclose(ours.variance, variance.get_fdata().ravel(), rtol=1e-6)
