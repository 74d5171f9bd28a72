"""Columns of the events that name conditions, rows without times, and names of any characters."""

import json
import re
import shutil

import numpy as np
import pytest

from awkward_datasets import odd_dataset, trials, tsv, write_bold
from boldglm.cli.main import main
from boldglm.io.outputs.records import record_files
from fake_fmriprep import write_fmriprep

AB = trials(["a", "b"])
STIMULI = tsv(AB).replace("trial_type", "stim")
EVENTS = "sub-01/func/sub-01_task-odd_events.tsv"
OLS = ("--noise-model", "ols", "--maps", "effect", "variance", "t")


def run(folder, out, *options, level="participant"):
    return main([str(folder), str(out), level, *options])


def plan(folder, out, *options):
    return run(folder, out, "--dry-run", *options)


def maps(out):
    """Return the content of all maps by name."""
    found = {path.name: path.read_bytes() for path in out.rglob("*statmap.nii.gz")}
    assert found
    return found


def result(out):
    (record,) = (path for path in record_files(out) if "node-run" in path.parts)
    return json.loads(record.read_text())["boldglm"]["Result"]


def test_conditions_can_come_from_another_column(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", STIMULI)
    column = ("--trial-type-column", "stim")
    contrast = ("--contrast", "b - stim.a", "--modulate", "onset @ a", "--conditions", "a", "b")
    trial_maps = ("--single-trials", "lss")

    assert plan(folder, tmp_path / "out", *column, *contrast, *trial_maps) == 0
    shown = capsys.readouterr().out
    assert run(folder, tmp_path / "out", *OLS, *column, *contrast, *trial_maps) == 0
    model = tmp_path / "out" / "models" / "model-default_smdl.json"
    assert (
        run(folder, tmp_path / "again", "--maps", "effect", "variance", "t", "-m", str(model)) == 0
    )

    assert "conditions   from the column stim of the events" in shown
    assert "stim.a_x_onset  VIF" in shown
    node = json.loads(model.read_text())["Nodes"][0]
    assert node["Transformations"]["Instructions"][0] == {"Name": "Factor", "Input": ["stim"]}
    assert node["Transformations"]["Instructions"][1]["Input"] == ["stim.a", "stim.b"]
    assert node["Contrasts"][0]["ConditionList"] == ["stim.a", "stim.b"]
    first = {name: content for name, content in maps(tmp_path / "out").items()
             if "trial" not in name}  # fmt: skip
    assert first == maps(tmp_path / "again")
    report = (tmp_path / "out" / "sub-01.html").read_text()
    assert "sub-01_task-odd_events.tsv (column stim)" in report
    (table,) = (tmp_path / "out").rglob("*desc-trials_events.tsv")
    assert [line.split("\t")[2] for line in table.read_text().splitlines()[1:3]] == ["a", "b"]


def test_the_maps_do_not_depend_on_what_the_column_is_called(tmp_path):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    other = odd_dataset(tmp_path / "other", STIMULI)

    assert run(folder, tmp_path / "out", *OLS) == 0
    assert run(other, tmp_path / "out2", *OLS, "--trial-type-column", "stim") == 0

    assert maps(tmp_path / "out") == maps(tmp_path / "out2")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 65, r"These columns could name the condition of each event: stim \(a, b\)\. Choose "),
        (("--trial-type-column", "stym"), 65, r"no column 'stym' .*Did you mean 'stim'\?"),
        (("--trial-type-column", "stim", "-m", "m.json"), 2, "--trial-type-column shapes the def"),
        (("--trial-type-column", "stim", "--conditions", "c"), 65, "no run .* has that stim"),
    ],
)
def test_a_column_that_is_not_there_is_answered_with_those_that_are(
    tmp_path, capsys, options, code, message
):
    folder = odd_dataset(tmp_path / "bids", STIMULI)

    assert plan(folder, tmp_path / "out", *options) == code
    assert re.search(message, capsys.readouterr().err)


UNTIMED = tsv([*AB[:3], (27, "n/a", "b"), *AB[3:], ("n/a", 1, "a"), (9, "n/a", "n/a")])
INSTRUCTIONS = [
    {"Name": "Factor", "Input": ["trial_type"]},
    {"Name": "Scale", "Input": ["trial_type.a"], "Demean": False, "Rescale": False},
    {"Name": "Convolve", "Input": ["trial_type.a", "trial_type.b"], "Model": "spm"},
]


