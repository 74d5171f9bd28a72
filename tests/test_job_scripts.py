"""The job scripts of docs/clusters.md call the program as it is, each for its participant."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from boldglm.cli.parser import build_parser

TEXT = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SCHEDULERS = ("#SBATCH", "#SBATCH", "#$ ", "#PBS")
APPTAINER = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in *.sif) shift; break;; esac; shift; done
for word; do echo "$word"; done > "$CALL"
"""


def run(script, folder):
    """Run a script with an apptainer that writes down the words after the image."""
    (folder / "apptainer").write_text(APPTAINER)
    (folder / "apptainer").chmod(0o755)
    (folder / "participants.txt").write_text("01\nA2\n03\n")
    settings = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALL": str(folder / "call"),
        "TMPDIR": str(folder),
        "SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "2",
        "SGE_TASK_ID": "2", "NSLOTS": "2",
        "PBS_ARRAY_INDEX": "2", "PBS_O_WORKDIR": str(folder),
    }  # fmt: skip
    subprocess.run(["bash", "-c", script], cwd=folder, env=settings, check=True, timeout=60)
    assert not list(folder.glob("boldglm-*"))  # the work folder is removed
    return build_parser().parse_args((folder / "call").read_text().splitlines())


def test_there_is_a_script_for_every_scheduler():
    assert len(SCRIPTS) == len(SCHEDULERS)
    for script, mark in zip(SCRIPTS, SCHEDULERS, strict=True):
        assert script.startswith("#!/bin/bash\n")
        lines = script.splitlines()[1:]
        assert sum(line.startswith(mark) for line in lines) >= 4


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_job_fits_the_participant_of_its_task(number, tmp_path):
    options = run(SCRIPTS[number], tmp_path)

    assert options.analysis_level == "participant"
    assert options.participant_label == ["A2"]
    assert (options.nprocs, options.mem_gb, str(options.work_dir)) == (2, 4.0, "/work")


def test_the_last_job_tests_the_group_of_all(tmp_path):
    options = run(SCRIPTS[1], tmp_path)

    assert options.analysis_level == "group"
    assert options.missing_participants == "error"
