"""Events as they are found in public datasets: each runs, or is refused with a reason."""

import json
import re

import pytest

from awkward_datasets import odd_dataset, rebuild, trials, tsv, write_bold
from boldglm.cli.main import main
from boldglm.io.outputs.names import camel_case
from boldglm.io.outputs.records import record_files

# dataset: BOLD runs of participants that are there, and how many of them have events
PUBLIC = {
    "ds001": (48, 48),  # columns named like conditions; n/a in them
    "ds003": (13, 13),
    "ds005": (48, 48),  # blanks in names of columns and conditions
    "ds006": (35, 35),  # two sessions; conditions that some runs lack
    "ds101": (8, 8),
    "ds102": (6, 6),  # participants without some conditions
    "ds114": (100, 100),  # events inherited from the root; five tasks, two repetition times
    "synthetic": (30, 20),  # uncompressed; sessions; resting state, which has no events
}
FITTED = {
    "ds001": ("--participant-label", "01", "--run-label", "01"),
    "ds003": ("--participant-label", "13"),
    "ds005": ("--participant-label", "01", "--run-label", "01", "02"),
    "ds006": ("--participant-label", "02", "--session-label", "pre", "--run-label", "01", "04"),
    "ds101": ("--participant-label", "05",),
    "ds102": ("--participant-label", "01",),
    "ds114": ("--participant-label", "01", "--session-label", "test", "-t", "linebisection"),
    "synthetic": ("--participant-label", "05", "--session-label", "01"),
}  # fmt: skip


def plan(folder, out, *options):
    return main([str(folder), str(out), "participant", "--dry-run", *options])


def test_every_public_dataset_can_be_planned_as_it_is(real_data, tmp_path, capsys):
    source = real_data("bids-events")
    found = {}
    for name in PUBLIC:
        made = rebuild(source / name, tmp_path / name)
        code = plan(tmp_path / name, tmp_path / "out")
        said = capsys.readouterr()
        n_runs = sum(
            int(one) for one in re.findall(r"^Model \w+: (\d+) runs", said.out, re.MULTILINE)
        )
        found[name] = (len(made), n_runs)
        assert code == 0, said.err
        assert said.out.count("has no events file") == len(made) - n_runs

    assert found == PUBLIC  # 8 of 8


def run_records(out):
    """Return the records of runs."""
    return [path for path in record_files(out) if "node-run" in path.parts]


@pytest.mark.parametrize(
    "name",
    [
        name if name in {"ds101", "ds114"} else pytest.param(name, marks=pytest.mark.slow)
        for name in PUBLIC
    ],
)
def test_a_participant_of_every_public_dataset_is_fitted(real_data, tmp_path, name):
    rebuild(real_data("bids-events") / name, tmp_path / name, FITTED[name][1])

    code = main([str(tmp_path / name), str(tmp_path / "out"), "participant", *FITTED[name]])

    assert code == 0
    records = run_records(tmp_path / "out")
    contrasts = [
        one
        for path in records
        for one in json.loads(path.read_text())["boldglm"]["Result"]["Contrasts"]
    ]
    maps = [path for one in contrasts for path in one["Maps"].values()]
    assert contrasts
    assert len(set(maps)) == len(maps)  # no map over another
    assert all((tmp_path / "out" / path).is_file() for path in maps)


AB = trials(["a", "b"])


def named(names):
    """Return events of these conditions, and the conditions."""
    return tsv(trials(names)), names


