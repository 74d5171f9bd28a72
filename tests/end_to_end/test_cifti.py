"""fMRIPrep's dtseries, from the command line to dscalar maps, levels and reports."""

import nibabel as nib
import numpy as np

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.io.outputs.design_files import read_design
from fake_surfaces import brain_models, grayordinate_series, write_cifti

STEM = "sub-01_task-cuetarget_run-1_space-fsLR_den-91k"
OPTIONS = ("--space", "fsLR", "--noise-model", "ols")


def test_every_grayordinate_is_fitted_and_every_level_keeps_the_brain_models(dataset, tmp_path):
    write_cifti(dataset)
    out = tmp_path / "out"

    assert main([str(dataset), str(out), "participant", *OPTIONS, "--maps", "fitted"]) == 0
    assert main([str(dataset), str(out), "group"]) == 0

    raw = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    image = nib.load(raw)
    axis = brain_models(image.shape[:3], image.affine)
    series = grayordinate_series(raw, axis).astype(float)
    func = out / "node-run/sub-01/func"
    design = read_design(func / f"{STEM}_design.tsv")
    expected = fit(series, design, noise="ols").contrast("cue")
    mean = np.delete(series, design.censored, axis=0).mean(axis=0)
    t = nib.load(func / f"{STEM}_contrast-cue_stat-t_statmap.dscalar.nii")
    effect = nib.load(func / f"{STEM}_contrast-cue_stat-effect_statmap.dscalar.nii")
    np.testing.assert_allclose(t.get_fdata()[0], expected.t, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        effect.get_fdata()[0], 100 * expected.effect / mean, rtol=1e-4, atol=1e-6
    )
    assert t.header.get_axis(1) == axis
    fitted = nib.load(func / f"{STEM}_desc-fitted_bold.dtseries.nii")
    assert fitted.shape == series.shape
    said = map_metadata(func / f"{STEM}_contrast-cue_stat-t_statmap.json")
    assert said["Mask"].endswith(f"{STEM}_desc-brain_mask.dscalar.nii")
    group = "task-cuetarget_space-fsLR_den-91k_contrast-cue_stat-t_statmap.dscalar.nii"
    assert nib.load(out / "node-dataset" / group).header.get_axis(1) == axis
    report = (out / "sub-01.html").read_text()
    for part in ("left hemisphere", "right hemisphere", "subcortical voxels"):
        assert f"z map of cue ({part})" in report


def test_smoothing_takes_both_meshes_or_is_refused(dataset, tmp_path, capsys):
    write_cifti(dataset, meshes=("midthickness",))
    one = ("--participant-label", "01", "--run-label", "1", "--smoothing", "20")

    assert main([str(dataset), str(tmp_path / "a"), "participant", *OPTIONS, *one]) == 0
    for path in dataset.glob("derivatives/fmriprep/sub-01/anat/*hemi-R*"):
        path.unlink()
    assert main([str(dataset), str(tmp_path / "b"), "participant", *OPTIONS, *one]) == 65

    assert "along the right hemisphere needs its mesh" in capsys.readouterr().err
    assert (tmp_path / f"a/node-run/sub-01/func/{STEM}_design.tsv").is_file()
