"""The sides of `arrays.py` and `scaling.py`: one fit of an array and its contrasts, timed.

Run by `measure.run_side`, each in a process of its own.
"""

from typing import Any

from measure import Sample, Stopwatch, be_a_side


def ours(file: str, n_regressors: int, noise: str, statistics_file: str) -> Sample:
    """`boldglm.glm.fit` from float32, then effect, variance, t, p and z of the contrasts."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm import fit
    from data import WEIGHTS, make_design

    watch.lap("import")
    bold = np.load(file)
    design, _ = make_design(len(bold), n_regressors)
    watch.lap("prepare")
    found = fit(bold, design, noise=noise)
    watch.lap("fit")
    tested: list[tuple[Any, ...]] = []
    for weights in WEIGHTS:
        one = found.contrast([*weights, *[0] * (n_regressors - len(weights))])
        tested.append((one.effect, one.variance, one.t, one.p, one.z))
    watch.lap("contrasts")
    np.save(statistics_file, np.stack([one[2] for one in tested]))
    return {"parts": watch.parts}


def nilearn(file: str, n_regressors: int, noise: str, statistics_file: str) -> Sample:
    """`nilearn.glm.first_level.run_glm` from float64, then the same maps."""
    watch = Stopwatch()
    import numpy as np
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm

    from data import WEIGHTS, make_design

    watch.lap("import")
    bold = np.load(file, mmap_mode="r").astype(np.float64)
    design, _ = make_design(len(bold), n_regressors)
    watch.lap("prepare")
    labels, found = run_glm(bold, design, noise_model=noise)
    watch.lap("fit")
    tested = []
    for weights in WEIGHTS:
        padded = np.array([*weights, *[0] * (n_regressors - len(weights))], dtype=float)
        one = compute_contrast(labels, found, padded, stat_type="t")
        maps = (one.effect_size(), one.effect_variance(), one.stat())
        tested.append((*maps, one.p_value(), one.z_score()))
    watch.lap("contrasts")
    np.save(statistics_file, np.stack([np.ravel(one[2]) for one in tested]))
    return {"parts": watch.parts}


if __name__ == "__main__":
    be_a_side({"ours": ours, "nilearn": nilearn})