RUN = {
    "responses without trial types": (
        tsv([*AB, (9, "n/a", "n/a"), (12, "n/a", "n/a")]),
        ["a", "b"],
    ),
    "blanks, brackets, signs": named(
        ["go left", "go (right)", "[x] y", "p - q", "a+b", "it's 50%"]
    ),
    "digits only": named(["0", "1", "2", "3"]),
    "names that differ in little": named(["go left", "go_left", "Go Left"]),
    "capitals": named(["Go", "go", "GO"]),
    "other scripts": named(["面孔", "房子"]),
    "names of other columns": named(["constant", "drift_1", "trial_type", "1"]),
    "names of HRF derivatives": named(["a", "a_derivative"]),
    "names like paths and markup": named(["../../etc", "<b>x</b>"]),
    "long names": named([300 * "x", 299 * "x" + "y"]),
    "CR line ends": (tsv(AB, end="\r"), ["a", "b"]),
    "CRLF line ends": (tsv(AB, end="\r\n"), ["a", "b"]),
    "byte order mark and blanks": ("\ufeff" + tsv(trials([" a ", "b "])) + "\n\n", ["a", "b"]),
    "quotation marks": (tsv(trials(['"a"', "b"])), ["a", "b"]),
    "columns named like conditions": (
        tsv([(*row, k, "n/a") for k, row in enumerate(AB)], ["a", "b"]),
        ["a", "b"],
    ),
    "negative onsets": (tsv(trials(["a", "b"], start=-10.0)), ["a", "b"]),
    "overlapping": (tsv(trials(["a", "b"], duration=12.0)), ["a", "b"]),
    "no duration": (tsv(trials(["a", "b"], duration=0)), ["a", "b"]),
    "not sorted": (tsv(AB[::-1]), ["a", "b"]),
    "UTF-16": (tsv(AB).encode("utf-16"), ["a", "b"]),
    "a tab at the end of every line": (tsv(AB).replace("\n", "\t\n"), ["a", "b"]),
    "lines of tabs at the end": (tsv(AB) + "\t\t\n\t\t\t\t\n", ["a", "b"]),
    "one event": (tsv([*AB, (61, 2, "c")]), ["a", "b", "c"]),
    "some at the same time": (
        tsv([*AB, *((row[0], 2, "c") for row in AB[::3])]),
        ["a", "b", "c"],
    ),
}
NAMES = (
    "blanks, brackets, signs",
    "names that differ in little",
    "capitals",
    "other scripts",
    "names like paths and markup",
    "long names",
)
REFUSED = {
    "duration text": (tsv([*AB, (170, "long", "a")]), "has duration 'long' in line 26"),
    "infinite onset": (tsv([*AB, ("inf", 1, "a")]), "has onset 'inf' in line 26"),
    "negative duration": (tsv([*AB, (5, -1, "a")]), "negative durations in line 26"),
    "decimal commas": (tsv([("6,5", 2, "a")]), "Write decimals with a point"),
    "milliseconds": (tsv([(k * 7000, 2000, "a") for k in range(1, 20)]), "in milliseconds"),
    "after the run": (tsv([(900, 1, "late")]), "'late': all 1 events .* after the end"),
    "always at the same time": (
        tsv([(row[0], 2, name) for row in AB for name in "ab"]),
        r"exactly collinear in sub-01_task-odd \(trial_type.a, trial_type.b\)",
    ),
    "no trial_type": (
        tsv(AB).replace("trial_type", "stim_type"),
        "These columns could name the condition of each event: stim_type",
    ),
    "commas for tabs": (tsv(AB).replace("\t", ","), "separated by commas, not by tabs"),
    "a cell too many": (tsv([*AB, (170, 1, "a", "b")]), "line 26: 4 cells, but 3 columns"),
    "a tab at the end of every row": (
        tsv(AB).replace("a\n", "a\t\n"),
        "line 2: 4 cells, but 3 columns in the header. The line ends in a tab",
    ),
    "a cell too few": (tsv([*AB, (170, 1)]), "line 26: 2 cells, .* lacks a tab or an n/a"),
    "blanks for a tab": (
        tsv([*AB, ("170   1", "a")]),
        "line 26: 2 cells, .* Blanks seem to stand in place of a tab",
    ),
    "a column twice": (
        tsv([(*row, "x") for row in AB], ["trial_type"]),
        r"more than one column 'trial_type' \(columns 3 and 4\)",
    ),
    "a column without a name": (tsv([(*row, "x") for row in AB], [""]), "no name for column 4"),
    "semicolons for tabs": (tsv(AB).replace("\t", ";"), "separated by semicolons"),
    "blanks for tabs": (tsv(AB).replace("\t", "  "), "separated by blanks"),
    "UTF-16 without a byte order mark": (tsv(AB).encode("utf-16-le"), "has NUL characters"),
    "header only": (tsv([]), "has a header but no events"),
    "empty": ("", "is empty: it needs a header"),
    "quote left open": (tsv(trials(['"a', "b"])), "quotation mark .* that is not closed"),
    "Latin 1": (tsv(trials(["häuser"])).encode("latin-1"), "is not text in UTF-8"),
}


