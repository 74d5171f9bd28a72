"""The sides of `participants.py`: group maps from maps of participants, timed.

Run by `measure.run_side`, each in a process of its own.
"""

from pathlib import Path

from measure import Sample, Stopwatch, be_a_side


def ours(
    folder: str,
    n_inputs: int,
    method: str = "ols",
    n_contrasts: int = 1,
    n_permutations: int = 0,
    *,
    tfce: bool = False,
) -> Sample:
    """The fit of a dataset node, as `boldglm ... group` does it."""
    watch = Stopwatch()
    import tempfile
    from dataclasses import replace

    import nibabel as nib
    import numpy as np

    from boldglm.analysis.higher_levels.group_inference import Inference
    from boldglm.analysis.higher_levels.node_fits import NodeFits, fit_node
    from boldglm.io.outputs.records import ContrastMaps, NodeResult

    watch.lap("import")
    here = Path(folder)
    names = [f"contrast {number + 1}" for number in range(n_contrasts)]
    results = []
    for number in range(n_inputs):
        file = {
            name: here / f"{name}-{number}.nii.gz"
            for name in ("effect", "variance", "mask", "mean")
        }
        maps = {"effect": file["effect"], "variance": file["variance"]}
        contrasts = tuple(ContrastMaps(name, "t", {"c": [1.0]}, 30.0, 1, maps) for name in names)
        results.append(NodeResult(file["mask"], file["mean"], contrasts))
    labels = [f"sub-{number}" for number in range(n_inputs)]
    fits = replace(
        NodeFits.of_means([names] * n_inputs, labels, method=method),
        inference=Inference(n_permutations, tfce=tfce),
    )
    with tempfile.TemporaryDirectory(dir=here) as out:
        watch.lap("prepare")
        found = fit_node(results, fits, Path(out))
        watch.lap("group")
        largest = float(np.abs(nib.load(found.contrasts[0].maps["t"]).get_fdata()).max())
    watch.lap("check")
    return {"parts": watch.parts, "largest": largest}


def nilearn(folder: str, n_inputs: int) -> Sample:
    """`nilearn.glm.second_level.SecondLevelModel` of a constant."""
    watch = Stopwatch()
    import tempfile

    import numpy as np
    import pandas as pd
    from nilearn.glm.second_level import SecondLevelModel

    watch.lap("import")
    here = Path(folder)
    effects = [str(here / f"effect-{number}.nii.gz") for number in range(n_inputs)]
    design = pd.DataFrame({"intercept": np.ones(n_inputs)})
    watch.lap("prepare")
    model = SecondLevelModel(mask_img=str(here / "mask-0.nii.gz"), n_jobs=1)
    model.fit(effects, design_matrix=design)
    images = model.compute_contrast("intercept", output_type="all")
    with tempfile.TemporaryDirectory(dir=here) as out:
        for name, image in images.items():
            image.to_filename(Path(out) / f"{name}.nii.gz")
    watch.lap("group")
    largest = float(np.abs(images["stat"].get_fdata()).max())
    watch.lap("check")
    return {"parts": watch.parts, "largest": largest}


if __name__ == "__main__":
    be_a_side({"ours": ours, "nilearn": nilearn})
