"""`bids_app_spec.json` says what the parser says, and the tools that read such files accept it.

The file is written by hand from `boldglm.cli.parser` and compared with it here, both ways.
"""

import argparse
import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from boldglm import errors
from boldglm._version import RELEASE
from boldglm.cli.main import main
from boldglm.cli.parser import DESCRIPTION, EPILOG, build_parser
from boldglm.demo.dataset import TASK, write_dataset
from boldglm.vocabulary import COMMANDS

SPEC_FILE = Path(__file__).parents[2] / "bids_app_spec.json"
SPEC = json.loads(SPEC_FILE.read_text(encoding="utf-8"))
SCRIPTS = Path(sysconfig.get_path("scripts"))

# Identifiers that the BIDS execution specification draft gives; the others are the option's own
# name in camel case.
STANDARD_IDS = {
    "bids_dir": "InputDataset",
    "output_dir": "OutputLocation",
    "analysis_level": "AnalysisLevel",
    "participant_label": "SubjectLabel",
    "session_label": "SessionLabel",
    "task": "TaskLabel",
    "run_label": "RunIndex",
    "version": "ToolVersion",
    "help": "Help",
}
# Folders that need not exist yet: Boutiques wants a File to be there before the run.
WRITTEN_TO = ("output_dir", "work_dir")
FLAGS = (argparse._StoreTrueAction, argparse._HelpAction, argparse._VersionAction)

actions = build_parser()._actions


def identifier(action: argparse.Action) -> str:
    camel = "".join(word.capitalize() for word in action.dest.split("_"))
    return STANDARD_IDS.get(action.dest, camel)


def flag_of(action: argparse.Action) -> str:
    return next(option for option in action.option_strings if option.startswith("--"))


def value_key(action: argparse.Action) -> str:
    return f"[{action.dest.upper()}]"


def value_type(action: argparse.Action) -> dict:
    if isinstance(action, FLAGS):
        return {"type": "Flag"}
    kinds: dict = {Path: {"type": "File"}, float: {"type": "Number"}}
    if getattr(action.type, "__name__", "") == "positive":
        return {"type": "Number", "integer": True, "minimum": 1}
    if action.dest in WRITTEN_TO:
        return {"type": "String"}
    if action.dest == "model":  # a file, or the word default: which is what leaving it out means
        return {"type": "File"}
    return kinds.get(action.type, {"type": "String"})


def expected_input(action: argparse.Action) -> dict:
    """Return the entry of one argument, without its display name."""
    entry = {
        "id": identifier(action),
        "description": " ".join((action.help or "").replace("%%", "%").split()),
        "value-key": value_key(action),
        "optional": action.dest not in ("bids_dir", "analysis_level"),
        **value_type(action),
    }
    if action.option_strings:
        entry["command-line-flag"] = flag_of(action)
    if action.nargs == "+" or isinstance(action, argparse._AppendAction):
        entry |= {"list": True, "min-list-entries": 1}
    if isinstance(action, argparse._AppendAction):  # --contrast a --contrast b
        entry["list-separator"] = f" {flag_of(action)} "
    if action.choices:
        entry["value-choices"] = list(action.choices)
    if entry["type"] in ("String", "Number") and action.default not in (None, argparse.SUPPRESS):
        entry["default-value"] = action.default
    return entry


def run_bosh(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "bosh", *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def write_invocation(folder: Path, **values: object) -> str:
    invocation = {"InputDataset": "bids", "OutputLocation": "out", **values}
    (folder / "invocation.json").write_text(json.dumps(invocation))
    return "invocation.json"


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bosh")
    write_dataset(folder / "bids")
    return folder


@pytest.mark.parametrize("action", actions, ids=lambda action: action.dest)
def test_every_argument_of_the_parser_is_described_as_it_is(action):
    found = [entry for entry in SPEC["inputs"] if entry["id"] == identifier(action)]
    wanted = f"bids_app_spec.json needs {json.dumps(expected_input(action), indent=2)}"
    assert len(found) == 1, wanted
    described = {key: value for key, value in found[0].items() if key != "name"}
    if action.dest == "analysis_level":  # the parser leaves unknown levels to exit code 17
        choices = described.pop("value-choices")
        assert choices == ["participant", "group"]
        assert set(choices) <= set(COMMANDS)

    assert described == expected_input(action), wanted


def test_nothing_is_described_that_the_parser_lacks():
    described = {entry["id"] for entry in SPEC["inputs"]}

    # the output folder appears twice: as a new one, and as one that exists (for the group level)
    assert described - {identifier(action) for action in actions} == {"ExistingOutputLocation"}
    assert len(SPEC["inputs"]) == len(actions) + 1


def test_the_command_line_names_every_argument_once_in_the_order_of_the_parser():
    ordered = [action for action in actions if action.dest != "help"]
    ordered += [action for action in actions if action.dest == "help"]

    expected = "mkdir -p [OUTPUT_DIR]; boldglm " + " ".join(map(value_key, ordered))

    assert SPEC["command-line"] == expected


def test_exit_codes_are_those_of_the_errors_and_of_the_help():
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.BoldglmError)
    }
    described = {entry["code"]: entry["description"] for entry in SPEC["error-codes"]}
    in_help = dict(
        re.findall(r"(\d+) ([^;]+)[;.]", " ".join(EPILOG.split("exit codes:")[1].split()))
    )

    assert set(described) == raised
    assert {str(code): text for code, text in described.items()} | {"0": "done"} == in_help


