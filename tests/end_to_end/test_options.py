"""What single options change, seen in the files that they change."""

import json
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bsmschema.models import BIDSStatsModel

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.cli.options_of_models import HRF_MODELS as OFFERED_HRFS
from boldglm.cli.options_of_models import NOISE_MODELS as OFFERED_NOISE
from boldglm.glm import HRF_MODELS, NOISE_MODELS, fit
from boldglm.glm.spatial.volume_smoothing import MaskSmoother
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import camel_case

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"


def participant(dataset, out, *options, runs=("1",)):
    chosen = ("--participant-label", "01", "--run-label", *runs)
    assert main([str(dataset), str(out), "participant", *chosen, *options]) == 0


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


def test_orthogonalizing_moves_the_shared_part_to_the_reference(dataset, tmp_path):
    participant(dataset, tmp_path / "plain", "--noise-model", "ols")
    participant(
        dataset, tmp_path / "orth", "--noise-model", "ols", "--orthogonalize", "target ~ cue"
    )
    participant(dataset, tmp_path / "alone", "--noise-model", "ols", "--conditions", "cue")

    def effect(out, condition):
        return load(tmp_path / out / f"{RUN}_contrast-{condition}_stat-effect_statmap.nii.gz")

    np.testing.assert_allclose(effect("orth", "target"), effect("plain", "target"), atol=1e-4)
    np.testing.assert_allclose(effect("orth", "cue"), effect("alone", "cue"), atol=1e-4)
    assert np.abs(effect("orth", "cue") - effect("plain", "cue")).max() > 0.1
    caption = "Orthogonalized regressors before (dashed) and after (solid)"
    assert caption in (tmp_path / "orth/sub-01.html").read_text()
    assert caption not in (tmp_path / "plain/sub-01.html").read_text()


def test_a_run_without_a_condition_goes_on_and_says_so(dataset, tmp_path):
    events = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv"
    lines = [line for line in events.read_text().splitlines() if "target" not in line]
    events.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"

    participant(dataset, out, runs=("1", "2"))

    said = json.loads((out / f"{RUN}_design.json").read_text())
    assert any("condition 'target'" in text for text in said["Exclusions"])
    assert not (out / f"{RUN}_contrast-target_stat-t_statmap.nii.gz").exists()
    assert (
        (out / "node-subject/sub-01/func")
        .joinpath("sub-01_task-cuetarget_contrast-target_stat-t_statmap.nii.gz")
        .is_file()
    )
    assert "not estimated there" in (out / "sub-01.html").read_text()


def test_start_time_of_the_sidecar_shifts_the_design(dataset, tmp_path):
    sidecar = dataset / "task-cuetarget_bold.json"
    sidecar.write_text(
        json.dumps({"TaskName": "cuetarget", "RepetitionTime": 2.0, "StartTime": 1.0})
    )

    participant(dataset, tmp_path / "out")

    times = read_design(tmp_path / "out" / f"{RUN}_design.tsv").frame_times
    np.testing.assert_array_equal(times[:3], [1.0, 3.0, 5.0])


def test_events_of_the_whole_task_are_inherited(dataset, tmp_path):
    for path in list(dataset.rglob("*_events.tsv")):
        content = path.read_bytes()
        path.unlink()
    (dataset / "task-cuetarget_events.tsv").write_bytes(content)

    participant(dataset, tmp_path / "out")

    assert (tmp_path / "out" / f"{RUN}_design.tsv").is_file()


