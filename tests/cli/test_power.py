"""`boldglm power`: from designs and noise to numbers of participants, on data made here."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from boldglm.analysis.plan.pilot_noise import Pilot
from boldglm.analysis.plan.power import prewhitened
from boldglm.cli.main import main
from boldglm.demo.dataset import NOISE_PERCENT, RHO, DatasetPlan, write_dataset
from boldglm.glm import one_sample_power

N_SUBJECTS, N_RUNS = 5, 2
GIVEN = ("--noise-sd", "1.2", "--between-sd", "0.5")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Five participants with two runs each, and the results of a fit of them."""
    folder = tmp_path_factory.mktemp("power")
    bids = write_dataset(
        folder / "bids",
        DatasetPlan(n_subjects=N_SUBJECTS, n_runs=N_RUNS, n_scans=100, shape=(9, 9, 8)),
    )
    call = [str(bids), str(folder / "out"), "participant", "--noise-model", "ols", "--no-report"]
    assert main([*call, "--contrast", "cue - target"]) == 0
    return folder


@pytest.fixture
def power(study, tmp_path, capsys):
    """Return a function that calls `boldglm power` and returns what it printed and wrote."""

    def call(*options, code=0, out=None, ending=".json"):
        file = tmp_path / f"power{ending}"
        folders = [str(study / "bids"), str(out or study / "out")]
        assert main(["power", *folders, *options, "--output-file", str(file)]) == code
        shown = capsys.readouterr()
        if code:
            return shown.err
        if ending == ".tsv":
            return shown.out, table_of(file)
        return shown.out, json.loads(file.read_text())

    return call


def table_of(file):
    lines = file.read_text().splitlines()
    return list(csv.DictReader(lines, delimiter="\t"))


def predicted(study, tmp_path, contrast):
    """Return the standard errors that a dry run predicts, (n_subjects, n_runs)."""
    table = tmp_path / "plan.tsv"
    call = [str(study / "bids"), str(tmp_path / "new"), "participant", "--dry-run"]
    assert main([*call, "--plan-file", str(table)]) == 0
    rows = [row for row in table_of(table) if row["contrast"] == contrast]
    errors = [row["predicted_standard_error"] for row in rows]
    return np.array(errors, dtype=float).reshape(N_SUBJECTS, N_RUNS)


def test_power_is_that_of_the_standard_errors_of_the_plan(power, study, tmp_path):
    errors = predicted(study, tmp_path, "cue")
    out, rows = power(
        "--effect", "0.4", "1", "--of", "cue", *GIVEN, "--runs", "1", "2", "4",
        "--participants", "12", "30", ending=".tsv",
    )  # fmt: skip

    assert len(rows) == 2 * 3 * 2 * 2
    for row in rows:
        n_runs = int(row["runs"])
        runs = np.tile(errors, 2)[:, :n_runs]
        within = 1.2**2 * np.mean(1 / (1 / runs**2).sum(axis=1))
        deviation = np.sqrt(0.5**2 + within)
        n = int(row["participants"])
        assert float(row["standard_error"]) == pytest.approx(deviation / np.sqrt(n), rel=1e-4)
        expected = one_sample_power(float(row["effect"]), deviation, n, float(row["alpha"]))
        assert float(row["power"]) == pytest.approx(float(expected), rel=1e-3)
        share, error = float(row["simulated_power"]), float(row["simulation_standard_error"])
        assert error == pytest.approx(np.sqrt(share * (1 - share) / 2000), abs=1e-5)
        assert share == pytest.approx(float(expected), abs=4 * error + 0.01)
    assert "Mumford JA, Nichols TE (2008)" in out


def test_the_last_sentences_say_how_many_participants_it_takes(power):
    out, content = power("--effect", "1.5", "--of", "cue", *GIVEN, "--runs", "2")
    text = " ".join(out.split())

    (effect,) = content["Contrasts"][0]["Effects"]
    least = {
        (each["Alpha"], each["Power"]): each["Participants"]
        for each in effect["LeastParticipants"]
    }
    first, second, third, fourth = (
        least[alpha, target] for alpha in (0.05, 0.001) for target in (0.8, 0.9)
    )
    assert first < second < fourth
    assert (
        f"With 2 runs each, {first} participants find an effect of 1.5 % with power .80 "
        f"({second} with .90) at alpha .05; {third} ({fourth}) at alpha .001."
    ) in text
    assert "two-sided and uncorrected" in text
    runs = [each["Runs"] for each in effect["LeastRuns"] if each["Alpha"] == 0.05]
    shown = ", ".join(f"{n} need {k}" for n, k in zip((15, 20, 30, 40, 60), runs[1:], strict=True))
    assert (
        f"For power .80 at alpha .05, 10 participants need {runs[0]} runs each, {shown}." in text
    )
    assert runs == sorted(runs, reverse=True)


