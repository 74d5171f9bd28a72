"""Groups of FSL's and SPM's first levels, of single runs, and of boldglm's own maps in a table."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.glm import fit_second_level
from boldglm.io.outputs.records import Record, record_files

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SHAPE = (4, 4, 3)
SUBJECTS = [f"{number:02d}" for number in range(1, 8)]
AGES = [20, 31, 25, 42, 28, 36, 23]
MASK = np.zeros(SHAPE, bool)
MASK[1:, 1:, :] = True


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    folder = tmp_path / "bids"
    folder.mkdir()
    rows = [f"sub-{label}\t{age}" for label, age in zip(SUBJECTS, AGES, strict=True)]
    (folder / "participants.tsv").write_text("\n".join(["participant_id\tage", *rows]) + "\n")
    return folder


def _values(seed: int, *, positive: bool = False) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=SHAPE)
    return (0.5 + values**2 if positive else 0.3 + values).astype("f4")


def _save(values: np.ndarray, path: Path, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.asarray(values), affine).to_filename(path)
    return path


def _feat(folder: Path, seed: int, *, dof: str | None = "113") -> None:
    _save(np.where(MASK, _values(seed), 0), folder / "stats" / "cope1.nii.gz")
    variance = np.where(MASK, _values(seed + 1000, positive=True), 0)
    _save(variance, folder / "stats" / "varcope1.nii.gz")
    _save(MASK.astype("u1"), folder / "mask.nii.gz")
    (folder / "design.con").write_text("/ContrastName1\tgo > stop\n")
    if dof is not None:
        (folder / "stats" / "dof").write_text(f"{dof}\n")


def _group(bids: Path, maps: Path, *options: str) -> tuple[int, Path]:
    out = maps.parent / "out"
    arguments = [str(bids), str(out), "group", "--first-level", str(maps), "--no-report"]
    return main([*arguments, *options]), out


def _model(path: Path, *, x=(1,), estimator: str | None = None) -> Path:
    group = {
        "Level": "Dataset",
        "Name": "all",
        "GroupBy": ["contrast"],
        "Model": {"Type": "glm", "X": list(x)},
        "DummyContrasts": {"Test": "t"},
    }
    if estimator:
        group["Model"]["Software"] = {"boldglm": {"Estimator": estimator}}
    content = {"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [group]}
    path.write_text(json.dumps(content))
    return path


def _map(out: Path, name: str) -> np.ndarray:
    (path,) = out.glob(f"node-*/**/*{name}_statmap.nii.gz")
    return nib.load(path).get_fdata()


def test_mixed_effects_of_feat_use_its_varcopes(bids, tmp_path):
    for seed, label in enumerate(SUBJECTS):
        _feat(tmp_path / "fsl" / f"sub-{label}.feat", seed)
    model = _model(tmp_path / "m.json", estimator="mixed")
    code, out = _group(bids, tmp_path / "fsl", "-m", str(model))
    assert code == 0
    effects = np.stack([_values(seed)[MASK] for seed in range(7)]).astype(float)
    variances = np.stack([_values(seed + 1000, positive=True)[MASK] for seed in range(7)])
    fit = fit_second_level(
        effects, np.ones((7, 1)), variances=variances, dofs=np.full(7, 113.0), method="mixed"
    ).contrast([1.0])
    t = _map(out, "stat-t")
    np.testing.assert_allclose(t[MASK], fit.t, rtol=1e-5, atol=1e-6)
    assert not t[~MASK].any()


def test_runs_of_feat_are_combined_by_fixed_effects(bids, tmp_path):
    for seed, label in enumerate(SUBJECTS):
        for run in (1, 2):
            _feat(tmp_path / "fsl" / f"sub-{label}_run-{run}.feat", 10 * seed + run)
    code, out = _group(bids, tmp_path / "fsl")
    assert code == 0
    means = []
    for seed in range(7):
        seeds = [10 * seed + run for run in (1, 2)]
        fit = fit_second_level(
            np.stack([_values(each)[MASK] for each in seeds]),
            np.ones((2, 1)),
            variances=np.stack([_values(each + 1000, positive=True)[MASK] for each in seeds]),
            dofs=np.full(2, 113.0),
            method="fixed",
        )
        means.append(fit.contrast([1.0]).effect.ravel())
    expected = fit_second_level(np.stack(means), np.ones((7, 1))).contrast([1.0])
    (path,) = out.glob("node-dataset/*stat-t_statmap.nii.gz")
    np.testing.assert_allclose(nib.load(path).get_fdata()[MASK], expected.t, rtol=1e-4)
    assert len([*out.glob("node-combined/sub-*/func/*stat-effect_statmap.nii.gz")]) == 7


def test_runs_without_degrees_of_freedom_are_not_combined(bids, tmp_path, capsys):
    for seed, label in enumerate(SUBJECTS[:3]):
        for run in (1, 2):
            _feat(tmp_path / "fsl" / f"sub-{label}_run-{run}.feat", 10 * seed + run, dof=None)
    code, _ = _group(bids, tmp_path / "fsl")
    assert code == 65
    printed = capsys.readouterr().err
    assert "fixed effects, which need degrees of freedom" in printed
    assert "sub-01_run-1 (go > stop)" in printed


def _spm_maps(root: Path) -> None:
    from scipy.io import savemat

    for seed, label in enumerate(SUBJECTS):
        folder = root / f"sub-{label}"
        _save(np.where(MASK, _values(seed), np.nan), folder / "con_0001.nii")
        residuals = np.where(MASK, _values(seed + 1000, positive=True), np.nan)
        _save(residuals.astype("f4"), folder / "ResMS.nii")
        _save(MASK.astype("u1"), folder / "mask.nii")
        contrast = {"name": "go", "STAT": "T", "c": np.array([[1.0], [-1.0]])}
        design = {"Bcov": np.array([[0.2, 0.05], [0.05, 0.3]]), "erdf": 97.0}
        savemat(folder / "SPM.mat", {"SPM": {"xX": design, "xCon": contrast}})


def test_con_images_of_spm_with_nan_outside_the_brain(bids, tmp_path):
    _spm_maps(tmp_path / "spm")
    model = _model(tmp_path / "m.json", x=(1, "age"))
    code, out = _group(bids, tmp_path / "spm", "-m", str(model))
    assert code == 0
    effects = np.stack([_values(seed)[MASK] for seed in range(7)]).astype(float)
    design = np.column_stack([np.ones(7), AGES])
    expected = fit_second_level(effects, design).contrast([0.0, 1.0])
    np.testing.assert_allclose(_map(out, "goAge_stat-t")[MASK], expected.t, rtol=1e-4)
    variance = _map(out, "sub-01_contrast-go_stat-variance")
    factor = 0.2 + 0.3 - 2 * 0.05
    np.testing.assert_allclose(
        variance[MASK], factor * _values(1000, positive=True)[MASK], rtol=1e-6
    )
    record = Record.read(record_files(out, ["01"])[0], out)
    assert record.result.contrast("go").dof == 97.0


def test_own_maps_in_a_table_give_the_same_group(tiny_dataset, tmp_path):
    own = tmp_path / "own"
    assert main([str(tiny_dataset), str(own), "participant", "--no-report"]) == 0
    assert main([str(tiny_dataset), str(own), "group", "--no-report"]) == 0
    rows = ["subject\ttask\tcontrast\teffect\tvariance\tdof\tmask"]
    for path in sorted(own.glob("node-subject/sub-*/func/*stat-effect_statmap.nii.gz")):
        (record_file,) = path.parent.glob("*_statmap.json")
        record = Record.read(record_file, own)
        maps = next(each for each in record.result.contrasts if each.maps.get("effect") == path)
        cells = [record.entities["sub"], record.entities["task"], maps.name, path]
        cells += [maps.maps["variance"], maps.dof, record.result.mask]
        rows.append("\t".join(map(str, cells)))
    table = tmp_path / "maps.tsv"
    table.write_text("\n".join(rows) + "\n")
    code, out = _group(tiny_dataset, table)
    assert code == 0
    expected = sorted(own.glob("node-dataset/*_statmap.nii.gz"))
    assert len(expected) > 4
    for path in expected:
        again = out / "node-dataset" / path.name
        np.testing.assert_array_equal(
            nib.load(again).get_fdata(), nib.load(path).get_fdata(), err_msg=path.name
        )


def _table(tmp_path: Path, columns: str = "", *, affine_of_last: np.ndarray = AFFINE) -> Path:
    rows = [f"subject\tcontrast\teffect{columns}"]
    for seed, label in enumerate(SUBJECTS):
        affine = affine_of_last if label == SUBJECTS[-1] else AFFINE
        _save(np.where(MASK, _values(seed), 0), tmp_path / "maps" / f"{label}.nii.gz", affine)
        rows.append(f"{label}\tgo\tmaps/{label}.nii.gz")
    path = tmp_path / "maps.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_another_grid_is_refused_with_both_names(bids, tmp_path, capsys):
    table = _table(tmp_path, affine_of_last=np.diag([3.0, 3.0, 3.0, 1.0]))
    code, _ = _group(bids, table)
    assert code == 65
    printed = capsys.readouterr().err
    assert "sub-07, contrast 'go' (07.nii.gz)" in printed
    assert "lie on different grids" in printed


def test_a_header_of_t_statistics_is_refused(bids, tmp_path, capsys):
    table = _table(tmp_path)
    path = tmp_path / "maps" / "03.nii.gz"
    image = nib.Nifti1Image(_values(3), AFFINE)
    image.header.set_intent("t test", (20,))
    image.to_filename(path)
    code, _ = _group(bids, table)
    assert code == 65
    assert "03.nii.gz is a map of a test statistic" in capsys.readouterr().err


def test_units_that_differ_are_refused(bids, tmp_path, capsys):
    for label, units in (("01", "%"), ("02", "arbitrary")):
        stem = tmp_path / "maps" / f"sub-{label}" / f"sub-{label}_contrast-go_stat-effect_statmap"
        _save(_values(1), Path(f"{stem}.nii.gz"))
        Path(f"{stem}.json").write_text(json.dumps({"Units": units}))
    code, _ = _group(bids, tmp_path / "maps")
    assert code == 65
    assert "The effects have different units" in capsys.readouterr().err


def test_negative_variances_are_refused(bids, tmp_path, capsys):
    table = _table(tmp_path)
    _save(_values(5), tmp_path / "maps" / "v.nii.gz")
    lines = table.read_text().splitlines()
    rows = [f"{lines[0]}\tvariance", *(f"{line}\tmaps/v.nii.gz" for line in lines[1:])]
    table.write_text("\n".join(rows) + "\n")
    code, _ = _group(bids, table)
    assert code == 65
    assert "v.nii.gz has negative values" in capsys.readouterr().err


def test_a_row_that_is_taken_out_leaves_the_group(bids, tmp_path, capsys):
    table = _table(tmp_path)
    assert _group(bids, table)[0] == 0
    assert "from 7 participants" in capsys.readouterr().out
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    code, out = _group(bids, table)
    printed = capsys.readouterr().out
    assert code == 0
    assert "from 6 participants" in printed
    assert "the copies of 1 first level in node-firstLevel were removed" in printed
    assert main([str(bids), str(out), "group", "--no-report"]) == 0  # without the table
    assert "from 6 participants" in capsys.readouterr().out


def test_a_changed_map_is_taken_in_again(bids, tmp_path, capsys):
    table = _table(tmp_path)
    _, out = _group(bids, table)
    (path,) = out.glob("node-dataset/*stat-t_statmap.nii.gz")
    before = nib.load(path).get_fdata()
    _save(np.where(MASK, 5 + _values(0), 0), tmp_path / "maps" / "01.nii.gz")
    assert _group(bids, table)[0] == 0
    assert not np.array_equal(nib.load(path).get_fdata(), before)
    capsys.readouterr()
    assert _group(bids, table)[0] == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_excluded_participants_are_left_out_with_the_reason(bids, tmp_path, capsys):
    table = _table(tmp_path)
    code, _ = _group(bids, table, "--exclude", "sub-02")
    printed = capsys.readouterr().out
    assert code == 0
    assert "from 6 participants" in printed
    assert "sub-02" in printed


def test_reports_say_that_another_program_fitted(bids, tmp_path):
    table = _table(tmp_path)
    out = tmp_path / "out"
    assert main([str(bids), str(out), "group", "--first-level", str(table)]) == 0
    text = (out / "group.html").read_text()
    assert "no sidecar names their units" in text
    assert "a general linear model (Friston et al., 1994) was fitted at every voxel" not in text
    sidecar = json.loads((out / "node-firstLevel/sub-01/func/sub-01_statmap.json").read_text())
    (source,) = sidecar["Contrasts"]["go"]["Sources"]
    assert source.startswith("bids:")
    assert source.endswith("01.nii.gz")


def test_an_output_folder_with_own_runs_keeps_them(tiny_dataset, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(tiny_dataset), str(out), "run", "--model-name", "firstLevel"]) == 0
    table = _table(tmp_path)
    capsys.readouterr()
    code = main([str(tiny_dataset), str(out), "group", "--first-level", str(table)])
    assert code == 2
    assert "--model-name" in capsys.readouterr().err
