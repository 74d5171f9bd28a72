"""`--atlas` from the command line: tables of regions of every level, against numpy and `fit`."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.errors import BadDataError
from boldglm.glm import benjamini_hochberg, fit, fit_second_level, permute_contrast
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import REGION_COLUMNS
from boldglm.io.outputs.region_tables import RegionTable
from boldglm.vocabulary import PERMUTATION_SEED
from fake_atlases import OUTSIDE, box_labels, write_boxes, write_names
from fake_fmriprep import MNI, write_fmriprep

N_SUBJECTS = 5
TABLE = "seg-Boxes_desc-regions_table.tsv"
RUN = "sub-01_task-cuetarget_run-1"


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", dtype={"participant_id": str})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Return a dataset, an atlas, and the folder of participants and group with its regions."""
    folder = tmp_path_factory.mktemp("regions")
    plan = DatasetPlan(n_subjects=N_SUBJECTS, n_runs=2, n_scans=60, shape=(10, 12, 8))
    dataset = write_dataset(folder / "bids", plan)
    atlas = write_boxes(folder, dataset / f"sub-01/func/{RUN}_bold.nii.gz")
    out, options = folder / "out", ("--atlas", str(atlas))
    assert main([str(dataset), str(out), "participant", "--noise-model", "ar1", *options]) == 0
    assert main([str(dataset), str(out), "group", "--permutations", "64", *options]) == 0
    return dataset, atlas, out


def run_table(out, contrast="cue"):
    table = read(out / f"node-run/sub-01/func/{RUN}_{TABLE}")
    return table[table["contrast"] == contrast].set_index("index")


def mean_series(dataset, atlas, out):
    """Return the mean over voxels of percent signal, by region, from the files alone."""
    func = out / "node-run/sub-01/func"
    mask = nib.load(func / f"{RUN}_desc-brain_mask.nii.gz").get_fdata() > 0
    bold = nib.load(dataset / f"sub-01/func/{RUN}_bold.nii.gz").get_fdata()[mask].T
    labels = np.asarray(nib.load(atlas).dataobj)[mask]
    design = read_design(func / f"{RUN}_design.tsv")
    percent = 100 * bold / np.delete(bold, design.censored, axis=0).mean(axis=0)
    found = np.unique(labels[labels > 0])
    return (
        found,
        np.stack([percent[:, labels == label].mean(axis=1) for label in found], 1),
        design,
    )


def test_the_t_of_a_region_is_that_of_its_mean_series(fitted):
    dataset, atlas, out = fitted
    labels, series, design = mean_series(dataset, atlas, out)
    expected = fit(series, design, noise="ar1").contrast("cue")

    table = run_table(out).loc[labels]

    np.testing.assert_allclose(table["effect"], expected.effect, rtol=1e-6)
    np.testing.assert_allclose(table["variance"], expected.variance, rtol=1e-6)
    np.testing.assert_allclose(table["t"], expected.t, rtol=1e-6)
    np.testing.assert_allclose(table["z"], expected.z, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table["p"], 2 * stats.t.sf(abs(expected.t), expected.dof))
    test = fit(series, design, noise="ar1").contrast("any = cue, target")
    of_f = run_table(out, "any condition").loc[labels]
    np.testing.assert_allclose(of_f["F"], test.F, rtol=1e-6)
    np.testing.assert_allclose(of_f["p"], test.p, rtol=1e-6, atol=1e-12)
    assert of_f["t"].isna().all()
    assert of_f["effect"].isna().all()


def test_with_least_squares_the_effect_is_the_mean_of_the_map(fitted, tmp_path):
    dataset, atlas, _ = fitted
    one = ("--participant-label", "01", "--run-label", "1", "--noise-model", "ols")
    out = tmp_path / "out"

    assert (
        main([str(dataset), str(out), "run", *one, "--atlas", str(atlas), "--smoothing", "4"]) == 0
    )

    func = out / "node-run/sub-01/func"
    mask = nib.load(func / f"{RUN}_desc-brain_mask.nii.gz").get_fdata() > 0
    effect = nib.load(func / f"{RUN}_contrast-cue_stat-effect_statmap.nii.gz").get_fdata()[mask]
    regions = nib.load(func / f"{RUN}_seg-Boxes_dseg.nii.gz").get_fdata()[mask]
    table = run_table(out).dropna(subset="effect")
    means = [effect[regions == label].mean() for label in table.index]
    np.testing.assert_allclose(table["effect"], means, rtol=1e-5, atol=1e-6)
    assert (table["size"] == [int((regions == label).sum()) for label in table.index]).all()


