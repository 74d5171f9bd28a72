"""Lists of participants for jobs, participants whom a group lacks, and words of other programs."""

import json

import pytest

from boldglm.analysis.plan.missing_participants import missing_participants, refuse_missing
from boldglm.cli.main import main
from boldglm.cli.parser import build_parser
from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.errors import MissingInputError

OPTIONS = ("--noise-model", "ols", "--conditions", "cue")


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    plan = DatasetPlan(n_subjects=3, n_runs=1, n_scans=40, shape=(6, 7, 5))
    return write_dataset(tmp_path_factory.mktemp("three") / "bids", plan)


def listed(capsys, *arguments):
    code = main([*map(str, arguments), "--list-participants"])
    return code, capsys.readouterr().out.splitlines()


def test_participants_are_listed_one_in_a_line_and_nothing_is_written(three, tmp_path, capsys):
    out = tmp_path / "out"

    assert listed(capsys, three, out, "participant") == (0, ["01", "02", "03"])
    assert not out.exists()


def test_the_list_has_the_filters_of_a_fit(three, tmp_path, capsys):
    out = tmp_path / "out"
    model = {
        "Name": "m",
        "BIDSModelVersion": "1.0.0",
        "Input": {"task": ["cuetarget"], "subject": ["02"]},
        "Nodes": [{
            "Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
            "Transformations": {
                "Transformer": "pybids-transforms-v1",
                "Instructions": [
                    {"Name": "Factor", "Input": ["trial_type"]},
                    {"Name": "Convolve", "Input": ["trial_type.cue"], "Model": "spm"},
                ],
            },
            "Model": {"X": ["trial_type.cue", 1], "Type": "glm"},
            "DummyContrasts": {"Test": "t"},
        }],
    }  # fmt: skip
    (tmp_path / "m_smdl.json").write_text(json.dumps(model))
    file = ("-m", tmp_path / "m_smdl.json")

    chosen = listed(capsys, three, out, "participant", "--participant-label", "sub-03", "01")
    assert chosen == (0, ["01", "03"])
    assert listed(capsys, three, out, "participant", *file) == (0, ["02"])
    assert listed(capsys, three, out, "participant", "--task", "rest")[0] == 18


def test_a_group_names_whom_it_lacks_and_can_be_told_to_refuse(three, tmp_path, capsys):
    out = tmp_path / "out"
    for label in ("01", "02"):
        fit = [str(three), str(out), "participant", "--participant-label", label, *OPTIONS]
        assert main(fit) == 0
    capsys.readouterr()

    code = main([str(three), str(out), "group", "--missing-participants", "error"])
    assert code == 66
    assert "The group is incomplete: sub-03 has no finished results" in capsys.readouterr().err
    assert not (out / "group.html").exists()

    assert main([str(three), str(out), "group"]) == 0
    assert "sub-03 has no finished result of node" in capsys.readouterr().out
    assert main([str(three), str(out), "group", "--participant-label", "01", "02",
                 "--missing-participants", "error"]) == 0  # fmt: skip


def test_only_participants_with_the_task_can_be_missing(tmp_path):
    for name in ("sub-01/func/sub-01_task-a", "sub-02/ses-1/func/sub-02_ses-1_task-a",
                 "sub-03/func/sub-03_task-b", "sub-04/anat/sub-04"):  # fmt: skip
        path = tmp_path / f"{name}_bold.nii.gz"
        path.parent.mkdir(parents=True)
        path.touch()

    assert missing_participants(tmp_path, {"a"}, {"01"}) == ("02",)
    assert missing_participants(tmp_path, (), {"01"}) == ("02", "03")
    assert missing_participants(tmp_path, {"a"}, {"01"}, asked=["01", "09"]) == ("09",)


def test_a_refusal_names_all_who_are_missing():
    refuse_missing([], "Run them")
    with pytest.raises(MissingInputError, match="sub-01, sub-02 and sub-03 have no finished"):
        refuse_missing(["01", "02", "03"], "Run them")


def test_every_long_option_has_both_spellings():
    parser = build_parser()
    for action in parser._actions:
        for option in action.option_strings:
            if not option.startswith("--") or option in ("--help", "--version"):
                continue
            spelled = "--" + option[2:].replace("-", "_")
            value = {None: ["x"]}.get(action.nargs, ["x"] if action.nargs == "+" else [])
            value = [str(next(iter(action.choices)))] if action.choices else value
            try:
                parsed = vars(parser.parse_args(["in", "out", "group", spelled, *value]))
            except SystemExit:  # the value is none of this option, which was recognized
                continue
            assert parsed[action.dest] != parser.get_default(action.dest) or action.choices


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--n_cpus", "3"], "nprocs", 3),
        (["--nthreads", "3"], "nprocs", 3),
        (["--mem_mb", "2500"], "mem_mb", 2500),
        (["--skip_bids_validator"], "skip_bids_validation", True),
        (["--notrack"], "notrack", True),
    ],
)
def test_words_of_other_bids_apps_are_taken(words, name, value):
    assert getattr(build_parser().parse_args(["in", "out", "group", *words]), name) == value


def test_memory_in_mb_is_the_limit_of_memory(three, tmp_path, capsys):
    code = main([str(three), str(tmp_path / "out"), "participant", "--mem_mb", "10"])

    assert code == 2
    assert "--mem-gb 0.01 is too little" in capsys.readouterr().err
    both = ("--mem-mb", "10", "--mem-gb", "1")
    assert main([str(three), str(tmp_path / "out"), "participant", *both]) == 2
    assert "say the same" in capsys.readouterr().err
