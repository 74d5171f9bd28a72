"""nipype's plugins by name: the maps are the same, and a job is a run or a place above it."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boldglm.cli.main import main
from boldglm.cli.supervision import cancel_when_killed
from boldglm.errors import BadDataError, UsageError
from boldglm.workflows.plugins import PluginChoice, read_plugin_arguments
from boldglm.workflows.queues import SlurmQueue
from fake_schedulers import make_cluster
from stopped_calls import write_tiny_dataset

OPTIONS = ("--noise-model", "ols", "--conditions", "cue", "--participant-label", "01")
GRAPH_IN_BATTERY = pytest.param("SLURMGraph", marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "bids")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return make_cluster(tmp_path / "cluster", monkeypatch)


def participant(bids, out, *options):
    return main([str(bids), str(out), "participant", *OPTIONS, *options])


def maps(out):
    """Return the digest of every map and table, without those of the cache."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.name.endswith((".nii.gz", ".tsv")) and ".boldglm-work" not in path.parts
    }


@pytest.fixture(scope="module")
def plain(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "out"
    assert participant(tiny, out) == 0
    return maps(out)


def arguments_file(tmp_path, arguments):
    path = tmp_path / "plugin.json"
    path.write_text(json.dumps(arguments))
    return str(path)


@pytest.mark.parametrize("name", ["Linear", "MultiProc"])
def test_plugins_of_one_machine_give_the_same_maps(name, tiny, plain, tmp_path):
    assert participant(tiny, tmp_path / "out", "--nipype-plugin", name) == 0

    assert maps(tmp_path / "out") == plain


@pytest.mark.parametrize(
    ("name", "option", "requested"),
    [
        ("SLURM", "sbatch_args", r"--mem=\d{3}M --cpus-per-task=2 "),
        ("SLURMGraph", "sbatch_args", r"--mem=\d{3}M --cpus-per-task=2 "),
        pytest.param("PBS", "qsub_args", r"-l mem=\d{3}mb,ncpus=2 ", marks=pytest.mark.slow),
    ],
)
def test_a_job_is_a_run_or_a_result_above_it(
    name, option, requested, tiny, plain, tmp_path, cluster, capfd
):
    file = arguments_file(tmp_path, {option: "--comment=a{cpus}"})

    code = participant(
        tiny, tmp_path / "out", "--nipype-plugin", name, "--nipype-plugin-args", file,
        "--omp-nthreads", "2",
    )  # fmt: skip

    assert code == 0
    assert maps(tmp_path / "out") == plain
    assert (tmp_path / "out" / "sub-01.html").is_file()
    calls = cluster.calls()
    assert len(calls) == 2 + 1 + (name == "SLURMGraph")  # runs, subject, and else the report here
    assert all(re.search(requested, call) for call in calls[:2])
    assert "--comment=a2" in calls[0]
    assert "--comment=a1" in calls[2]
    assert "[2/2] fitted sub-01_task-cuetarget_run-" in capfd.readouterr().err
    assert not list((tmp_path / "out").rglob("*_job"))


@pytest.mark.parametrize("name", ["SLURM", GRAPH_IN_BATTERY])
def test_a_run_that_fails_in_a_job_is_named_and_takes_only_what_needs_it(
    name, tiny, tmp_path, cluster, capfd
):
    bids = write_tiny_dataset(tmp_path / "bids")
    path = bids / "sub-01" / "func" / "sub-01_task-cuetarget_run-1_bold.nii.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 255  # in the checksum, which only reading all of it shows
    path.write_bytes(content)

    code = participant(bids, tmp_path / "out", "--nipype-plugin", name)

    said = capfd.readouterr()
    assert code == 1
    assert path.name in said.err
    assert said.err.count("boldglm: ") == 1
    assert "1 failure (see above)" in said.out
    assert list((tmp_path / "out").rglob("*run-2*stat-t*"))
    assert not list((tmp_path / "out" / "node-subject").rglob("*stat-t*"))


@pytest.mark.parametrize("name", ["SLURM", GRAPH_IN_BATTERY])
def test_a_job_that_the_scheduler_ended_is_told_with_its_log(
    name, tiny, tmp_path, cluster, capfd, monkeypatch
):
    monkeypatch.setattr("boldglm.workflows.execution.JOB_FINISHED_SECONDS", 0.1)
    cluster.kill("run_1_wf")

    code = participant(tiny, tmp_path / "out", "--nipype-plugin", name)

    error = capfd.readouterr().err
    assert code == 1
    assert "The scheduler ended the job sub_01_task_cuetarget_run_1_wf_job" in error
    assert "oom_kill" in error
    log = re.search(r"Its log (\S+) ends with", error)[1]
    assert Path(log).is_file()
    assert list((tmp_path / "out").rglob("*run-2*stat-t*"))


@pytest.mark.parametrize("name", ["SLURM", "SLURMGraph"])
def test_jobs_that_cannot_be_submitted_end_the_call(name, tiny, tmp_path, cluster, capfd):
    file = arguments_file(
        tmp_path, {"sbatch_args": "--partition=absent", "max_tries": 1, "retry_timeout": 0}
    )

    code = participant(
        tiny, tmp_path / "out", "--nipype-plugin", name, "--nipype-plugin-args", file
    )

    assert code == 1
    assert "invalid partition: absent" in capfd.readouterr().err


@pytest.mark.slow
def test_options_of_the_user_for_memory_have_precedence(tiny, tmp_path, cluster):
    file = arguments_file(tmp_path, {"sbatch_args": "--mem=4G -c 3 -o /dev/null"})

    assert participant(
        tiny, tmp_path / "out", "--nipype-plugin", "SLURM", "--nipype-plugin-args", file
    ) == 0  # fmt: skip

    assert all("--mem=4G -c 3 -o /dev/null" in call for call in cluster.calls())
    assert not [call for call in cluster.calls() if "M " in call or "-task=" in call]


def test_a_queue_is_asked_for_all_jobs_at_once_and_not_too_often(cluster):
    queue = SlurmQueue()
    for number in range(1000):
        queue.add(number)

    assert all(queue.has(number) for number in range(1000))
    queue._pace._asked -= 60
    assert not any(queue.has(number) for number in range(1000))

    assert len((cluster.folder / "asked").read_text().splitlines()) == 1


def test_jobs_are_canceled_when_the_call_is_ended(tmp_path, cluster):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from boldglm.cli.supervision import cancel_when_killed, supervised\n"
        "def work():\n"
        "    cancel_when_killed(Path(sys.argv[1])); os.kill(os.getppid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "sys.exit(supervised(work))\n"
    )
    jobs = tmp_path / "jobs.txt"
    jobs.write_text("scancel 7\nqdel 3.server\nscancel 8\n")

    ended = subprocess.run([sys.executable, "-c", program, jobs], timeout=60, check=False)

    assert ended.returncode == 130
    assert sorted(cluster.canceled()) == ["qdel 3.server", "scancel 7 8"]


