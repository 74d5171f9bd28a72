"""The same estimates on surfaces as nilearn's, from files."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel
from nilearn.surface import PolyMesh, SurfaceImage

from boldglm.cli.main import main
from boldglm.io.outputs.design_files import read_design
from fake_surfaces import N_MEDIAL, write_surfaces

STEM = "sub-01_task-cuetarget_run-1_hemi-{}_space-fsaverage5"


@pytest.mark.filterwarnings("ignore:.*Generation of a mask has been requested")
@pytest.mark.parametrize(("ours", "theirs"), [("ols", "ols"), ("nilearn-ar1", "ar1")])
def test_effects_and_t_of_both_hemispheres_are_those_of_nilearn(dataset, tmp_path, ours, theirs):
    folder = write_surfaces(dataset)
    func, out = folder / "sub-01/func", tmp_path / "out"
    # without censored volumes: nilearn's percent would be of a mean with them, ours is not
    options = ("--space", "fsaverage5", "--noise-model", ours, "--run-label", "1")
    options += ("--participant-label", "01", "--dummy-scans", "0")
    assert main([str(dataset), str(out), "participant", *options]) == 0
    design = read_design(next(out.glob(f"node-run/sub-01/func/{STEM.format('L')}_design.tsv")))

    meshes = {}
    for side, part in (("L", "left"), ("R", "right")):
        meshes[part] = folder / f"sub-01/anat/sub-01_hemi-{side}_midthickness.surf.gii"
    bold = {
        part: func / f"{STEM.format(side)}_bold.func.gii"
        for side, part in (("L", "left"), ("R", "right"))
    }
    image = SurfaceImage(PolyMesh(**meshes), bold)
    inside = {
        part: (nib.load(path).agg_data("time series")[:, 0] > 0) for part, path in bold.items()
    }
    mask = SurfaceImage(PolyMesh(**meshes), inside)
    model = FirstLevelModel(
        mask_img=mask, noise_model=theirs, signal_scaling=0, minimize_memory=False
    )
    model.fit(image, design_matrices=pd.DataFrame(design.matrix, columns=list(design.names)))

    for contrast, column in (("cue", "trial_type.cue"), ("target", "trial_type.target")):
        weights = np.array([name == column for name in design.names], dtype=float)
        found = model.compute_contrast(weights, output_type="all")
        for kind, key in (("effect", "effect_size"), ("t", "stat")):
            for side, part in (("L", "left"), ("R", "right")):
                name = f"{STEM.format(side)}_contrast-{contrast}_stat-{kind}_statmap.shape.gii"
                got = nib.load(out / f"node-run/sub-01/func/{name}").agg_data()[N_MEDIAL:]
                expected = found[key].data.parts[part].ravel()[N_MEDIAL:]
                np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