def test_coverage_and_regions_outside_the_mask_are_named(fitted):
    _, atlas, out = fitted
    mask = nib.load(out / f"node-run/sub-01/func/{RUN}_desc-brain_mask.nii.gz").get_fdata() > 0
    labels = np.asarray(nib.load(atlas).dataobj)

    table = run_table(out)

    for label in table.index:
        share = (mask & (labels == label)).sum() / (labels == label).sum()
        assert table.loc[label, "coverage"] == pytest.approx(share, rel=1e-6)
    assert table.loc[OUTSIDE, "coverage"] == 0
    assert np.isnan(table.loc[OUTSIDE, "t"])
    record = json.loads((out / f"node-run/sub-01/func/{RUN}_statmap.json").read_text())
    notes = " ".join(record["boldglm"]["Result"]["Notes"])
    assert f"box {OUTSIDE}" in notes
    assert "without a voxel in the mask" in notes


def effects_of(out, stems, contrast, indices, column):
    rows = []
    for stem in stems:
        table = read(out / f"{stem}_{TABLE}")
        rows.append(table[table["contrast"] == contrast].set_index("index").loc[indices, column])
    return np.stack(rows).astype(float)


def test_subjects_combine_the_effects_of_their_runs_with_their_variances(fitted):
    _, _, out = fitted
    folder = "node-run/sub-01/func/sub-01_task-cuetarget"
    table = read(out / f"node-subject/sub-01/func/sub-01_task-cuetarget_{TABLE}")
    table = table[table["contrast"] == "cue"].set_index("index").dropna(subset="t")
    inputs = (out, [f"{folder}_run-1", f"{folder}_run-2"], "cue", table.index)

    fixed = fit_second_level(
        effects_of(*inputs, "effect"),
        np.ones((2, 1)),
        variances=effects_of(*inputs, "variance"),
        dofs=effects_of(*inputs, "dof"),
        method="fixed",
    ).contrast([1.0])

    np.testing.assert_allclose(table["effect"], fixed.effect, rtol=1e-6)
    np.testing.assert_allclose(table["t"], fixed.t, rtol=1e-6)
    np.testing.assert_allclose(table["dof"], fixed.dof, rtol=1e-6)
    assert (table["inputs"] == 2).all()
    assert (table["participant_id"] == "sub-01").all()


def test_the_group_tests_all_regions_with_q_and_permutations(fitted):
    _, _, out = fitted
    table = read(out / f"node-dataset/task-cuetarget_{TABLE}")
    table = table[table["contrast"] == "cue"].set_index("index").dropna(subset="t")
    stems = [
        f"node-subject/sub-{k:02d}/func/sub-{k:02d}_task-cuetarget"
        for k in range(1, N_SUBJECTS + 1)
    ]
    effects = effects_of(out, stems, "cue", table.index, "effect")

    tested = fit_second_level(effects, np.ones((N_SUBJECTS, 1)))
    expected = stats.ttest_1samp(effects, 0)
    permuted = permute_contrast(
        tested, np.ones(1), 64, np.random.default_rng(PERMUTATION_SEED), two_sided=True
    )

    np.testing.assert_allclose(table["t"], expected.statistic, rtol=1e-5)
    np.testing.assert_allclose(table["p"], expected.pvalue, rtol=1e-5)
    np.testing.assert_allclose(table["q_fdr"], benjamini_hochberg(expected.pvalue), rtol=1e-5)
    np.testing.assert_allclose(table["p_fwe"], permuted.p_max, rtol=1e-6)
    assert set(table.columns) | {"index"} == {*REGION_COLUMNS, "task"}


def test_peaks_of_the_group_are_named_by_their_region(fitted):
    _, atlas, out = fitted
    image = nib.load(atlas)
    inverse = np.linalg.inv(image.affine)
    tables = sorted(out.glob("node-dataset/*_desc-clusters_table.tsv"))
    named = pd.concat([read(path) for path in tables])
    assert len(named)
    for row in named.itertuples():
        voxel = np.rint(inverse @ [row.x, row.y, row.z, 1])[:3].astype(int)
        assert row.region == f"box {image.dataobj[tuple(voxel)]}"
    described = json.loads(tables[0].with_suffix(".json").read_text())
    assert "region" in described