def test_without_supervision_nothing_is_announced(tmp_path):
    cancel_when_killed(tmp_path / "jobs.txt")

    assert not (tmp_path / "jobs.txt").exists()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (PluginChoice("SLURM", {"sbatch_arg": ""}), "no argument 'sbatch_arg'.*'sbatch_args'"),
        (PluginChoice("Linear", {"n_procs": 2}), "no argument 'n_procs'. It takes none"),
        (PluginChoice("SGE"), "needs qsub and qstat and qdel, which this machine does not have"),
    ],
)
def test_a_plugin_that_cannot_work_is_refused_at_once(choice, message, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(UsageError, match=message):
        choice.check(tmp_path)


def test_a_work_folder_that_job_scripts_cannot_name_is_refused(tmp_path, cluster):
    with pytest.raises(UsageError, match=r"character ' '.* Choose another folder with -w"):
        PluginChoice("SLURM").check(tmp_path / "my work")


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("a.json", '{"sbatch_args": "-p short"}', {"sbatch_args": "-p short"}),
        ("a.yml", "plugin: SLURM\nplugin_args:\n  sbatch_args: -p short\n",
         {"sbatch_args": "-p short"}),
    ],
)  # fmt: skip
def test_arguments_are_read_from_json_and_yaml(name, text, arguments, tmp_path):
    if name.endswith("yml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)

    assert read_plugin_arguments(tmp_path / name, "SLURM") == PluginChoice("SLURM", arguments)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"a": 1,}', "a.json, line 1: this is not JSON"),
        ("a.json", "[1]", "not a mapping of names to values"),
        ("a.json", '{"plugin": "PBS"}', "is for the plugin 'PBS', but --nipype-plugin is SLURM"),
        ("a.json", '{"plugin_args": 3}', "at plugin_args: 3 is not a mapping"),
    ],
)
def test_arguments_that_cannot_be_read_are_named(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)

    with pytest.raises(BadDataError, match=message):
        read_plugin_arguments(tmp_path / name, "SLURM")


def test_processes_of_this_machine_do_not_go_with_a_scheduler(tiny, tmp_path, cluster, capsys):
    code = participant(tiny, tmp_path / "out", "--nipype-plugin", "SLURM", "--nprocs", "2")

    assert code == 2
    assert "max_jobs" in capsys.readouterr().err
    assert cluster.calls() == []
