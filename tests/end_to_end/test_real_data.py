"""Real runs from the command line; the numbers are those of the data's own documentation."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main


def peak(path, *, near=None, radius=15.0):
    """Return the highest value of a map and its place in millimetres."""
    image = nib.load(path)
    values = np.asarray(image.dataobj, dtype=float)
    places = nib.affines.apply_affine(image.affine, np.indices(values.shape).reshape(3, -1).T)
    flat = values.ravel().copy()
    if near is not None:
        flat[np.linalg.norm(places - near, axis=1) > radius] = -np.inf
    best = int(flat.argmax())
    return flat[best], places[best]


def test_a_visual_localizer_peaks_in_occipital_cortex_and_faces_in_the_fusiform(
    real_data, tmp_path
):
    data = real_data("studyforrest-localizer") / "bids"

    code = main([
        str(data), str(tmp_path / "out"), "participant", "--noise-model", "ols",
        "--contrast", "all = body + face + house + object + scene + scramble",
        "--contrast", "face - object",
    ])  # fmt: skip

    stem = tmp_path / "out/node-subject/sub-01/func/sub-01_task-oneback_contrast-"
    highest, place = peak(f"{stem}all_stat-t_statmap.nii.gz")
    in_fusiform, _ = peak(f"{stem}faceMinusObject_stat-t_statmap.nii.gz", near=(39, -37, -18))
    assert code == 0
    assert highest > 20
    assert place[1] < -60  # behind: occipital
    assert in_fusiform > 4.5


def test_blocks_and_single_images_of_one_run_agree(real_data, tmp_path, capsys):
    data = real_data("studyforrest-localizer")
    bids = tmp_path / "bids"
    func = bids / "sub-01" / "func"
    func.mkdir(parents=True)
    for source in (data / "bids").rglob("*"):
        if source.is_file():
            target = bids / source.relative_to(data / "bids")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    events = func / "sub-01_task-oneback_run-1_events.tsv"
    events.unlink()
    events.write_bytes((data / "variants/block_events" / events.name).read_bytes())

    assert main([str(bids), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    assert "trial_type.face" in capsys.readouterr().out


def test_twelve_runs_with_orders_of_their_own_are_combined(real_data, tmp_path):
    data = real_data("haxby-slices") / "bids-1slice"

    code = main([
        str(data), str(tmp_path / "out"), "participant", "--noise-model", "ols",
        "--contrast", "all = (bottle+cat+chair+face+house+scissors+scrambledpix+shoe)/8",
    ])  # fmt: skip

    func = tmp_path / "out/node-run/sub-01/func"
    each = [
        np.asarray(nib.load(path).dataobj)
        for path in sorted(func.glob("*contrast-all_stat-effect_statmap.nii.gz"))
    ]
    stem = tmp_path / "out/node-subject/sub-01/func/sub-01_task-objectviewing_contrast-all_stat-"
    combined = np.asarray(nib.load(f"{stem}effect_statmap.nii.gz").dataobj)
    inside = combined != 0
    low, high = np.min(each, axis=0)[inside], np.max(each, axis=0)[inside]
    assert code == 0
    assert len(each) == 12
    assert ((combined[inside] >= low - 1e-5) & (combined[inside] <= high + 1e-5)).all()
    assert peak(f"{stem}t_statmap.nii.gz")[0] > 12


def test_subjects_on_different_grids_are_refused_in_words(real_data, tmp_path, capsys):
    data = real_data("pyhrf-localizer") / "bids"
    arguments = [str(data), str(tmp_path / "out")]
    listening = "audio = calculaudio + phraseaudio - calculvideo - phrasevideo"

    assert main([*arguments, "participant", "--contrast", listening]) == 0
    assert main([*arguments, "group"]) == 65

    message = capsys.readouterr().err
    assert "different grids (53 x 63 x 46 voxels against 79 x 95 x 46)" in message
    assert "common template" in message
    stem = tmp_path / "out/node-subject/sub-01/func/sub-01_task-localizer_contrast-audio_stat-"
    highest, place = peak(f"{stem}t_statmap.nii.gz")
    assert highest > 5
    assert abs(place[0]) > 45  # temporal lobe, left or right
    mask = nib.load(
        tmp_path / "out/node-run/sub-01/func/sub-01_task-localizer_desc-brain_mask.nii.gz"
    )
    assert int(np.asarray(mask.dataobj).sum()) == 6443


@pytest.mark.parametrize(
    "model",
    [
        "spm + derivative",
        "spm + derivative + dispersion",
        "glover",
        "glover + derivative",
        "fir",
        "textbook",
    ],
)
def test_every_hrf_runs_on_real_data(model, real_data, tmp_path):
    data = real_data("haxby-slices") / "bids-1slice"

    code = main([
        str(data), str(tmp_path / "out"), "participant", "--run-label", "1", "--hrf-model", model,
        "--conditions", "face", "house",
    ])  # fmt: skip

    func = tmp_path / "out/node-run/sub-01/func"
    label = "F" if model == "fir" else "t"
    stem = "sub-01_task-objectviewing_run-01_contrast-face"
    values = np.asarray(nib.load(func / f"{stem}_stat-{label}_statmap.nii.gz").dataobj)
    assert code == 0
    assert np.abs(values).max() > 3


def test_twelve_runs_go_through_three_levels_of_a_model_of_its_own(real_data, tmp_path):
    data = real_data("haxby-slices") / "bids-25mm"
    tools = ["trial_type.scissors", "trial_type.bottle"]
    upper = {"Model": {"Type": "meta", "X": [1]}, "DummyContrasts": {"Test": "t"}}
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": ["trial_type"]},
                {"Name": "Or", "Input": ["trial_type.face", "trial_type.cat"],
                 "Output": "animate"},
            ],
        },
        "Model": {
            "Type": "glm",
            "X": ["animate", "trial_type.house", *tools, 1],
            "HRF": {"Variables": ["animate", "trial_type.*"], "Model": "glover"},
            "Options": {"HighPassFilterCutoffHz": 0.0078},
            "Software": {"boldglm": {"NoiseModel": "ols"}},
        },
        "Contrasts": [
            {"Name": "animate - house", "ConditionList": ["animate", "trial_type.house"],
             "Weights": [1, "-1"], "Test": "t"},
            {"Name": "tools", "ConditionList": tools, "Weights": [[1, 0], [0, 1]], "Test": "F"},
        ],
    }  # fmt: skip
    content = {
        "Name": "threeLevels",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [
            run,
            {"Level": "Subject", "Name": "subject", "GroupBy": ["subject", "contrast"], **upper},
            {"Level": "Dataset", "Name": "all", "GroupBy": ["contrast"], **upper},
        ],
    }
    model, out = tmp_path / "model-three_smdl.json", tmp_path / "out"
    model.write_text(json.dumps(content))

    assert main([str(data), str(out), "participant", "-m", str(model)]) == 0
    assert main([str(data), str(out), "group"]) == 0

    name = "task-objectviewing{}_contrast-animateMinusHouse_stat-{}_statmap.nii.gz"
    runs = out / "node-run/sub-01/func"
    effects, variances = (
        np.stack([
            nib.load(path).get_fdata()
            for path in sorted(runs.glob("sub-01_" + name.format("_run-*", statistic)))
        ])
        for statistic in ("effect", "variance")
    )  # fmt: skip
    group = nib.load(out / "node-all" / name.format("", "effect")).get_fdata()
    inside = (variances > 0).all(axis=0) & (group != 0)
    weights = 1 / variances[:, inside]
    expected = (weights * effects[:, inside]).sum(axis=0) / weights.sum(axis=0)
    assert len(effects) == 12
    assert inside.sum() > 50
    np.testing.assert_allclose(group[inside], expected, rtol=1e-4, atol=1e-6)
    assert len(list(runs.glob("*contrast-tools_stat-F_statmap.nii.gz"))) == 12
    assert not list((out / "node-subject").rglob("*contrast-tools*"))