def test_the_noise_of_a_pilot_is_measured_for_the_contrasts_that_it_has(power):
    out, content = power("--effect", "1")

    (contrast,) = content["Contrasts"]
    assert contrast["Name"] == "cue - target"
    assert "excluded: the pilot has no contrast 'cue', so that its noise is not known" in out
    # least squares estimate the variance of autocorrelated noise nearly without bias
    assert contrast["NoiseStandardDeviation"] == pytest.approx(NOISE_PERCENT, rel=0.04)
    assert "from 10 runs of 5 participants" in content["NoiseFrom"]


@pytest.mark.parametrize("tau", [0.0, 0.4, 1.5])
def test_differences_between_participants_are_told_from_noise(study, tmp_path, tau, monkeypatch):
    """Effects of participants are replaced by ones with known differences and noise."""
    pilot = Pilot.read(study / "out", "default", {"task": "cuetarget"}, "percent")
    rng = np.random.default_rng(5)
    own = {}
    for record in pilot.runs:
        maps = record.result.contrast("cue - target").maps
        image = nib.load(maps["variance"])
        variance = np.asarray(image.dataobj)
        key = record.entities["sub"]
        own.setdefault(key, tau * rng.normal(size=variance.shape))
        effect = own[key] + np.sqrt(variance) * rng.normal(size=variance.shape)
        path = tmp_path / maps["effect"].name
        nib.Nifti1Image(effect.astype(np.float32), image.affine, image.header).to_filename(path)
        monkeypatch.setitem(maps, "effect", path)

    found = pilot.noise_of("cue - target")

    assert found.between_sd == pytest.approx(tau, rel=0.06, abs=0.25 if tau < 1 else 0)


def test_a_mask_chooses_the_voxels_of_a_pilot(power, study, tmp_path):
    pilot = Pilot.read(study / "out", "default", {"task": "cuetarget"}, "percent")
    image = nib.load(pilot.runs[0].result.contrast("cue - target").maps["variance"])
    variances = np.asarray(image.dataobj)
    noisy = (variances > np.quantile(variances[variances > 0], 0.8)).astype(np.uint8)
    mask, other, empty = (tmp_path / name for name in ("noisy.nii", "other.nii", "empty.nii"))
    nib.Nifti1Image(noisy, image.affine).to_filename(mask)
    nib.Nifti1Image(noisy[1:], image.affine).to_filename(other)
    nib.Nifti1Image((variances == 0).astype(np.uint8), image.affine).to_filename(empty)

    options = ("--effect", "1", "--of", "cue - target", "--between-sd", "1")
    every = power(*options)[1]["Contrasts"][0]["NoiseStandardDeviation"]
    chosen = power(*options, "--pilot-mask", str(mask))[1]["Contrasts"][0]
    assert chosen["NoiseStandardDeviation"] > 1.01 * every
    assert "different grids" in power(*options, "--pilot-mask", str(other), code=65)
    assert "no voxel that the pilot analyzed" in power(
        *options, "--pilot-mask", str(empty), code=65
    )


def test_autocorrelated_noise_is_that_of_generalized_least_squares():
    design = np.column_stack([np.sin(np.arange(40) / 5), np.ones(40)])
    lags = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    expected = np.linalg.inv(design.T @ np.linalg.inv(RHO**lags) @ design)

    whitened = prewhitened(design, RHO)

    np.testing.assert_allclose(np.linalg.inv(whitened.T @ whitened), expected, rtol=1e-9)


def test_autocorrelation_lowers_the_power_of_slow_contrasts(power):
    options = ("--effect", "1.5", "--of", "cue", *GIVEN, "--participants", "10", "--runs", "1")
    white, colored = (
        power(*options, "--noise-autocorrelation", rho)[1]["Contrasts"][0]["Effects"][0]["Power"]
        for rho in ("0", "0.5")
    )
    assert white[0]["Power"] > colored[0]["Power"] + 0.02