def test_a_repeated_call_computes_tables_for_finished_runs_and_keeps_maps(
    fitted, tmp_path, capsys
):
    dataset, atlas, _ = fitted
    one = [str(dataset), str(tmp_path), "participant", "--participant-label", "01"]
    assert main(one) == 0
    maps = sorted(tmp_path.glob("node-run/**/*_statmap.nii.gz"))
    before = [path.read_bytes() for path in maps]
    assert not list(tmp_path.rglob("*regions*"))

    assert main([*one, "--atlas", str(atlas)]) == 0
    assert len(list(tmp_path.glob("node-*/**/*_desc-regions_table.tsv"))) == 3
    assert [path.read_bytes() for path in maps] == before
    for path in tmp_path.glob("node-*/**/*_desc-regions_table.tsv"):
        assert read(path)["effect"].notna().any()
    capsys.readouterr()
    assert main([*one, "--atlas", str(atlas)]) == 0
    assert "2 of 2 runs were already finished" in capsys.readouterr().out
    table = next(tmp_path.glob("node-run/**/*_desc-regions_table.tsv"))
    written = table.read_bytes()
    table.write_bytes(written[:-30])
    assert main([*one, "--atlas", str(atlas)]) == 0
    assert table.read_bytes() == written
    shutil.copy(atlas, tmp_path / atlas.name)
    names = atlas.with_name("atlas-Boxes_dseg.tsv").read_text().replace("box", "cube")
    (tmp_path / "atlas-Boxes_dseg.tsv").write_text(names)
    assert main([*one, "--atlas", str(tmp_path / atlas.name)]) == 0
    assert table.read_text() == written.decode().replace("box", "cube")


def test_a_group_without_regions_gets_them_later(fitted, tmp_path):
    dataset, atlas, done = fitted
    out = shutil.copytree(done, tmp_path / "out")
    table = out / f"node-dataset/task-cuetarget_{TABLE}"
    before = table.read_bytes()

    assert main([str(dataset), str(out), "group", "--permutations", "64", "--no-report"]) == 0
    assert not table.exists()
    options = ("--permutations", "64", "--no-report", "--atlas", str(atlas))
    assert main([str(dataset), str(out), "group", *options]) == 0
    assert table.read_bytes() == before


def test_the_group_tests_means_of_maps_where_inputs_have_no_tables(fitted, tmp_path, capsys):
    dataset, atlas, _ = fitted
    out = tmp_path / "out"
    options = ["--atlas", str(atlas)]
    assert main([str(dataset), str(out), "participant", "--noise-model", "ar1"]) == 0
    assert main([str(dataset), str(out), "group", *options]) == 0

    assert "so regions are tested by means of the effect maps" in capsys.readouterr().out
    path = out / f"node-dataset/task-cuetarget_{TABLE}"
    table = read(path)
    table = table[table["contrast"] == "cue"].set_index("index").dropna(subset="t")
    folder = out / "node-dataset"
    mask = nib.load(folder / "task-cuetarget_desc-brain_mask.nii.gz").get_fdata() > 0
    labels = np.asarray(nib.load(atlas).dataobj)
    means = np.full((N_SUBJECTS, len(table)), np.nan)
    for k in range(N_SUBJECTS):
        stem = f"node-subject/sub-{k + 1:02d}/func/sub-{k + 1:02d}_task-cuetarget"
        effect = nib.load(out / f"{stem}_contrast-cue_stat-effect_statmap.nii.gz").get_fdata()
        inside = mask & (nib.load(out / f"{stem}_desc-brain_mask.nii.gz").get_fdata() > 0)
        means[k] = [effect[inside & (labels == label)].mean() for label in table.index]
    expected = stats.ttest_1samp(means, 0)
    np.testing.assert_allclose(table["t"], expected.statistic, rtol=1e-4)
    np.testing.assert_allclose(table["p"], expected.pvalue, rtol=1e-4)
    assert "Means of the effect maps" in path.with_suffix(".json").read_text()
    assert "the means were tested like effects at voxels" in (out / "group.html").read_text()
    from_maps = path.read_bytes()

    assert main([str(dataset), str(out), "participant", "--noise-model", "ar1", *options]) == 0
    assert main([str(dataset), str(out), "group", *options]) == 0
    assert path.read_bytes() != from_maps
    assert "Effects of each region in the inputs" in path.with_suffix(".json").read_text()


