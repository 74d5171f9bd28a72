"""`--atlas` with labels of surfaces (GIFTI) and of grayordinates (CIFTI)."""

import nibabel as nib
import numpy as np
import pandas as pd

from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.io.outputs.design_files import read_design
from fake_atlases import write_dlabel, write_hemispheres
from fake_surfaces import (
    N_MEDIAL,
    N_VERTICES,
    brain_models,
    grayordinate_series,
    vertex_series,
    write_cifti,
    write_surfaces,
)

RUN = "sub-01_task-cuetarget_run-1"
ONE = ("--participant-label", "01", "--noise-model", "ols")


def expected_t(series, labels, design):
    """Return t of cue in the mean percent series of each label."""
    kept = series.std(axis=0) > 0
    series, labels = series[:, kept].astype(float), labels[kept]
    percent = 100 * series / np.delete(series, design.censored, axis=0).mean(axis=0)
    found = np.unique(labels[labels > 0])
    means = np.stack([percent[:, labels == label].mean(axis=1) for label in found], axis=1)
    return dict(zip(found, fit(means, design, noise="ols").contrast("cue").t, strict=True))


def table_of(path):
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    return table[table["contrast"] == "cue"].set_index("index")


def test_each_hemisphere_has_the_regions_of_its_own_labels(dataset, tmp_path):
    write_surfaces(dataset)
    left, right = write_hemispheres(tmp_path, N_VERTICES)
    out = tmp_path / "out"
    command = [str(dataset), str(out), "participant", "--space", "fsaverage5", *ONE]

    assert main([*command, "--atlas", str(left), str(right)]) == 0

    func = out / "node-run/sub-01/func"
    raw = dataset / f"sub-01/func/{RUN}_bold.nii.gz"
    for side, path in (("L", left), ("R", right)):
        stem = f"{RUN}_hemi-{side}_space-fsaverage5"
        table = table_of(func / f"{stem}_seg-Pieces_desc-regions_table.tsv")
        labels = nib.load(path).darrays[0].data
        expected = expected_t(
            vertex_series(raw, side), labels, read_design(func / f"{stem}_design.tsv")
        )
        assert table["name"].tolist() == [f"{side} piece {k}" for k in range(1, 5)]
        np.testing.assert_allclose(table["t"], list(expected.values()), rtol=1e-5)
        assert (table["hemi"] == side).all()
        assert table.loc[1, "coverage"] < 1  # the medial wall
        assert table.loc[4, "coverage"] == 1
    subject = out / "node-subject/sub-01/func/sub-01_task-cuetarget_hemi-L_space-fsaverage5"
    assert table_of(f"{subject}_seg-Pieces_desc-regions_table.tsv")["inputs"].eq(2).all()


def test_the_group_tests_the_regions_of_hemispheres(dataset, tmp_path, monkeypatch):
    write_surfaces(dataset)
    monkeypatch.chdir(tmp_path)
    files = [path.name for path in write_hemispheres(tmp_path, N_VERTICES)]  # relative paths
    out = tmp_path / "out"
    options = ["--space", "fsaverage5", "--atlas", *files]

    assert main([str(dataset), str(out), "participant", "--noise-model", "ols", *options]) == 0
    assert main([str(dataset), str(out), "group", "--no-report", *options]) == 0

    for side in "LR":
        stem = f"task-cuetarget_hemi-{side}_space-fsaverage5_seg-Pieces_desc-regions_table"
        table = table_of(out / f"node-dataset/{stem}.tsv")
        inputs = []
        for sub in ("01", "02"):
            name = f"sub-{sub}_{stem}.tsv"
            inputs.append(table_of(out / f"node-subject/sub-{sub}/func/{name}")["effect"])
        np.testing.assert_allclose(table["effect"], np.mean(inputs, axis=0), rtol=1e-6)
        assert table["q_fdr"].notna().all()


def test_a_hemisphere_with_other_vertices_is_refused(dataset, tmp_path, capsys):
    write_surfaces(dataset)
    left, right = write_hemispheres(tmp_path, N_VERTICES + 1)
    command = [str(dataset), str(tmp_path / "out"), "run", "--space", "fsaverage5", *ONE]

    assert main([*command, "--atlas", str(left), str(right)]) == 65
    assert f"{N_VERTICES + 1} vertices against {N_VERTICES}" in capsys.readouterr().err
    left, right = write_hemispheres(tmp_path, N_VERTICES)
    assert main([*command, "--atlas", str(left)]) == 65
    assert "CortexLeft against CortexRight" in capsys.readouterr().err


def test_grayordinates_are_matched_by_structure_and_vertex(dataset, tmp_path):
    write_cifti(dataset)
    raw = dataset / f"sub-01/func/{RUN}_bold.nii.gz"
    image = nib.load(raw)
    models = brain_models(image.shape[:3], image.affine)
    labels = 1 + np.arange(len(models)) * 6 // len(models)
    names = {int(k): f"part {k}" for k in np.unique(labels)}
    whole = write_dlabel(tmp_path / "atlas-Whole_dseg.dlabel.nii", models, labels, names)
    # a file of the left cortex alone, with part of its medial wall
    vertices = np.arange(N_MEDIAL - 10, N_VERTICES)
    cortex = nib.cifti2.BrainModelAxis.from_surface(vertices, N_VERTICES, "CORTEX_LEFT")
    of_cortex = np.where(vertices < N_MEDIAL + 50, 7, 0)
    left = write_dlabel(tmp_path / "atlas-Left_dseg.dlabel.nii", cortex, of_cortex, {7: "strip"})
    series = grayordinate_series(raw, models)
    design = None
    for path, expected_labels, name in (
        (whole, labels, "Whole"),
        (left, np.where(np.arange(len(models)) < 50, 7, 0), "Left"),
    ):
        out = tmp_path / name
        command = [str(dataset), str(out), "run", "--space", "fsLR", *ONE, "--run-label", "1"]
        assert main([*command, "--atlas", str(path)]) == 0
        stem = out / f"node-run/sub-01/func/{RUN}_space-fsLR"
        design = read_design(stem.with_name(f"{stem.name}_den-91k_design.tsv"))
        expected = expected_t(series, expected_labels, design)
        table = table_of(f"{stem}_seg-{name}_den-91k_desc-regions_table.tsv")
        assert table.index.tolist() == list(expected)
        np.testing.assert_allclose(table["t"], list(expected.values()), rtol=1e-5)
        image = nib.load(f"{stem}_seg-{name}_den-91k_dseg.dscalar.nii")
        assert set(np.unique(image.get_fdata())) <= {0, *expected}
