"""Maps of a run as a whole, and what the report says of the residuals."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit, whiteness
from boldglm.glm.first_level.partial_r_squared import partial_r_squared
from boldglm.glm.first_level.r_squared import r_squared
from boldglm.glm.first_level.temporal_quality import temporal_quality
from boldglm.io.outputs.design_files import read_design

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"
ALL = ("rsquared", "taskrsquared", "tsnr", "whiteness", "dof", "ar", "residuals", "fitted")


def participant(dataset, out, *options):
    one_run = ("--participant-label", "01", "--run-label", "1")
    assert main([str(dataset), str(out), "participant", *one_run, *options]) == 0


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


@pytest.fixture
def everything(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--signal-scaling", "none", "--maps", *ALL)
    return tmp_path / "out"


def test_maps_of_a_run_are_those_of_the_array_functions(dataset, everything):
    mask = load(everything / f"{RUN}_desc-brain_mask.nii.gz") > 0
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    bold = np.asarray(nib.load(source).dataobj)[mask].T
    design = read_design(everything / f"{RUN}_design.tsv")
    found = fit(bold, design, noise="auto")

    def got(ending):
        return load(everything / f"{RUN}_{ending}.nii.gz")[mask]

    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(got("stat-rsquared_statmap"), r_squared(bold, found), **close)
    share, ratio = partial_r_squared(found, design), temporal_quality(bold, found).snr
    np.testing.assert_allclose(got("stat-taskrsquared_statmap"), share, **close)
    np.testing.assert_allclose(got("stat-tsnr_statmap"), ratio, **close)
    np.testing.assert_allclose(got("stat-whiteness_statmap"), whiteness(bold, found), **close)
    np.testing.assert_allclose(got("stat-ar_statmap").T, found.ar, **close)
    fitted, left = got("desc-fitted_bold").T, got("desc-residuals_bold").T
    np.testing.assert_allclose(fitted + left, bold, rtol=1e-5)
    np.testing.assert_allclose(
        fitted, read_design(everything / f"{RUN}_design.tsv").matrix @ found.betas, rtol=1e-5
    )
    tested = [
        np.broadcast_to(found.contrast(one).dof, found.n_voxels)
        for one in ("cue", "target", "cue - target")
    ]
    np.testing.assert_allclose(got("stat-dof_statmap"), np.min(tested, axis=0), rtol=1e-4)


def test_every_map_of_a_run_has_a_sidecar_that_says_what_it_is(everything):
    for ending in ("stat-rsquared_statmap", "stat-ar_statmap", "desc-residuals_bold"):
        said = json.loads((everything / f"{RUN}_{ending}.json").read_text())
        assert said["Description"]
        assert said["NoiseModel"] == "auto"
    assert said["RepetitionTime"] == 2.0
    assert said["Units"] == "arbitrary"
    white = map_metadata(everything / f"{RUN}_stat-whiteness_statmap.json")
    assert white["ShareExpected"] == 0.01
    assert white["ShareNotWhite"] < 0.05


def test_the_whiteness_map_has_a_picture_in_the_report(dataset, tmp_path):
    participant(dataset, tmp_path / "white", "--maps", "whiteness", "--figures")
    participant(dataset, tmp_path / "plain")

    white, plain = ((tmp_path / one / "sub-01.html").read_text() for one in ("white", "plain"))
    drawn = list((tmp_path / "white").rglob("*desc-runWhiteness_figure.png"))
    assert "still autocorrelated after prewhitening: z ≥ 2.33" in white
    assert "still autocorrelated" not in plain
    assert len(drawn) == len(list((tmp_path / "white").rglob("*stat-whiteness_statmap.nii.gz")))
    picture = np.asarray(Image.open(drawn[0]).convert("RGB"), dtype=int)
    assert (picture.max(axis=2) - picture.min(axis=2) > 80).any()  # some voxel is colored


def test_maps_that_are_asked_for_later_are_written_then(dataset, tmp_path):
    participant(dataset, tmp_path / "out")
    assert not (tmp_path / "out" / f"{RUN}_stat-rsquared_statmap.nii.gz").exists()

    participant(dataset, tmp_path / "out", "--maps", "rsquared")

    assert (tmp_path / "out" / f"{RUN}_stat-rsquared_statmap.nii.gz").exists()


def test_the_report_warns_where_the_noise_model_fails(dataset, tmp_path):
    participant(dataset, tmp_path / "ols", "--noise-model", "ols")
    participant(dataset, tmp_path / "auto")

    ols, auto = ((tmp_path / name / "sub-01.html").read_text() for name in ("ols", "auto"))

    assert "leaves autocorrelation" in ols
    assert "use --noise-model auto" in ols
    assert "leaves autocorrelation" not in auto
    assert "not white at p &lt; .01 in" in auto


def test_a_map_nobody_knows_is_refused(dataset, tmp_path, capsys):
    code = main([str(dataset), str(tmp_path / "out"), "participant", "--maps", "rsquare"])

    assert code == 2
    assert "Did you mean 'rsquared'?" in capsys.readouterr().err


def test_a_map_that_the_noise_model_cannot_have_is_said_to_be_absent(dataset, tmp_path, capsys):
    participant(dataset, tmp_path / "out", "--maps", "ar", "--noise-model", "ols")

    assert "map ar: the noise model ols has no coefficients" in capsys.readouterr().out
    assert not list((tmp_path / "out").rglob("*stat-ar_statmap*"))


def test_the_share_of_the_task_is_drawn_by_default_as_from_its_own_map(dataset, tmp_path):
    """By default it follows from F over all conditions, so that no file is needed."""
    participant(dataset, tmp_path / "plain", "--figures", "--noise-model", "ols")
    participant(
        dataset, tmp_path / "own", "--figures", "--noise-model", "ols", "--maps", "taskrsquared"
    )

    pictures = [
        np.asarray(Image.open(path).convert("RGB"), dtype=int)
        for out in ("plain", "own")
        for path in (tmp_path / out).rglob("*desc-runTaskrsquared_figure.png")
    ]
    assert not list((tmp_path / "plain").rglob("*stat-taskrsquared_statmap*"))
    assert len(pictures) == 2
    np.testing.assert_array_equal(*pictures)
    assert (np.ptp(pictures[0], axis=2) > 80).any()  # some voxel is colored
    plain = (tmp_path / "plain" / "sub-01.html").read_text()
    assert "Where the task has no effect, 0.026 is expected" in plain  # 2 / (2 + 75)


def test_signal_to_noise_is_drawn_where_its_map_was_asked_for(dataset, tmp_path):
    participant(dataset, tmp_path / "out", "--maps", "tsnr", "--figures")

    out = tmp_path / "out"
    assert (
        "Temporal signal-to-noise ratio: mean by the standard" in (out / "sub-01.html").read_text()
    )
    assert list(out.rglob("*desc-runTsnr_figure.png"))
    said = json.loads((out / f"{RUN}_stat-tsnr_statmap.json").read_text())
    assert said["Description"].startswith("Temporal signal-to-noise ratio")
    assert said["Units"] == "1"
    numbers = said["Quality"]
    values = load(out / f"{RUN}_stat-tsnr_statmap.nii.gz")
    assert numbers["MedianTSNR"] == pytest.approx(np.median(values[values != 0]), abs=0.01)


def test_a_picture_of_some_conditions_names_them(dataset, tmp_path):
    rules = ("--modulate", "duration @ target", "--contrast", "both = cue, target")
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table["duration"] = 1 + np.arange(len(table)) % 3
        table.to_csv(path, sep="\t", index=False)

    participant(dataset, tmp_path / "out", *rules)

    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "variance that cue and target explain of what all other columns of the design" in page
