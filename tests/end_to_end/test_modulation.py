"""Parametric modulators, from a column of the events to a slope in percent."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix

from boldglm.analysis.first_level.event_design import DesignSettings, RunTiming, design_from_events
from boldglm.analysis.model.modulation import Modulator, parse_modulation
from boldglm.cli.main import main
from boldglm.errors import BadDataError
from boldglm.glm import build_design, orthogonalize
from boldglm.io.bids.events import read_events
from boldglm.io.outputs.design_files import read_design

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"
TIMING = RunTiming(100, 2.0, 0.0)


@pytest.fixture
def events_file(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"onset": np.arange(10, 180, 8.5), "duration": 1.0})
    table["trial_type"] = ["go", "stop"] * 10
    table["rt"] = rng.uniform(0.3, 0.9, 20).round(3)
    table["level"] = 2
    table["answer"] = "left"
    path = tmp_path / "events.tsv"
    table.to_csv(path, sep="\t", index=False)
    return path


def design(events_file, *modulators):
    choices = DesignSettings(high_pass=None, modulators=modulators)
    return design_from_events(read_events(events_file), TIMING, choices, events_file.name)


def test_a_modulator_is_a_condition_whose_events_have_centered_heights(events_file):
    found, notes = design(events_file, Modulator("go", "rt"), Modulator("go", "rt", 2))

    table = pd.read_csv(events_file, sep="\t")
    own = table[table.trial_type == "go"]
    centered = own.rt - own.rt.mean()
    for name, heights in (("go_x_rt", centered), ("go_x_rt_squared", centered**2)):
        rows = {"onset": own.onset, "duration": own.duration, "modulation": heights}
        alone = build_design(
            {**rows, "trial_type": ["m"] * len(own)}, TIMING.frame_times, high_pass=None
        )
        column = found.matrix[:, found.names.index(f"trial_type.{name}")]
        np.testing.assert_allclose(column, alone.matrix[:, 0], atol=1e-12)
    assert notes == ()


def test_a_modulator_is_that_of_nilearn(events_file):
    table = pd.read_csv(events_file, sep="\t")
    own = table[table.trial_type == "go"].copy()
    own["modulation"] = own.rt - own.rt.mean()
    theirs = make_first_level_design_matrix(
        TIMING.frame_times, own[["onset", "duration", "trial_type", "modulation"]],
        hrf_model="spm", drift_model=None,
    )  # fmt: skip

    found, _ = design(events_file, Modulator("go", "rt"))

    column = found.matrix[:, found.names.index("trial_type.go_x_rt")]
    assert np.corrcoef(column, theirs["go"])[0, 1] > 0.9999


def test_a_slope_is_recovered_and_the_saved_model_gives_it_again(dataset, tmp_path):
    events_path = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv"
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table["rt"] = np.random.default_rng(len(path.name)).uniform(0, 1, len(table)).round(4)
        table.to_csv(path, sep="\t", index=False)
    modulated, _ = design_from_events(
        read_events(events_path),
        TIMING,
        DesignSettings(high_pass=None, modulators=(Modulator("cue", "rt"),)),
        "events.tsv",
    )
    column = modulated.matrix[:, modulated.names.index("trial_type.cue_x_rt")]
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    image = nib.load(source)
    data = np.asarray(image.dataobj, dtype=float)
    data += 50 * column[: data.shape[-1]]
    nib.save(nib.Nifti1Image(data.astype(np.float32), image.affine, image.header), source)
    options = ("participant", "--participant-label", "01", "--signal-scaling", "none")

    first = main([str(dataset), str(tmp_path / "a"), *options, "--modulate", "rt @ cue"])
    model = tmp_path / "a/models/model-default_smdl.json"
    again = main([str(dataset), str(tmp_path / "b"), "-m", str(model), *options[:3]])

    assert first == again == 0
    name = f"{RUN}_contrast-cueXRt_stat-{{}}_statmap.nii.gz"
    effect = np.asarray(nib.load(tmp_path / "a" / name.format("effect")).dataobj)
    inside = effect[effect != 0]
    assert abs(np.median(inside) - 50) < 15
    t = [np.asarray(nib.load(tmp_path / one / name.format("t")).dataobj) for one in "ab"]
    np.testing.assert_array_equal(*t)
    assert json.loads(model.read_text())["Nodes"][0]["Model"]["Software"]["boldglm"]["Modulators"]
    names = read_design(tmp_path / "a" / f"{RUN}_design.tsv").names
    assert "trial_type.cue_x_rt" in names


def test_a_serially_orthogonalized_modulator_is_what_the_condition_cannot_explain(events_file):
    found, _ = design(events_file, Modulator("go", "rt"))
    go, slope = (found.matrix[:, found.index(name)] for name in ("go", "go_x_rt"))

    assert abs(orthogonalize(slope, against=go) @ go) < 1e-9


def test_missing_values_are_at_the_mean_and_constant_columns_left_out(events_file):
    table = pd.read_csv(events_file, sep="\t").astype({"rt": object})
    table.loc[[0, 4], "rt"] = "n/a"
    table.to_csv(events_file, sep="\t", index=False)

    found, notes = design(events_file, Modulator("go", "rt"), Modulator("go", "level"))

    assert "2 of 10 events of 'go' have no rt" in notes[0].text
    assert "'go_x_level': level does not vary" in notes[1].text
    assert "trial_type.go_x_level" not in found.names
    _, alone = design(events_file, Modulator("go", "rt", 2))  # as a model file may have it
    _, both = design(events_file, Modulator("go", "rt"), Modulator("go", "rt", 2))
    assert alone == both == notes[:1]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([-1, 1], ["level"]),  # balanced: the square is constant
        ([0, 0, 0, 5, 5], ["level"]),
        ([0, 3, 4, 4, 9], ["level", "level_squared", "level_cubed"]),
        ([1, 2, 2, 7, 1], ["level", "level_squared"]),
    ],
)
def test_a_power_that_the_lower_ones_explain_is_left_out(events_file, values, kept):
    table = pd.read_csv(events_file, sep="\t")
    table.loc[table.trial_type == "go", "level"] = values * (10 // len(values))
    table.to_csv(events_file, sep="\t", index=False)

    found, notes = design(events_file, *(Modulator("go", "level", k) for k in (1, 2, 3)))

    names = [name.removeprefix("trial_type.go_x_") for name in found.names if "_x_" in name]
    assert names == kept
    assert np.linalg.matrix_rank(found.matrix) == found.n_regressors
    assert len(notes) == 3 - len(kept)
    reason = "collinear with the condition and lower powers of level"
    assert all(reason in note.text for note in notes)


def test_a_power_that_no_run_can_have_is_refused_with_the_reason(dataset, tmp_path, capsys):
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table["side"] = np.arange(len(table)) % 3 // 2
        table.to_csv(path, sep="\t", index=False)

    where = [str(dataset), str(tmp_path / "out"), "participant"]
    code = main([*where, "--dry-run", "--modulate", "side^2 @ cue"])

    assert code == 65
    assert "'cue_x_side_squared': over the events of 'cue'" in capsys.readouterr().err


@pytest.mark.parametrize("column", ["onset", "duration"])
def test_onset_and_duration_modulate(events_file, column):
    table = pd.read_csv(events_file, sep="\t")
    table["duration"] = np.linspace(0.5, 3, len(table))
    table["copy"] = table[column]
    table.to_csv(events_file, sep="\t", index=False)

    found, notes = design(events_file, Modulator("go", column), Modulator("stop", "copy"))
    other, _ = design(events_file, Modulator("go", "copy"), Modulator("stop", column))

    np.testing.assert_allclose(found.matrix, other.matrix, rtol=1e-12)
    assert notes == ()


def test_a_regressor_of_two_meanings_is_refused(dataset, tmp_path, capsys, events_file):
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table["rt"] = np.arange(len(table))
        table["trial_type"] = table.trial_type.replace("target", "cue_x_rt")
        table.to_csv(path, sep="\t", index=False)

    where = [str(dataset), str(tmp_path / "out"), "participant"]
    code = main([*where, "--dry-run", "--modulate", "rt @ cue"])

    assert code == 65
    message = capsys.readouterr().err
    assert "regressor of rt @ cue is called 'cue_x_rt', as is the condition 'cue_x_rt'" in message
    with pytest.raises(BadDataError, match=r"rt_squared @ go is called .* that of rt\^2 @ go"):
        design(events_file, Modulator("go", "rt", 2), Modulator("go", "rt_squared"))


@pytest.mark.parametrize(
    ("modulator", "message"),
    [
        (Modulator("go", "rtt"), "no column 'rtt' .* mean 'rt'"),
        (Modulator("go", "answer"), "column 'answer' holds 'left'"),
    ],
)
def test_a_column_that_cannot_modulate_is_refused(events_file, modulator, message):
    with pytest.raises(BadDataError, match=message):
        design(events_file, modulator)


def test_rules_are_read_and_wrong_ones_refused():
    both = parse_modulation("rt + accuracy", ["go", "stop"])

    assert [one.name for one in both] == [
        "go_x_rt", "stop_x_rt", "go_x_accuracy", "stop_x_accuracy",
    ]  # fmt: skip
    with pytest.raises(BadDataError, match=r"no condition 'goo'.* 'go'"):
        parse_modulation("rt @ goo", ["go"])
    with pytest.raises(BadDataError, match="is not the name of a column"):
        parse_modulation("rt^4 @ go", ["go"])