def test_the_design_file_is_a_table_that_others_can_read(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--high-pass", "none")

    table = pd.read_csv(tmp_path / "out" / f"{RUN}_design.tsv", sep="\t")
    assert list(table.columns) == ["trial_type.cue", "trial_type.target", "constant"]
    assert len(table) == 80


def test_polynomials_take_the_place_of_cosines(dataset, tmp_path):
    out = tmp_path / "out"
    participant(dataset, out, "--noise-model", "ols", "--drift", "polynomial:3")

    design = read_design(out / f"{RUN}_design.tsv")
    drift = [
        name for name, role in zip(design.names, design.roles, strict=True) if role == "drift"
    ]
    assert drift == ["drift_1", "drift_2", "drift_3"]
    expected = np.polynomial.legendre.legvander(np.linspace(-1, 1, 80), 3)
    basis = np.linalg.qr(expected)[0]
    columns = design.matrix[:, [design.names.index(name) for name in drift]]
    np.testing.assert_allclose(basis @ (basis.T @ columns), columns, atol=1e-6)
    name = f"{RUN}_contrast-cue_stat-t_statmap"
    about = map_metadata(out / f"{name}.json")
    assert (about["Drift"], about["HighPassPeriod"]) == ("polynomial:3", None)
    assert "orthogonal polynomials up to order 3." in (out / "sub-01.html").read_text()
    model = out / "models" / "model-default_smdl.json"
    assert not json.loads(model.read_text())["Nodes"][0]["Model"]["Options"]

    participant(dataset, tmp_path / "again", "-m", str(model))
    participant(dataset, tmp_path / "cosine", "--noise-model", "ols")

    t = load(out / f"{name}.nii.gz")
    np.testing.assert_array_equal(load(tmp_path / "again" / f"{name}.nii.gz"), t)
    assert np.abs(load(tmp_path / "cosine" / f"{name}.nii.gz") - t).max() > 0.1


def test_a_changed_drift_refits_the_run(dataset, tmp_path, capsys):
    for drift, n_columns in (("polynomial", 2), ("polynomial:1", 1), ("none", 0)):
        participant(dataset, tmp_path / drift, "--drift", drift)
        design = read_design(tmp_path / drift / f"{RUN}_design.tsv")
        assert design.roles.count("drift") == n_columns
    capsys.readouterr()

    participant(dataset, tmp_path / "none", "--drift", "none")

    assert "1 of 1 run were already finished" in capsys.readouterr().out


def test_a_model_without_drift_is_warned_of(dataset, tmp_path, capsys):
    participant(dataset, tmp_path / "out", "--drift", "none")

    assert "no drift regressors, so slow drift counts as noise" in capsys.readouterr().out
    assert "The design had no drift regressors." in (tmp_path / "out/sub-01.html").read_text()


def test_percent_is_the_signal_divided_by_its_mean(dataset, tmp_path):
    participant(dataset, tmp_path / "percent")
    participant(dataset, tmp_path / "raw", "--signal-scaling", "none")
    name = f"{RUN}_contrast-cue_stat-effect_statmap.nii.gz"
    mean = load(tmp_path / "raw" / f"{RUN}_desc-mean_boldref.nii.gz")
    mask = load(tmp_path / "raw" / f"{RUN}_desc-brain_mask.nii.gz") > 0

    percent, raw = load(tmp_path / "percent" / name), load(tmp_path / "raw" / name)

    np.testing.assert_allclose(percent[mask], 100 * raw[mask] / mean[mask], rtol=1e-4, atol=1e-6)


def test_the_maps_are_those_of_the_array_functions(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--signal-scaling", "none")
    mask = load(tmp_path / "out" / f"{RUN}_desc-brain_mask.nii.gz") > 0
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    bold = np.asarray(nib.load(source).dataobj)[mask].T

    design = read_design(tmp_path / "out" / f"{RUN}_design.tsv")
    expected = fit(bold, design, noise="auto").contrast("cue - target")

    got = load(tmp_path / "out" / f"{RUN}_contrast-cueMinusTarget_stat-t_statmap.nii.gz")[mask]
    np.testing.assert_allclose(got, expected.t, rtol=1e-5, atol=1e-6)


def test_a_filter_file_selects_as_fmriprep_does(dataset, tmp_path):
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"bold": {"run": 2, "session": None}}))

    participant(dataset, tmp_path / "out", "--bids-filter-file", str(filters), runs=("1", "2"))

    names = {path.name for path in (tmp_path / "out/node-run").rglob("*_design.tsv")}
    assert names == {"sub-01_task-cuetarget_run-2_design.tsv"}


def test_an_index_that_is_kept_serves_the_next_call(dataset, tmp_path):
    kept = str(tmp_path / "index")
    participant(dataset, tmp_path / "first", "--bids-database-dir", kept)

    participant(dataset, tmp_path / "second", "--bids-database-dir", kept)

    name = f"{RUN}_contrast-cue_stat-t_statmap.nii.gz"
    np.testing.assert_array_equal(
        load(tmp_path / "second" / name), load(tmp_path / "first" / name)
    )
    assert not [path for path in dataset.rglob("*") if path.suffix == ".sqlite"]


def test_a_dry_run_writes_nothing(dataset, tmp_path, capsys):
    participant(dataset, tmp_path / "out", "--dry-run")

    said = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    for words in ("80 volumes, one every 2 s", "VIF", "cue - target", "Nothing was fitted"):
        assert words in said