@pytest.mark.parametrize("case", RUN)
def test_odd_events_that_can_be_modeled_are(tmp_path, capsys, case):
    events, conditions = RUN[case]
    folder = odd_dataset(tmp_path / "bids", events)

    code = plan(folder, tmp_path / "out")

    said = capsys.readouterr()
    assert code == 0, said.err
    found = re.findall(r"^    trial_type\.(.*?) +VIF", said.out, re.MULTILINE)
    assert sorted(found) == sorted(conditions)


@pytest.mark.parametrize("case", NAMES)
def test_odd_names_become_files_of_their_own(tmp_path, case):
    folder = odd_dataset(tmp_path / "bids", RUN[case][0])

    code = main([str(folder), str(tmp_path / "out"), "participant", "--noise-model", "ols"])

    assert code == 0
    (record,) = run_records(tmp_path / "out")
    contrasts = json.loads(record.read_text())["boldglm"]["Result"]["Contrasts"]
    maps = [path for one in contrasts for path in one["Maps"].values()]
    assert len({path.casefold() for path in maps}) == len(maps)  # nor on a Mac
    assert all((tmp_path / "out" / path).is_file() for path in maps)
    n = len(RUN[case][1])
    assert len(contrasts) == n + (n * (n - 1) // 2 if n < 6 else 0) + 1


@pytest.mark.parametrize("case", REFUSED)
def test_events_that_cannot_be_modeled_are_refused_with_the_reason(tmp_path, capsys, case):
    events, message = REFUSED[case]
    folder = odd_dataset(tmp_path / "bids", events)

    code = plan(folder, tmp_path / "out")

    error = capsys.readouterr().err
    assert code == 65
    assert re.search(message, error)
    assert len(error.splitlines()) == 1


def test_events_that_are_there_twice_are_said_to_add_up(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB + AB[:5]))

    assert plan(folder, tmp_path / "out") == 0
    assert (
        "5 of 29 events in sub-01_task-odd_events.tsv repeat an earlier" in capsys.readouterr().out
    )


def test_conditions_that_no_run_has_together_are_not_compared(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(trials(["a", "c"])))
    func = folder / "sub-01" / "func"
    for end in ("bold.nii.gz", "events.tsv"):
        (func / f"sub-01_task-odd_{end}").rename(func / f"sub-01_task-odd_run-1_{end}")
    (func / "sub-01_task-odd_run-2_events.tsv").write_text(tsv(trials(["b", "c"])))
    write_bold(func / "sub-01_task-odd_run-2_bold.nii.gz", 95, 2.0)

    assert plan(folder, tmp_path / "out") == 0
    said = capsys.readouterr()
    assert plan(folder, tmp_path / "out", "--contrast", "a - b") == 65

    assert "no run has all their conditions: a - b, any condition." in said.err
    names = set(re.findall(r"^    (\S.*?)  +\d", said.out, re.MULTILINE))
    assert {"a", "b", "c", "a - c", "b - c"} <= names
    assert "a - b" not in names
    assert "The contrast 'a - b' cannot be estimated in any run" in capsys.readouterr().err


