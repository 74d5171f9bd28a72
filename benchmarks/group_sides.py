"""The sides of `group.py`: participants tested at every voxel, timed.

Run by `measure.run_side`, each in a process of its own.
"""

from measure import Sample, Stopwatch, be_a_side

SEED = 3


def _effects(n_inputs: int, n_voxels: int):
    import numpy as np

    rng = np.random.default_rng(SEED)
    return rng.standard_normal((n_inputs, n_voxels), dtype=np.float32).astype(np.float64)


def ours_permutations(n_inputs: int, n_voxels: int, n_permutations: int) -> Sample:
    """`boldglm.glm.permutation.permutation_test`: sign flips, largest t of each."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm.permutation import permutation_test

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


if __name__ == "__main__":
    be_a_side(
        {
            "ours permutations": ours_permutations,
            "nilearn permutations": nilearn_permutations,
            "ours mixed": ours_mixed,
        }
    )
