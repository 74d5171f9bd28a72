"""`--slice-times model`: every slice at its own time, from the sidecar to maps and report."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm import FirstLevel, map_metadata
from boldglm.cli.main import main
from boldglm.glm import build_design, fit
from boldglm.io.bids.events import read_events
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.slices import SliceGroups
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import write_fmriprep

TR, N_SCANS, SHAPE = 3.0, 120, (9, 8, 7)
NAME = "sub-01_task-x"
FUNC = "node-run/sub-01/func"
NOISE = ("ols", "ar1", "auto")


def slice_times(n_slices):
    """Interleaved, and every fifth slice together with the first."""
    order = np.argsort([*range(0, n_slices, 2), *range(1, n_slices, 2)])
    times = order * TR / n_slices
    times[::5] = times[0]
    return times


@pytest.fixture(params=["k", "k-", "j", "i-"])
def sliced(request, tmp_path):
    """Return a dataset whose slices were acquired at their own times, its axis and times."""
    return make_dataset(tmp_path / "bids", request.param)


def make_dataset(root, direction="k"):
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    description = {"Name": "slices", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    rng = np.random.default_rng(3)
    onset = np.sort(rng.uniform(4, N_SCANS * TR - 25, 24)).round(3)
    names = np.tile(["a", "b"], 12)
    rows = [f"{time}\t2\t{name}\n" for time, name in zip(onset, names, strict=True)]
    (func / f"{NAME}_events.tsv").write_text("onset\tduration\ttrial_type\n" + "".join(rows))
    axis = "ijk".index(direction[0])
    times = slice_times(SHAPE[axis])
    data = 1000 + 5 * rng.normal(size=(*SHAPE, N_SCANS))
    events = {"onset": onset, "duration": np.full(24, 2.0), "trial_type": names}
    for number, time in enumerate(times):
        columns = build_design(events, np.arange(N_SCANS) * TR + time).matrix[:, :2]
        np.moveaxis(data, axis, 0)[number] += 30 * columns[:, 0] - 10 * columns[:, 1]
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))
    image.header.set_zooms((3.0, 3.0, 3.0, TR))
    nib.save(image, func / f"{NAME}_bold.nii.gz")
    listed = times[::-1] if direction.endswith("-") else times
    sidecar = {"RepetitionTime": TR, "SliceTiming": listed.tolist()}
    if direction != "k":
        sidecar["SliceEncodingDirection"] = direction
    (func / f"{NAME}_bold.json").write_text(json.dumps(sidecar))
    return root, axis, times


def participant(root, out, *options, code=0):
    arguments = [str(root), str(out), "participant", "--slice-times", "model", *options]
    assert main(arguments) == code


def load(out, name):
    return nib.load(out / FUNC / f"{NAME}_{name}.nii.gz").get_fdata()


def change_sidecar(root, **content):
    path = root / "sub-01" / "func" / f"{NAME}_bold.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | content))


@pytest.mark.parametrize("noise", NOISE)
def test_every_slice_gets_the_maps_of_its_own_time(sliced, tmp_path, noise):
    root, axis, times = sliced
    out = tmp_path / "out"
    participant(root, out, "--noise-model", noise, "--high-pass", "none")
    mask = load(out, "desc-brain_mask") > 0
    bold = nib.load(root / f"sub-01/func/{NAME}_bold.nii.gz").get_fdata(dtype=np.float32)
    events = read_events(root / f"sub-01/func/{NAME}_events.tsv")
    table = {"onset": events.onset, "duration": events.duration, "trial_type": events.trial_type}
    maps = {
        label: load(out, f"contrast-aMinusB_stat-{label}_statmap") for label in ("t", "effect")
    }
    for number, time in enumerate(times):
        here = np.take(mask, number, axis)
        effect = np.take(maps["effect"], number, axis)[here]
        error = effect - 4.0  # percent of 1000: 3 - -1
        assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size)
        if noise == "auto":
            continue
        design = build_design(table, np.arange(N_SCANS) * TR + round(time, 4), high_pass=None)
        series = np.take(bold, number, axis)[here].T
        expected = fit(series, design, noise=noise).contrast("a - b")
        np.testing.assert_allclose(
            np.take(maps["t"], number, axis)[here], expected.t, rtol=1e-4, atol=1e-4
        )


def test_what_was_done_is_said_everywhere(tmp_path, capsys):
    root, _, times = make_dataset(tmp_path / "bids")
    out = tmp_path / "out"
    participant(root, out, "--noise-model", "ols")
    n_times = len(set(times.round(4)))
    text = f"each slice is modeled at its own time: {n_times} designs"
    assert text in capsys.readouterr().out
    report = (out / "sub-01.html").read_text()
    assert text in report
    assert f"({n_times} designs; the one shown is that of" in report
    middle = (times.min() + times.max()) / 2
    design = read_design(out / FUNC / f"{NAME}_design.tsv")
    assert design.frame_times[0] == pytest.approx(middle)
    sidecar = map_metadata(out / FUNC / f"{NAME}_contrast-a_stat-t_statmap.json")
    np.testing.assert_allclose(sidecar["SliceTimesModeled"], times, atol=1e-4)
    assert sidecar["StartTime"] == pytest.approx(middle)
    assert any(text in note for note in json.loads(
        (out / FUNC / f"{NAME}_design.json").read_text())["Notes"])  # fmt: skip
    participant(root, out, "--noise-model", "ols", "--dry-run")
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("noise", ["ar1", "auto"])
def test_maps_of_the_run_are_in_the_order_of_the_image(tmp_path, noise):
    root, _, _ = make_dataset(tmp_path / "bids")
    out = tmp_path / "out"
    maps = ["rsquared", "taskrsquared", "tsnr", "whiteness", "dof", "ar", "residuals", "fitted"]
    participant(root, out, "--noise-model", noise, "--maps", *maps)
    mask = load(out, "desc-brain_mask") > 0
    bold = nib.load(root / f"sub-01/func/{NAME}_bold.nii.gz").get_fdata()[mask]
    fitted, residuals = load(out, "desc-fitted_bold")[mask], load(out, "desc-residuals_bold")[mask]
    percent = 100 * bold / bold.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted + residuals, percent, atol=1e-3)
    assert residuals.var() < load_reference(root, tmp_path, noise, mask).var()
    share = 1 - residuals.var(axis=1) / percent.var(axis=1)
    np.testing.assert_allclose(load(out, "stat-rsquared_statmap")[mask], share, atol=1e-4)
    dof = json.loads((out / FUNC / f"{NAME}_statmap.json").read_text())["Quality"]
    noise_sd = np.sqrt((residuals**2).sum(axis=1) / dof["ResidualDegreesOfFreedom"])
    np.testing.assert_allclose(load(out, "stat-tsnr_statmap")[mask], 100 / noise_sd, rtol=1e-3)
    lag1 = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1) / (residuals**2).sum(axis=1)
    coefficients = load(out, "stat-ar_statmap")[mask]
    assert abs(coefficients).max() < 0.6
    if noise == "ar1":  # auto lets voxels of white noise share their coefficients
        assert np.corrcoef(coefficients[:, 0], lag1)[0, 1] > 0.9
    assert np.isfinite(load(out, "stat-whiteness_statmap")).all()


def load_reference(root, tmp_path, noise, mask):
    """Return the residuals with one time for all slices."""
    out = tmp_path / "reference"
    arguments = [str(root), str(out), "participant", "--noise-model", noise]
    assert main([*arguments, "--maps", "residuals"]) == 0
    return load(out, "desc-residuals_bold")[mask]


def test_a_new_contrast_comes_from_the_cached_fit(tmp_path):
    root, _, _ = make_dataset(tmp_path / "bids")
    out = tmp_path / "out"
    participant(root, out)
    expected = load(out, "contrast-aMinusB_stat-t_statmap")
    other = tmp_path / "other"
    participant(root, other, "-w", str(out / ".boldglm-work"), "--contrast", "diff = a - b")
    np.testing.assert_array_equal(load(other, "contrast-diff_stat-t_statmap"), expected)


@pytest.mark.parametrize("noise", NOISE)
def test_python_gives_the_maps_of_the_command_line(tmp_path, noise):
    root, _, _ = make_dataset(tmp_path / "bids", "j")
    participant(root, tmp_path / "out", "--noise-model", noise)
    stem = str(root / "sub-01" / "func" / NAME)
    model = FirstLevel(noise_model=noise, slice_times="model")
    images = model.fit(f"{stem}_bold.nii.gz", f"{stem}_events.tsv").contrast("a - b")
    expected = load(tmp_path / "out", "contrast-aMinusB_stat-t_statmap")
    np.testing.assert_array_equal(images.t.get_fdata(), expected)
    assert any("each slice is modeled at its own time" in str(each) for each in model.notices_)
    assert model.report(tmp_path / "report.html").is_file()
    with pytest.raises(ValueError, match="cannot be smoothed"):
        FirstLevel(slice_times="model", smoothing=5.0).fit(
            f"{stem}_bold.nii.gz", f"{stem}_events.tsv"
        )


REFUSED = {
    "no times": ({"SliceTiming": None}, [], "needs SliceTiming in its sidecar"),
    "times in milliseconds": ({"SliceTiming": [0, 500.0] * 3 + [0]}, [], "needs SliceTiming"),
    "too few times": ({"SliceTiming": [0.0, 1.0]}, [], "7 slices along k, but SliceTiming"),
    "another direction": (
        {"SliceEncodingDirection": "i"},
        [],
        "9 slices along i, but SliceTiming",
    ),
    "no direction": ({"SliceEncodingDirection": "z"}, [], "SliceEncodingDirection 'z'"),
    "corrected": ({"SliceTimingCorrected": True}, [], "would correct it twice"),
    "a start time": ({"StartTime": 1.5}, [], "would correct it twice"),
    "smoothing": ({}, ["--smoothing", "5"], "--smoothing 5:subject"),
    "single trials": ({}, ["--single-trials", "lss"], "--single-trials"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused_before_anything_is_fitted(tmp_path, case, capsys):
    root, _, _ = make_dataset(tmp_path / "bids")
    content, options, message = REFUSED[case]
    change_sidecar(root, **content)
    participant(root, tmp_path / "out", *options, code=65)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_resampled_data_are_refused(dataset, tmp_path, capsys):
    write_fmriprep(dataset)
    participant(dataset, tmp_path, "--dry-run", code=65)
    assert "was preprocessed" in (said := capsys.readouterr().err)
    assert "-d none" in said


@pytest.mark.parametrize("held", [{}, {"memory_limit": 0}])
@pytest.mark.parametrize("masked", [True, False])
def test_the_series_holds_slices_one_after_the_other(tmp_path, held, masked):
    root, axis, times = make_dataset(tmp_path / "bids", "j")
    path = root / f"sub-01/func/{NAME}_bold.nii.gz"
    mask_file = None
    if masked:
        mask = np.random.default_rng(0).random(SHAPE) < 0.7
        mask_file = tmp_path / "mask.nii.gz"
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.diag([3.0, 3, 3, 1])), mask_file)
    groups = np.unique(times, return_inverse=True)[1]
    settings = {"signal_scaling": "none", **held}
    plain = load_run(path, mask_file, LoadSettings(**settings))
    found = load_run(
        path, mask_file, LoadSettings(**settings, slice_groups=SliceGroups(axis, tuple(groups)))
    )
    order = np.concatenate(found.slice_voxels)
    np.testing.assert_array_equal(found.geometry.mask, plain.geometry.mask)
    np.testing.assert_array_equal(np.sort(order), np.arange(plain.bold.shape[1]))
    np.testing.assert_array_equal(np.asarray(found.bold), np.asarray(plain.bold)[:, order])
    of_voxel = groups[np.nonzero(plain.geometry.mask)[axis]]
    assert (np.diff(of_voxel[order]) >= 0).all()
    with pytest.raises(ValueError, match="cannot be smoothed"):
        LoadSettings(smoothing=5.0, slice_groups=SliceGroups(axis, tuple(groups)))


def test_correlated_regressors_are_explained_without_their_estimates(tmp_path):
    root, *_ = make_dataset(tmp_path / "bids")
    participant(root, tmp_path / "out", "--explain", "b ~ a")

    html = (tmp_path / "out/sub-01.html").read_text()
    assert "regressors: a and b</h3>" in html
    assert "over voxels, because each slice was fitted with a design of its own" in html
