"""Models that say what they want in other words, from the command line to maps and reports."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from model_datasets import write_model_dataset
from model_nodes import GROUP

RUN = {
    "Level": "Run",
    "Name": "run",
    "GroupBy": ["run", "subject"],
    "Transformations": {
        "Transformer": "pybids-transforms-v1",
        "Instructions": [
            {"Name": "Factor", "Input": ["trial_type"]},
            {"Name": "Convolve", "Input": ["trial_type.a", "trial_type.b"], "Model": "spm"},
        ],
    },
    "Model": {"Type": "glm", "X": ["trial_type.a", "trial_type.b", 1]},
    "Contrasts": [
        {
            "Name": "ab",
            "ConditionList": ["trial_type.a", "trial_type.b"],
            "Weights": [1, -1],
            "Test": "t",
        }
    ],
}


def _model(*nodes, **top):
    content = {"Name": "m", "BIDSModelVersion": "1.0.0", "Input": {"task": ["x"]}, **top}
    return json.loads(json.dumps({**content, "Nodes": [RUN, *nodes]}))


def _files(tmp_path, content, n_subjects=4):
    """Write a dataset and the model, and return the words of a call without the level."""
    file = tmp_path / "m_smdl.json"
    file.write_text(json.dumps(content))
    dataset = write_model_dataset(tmp_path / "bids", content, n_subjects=n_subjects, n_runs=1)
    return str(dataset), str(tmp_path / "out"), file


def test_how_a_model_was_read_stands_in_summary_sidecar_and_report(tmp_path, capsys):
    content = _model(GROUP)
    content["Nodes"][0]["Transformations"]["Transformer"] = "bidspm"
    bids, out, file = _files(tmp_path, content, n_subjects=2)
    code = main([bids, out, "participant", "-m", str(file), "--noise-model", "ols"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    note = "at $.Nodes[0].Transformations.Transformer: 'bidspm' is read as 'pybids-transforms-v1'"
    assert note in printed.out
    (path,) = (tmp_path / "out/node-run/sub-01").rglob("*contrast-ab_stat-t_statmap.nii.gz")
    assert any(note in text for text in map_metadata(path)["ModelNotes"])
    assert "&#39;bidspm&#39; is read as" in (tmp_path / "out/sub-01.html").read_text()
    assert main([bids, out, "group"]) == 0
    assert note in capsys.readouterr().out
    assert "&#39;bidspm&#39; is read as" in (tmp_path / "out/group.html").read_text()


def test_a_difference_between_levels_beside_the_constant_is_that_of_their_means(tmp_path, capsys):
    between = {"Name": "ba", "ConditionList": ["grp.b", "grp.a"], "Weights": [1, -1], "Test": "t"}
    group = {
        **GROUP,
        "Model": {"Type": "glm", "X": [1, "grp"]},
        "Contrasts": [between],
        "DummyContrasts": None,
    }
    bids, out, file = _files(tmp_path, _model(group))
    assert main([bids, out, "participant", "-m", str(file), "--noise-model", "ols"]) == 0
    capsys.readouterr()
    assert main([bids, out, "group"]) == 0
    assert "'grp.a' is the reference level" in capsys.readouterr().out
    lines = (tmp_path / "bids/participants.tsv").read_text().splitlines()[1:]
    groups = [line.split("\t")[1] for line in lines]
    effects = [
        nib.load(path).get_fdata()
        for path in sorted((tmp_path / "out/node-run").rglob("*contrast-ab_stat-effect*.nii.gz"))
    ]
    means = {
        name: np.mean(
            [effect for effect, own in zip(effects, groups, strict=True) if own == name], 0
        )
        for name in ("a", "b")
    }
    (path,) = (tmp_path / "out/node-group").rglob("*contrast-abBa_stat-effect_statmap.nii.gz")
    np.testing.assert_allclose(nib.load(path).get_fdata(), means["b"] - means["a"], atol=1e-5)
    sidecar = map_metadata(path)
    assert sidecar["Weights"] == {"grp.b": [1.0]}


def test_a_contrast_that_names_what_comes_in_is_tested_at_the_dataset_level(tmp_path, capsys):
    group = {**GROUP, "DummyContrasts": {"Test": "t", "Contrasts": ["ab"]}}
    bids, out, file = _files(tmp_path, _model(group))
    assert main([bids, out, "participant", "-m", str(file), "--noise-model", "ols"]) == 0
    assert main([bids, out, "group"]) == 0
    assert "the incoming contrast 'ab'" in capsys.readouterr().out
    assert list((tmp_path / "out/node-group").rglob("*contrast-ab_stat-t_statmap.nii.gz"))


@pytest.mark.parametrize(
    "chosen",
    [
        {"description": ["preproc"], "suffix": ["bold"], "datatype": ["func"]},
        {"desc": "preproc", "space": ["MNI152NLin2009cAsym"], "sub": ["01", "02"]},
        {"extension": [".nii.gz"], "Subject": ["01", "02"]},
    ],
)
def test_input_may_select_by_description_and_other_names(chosen, tmp_path, capsys):
    bids, out, file = _files(tmp_path, _model(), n_subjects=2)
    file.write_text(json.dumps(_model(Input={"task": ["x"], **chosen})))
    assert main([bids, out, "participant", "-m", str(file), "--dry-run"]) == 0
    assert "2 runs of 2 participants" in capsys.readouterr().out


def test_input_that_selects_no_description_says_which_there_are(tmp_path, capsys):
    bids, out, file = _files(tmp_path, _model(), n_subjects=2)
    file.write_text(json.dumps(_model(Input={"task": ["x"], "description": ["smooth"]})))
    assert main([bids, out, "participant", "-m", str(file), "--dry-run"]) == 18
    assert (
        "for description 'smooth', but the selected runs have preproc" in capsys.readouterr().err
    )


def test_a_model_without_factor_gives_the_same_maps_as_one_with_it(tmp_path, capsys):
    content = _model()
    content["Nodes"][0] |= {
        "Model": {
            "Type": "glm",
            "X": ["trial_type.a", "trial_type.b", 1],
            "HRF": {"Variables": ["trial_type.a", "trial_type.b"], "Model": "spm"},
        },
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [{"Name": "Factor", "Input": ["trial_type"]}],
        },
    }
    bids, out, file = _files(tmp_path, content, n_subjects=2)
    options = ["--noise-model", "ols"]
    assert main([bids, out, "participant", "-m", str(file), *options]) == 0
    capsys.readouterr()
    del content["Nodes"][0]["Transformations"]
    file.write_text(json.dumps(content))
    again = tmp_path / "again"
    assert main([bids, str(again), "participant", "-m", str(file), *options]) == 0
    assert "no Factor makes 'trial_type.a' from 'trial_type'" in capsys.readouterr().out
    maps = sorted(path.relative_to(out) for path in (tmp_path / "out").rglob("*_statmap.nii.gz"))
    assert len(maps) == 8
    for path in maps:
        assert (again / path).read_bytes() == (tmp_path / "out" / path).read_bytes()


def test_an_error_in_an_instruction_after_an_implied_factor_has_its_place_in_the_file(
    tmp_path, capsys
):
    content = _model()
    steps = content["Nodes"][0]["Transformations"]["Instructions"]
    del steps[0]
    bids, out, file = _files(tmp_path, _model(), n_subjects=2)
    steps.append({"Name": "Scale", "Input": ["trial_type.gone"]})
    file.write_text(json.dumps(content))
    assert main([bids, out, "participant", "-m", str(file), "--dry-run"]) == 65
    assert "Instructions[1].Input[0] (Scale): there is no variable" in capsys.readouterr().err