def test_contrasts_whose_files_would_have_one_name_are_refused(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    contrasts = ("--contrast", "left hand = a", "--contrast", "left_hand = b")

    code = plan(folder, tmp_path / "out", *contrasts)

    assert code == 65
    assert "'left hand' and 'left_hand' would both be written as" in capsys.readouterr().err


def test_a_column_with_blanks_modulates(tmp_path, capsys):
    rows = [(*row, k % 5) for k, row in enumerate(AB)]
    folder = odd_dataset(tmp_path / "bids", tsv(rows, ["parametric gain"]))

    code = plan(folder, tmp_path / "out", "--modulate", "parametric gain^2 + onset @ a")

    assert code == 0
    out = capsys.readouterr().out
    assert "trial_type.a_x_parametric gain_squared" in out
    assert "trial_type.a_x_onset" in out


def test_tasks_of_different_repetition_times_and_missing_runs_are_planned(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    (folder / "task-fast_bold.json").write_text('{"RepetitionTime": 0.8, "TaskName": "fast"}')
    (folder / "task-fast_events.tsv").write_text(tsv(AB))
    for subject, runs in (("01", "12"), ("02", "2")):
        for run in runs:
            name = f"sub-{subject}_task-fast_run-{run}_bold.nii.gz"
            write_bold(folder / f"sub-{subject}" / "func" / name, 240, 0.8)

    assert plan(folder, tmp_path / "out") == 0

    out = capsys.readouterr().out
    assert "Model defaultFast: 3 runs of 2 participants" in out
    assert "Model defaultOdd: 1 run of 1 participant" in out
    assert "sub-02_task-fast_run-2\n  240 volumes, one every 0.8 s" in out


def test_labels_of_other_scripts_and_lengths_stay_apart():
    names = ["面孔", "房子", "Häuser", "Hauser 2", 300 * "x", 299 * "x" + "y"]

    labels = [camel_case(name) for name in names]

    assert len(set(labels)) == len(names)
    assert all(re.fullmatch("[0-9a-zA-Z]{1,80}", label) for label in labels)


@pytest.mark.parametrize(
    ("delays", "reason"),
    [
        (["0"], "--fir-delays 0: a bin lasts until the next delay, so a single delay"),
        (["0", "2", "0"], "--fir-delays 0 2 0: two delays are the same"),
        (["0", "inf"], "--fir-delays 0 inf: every delay must be a finite number of seconds"),
    ],
)
def test_delays_that_leave_a_bin_without_width_are_refused(tmp_path, capsys, delays, reason):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))

    code = plan(folder, tmp_path / "out", "--hrf-model", "fir", "--fir-delays", *delays)

    assert code == 2
    assert reason in capsys.readouterr().err


def test_bins_of_long_repetition_times_need_no_delays(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    write_bold(folder / "sub-01/func/sub-01_task-odd_bold.nii.gz", 60, 12.0)
    (folder / "task-odd_bold.json").write_text('{"RepetitionTime": 12, "TaskName": "odd"}')

    code = plan(folder, tmp_path / "out", "--hrf-model", "fir")

    assert code == 0
    assert "trial_type.a_delay_12" in capsys.readouterr().out


def test_an_event_that_a_bin_before_it_shows_is_not_said_to_lie_outside(tmp_path, capsys):
    end = 95 * 2.0
    folder = odd_dataset(tmp_path / "bids", tsv([*AB, (end + 1, 1, "a"), (-40.0, 1, "a")]))
    bins = ("--hrf-model", "fir", "--fir-delays")

    assert plan(folder, tmp_path / "out", *bins, "-4", "0", "4") == 0
    early = capsys.readouterr().out
    assert plan(folder, tmp_path / "out", *bins, "0", "20", "40") == 0
    late = capsys.readouterr().out

    assert "start after the end" not in early
    assert "1 of 26 events in sub-01_task-odd_events.tsv end long before" in early
    assert "1 of 26 events in sub-01_task-odd_events.tsv start after the end" in late
    assert "end long before" not in late
