"""Which files a result leaves: the maps that --maps names, and one sidecar for all of them."""

import re

import numpy as np
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.errors import BadDataError, MissingInputError

STEM = "sub-01_task-cuetarget_run-1"


@pytest.fixture(scope="module")
def bids(tiny_dataset):
    return tiny_dataset


@pytest.fixture(scope="module")
def usual(bids, tmp_path_factory):
    out = tmp_path_factory.mktemp("usual") / "out"
    assert main([str(bids), str(out), "participant"]) == 0
    assert main([str(bids), str(out), "group"]) == 0
    return out


def statistics(out, node):
    """Return contrasts and statistics of the maps of a node, by contrast."""
    found = {}
    for path in out.glob(f"node-{node}/**/*_contrast-*_statmap.nii.gz"):
        contrast, label = re.search(r"contrast-(\w+)_stat-(\w+)_statmap", path.name).groups()
        found.setdefault(contrast, set()).add(label)
    return found


def test_a_run_leaves_at_most_25_files(usual):
    for subject in ("01", "02"):
        for run in ("1", "2"):
            files = [path for path in usual.rglob(f"*sub-{subject}*run-{run}*") if path.is_file()]
            kept = [path for path in files if ".boldglm-work" not in path.parts]
            assert len(kept) <= 25, sorted(path.name for path in kept)


def test_runs_have_no_p_which_higher_levels_have(usual):
    assert statistics(usual, "run")["cue"] == {"effect", "variance", "t", "z", "dof"}
    assert statistics(usual, "run")["anyCondition"] == {"F", "z", "dof"}
    assert statistics(usual, "subject")["cue"] >= {"effect", "variance", "t", "z", "p"}
    assert statistics(usual, "dataset")["cue"] >= {"effect", "variance", "t", "z", "p", "qFDR"}


def test_a_study_of_the_group_writes_effects_and_variances_only(bids, usual, tmp_path):
    out = tmp_path / "out"
    assert main([str(bids), str(out), "participant", "--maps", "effect", "variance"]) == 0
    assert main([str(bids), str(out), "group", "--maps", "t", "z"]) == 0

    assert set(statistics(out, "run")) == {"cue", "target", "cueMinusTarget"}
    assert statistics(out, "run")["cue"] == {"effect", "variance", "dof"}
    assert statistics(out, "dataset")["cue"] == {"t", "z", "qFDR"}
    name = "node-dataset/task-cuetarget_contrast-cue_stat-t_statmap.nii.gz"
    assert (out / name).read_bytes() == (usual / name).read_bytes()
    report = (out / "sub-01.html").read_text()
    assert "z map of cue" in report
    assert "No map of this contrast was written that could be drawn" in report


@pytest.mark.parametrize("maps", [("t",), ("z", "effect")])
def test_maps_that_higher_levels_need_cannot_be_left_out_below_them(bids, tmp_path, maps, capsys):
    assert main([str(bids), str(tmp_path / "out"), "participant", "--maps", *maps]) == 2
    assert "variance, which the subject level needs" in capsys.readouterr().err


def test_a_level_names_the_map_that_it_misses(bids, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main([str(bids), out, "run", "--maps", "t", "effect"]) == 0
    assert main([str(bids), out, "subject"]) == 66
    message = capsys.readouterr().err
    assert f"{STEM}_statmap.json: contrast 'cue' has no map of variance" in message
    assert "--maps effect variance" in message


def test_other_maps_are_written_from_cached_fits(bids, tmp_path, capsys):
    out = tmp_path / "out"
    one = [str(bids), str(out), "participant", "--participant-label", "01"]
    assert main([*one, "--maps", "effect", "variance"]) == 0
    assert main([*one, "--maps", "effect", "variance", "t", "z", "p"]) == 0
    assert statistics(out, "run")["cue"] == {"effect", "variance", "t", "z", "p", "dof"}
    assert statistics(out, "run")["anyCondition"] == {"z", "p", "dof"}


def test_maps_of_runs_are_refused_above_them(usual, bids, capsys):
    assert main([str(bids), str(usual), "group", "--maps", "rsquared"]) == 2
    assert "--maps is about single runs" in capsys.readouterr().err


def test_a_report_draws_z_from_whatever_was_written(usual, tmp_path):
    from boldglm.interfaces.drawing import z_values
    from boldglm.io.images.formats import read_geometry
    from boldglm.io.outputs.records import Record

    record = Record.read(usual / f"node-run/sub-01/func/{STEM}_statmap.json", usual)
    geometry = read_geometry(record.result.mask)
    for contrast in record.result.contrasts:
        expected = geometry.read_rows([contrast.maps["z"]])[0]
        kept = (
            [{"F", "dof"}]
            if contrast.test == "F"
            else [{"t", "dof"}, {"effect", "variance", "dof"}]
        )
        for labels in kept:
            maps = {label: contrast.maps[label] for label in labels}
            found = z_values(type(contrast)(**{**vars(contrast), "maps": maps}), geometry)
            np.testing.assert_allclose(found, expected, atol=1e-4)
        assert z_values(type(contrast)(**{**vars(contrast), "maps": {}}), geometry) is None


def test_one_sidecar_says_what_each_map_is(usual):
    func = usual / "node-run/sub-01/func"
    (file,) = func.glob(f"{STEM}*_statmap.json")
    assert file.name == f"{STEM}_statmap.json"
    effect = map_metadata(func / f"{STEM}_contrast-cueMinusTarget_stat-effect_statmap.nii.gz")
    z = map_metadata(func / f"{STEM}_contrast-anyCondition_stat-z_statmap.nii.gz")

    assert effect["Contrast"] == "cue - target"
    assert effect["Weights"] == {"trial_type.cue": [1.0], "trial_type.target": [-1.0]}
    assert (effect["Units"], effect["Test"]) == ("%", "t")
    assert effect["Description"].endswith("(contrast cue - target)")
    assert (z["Units"], z["Test"], z["NumeratorDegreesOfFreedom"]) == ("1", "F", 2)
    assert z["Sources"] == effect["Sources"]
    assert not {"boldglm", "Contrasts", "Statistics"} & set(z)
    p = usual / "node-dataset/task-cuetarget_contrast-cue_stat-p_statmap.nii.gz"
    assert map_metadata(p)["Sides"] == "one"
    q = p.with_name(p.name.replace("stat-p", "stat-qFDR"))
    assert map_metadata(q)["Sides"] == "two"


def test_a_map_of_which_nothing_is_said_is_named(usual, tmp_path):
    func = usual / "node-run/sub-01/func"
    with pytest.raises(BadDataError, match=r"says nothing of .*contrast-other_stat-t"):
        map_metadata(func / f"{STEM}_contrast-other_stat-t_statmap.nii.gz")
    with pytest.raises(MissingInputError, match=r"There is no .*sub-09_statmap\.json"):
        map_metadata(tmp_path / "sub-09_contrast-other_stat-t_statmap.nii.gz")
