"""On a real SLURM of one node, the plugins and an array of jobs give the bytes of a plain call.

`make slurm-test` runs these tests. They take the cluster that `sinfo` knows, or start one with
the script slurm-up.sh in the folder that CTR_TOOLS names.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boldglm.workflows import DatasetOptions, init_boldglm_wf, job_plugin
from stopped_calls import write_tiny_dataset

pytestmark = pytest.mark.container
ROOT = Path(__file__).parents[2]
SCRIPTS = re.findall(
    r"^```bash\n(.*?)^```",
    (ROOT / "docs/clusters.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)
# A container that is none: the program of this installation, with the paths that are bound.
APPTAINER = f"""#!{sys.executable}
import os, sys
words, bound, image = sys.argv[1:], [], 0
for index, word in enumerate(words):
    if word == "-B":
        bound.append(words[index + 1].split(":")[:2])
    if word.endswith(".sif"):
        image = index
arguments = []
for word in words[image + 1:]:
    for outside, inside in bound:
        word = outside + word[len(inside):] if word.split("/")[:2] == inside.split("/") else word
    arguments.append(word)
os.execv(sys.executable, [sys.executable, "-m", "boldglm", *arguments])
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Return the environment in which SLURM answers."""
    if shutil.which("sinfo") and subprocess.run(["sinfo"], capture_output=True).returncode == 0:
        yield dict(os.environ)
        return
    tools = Path(os.environ.get("CTR_TOOLS", ""))
    if not (tools / "slurm-up.sh").is_file() or not shutil.which("slurmctld"):
        pytest.skip("no SLURM answers, and CTR_TOOLS names no folder with slurm-up.sh")
    folder = tmp_path_factory.mktemp("slurm") / "state"
    subprocess.run(["bash", tools / "slurm-up.sh", folder], check=True, timeout=120)
    yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run(["bash", tools / "slurm-down.sh", folder], check=False, timeout=120)


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "bids")


def call(bids, out, level, *options, **settings):
    """Run the program, and return what it printed."""
    command = [sys.executable, "-m", "boldglm", str(bids), str(out), level, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plain(bids, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "out"
    for level in ("participant", "group"):
        call(bids, out, level, "--no-keep-fits")
    return results(out)


def results(out):
    kinds = (".nii.gz", ".tsv", "_statmap.json")
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.name.endswith(kinds) and not {"logs", ".boldglm-work"} & set(path.parts)
    }


@pytest.mark.parametrize("plugin", ["SLURM", "SLURMGraph"])
def test_jobs_of_a_plugin_give_the_bytes_of_a_plain_call(plugin, slurm, bids, plain, tmp_path):
    for level in ("participant", "group"):
        call(bids, tmp_path / "out", level, "--no-keep-fits", "--nipype-plugin", plugin, env=slurm)

    assert results(tmp_path / "out") == plain


def test_one_workflow_of_all_levels_runs_as_jobs(slurm, bids, plain, tmp_path, monkeypatch):
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    workflow = init_boldglm_wf(bids, tmp_path / "out", DatasetOptions())
    workflow.base_dir = str(tmp_path / "work")

    workflow.run(plugin=job_plugin("SLURM"))

    assert results(tmp_path / "out") == plain


def test_the_job_scripts_give_the_bytes_of_a_plain_call(slurm, bids, plain, tmp_path):
    out = tmp_path / "out"
    for folder in ("bin", "logs", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "apptainer").write_text(APPTAINER)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    environment = {**slurm, "PATH": f"{tmp_path / 'bin'}:{slurm['PATH']}"}
    places = (f"bids={bids} out={out} ", "bids=/data/bids out=/data/out ")
    for name, script in zip(("participant.slurm", "group.slurm"), SCRIPTS, strict=False):
        assert places[1] in script
        smaller = script.replace(places[1], places[0]).replace(
            "cpus-per-task=2", "cpus-per-task=1"
        )
        (tmp_path / name).write_text(smaller.replace("--mem=4G", "--mem=1G"))
    labels = call(bids, out, "participant", "--list-participants")
    (tmp_path / "participants.txt").write_text(labels)

    for command in (["--array=1-2", "participant.slurm"], ["group.slurm"]):
        subprocess.run(
            ["sbatch", "--wait", *command], cwd=tmp_path, env=environment, check=True, timeout=500
        )

    assert results(out) == plain


def test_a_stopped_call_leaves_no_job(slurm, bids, tmp_path):
    command = [sys.executable, "-m", "boldglm", str(bids), str(tmp_path / "out"), "participant"]
    started = subprocess.Popen(
        [*command, "--nipype-plugin", "SLURM"], env=slurm, stderr=subprocess.PIPE, text=True
    )
    assert waits_until(lambda: jobs(slurm), seconds=120)

    started.send_signal(signal.SIGINT)

    _, said = started.communicate(timeout=30)
    assert started.returncode == 130
    assert "interrupted" in said
    assert waits_until(lambda: not jobs(slurm), seconds=60)


def jobs(slurm):
    asked = subprocess.run(
        ["squeue", "-h", "-t", "PD,R"], env=slurm, capture_output=True, text=True, check=True
    )
    return [line for line in asked.stdout.splitlines() if line.strip()]


def waits_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