def test_the_group_refuses_a_mixture_of_atlases(fitted, tmp_path, capsys):
    dataset, atlas, done = fitted
    out = shutil.copytree(done, tmp_path / "out")
    other = tmp_path / "atlas-Other_dseg.nii.gz"
    image = nib.load(atlas)
    nib.save(nib.Nifti1Image(box_labels(image.shape, 4), image.affine), other)
    write_names(tmp_path / "atlas-Other_dseg.tsv", box_labels(image.shape, 4))
    command = [str(dataset), str(out), "group", "--atlas"]

    assert main([*command, str(other)]) == 65
    assert "have tables of regions of the atlas Boxes" in capsys.readouterr().err
    same_name = tmp_path / atlas.name
    shutil.copy(other, same_name)
    shutil.copy(tmp_path / "atlas-Other_dseg.tsv", tmp_path / "atlas-Boxes_dseg.tsv")
    assert main([*command, str(same_name)]) == 65
    assert "regions of the atlas Boxes of other content" in capsys.readouterr().err
    one = ["--participant-label", "02", "--noise-model", "ar1"]
    assert main([str(dataset), str(out), "participant", *one]) == 0
    assert main([*command, str(atlas)]) == 65
    message = capsys.readouterr().err
    assert "sub-02_task-cuetarget have no table of its regions" in message
    assert "Repeat the level that fits runs with this atlas" in message


def test_a_dry_run_says_which_atlas_and_how_many_regions(fitted, tmp_path, capsys):
    dataset, atlas, out = fitted
    n_regions = len(np.unique(np.asarray(nib.load(atlas).dataobj)))

    plan = tmp_path / "plan.json"
    command = [str(dataset), str(tmp_path), "participant", "--atlas", str(atlas), "--dry-run"]
    assert main([*command, "--plan-file", str(plan)]) == 0
    (planned,) = json.loads(plan.read_text())["Atlases"]
    assert (planned["Name"], planned["Regions"]) == ("Boxes", n_regions)
    assert planned["Files"][0] == str(atlas)
    capsys.readouterr()
    assert (
        main([str(dataset), str(tmp_path), "participant", "--atlas", str(atlas), "--dry-run"]) == 0
    )
    assert f"Atlas Boxes: {n_regions} regions, {atlas}" in capsys.readouterr().out
    assert main([str(dataset), str(out), "group", "--atlas", str(atlas), "--dry-run"]) == 0
    assert f"Atlas Boxes: {n_regions} regions" in capsys.readouterr().out


def test_a_run_without_any_region_keeps_its_maps(fitted, tmp_path, capsys):
    dataset, atlas, _ = fitted
    image = nib.load(atlas)
    labels = np.zeros(image.shape, dtype=np.int16)
    labels[0, 0, 0] = 3  # outside the mask
    nib.save(nib.Nifti1Image(labels, image.affine), tmp_path / "corner.nii.gz")
    write_names(tmp_path / "corner.tsv", labels)
    out = tmp_path / "out"
    command = [str(dataset), str(out), "participant", "--participant-label", "01", "--atlas"]

    assert main([*command, str(tmp_path / "corner.nii.gz")]) == 0

    assert (
        "all regions of the atlas corner: none has voxels in the mask" in capsys.readouterr().out
    )
    for level in ("run", "subject"):
        path = next(out.glob(f"node-{level}/**/*_seg-corner_desc-regions_table.tsv"))
        table = read(path)
        assert table["contrast"].tolist()[:2] == ["cue", "target"]
        assert (table["coverage"] == 0).all()
        assert table["effect"].isna().all()
    assert list(out.glob("node-subject/**/*_contrast-cue_stat-t_statmap.nii.gz"))