def test_the_saved_model_is_a_valid_bids_stats_model(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--orthogonalize", "target ~ cue")

    model = BIDSStatsModel.model_validate_json(
        (tmp_path / "out/models/model-default_smdl.json").read_text()
    )

    assert [node.Level for node in model.Nodes] == ["Run", "Subject", "Dataset"]


def test_the_parser_offers_what_the_numerics_have():
    assert tuple(OFFERED_HRFS) == tuple(HRF_MODELS)
    assert tuple(OFFERED_NOISE) == tuple(NOISE_MODELS)


@pytest.mark.parametrize("option", ["--help", "--version", "--bids-exec-spec"])
def test_questions_are_answered_without_heavy_imports(option):
    code = (
        "import sys; from boldglm.cli.main import main\n"
        f"main([{option!r}])\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'nibabel', 'nipype', 'bids', 'matplotlib'}\n"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    started = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0
    assert done.stdout
    assert time.monotonic() - started < 30  # a hang, not a measurement


def test_smoothing_is_that_of_the_arrays_and_is_said_everywhere(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--smoothing", "8:run:iso", "--noise-model", "ols")
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    mask = load(tmp_path / "out" / f"{RUN}_desc-brain_mask.nii.gz") > 0
    smoother = MaskSmoother(mask, 8.0, nib.load(source).header.get_zooms()[:3])
    series = np.moveaxis(load(source), -1, 0)
    bold = np.stack([smoother.smooth(volume[mask]) for volume in series])
    design = read_design(tmp_path / "out" / f"{RUN}_design.tsv")
    expected = fit(100 * bold / bold.mean(axis=0), design, noise="ols").contrast("cue")

    effect = tmp_path / "out" / f"{RUN}_contrast-cue_stat-effect_statmap.nii.gz"

    np.testing.assert_allclose(load(effect)[mask], expected.effect, rtol=1e-4, atol=1e-4)
    said = map_metadata(effect)
    assert said["SmoothingFWHM"] == 8.0
    assert "Gaussian kernel of 8 mm full width" in (tmp_path / "out/sub-01.html").read_text()


def test_the_saved_model_with_smoothing_gives_the_same_maps(dataset, tmp_path):
    participant(dataset, tmp_path / "first", "--smoothing", "6")

    participant(
        dataset, tmp_path / "again", "-m", str(tmp_path / "first/models/model-default_smdl.json")
    )

    name = f"{RUN}_contrast-cueMinusTarget_stat-t_statmap.nii.gz"
    np.testing.assert_array_equal(load(tmp_path / "again" / name), load(tmp_path / "first" / name))


def test_a_thread_that_reads_ahead_changes_no_map(dataset, tmp_path):
    participant(dataset, tmp_path / "one")
    participant(dataset, tmp_path / "two", "--omp-nthreads", "2")

    name = f"{RUN}_contrast-cue_stat-effect_statmap.nii.gz"
    np.testing.assert_allclose(
        load(tmp_path / "two" / name), load(tmp_path / "one" / name), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("0", "above 0"),
        ("-4", "above 0"),
        ("wide", "above 0"),
        ("5:l2", "no level 'l2'. Write 5:run to smooth runs"),
        ("5:dataset:isoblurto", "Write 5:run:isoblurto, or 5:dataset"),
        ("5:run:wider", "no smoothing of type 'wider'. Write 5:run:iso for"),
        ("5:", "Write 5:run:iso"),
    ],
)
def test_smoothing_that_cannot_be_done_is_refused(dataset, tmp_path, capsys, given, reason):
    code = main([str(dataset), str(tmp_path / "out"), "participant", f"--smoothing={given}"])

    assert code == 2
    assert reason in capsys.readouterr().err


def test_a_model_with_an_impossible_smoothing_is_refused(dataset, tmp_path, capsys):
    participant(dataset, tmp_path / "out", "--smoothing", "6")
    text = (tmp_path / "out/models/model-default_smdl.json").read_text()
    changed = tmp_path / "changed_smdl.json"
    changed.write_text(text.replace('"SmoothingFWHM": 6.0', '"SmoothingFWHM": "6 mm"'))

    code = main([str(dataset), str(tmp_path / "new"), "participant", "-m", str(changed)])

    assert code == 65
    assert "Software.boldglm.SmoothingFWHM: found '6 mm'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "hrf",
    [
        ("spm + derivative",),
        ("spm + derivative + dispersion",),
        ("fir", "--fir-delays", "0", "4", "8"),
    ],
    ids=lambda one: one[0],
)
def test_a_condition_is_orthogonalized_with_all_its_columns(dataset, tmp_path, hrf):
    options = ("--noise-model", "ols", "--high-pass", "none", "--hrf-model", *hrf)
    name = "cue" if hrf[0] != "fir" else "cue_delay_4"
    participant(dataset, tmp_path / "orth", *options, "--orthogonalize", "target ~ cue",
                "--contrast", name)  # fmt: skip
    participant(dataset, tmp_path / "alone", *options, "--conditions", "cue", "--contrast", name)

    before = read_design(tmp_path / "alone" / f"{RUN}_design.tsv")
    after = read_design(tmp_path / "orth" / f"{RUN}_design.tsv")
    cue = after.matrix[:, after.condition_columns("cue")]
    target = after.matrix[:, after.condition_columns("target")]
    np.testing.assert_array_equal(cue, before.matrix[:, before.condition_columns("cue")])
    assert target.shape[1] == cue.shape[1] > 1
    shared = (target - target.mean(axis=0)).T @ (cue - cue.mean(axis=0))
    np.testing.assert_allclose(shared, 0, atol=1e-9)
    ending = f"contrast-{camel_case(name)}_stat-effect_statmap.nii.gz"
    maps = [load(tmp_path / one / f"{RUN}_{ending}") for one in ("orth", "alone")]
    np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-5)  # what the two share went to cue
