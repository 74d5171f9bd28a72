"""The sides of `group.py`: participants tested at every voxel, timed.

Run by `measure.run_side`, each in a process of its own.
"""

from measure import Sample, Stopwatch, be_a_side

SEED = 3
CLUSTER_T = 3.0


def _effects(n_inputs: int, n_voxels: int):
    import numpy as np

    rng = np.random.default_rng(SEED)
    return rng.standard_normal((n_inputs, n_voxels), dtype=np.float32).astype(np.float64)


def ours_permutations(n_inputs: int, n_voxels: int, n_permutations: int) -> Sample:
    """`boldglm.glm.inference.permutation_test.permutation_test`: sign flips, largest t of each."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm.inference.permutation_test import permutation_test

    watch.lap("import")
    effects = _effects(n_inputs, n_voxels)
    watch.lap("prepare")
    found = permutation_test(
        effects, np.ones((n_inputs, 1)), [1.0], n_permutations, np.random.default_rng(SEED)
    )
    watch.lap("test")
    return {"parts": watch.parts, "quantile": float(np.quantile(found.maxima, 0.95))}


def nilearn_permutations(n_inputs: int, n_voxels: int, n_permutations: int) -> Sample:
    """`nilearn.mass_univariate.permuted_ols` of a constant, one-sided."""
    watch = Stopwatch()
    import numpy as np
    from nilearn.mass_univariate import permuted_ols

    watch.lap("import")
    effects = _effects(n_inputs, n_voxels)
    watch.lap("prepare")
    found = permuted_ols(
        np.ones((n_inputs, 1)), effects, model_intercept=False, n_perm=n_permutations,
        two_sided_test=False, random_state=SEED, n_jobs=1, output_type="dict",
    )  # fmt: skip
    watch.lap("test")
    return {"parts": watch.parts, "quantile": float(np.quantile(found["h0_max_t"], 0.95))}


def ours_mixed(n_inputs: int, n_voxels: int, n_columns: int) -> Sample:
    """`boldglm.glm.fit_second_level` with the variance between inputs by REML, and a contrast."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm import fit_second_level

    watch.lap("import")
    rng = np.random.default_rng(SEED)
    variances = rng.chisquare(30, (n_inputs, n_voxels)) / 30
    effects = _effects(n_inputs, n_voxels) * 1.4
    design = np.column_stack([np.ones(n_inputs), rng.standard_normal((n_inputs, n_columns - 1))])
    watch.lap("prepare")
    found = fit_second_level(
        effects, design, variances=variances, dofs=np.full(n_inputs, 30.0), method="mixed"
    )
    tested = found.contrast([1.0, *[0.0] * (n_columns - 1)])
    total = float(np.abs(tested.z).sum() + tested.p.sum())
    watch.lap("test")
    return {"parts": watch.parts, "quantile": total / n_voxels}


def _smooth_effects(n_inputs: int, shape: tuple[int, int, int]):
    """Return the effects of inputs, smoothed a little, in an ellipsoid, and its mask."""
    import numpy as np
    from scipy import ndimage

    rng = np.random.default_rng(SEED)
    sides = np.array(shape)
    places = np.moveaxis(np.indices(shape), 0, -1) - (sides - 1) / 2
    mask = ((places / (0.37 * sides)) ** 2).sum(axis=-1) < 1
    volumes = rng.standard_normal((n_inputs, *shape), dtype=np.float32)
    smooth = [ndimage.gaussian_filter(volume, 1.5)[mask] for volume in volumes]
    return np.stack(smooth).astype(np.float64), mask


def _of_a_hundred(watch: Stopwatch, n_permutations: int) -> dict[str, float]:
    """Return the parts, with the seconds of 100 more permutations in place of two calls."""
    one, many = watch.parts.pop("one permutation"), watch.parts.pop("all permutations")
    return {**watch.parts, "test": 100 * (many - one) / (n_permutations - 1)}


def ours_maps(
    n_inputs: int, shape: tuple[int, int, int], n_permutations: int, *, tfce: bool
) -> Sample:
    """`boldglm.glm.permutation_test` with clusters or TFCE, two-sided; 100 permutations."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm import grid_neighbors, permutation_test

    watch.lap("import")
    effects, mask = _smooth_effects(n_inputs, shape)
    watch.lap("prepare")
    for part, count in (("one permutation", 1), ("all permutations", n_permutations)):
        found = permutation_test(
            effects,
            np.ones((n_inputs, 1)),
            [1.0],
            count + 1,  # with the data as they are
            np.random.default_rng(SEED),
            two_sided=True,
            neighbors=grid_neighbors(mask, 6),
            cluster_threshold=None if tfce else CLUSTER_T,
            tfce=tfce,
        )
        watch.lap(part)
    parts = _of_a_hundred(watch, n_permutations)
    return {"parts": parts, "largest": float(found.maxima[0]), "n_voxels": int(mask.sum())}


def nilearn_maps(
    n_inputs: int, shape: tuple[int, int, int], n_permutations: int, *, tfce: bool
) -> Sample:
    """`nilearn.mass_univariate.permuted_ols` with clusters or TFCE; 100 permutations."""
    watch = Stopwatch()
    import nibabel as nib
    import numpy as np
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols
    from scipy import stats

    watch.lap("import")
    effects, mask = _smooth_effects(n_inputs, shape)
    masker = NiftiMasker(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4))).fit()
    watch.lap("prepare")
    for part, count in (("one permutation", 1), ("all permutations", n_permutations)):
        found = permuted_ols(
            np.ones((n_inputs, 1)),
            effects,
            model_intercept=False,
            n_perm=count,
            random_state=SEED,
            masker=masker,
            tfce=tfce,
            threshold=None if tfce else 2 * stats.t.sf(CLUSTER_T, n_inputs - 1),
        )
        watch.lap(part)
    parts = _of_a_hundred(watch, n_permutations)
    return {"parts": parts, "largest": float(np.abs(found["t"]).max())}


if __name__ == "__main__":
    be_a_side(
        {
            "ours permutations": ours_permutations,
            "nilearn permutations": nilearn_permutations,
            "ours mixed": ours_mixed,
            "ours maps": ours_maps,
            "nilearn maps": nilearn_maps,
        }
    )
