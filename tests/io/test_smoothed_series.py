"""Series that are smoothed while they are read."""

import nibabel as nib
import numpy as np

from boldglm.glm.spatial.volume_smoothing import MaskSmoother
from boldglm.io.images.bold_series import Reading, load_run


def test_an_oblique_grid_is_smoothed_by_the_distances_between_its_voxels(tmp_path):
    rng = np.random.default_rng(0)
    block = np.zeros((13, 11, 9), dtype=bool)
    block[2:-2, 2:-2, 2:-2] = True
    data = rng.integers(900, 1100, (*block.shape, 12)).astype(np.int16)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 3.0, 4.0])
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "bold.nii.gz")
    nib.save(nib.Nifti1Image(block.astype(np.uint8), affine), tmp_path / "mask.nii.gz")
    expected = MaskSmoother(block, 5.0, (2.0, 3.0, 4.0)).smooth(data[block, 7])

    found = load_run(tmp_path / "bold.nii.gz", tmp_path / "mask.nii.gz", Reading(smoothing=5.0))

    np.testing.assert_allclose(found.bold[7], expected, rtol=1e-6)