def test_an_event_without_onset_or_duration_is_excluded_by_its_line(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", UNTIMED)
    clean = odd_dataset(tmp_path / "clean", tsv(AB))

    assert run(folder, tmp_path / "out", *OLS) == 0
    assert run(clean, tmp_path / "out2", *OLS) == 0

    text = "2 of 26 events of sub-01_task-odd_events.tsv, because onset or duration is n/a in "
    assert f"{text}lines 5, 27" in capsys.readouterr().out
    assert f"{text}lines 5, 27" in result(tmp_path / "out")["Exclusions"]
    assert f"{text}lines 5, 27" in (tmp_path / "out" / "sub-01.html").read_text()
    assert maps(tmp_path / "out") == maps(tmp_path / "out2")


@pytest.mark.parametrize("policy", ["run", "error"])
def test_events_without_times_can_be_forbidden(tmp_path, capsys, policy):
    folder = odd_dataset(tmp_path / "bids", UNTIMED)

    assert plan(folder, tmp_path / "out", "--missing-times", policy) == 65
    error = capsys.readouterr().err
    assert "has n/a as onset or duration in lines 5, 27, and --missing-times" in error


def test_a_run_whose_events_all_lack_times_has_none_to_model(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv([(k, "n/a", "a") for k in range(3)]))

    assert plan(folder, tmp_path / "out") == 65
    assert "no events to model: duration is n/a in all 3 rows" in capsys.readouterr().err


@pytest.mark.parametrize(("policy", "code"), [("row", 0), ("run", 65)])
def test_transformations_exclude_such_events_too(tmp_path, capsys, policy, code):
    folder = odd_dataset(tmp_path / "bids", UNTIMED)
    node = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": INSTRUCTIONS},
        "Model": {"Type": "glm", "X": ["trial_type.a", "trial_type.b", 1]},
        "DummyContrasts": {"Test": "t"},
    }
    (tmp_path / "m.json").write_text(
        json.dumps({"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [node]})
    )
    options = ("-m", str(tmp_path / "m.json"), "--missing-times", policy)

    assert plan(folder, tmp_path / "out", *options) == code
    text = capsys.readouterr()
    if code:
        assert "'trial_type.a' has 1 events whose onset is n/a" in text.err
    else:
        assert "1 of 13 events of 'trial_type.b', because duration is n/a (onset 27 s)" in text.out


HOSTILE = {
    "patterns": ["a*b", "a?b", "axb", "[a]", "[!a]"],
    "operators": ["a|b", "a~b", "a+b", "a-b", "a - b"],
    "formulas": ["1", "-1", "0.5", "a:b", "(a)"],
    "templates": ["%s", "{0}", "{name}", "$HOME", "`id`"],
    "quotes": ["it's", 'say "x"', "“x”", "a\\b", "a;b"],
    "scripts": ["été", "Straße", "日本", "🙂", "ё"],
    "punctuation": ["a,b", "a=b", "a@b", "a^2", "#a"],
    "dots and slashes": ["a.b", "trial_type.a", "a/b", "&<>", "!"],
}


@pytest.mark.parametrize("names", HOSTILE.values(), ids=HOSTILE)
def test_every_name_is_modeled_and_named_and_never_taken_for_a_pattern(tmp_path, names, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(trials(names)))

    assert run(folder, tmp_path / "out", *OLS) == 0, capsys.readouterr().err
    model = tmp_path / "out" / "models" / "model-default_smdl.json"
    assert (
        run(folder, tmp_path / "again", "--maps", "effect", "variance", "t", "-m", str(model)) == 0
    )

    contrasts = result(tmp_path / "out")["Contrasts"]
    files = [path for one in contrasts for path in one["Maps"].values()]
    assert len({path.casefold() for path in files}) == len(files)
    assert len(contrasts) == 5 + 10 + 1
    conditions = {
        column for one in contrasts for column, weights in one["Weights"].items() if any(weights)
    }
    assert conditions == {f"trial_type.{name}" for name in names}
    assert maps(tmp_path / "out") == maps(tmp_path / "again")


def test_a_name_that_this_run_lacks_is_not_a_pattern_of_others(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(trials(["axb", "c"])))
    func = folder / "sub-01" / "func"
    for end in ("bold.nii.gz", "events.tsv"):
        (func / f"sub-01_task-odd_{end}").rename(func / f"sub-01_task-odd_run-1_{end}")
    (func / "sub-01_task-odd_run-2_events.tsv").write_text(tsv(trials(["a*b", "c"])))
    write_bold(func / "sub-01_task-odd_run-2_bold.nii.gz", 95, 2.0)

    assert plan(folder, tmp_path / "out") == 0

    first, second = capsys.readouterr().out.split("\nsub-01_task-odd_run-")[1:]
    assert "condition 'a*b': it has no event" in first
    assert "condition 'axb': it has no event" in second.split("Subject level")[0]


@pytest.mark.parametrize("name", ["a*", "[x]", "a+b", "with blank", "1st", "été", "{}", "%d"])
def test_names_of_modulators_are_names(tmp_path, capsys, name):
    rows = [(*row, k % 5, k % 7) for k, row in enumerate(AB)]
    folder = odd_dataset(tmp_path / "bids", tsv(rows, [name, "ab"]))

    code = plan(folder, tmp_path / "out", "--modulate", f"{name} @ a")

    said = capsys.readouterr()
    assert code == 0, said.err
    assert f"trial_type.a_x_{name}  VIF" in said.out
    assert "a_x_ab" not in said.out


CONFOUNDS = ["a*b", "a?b", "axb", "[x]", "x", "{}", "%s", "with blank", "1st", "été", "a+b", "a|b"]


def test_names_of_confounds_are_names_before_they_are_patterns(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    fmriprep = write_fmriprep(folder)
    (table,) = fmriprep.rglob("*_desc-confounds_timeseries.tsv")
    n_rows = len(table.read_text().splitlines()) - 1
    numbers = np.random.default_rng(3).normal(size=(n_rows, len(CONFOUNDS)))
    rows = ["\t".join(f"{value:.6f}" for value in row) for row in numbers]
    table.write_text("\n".join(["\t".join(CONFOUNDS), *rows]) + "\n")
    chosen = ["a*b", "[x]", "{}", "%s", "with blank", "1st", "été", "a+b", "a|b"]

    for options in (("--confounds", *chosen), ("-m", str(tmp_path / "model.json"))):
        assert plan(folder, tmp_path / "out", *options) == 0, capsys.readouterr().err
        assert f"confounds (9): {', '.join(chosen)}" in capsys.readouterr().out
        assert run(folder, tmp_path / "out", *OLS, "--confounds", *chosen) == 0
        shutil.copy(
            tmp_path / "out" / "models" / "model-default_smdl.json", tmp_path / "model.json"
        )
        capsys.readouterr()


@pytest.mark.parametrize(
    "name", ["*", "a?", "[x]", "a/b", "{0}", "%s", "été", "1", "面孔", "a|b~c"]
)
def test_every_name_of_a_contrast_becomes_a_file_name(tmp_path, name, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    contrasts = ("--contrast", f"{name} = a - b", "--contrast", "other = b")

    assert run(folder, tmp_path / "out", *OLS, *contrasts) == 0, capsys.readouterr().err

    found = result(tmp_path / "out")["Contrasts"]
    assert [one["Name"] for one in found] == [name, "other"]
    files = [path for one in found for path in one["Maps"].values()]
    assert len(set(files)) == len(files)
    assert all((tmp_path / "out" / path).is_file() for path in files)


@pytest.mark.parametrize("value", ["22,5", "89+", "fast"])
def test_a_modulator_with_a_value_that_is_no_number_is_refused_by_line(tmp_path, capsys, value):
    rows = [(*row, value if k == 4 else k) for k, row in enumerate(AB)]
    folder = odd_dataset(tmp_path / "bids", tsv(rows, ["rt"]))

    assert plan(folder, tmp_path / "out", "--modulate", "rt @ a") == 65
    error = capsys.readouterr().err
    assert f"column 'rt' holds {value!r} at an event of 'a' (line 6)" in error


def test_an_input_with_a_value_that_is_no_number_is_named_by_the_value(tmp_path, capsys):
    rows = [(*row, "22,5" if k == 4 else k) for k, row in enumerate(AB)]
    folder = odd_dataset(tmp_path / "bids", tsv(rows, ["rt"]))
    node = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [{"Name": "Convolve", "Input": ["rt"], "Model": "spm"}],
        },
        "Model": {"Type": "glm", "X": ["rt", 1]},
        "DummyContrasts": {"Test": "t"},
    }
    model = {"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [node]}
    (tmp_path / "m.json").write_text(json.dumps(model))

    assert plan(folder, tmp_path / "out", "-m", str(tmp_path / "m.json")) == 65
    error = capsys.readouterr().err
    assert "'rt' contains text ('22,5'). Write a number (with a decimal point) or n/a" in error