def test_an_effect_at_the_peak_is_divided_by_the_height_of_the_regressors(power):
    options = ("--of", "cue - target", *GIVEN, "--participants", "10", "--runs", "1")
    out, content = power("--effect", "0.3", "--effect-unit", "peak", *options)
    assert "find an effect of 0.3 % at the peak with power .80" in " ".join(out.split())
    (contrast,) = content["Contrasts"]

    assert 0.05 < contrast["HeightOfRegressors"] < 1
    in_map = contrast["Effects"][0]["Effect"]
    assert in_map == pytest.approx(0.3 / contrast["HeightOfRegressors"])
    _, other = power("--effect", f"{in_map:.12g}", *options)
    for ours, theirs in zip(
        contrast["Effects"][0]["Power"], other["Contrasts"][0]["Effects"][0]["Power"], strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_every_t_contrast_is_planned_and_f_contrasts_are_not(power):
    names = [each["Name"] for each in power("--effect", "1", *GIVEN)[1]["Contrasts"]]
    assert names == ["cue", "target", "cue - target"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--of", "any condition", *GIVEN), 2, "F contrast"),
        (("--of", "cue - tarjet", *GIVEN), 2, "Did you mean 'cue - target'"),
        (("--of", "cue"), 2, "no contrast 'cue', so that its noise is not known"),
        (("--signal-scaling", "none"), 2, "--signal-scaling percent"),
        (("--pilot", "nowhere"), 66, "there is no such folder"),
        (("--pilot-mask", "nowhere.nii"), 66, "there is no such file"),
        (("--noise-autocorrelation", "0.3"), 2, "Add --noise-sd"),
        (("--participant-label", "99", *GIVEN), 18, "99"),
        (("--contrast", "cue - nobody", *GIVEN), 65, "nobody"),
    ],
)
def test_what_cannot_be_planned_is_refused(power, options, code, message):
    assert message in " ".join(power("--effect", "1", *options, code=code).split())


def test_numbers_that_cannot_be_are_refused_before_anything_is_read(tmp_path, capsys):
    for options in (
        ("--effect", "0"), ("--effect", "-1"), ("--effect", "nan"), ("--effect",), (),
        ("--effect", "1", "--alpha", "1"), ("--effect", "1", "--participants", "1"),
        ("--effect", "1", "--runs", "0"), ("--effect", "1", "--noise-autocorrelation", "1"),
        ("--effect", "1", "--between-sd", "-1"), ("--effect", "1", "--output-file", "a.csv"),
        ("--effect", "1", "--efect-unit", "peak"),
    ):  # fmt: skip
        assert main(["power", str(tmp_path / "nowhere"), str(tmp_path / "out"), *options]) == 2
        assert "boldglm power" in capsys.readouterr().err


def test_without_a_pilot_noise_must_be_given(power, tmp_path):
    message = power("--effect", "1", out=tmp_path / "none", code=66)

    assert "give --noise-sd and --between-sd" in message
    assert not (tmp_path / "none").exists()


def test_a_pilot_of_two_participants_does_not_tell_how_they_differ(study, tmp_path, capsys):
    call = [str(study / "bids"), str(tmp_path / "two"), "participant", "--noise-model", "ols"]
    assert main([*call, "--no-report", "--participant-label", "01", "02"]) == 0
    capsys.readouterr()

    plan = ["power", str(study / "bids"), str(tmp_path / "two"), "--effect", "1"]
    assert main(plan) == 2

    assert "are of 2 participants: it takes at least 3" in capsys.readouterr().err
    assert main([*plan, "--between-sd", "0.5", "--of", "cue"]) == 0
    assert "participants given" in capsys.readouterr().out


def test_nothing_but_the_file_is_written(power, study):
    before = sorted(study.rglob("*"))

    power("--effect", "1", "--of", "cue - target")

    assert sorted(study.rglob("*")) == before


def test_the_file_is_not_written_into_the_dataset(study, capsys):
    file = study / "bids" / "power.tsv"
    call = ["power", str(study / "bids"), str(study / "out"), "--effect", "1"]

    assert main([*call, "--output-file", str(file)]) == 2

    assert "lies in BIDS_DIR" in capsys.readouterr().err
    assert not file.exists()


def test_a_dataset_in_a_folder_called_power_is_analyzed(study, tmp_path, monkeypatch, capsys):
    (tmp_path / "power").symlink_to(study / "bids")
    monkeypatch.chdir(tmp_path)

    assert main(["power", "out", "participant", "--dry-run"]) == 0

    assert "10 runs of 5 participants" in capsys.readouterr().out


def test_numbers_that_cannot_be_printed_are_an_error(study):
    call = [sys.executable, "-m", "boldglm", "power", str(study / "bids"), str(study / "out")]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*call, "--effect", "1"], stdout=full, stderr=subprocess.PIPE)

    assert ended.returncode == 73
    assert b"standard output cannot be written" in ended.stderr