def test_version_and_description_are_those_of_the_program():
    assert SPEC["tool-version"] == RELEASE
    assert SPEC["container-image"]["image"] == f"boldglm:{RELEASE}"
    assert SPEC["description"] == DESCRIPTION.splitlines()[0]


def test_the_program_prints_the_file_when_asked(capsys):
    assert main(["--bids-exec-spec"]) == 0

    assert json.loads(capsys.readouterr().out) == SPEC


def test_what_the_execution_draft_requires_is_there():
    assert {"InputDataset", "OutputLocation", "AnalysisLevel", "ToolVersion", "Help"} <= {
        entry["id"] for entry in SPEC["inputs"]
    }
    # the draft's table and its example disagree on the name of this field
    assert SPEC["custom"]["BIDSAppSpecVersion"] == SPEC["custom"]["BIDSApplicationVersion"]


@pytest.mark.parametrize("options", [(), ("--bids",)], ids=["schema", "bids"])
def test_bosh_finds_the_file_valid(tmp_path, options):
    result = run_bosh(tmp_path, "validate", *options, str(SPEC_FILE))

    assert result.returncode == 0, result.stdout + result.stderr
    assert "OK" in result.stdout


def test_bosh_writes_a_command_that_the_parser_reads_as_meant(tmp_path):
    (tmp_path / "bids").mkdir()
    invocation = write_invocation(
        tmp_path,
        AnalysisLevel="participant",
        SubjectLabel=["01", "02"],
        Contrast=["faces - houses", "any = faces, houses"],
        HrfModel="spm + derivative",
        Nprocs=2,
        DryRun=True,
    )

    result = run_bosh(tmp_path, "exec", "simulate", "-i", invocation, str(SPEC_FILE))

    line = next(line for line in result.stdout.splitlines() if line.startswith("mkdir"))
    words = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {line.partition('; boldglm ')[2]}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    options = build_parser().parse_args(words)
    assert options.analysis_level == "participant"
    assert options.participant_label == ["01", "02"]
    assert options.contrast == ["faces - houses", "any = faces, houses"]
    assert (options.hrf_model, options.nprocs, options.dry_run) == ("spm + derivative", 2, True)


def test_bosh_runs_the_program_from_data_to_maps(demo_data):
    invocation = write_invocation(
        demo_data,
        AnalysisLevel="participant",
        SubjectLabel=["01"],
        RunIndex=["1"],
        NoiseModel="ols",
        Contrast=["cue - target"],
    )
    launch = ("exec", "launch", "--no-container", "--skip-data-collection")

    result = run_bosh(demo_data, *launch, str(SPEC_FILE), invocation)

    assert result.returncode == 0, result.stdout + result.stderr
    maps = list((demo_data / "out").rglob(f"*task-{TASK}*contrast-cueMinusTarget*stat-t_*.nii.gz"))
    assert maps


def test_bosh_passes_the_exit_code_of_the_program_on_and_explains_it(demo_data):
    invocation = write_invocation(demo_data, AnalysisLevel="participant", TaskLabel=["nosuch"])
    launch = ("exec", "launch", "--no-container", "--skip-data-collection")

    result = run_bosh(demo_data, *launch, str(SPEC_FILE), invocation)

    assert result.returncode == errors.NothingSelectedError.exit_code
    assert "nothing selected" in result.stdout + result.stderr