def test_a_damaged_table_is_refused_by_its_name(fitted):
    _, _, out = fitted
    path = next(out.glob(f"node-run/**/*_{TABLE}"))
    text = path.read_text()
    damaged = path.with_name("damaged.tsv")
    lines = text.splitlines()
    for content, reason in (
        (text.replace("effect", "weight", 1), "effect"),
        (
            "\n".join([lines[0], lines[1].replace("\tcue\t", "\tn/a\t"), *lines[2:]]),
            "one row for each",
        ),
        ("\n".join([*lines, lines[1]]), "one row for each region"),
        (text.replace("\t1\tbox 1\t", "\tone\tbox 1\t"), "one"),
    ):
        damaged.write_text(content)
        with pytest.raises(BadDataError, match=f"damaged.tsv is damaged .*{reason}"):
            RegionTable.read(damaged)
    damaged.unlink()


def test_slices_at_times_of_their_own_cannot_be_averaged(fitted, tmp_path, capsys):
    _, atlas, _ = fitted
    plan = DatasetPlan(n_subjects=1, n_runs=1, n_scans=60, shape=(10, 12, 8))
    raw = write_dataset(tmp_path / "bids", plan)
    for sidecar in raw.rglob("*_bold.json"):
        content = json.loads(sidecar.read_text())
        content["SliceTiming"] = [round(k * 0.2, 3) for k in range(8)]
        sidecar.write_text(json.dumps(content))
    command = [
        str(raw),
        str(tmp_path / "out"),
        "run",
        "--slice-times",
        "model",
        "--atlas",
        str(atlas),
    ]

    assert main(command) == 65
    assert "--slice-times model" in capsys.readouterr().err


def test_reports_name_peaks_also_when_they_are_written_later(fitted, tmp_path):
    dataset, _, done = fitted
    out = shutil.copytree(done, tmp_path / "out")
    reports = {name: (out / name).read_text() for name in ("sub-01.html", "group.html")}
    for text in reports.values():
        assert ">region</th>" in text
        assert re.search(r"<td[^>]*>box \d+</td>", text)

    for name in reports:
        (out / name).unlink()
    assert main([str(dataset), str(out), "participant", "--reports-only"]) == 0
    assert main([str(dataset), str(out), "group", "--reports-only"]) == 0
    assert {name: (out / name).read_text() for name in reports} == reports


def test_an_atlas_is_found_by_name_in_the_space_of_the_maps(
    dataset, tmp_path, monkeypatch, capsys
):
    write_fmriprep(dataset)
    home = tmp_path / "templateflow"
    template = home / f"tpl-{MNI}"
    template.mkdir(parents=True)
    raw = next(dataset.glob("sub-01/func/*_bold.nii.gz"))
    write_boxes(template, raw, f"tpl-{MNI}_res-02_atlas-Boxes_desc-5vox")
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(home))
    out = tmp_path / "out"
    one = ("--participant-label", "01", "--run-label", "1")
    command = [str(dataset), str(out), "participant", *one, "--atlas"]

    assert main([*command, "Boxes", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"Atlas Boxes5vox (space-{MNI}_res-2): " in said
    assert main([*command, "atlas-Boxes_desc-5vox"]) == 0
    name = f"{RUN}_space-{MNI}_seg-Boxes5vox_res-2_desc-regions_table.tsv"
    assert len(read(out / "node-run/sub-01/func" / name).dropna(subset="t")) > 0
    assert main([*command, "Spheres"]) == 66
    message = capsys.readouterr().err
    assert "has no atlas atlas-Spheres for these maps. It has: atlas-Boxes_desc-5vox" in message


def test_reports_describe_what_was_done_with_the_regions(fitted):
    _, atlas, out = fitted
    n_regions = len(np.unique(np.asarray(nib.load(atlas).dataobj)))
    group, subject = ((out / name).read_text() for name in ("group.html", "sub-01.html"))

    for text in (group, subject):
        assert f"For each of the {n_regions} regions of the atlas Boxes" in " ".join(text.split())
        assert re.search(rf"Boxes: \d+ of {n_regions} in the mask; table [^<]*{TABLE}", text)
    n_tested = int((run_table(out)["coverage"] > 0).sum())
    assert f"Boxes: {n_tested} of {n_regions} in the mask" in subject
    table = read(out / f"node-dataset/task-cuetarget_{TABLE}")
    q = table.loc[table["contrast"] == "cue", "q_fdr"].dropna()
    assert f"{(q < 0.05).sum()} of {q.size} with q &lt; .05" in group
    assert "adjusted for the false discovery rate over regions" in " ".join(group.split())
