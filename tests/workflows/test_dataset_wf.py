"""The workflow of a whole dataset from Python gives what the command line gives."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nipype import config
from nipype.interfaces.utility import Function, Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.errors import BadDataError, UsageError
from boldglm.io.outputs.records import Record, read_result
from boldglm.io.outputs.region_tables import RegionTable
from boldglm.workflows import (
    Atlas,
    DatasetOptions,
    DefaultModelOptions,
    ModelChoice,
    RunSettings,
    Selection,
    init_boldglm_wf,
    init_group_wf,
    init_run_wf,
    init_subject_wf,
    job_plugin,
)
from fake_atlases import write_boxes
from fake_schedulers import make_cluster

OPTIONS = DatasetOptions(
    model=ModelChoice(None, DefaultModelOptions(conditions=("cue",), noise_model="ols"))
)


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    plan = DatasetPlan(n_scans=40, shape=(6, 7, 5))
    return write_dataset(tmp_path_factory.mktemp("data") / "bids", plan)


@pytest.fixture(scope="module")
def by_command(bids, tmp_path_factory):
    out = tmp_path_factory.mktemp("command") / "out"
    options = ("--conditions", "cue", "--noise-model", "ols", "--no-keep-fits")
    assert main([str(bids), str(out), "participant", *options]) == 0
    assert main([str(bids), str(out), "group"]) == 0
    return contents(out)


@pytest.fixture(autouse=True)
def _polls_fast(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # nipype writes crash files there
    before = config.get("execution", "poll_sleep_duration")
    config.set("execution", "poll_sleep_duration", "0.02")
    yield
    config.set("execution", "poll_sleep_duration", before)


def contents(out):
    """Return the digest of everything that is a result."""
    kinds = (".nii.gz", ".tsv", "_statmap.json")
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.name.endswith(kinds) and "logs" not in path.parts
    }


def run(workflow, base_dir, plugin, **arguments):
    workflow.base_dir = str(base_dir)
    return workflow.run(plugin=plugin, plugin_args=arguments)


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_all_levels_are_one_workflow_that_starts_without_results(
    plugin, bids, by_command, tmp_path, capsys
):
    out = tmp_path / "out"
    workflow = init_boldglm_wf(bids, out, OPTIONS)
    assert not list(out.rglob("*.nii.gz"))

    run(workflow, tmp_path / "work", plugin, **({"n_procs": 2} if plugin == "MultiProc" else {}))

    assert contents(out) == by_command
    assert (out / "group.html").is_file()
    assert (out / "sub-02.html").is_file()
    capsys.readouterr()
    assert main([str(bids), str(out), "group"]) == 0
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.slow
def test_a_scheduler_gets_one_job_for_each_run_and_place_above(
    bids, by_command, tmp_path, monkeypatch
):
    cluster = make_cluster(tmp_path / "cluster", monkeypatch)
    monkeypatch.setenv("LOGNAME", "somebody")
    out = tmp_path / "out"

    workflow = init_boldglm_wf(bids, out, OPTIONS)
    workflow.base_dir = str(tmp_path / "work")
    workflow.run(plugin=job_plugin("SLURM", sbatch_args="--time=5"))

    assert contents(out) == by_command
    jobs = [call.rpartition(" -J ")[2].split()[0] for call in cluster.calls()]
    assert len(jobs) == 4 + 2 + 1
    assert all(job.endswith("_wf_job") for job in jobs)


def write_marker(path):
    from pathlib import Path

    Path(path).write_text("done")
    return path


def count_records(subjects, group):
    return len(subjects), len(group)


def test_it_is_a_part_of_a_larger_workflow(bids, tmp_path):
    out = tmp_path / "out"
    marker = tmp_path / "marker"
    before = Node(Function(["path"], ["path"], write_marker), name="before")
    before.inputs.path = str(marker)
    after = Node(Function(["subjects", "group"], ["counts"], count_records), name="after")
    inner = init_boldglm_wf(bids, out, OPTIONS)
    outer = Workflow(name="outer")
    outer.connect(before, "path", inner, "inputnode.wait_for")
    outer.connect(inner, "outputnode.subject_records", after, "subjects")
    outer.connect(inner, "outputnode.dataset_records", after, "group")

    graph = run(outer, tmp_path / "work", "Linear")

    order = [node.name for node in graph.nodes]
    assert marker.read_text() == "done"
    counts = next(node for node in graph.nodes if node.name == "after").result.outputs.counts
    assert tuple(counts) == (2, 1)
    fits = [node for node in graph.nodes if node.name == "write_design"]
    assert len(fits) == 4
    assert all(graph.has_edge(graph_node(graph, "before"), node) for node in fits), order


def graph_node(graph, name):
    return next(node for node in graph.nodes if node.name == name)


def test_finished_results_are_not_fitted_again_and_are_outputs_too(bids, tmp_path):
    out = tmp_path / "out"
    runs_only = DatasetOptions(model=OPTIONS.model, levels=("run",))
    run(init_boldglm_wf(bids, out, runs_only), tmp_path / "work", "Linear")
    assert not (out / "node-subject").exists()

    graph = run(init_boldglm_wf(bids, out, OPTIONS), tmp_path / "again", "Linear")

    names = [node.name for node in graph.nodes]
    assert "fit_glm" not in names
    assert names.count("fit_node") == 3
    records = graph_node(graph, "run_records").result.outputs.out
    assert [Record.read(Path(path), out).level for path in records] == ["run"] * 4


def test_a_group_of_one_is_refused_before_anything_is_written(bids, tmp_path):
    one = DatasetOptions(selection=Selection(subjects=("01",)), model=OPTIONS.model)

    with pytest.raises(BadDataError, match="the plan has sub-01 only"):
        init_boldglm_wf(bids, tmp_path / "out", one)

    assert not (tmp_path / "out").exists()


def test_maps_trials_and_reports_are_chosen_as_on_the_command_line(bids, tmp_path):
    options = ("--conditions", "cue", "--noise-model", "ols", "--no-keep-fits", "--no-report")
    more = ("--maps", "effect", "rsquared", "--single-trials", "lss")
    assert main([str(bids), str(tmp_path / "command"), "run", *options, *more]) == 0
    chosen = replace(
        OPTIONS,
        levels=("run",),
        maps=("effect", "rsquared"),
        single_trials="lss",
        with_reports=False,
    )

    run(init_boldglm_wf(bids, tmp_path / "out", chosen), tmp_path / "work", "Linear")

    by_python = contents(tmp_path / "out")
    assert by_python == contents(tmp_path / "command")
    assert sum("desc-trials" in name and name.endswith(".nii.gz") for name in by_python) >= 4
    assert not any("stat-variance" in name for name in by_python)
    assert not list((tmp_path / "out").glob("*.html"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"maps": ("efect",)}, "no map 'efect'.*Did you mean 'effect'"),
        ({"maps": ("z",)}, "leaves out effect and variance"),
        ({"single_trials": "ssl"}, "no method 'ssl'"),
    ],
)
def test_choices_that_do_not_exist_are_refused_before_anything_is_written(
    bids, tmp_path, wrong, message
):
    with pytest.raises(UsageError, match=message):
        init_boldglm_wf(bids, tmp_path / "out", replace(OPTIONS, **wrong))

    assert not (tmp_path / "out").exists()


def test_runs_participants_and_groups_of_plain_files_make_a_workflow(bids, tmp_path):
    outer = Workflow(name="outer", base_dir=str(tmp_path / "work"))
    group = init_group_wf(["sub-01", "sub-02"])
    for slot, label in enumerate(("01", "02"), start=1):
        subject = init_subject_wf(["run-1", "run-2"], name=f"subject_{label}")
        joined = joined_of(f"joined_{label}")
        outer.connect(joined, "out", subject, "inputnode.result_files")
        for number in (1, 2):
            func = bids / f"sub-{label}" / "func" / f"sub-{label}_task-cuetarget_run-{number}"
            one = init_run_wf(["cue"], name=f"run_{label}_{number}")
            one.inputs.inputnode.bold_file = f"{func}_bold.nii.gz"
            one.inputs.inputnode.events_file = f"{func}_events.tsv"
            outer.connect(one, "outputnode.result_file", joined, f"in{number}")
        if slot == 1:
            both = joined_of("both")
            outer.connect(both, "out", group, "inputnode.result_files")
        outer.connect(subject, "outputnode.result_file", both, f"in{slot}")

    graph = outer.run(plugin="Linear")

    fitted = [node for node in graph.nodes if node.name == "fit_node"]
    assert len(fitted) == 3
    top = next(node for node in fitted if node._hierarchy == "outer.group_wf")
    assert [Path(path).is_file() for path in [top.result.outputs.effect_files]] == [True]


def test_regions_of_an_atlas_are_tested_as_on_the_command_line(bids, tmp_path):
    bold = bids / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    image = write_boxes(tmp_path, bold)
    command, out = tmp_path / "command", tmp_path / "out"
    options = ("--atlas", str(image))
    fit = ("--conditions", "cue", "--noise-model", "ols")
    assert main([str(bids), str(command), "participant", *fit, *options]) == 0
    assert main([str(bids), str(command), "group", *options]) == 0

    workflow = init_boldglm_wf(bids, out, replace(OPTIONS, atlas=(str(image),)))
    run(workflow, tmp_path / "work", "Linear")

    tables = [name for name in contents(command) if name.endswith("regions_table.tsv")]
    assert len(tables) == 4 + 2 + 1
    assert {name: contents(out)[name] for name in tables} == {
        name: contents(command)[name] for name in tables
    }


def test_regions_of_plain_files_are_combined(bids, tmp_path):
    func = bids / "sub-01/func/sub-01_task-cuetarget_run"
    atlas = Atlas.of(write_boxes(tmp_path, Path(f"{func}-1_bold.nii.gz")))
    outer = Workflow(name="outer", base_dir=str(tmp_path / "work"))
    subject = init_subject_wf(["run-1", "run-2"], atlas=atlas)
    joined = joined_of("joined")
    outer.connect(joined, "out", subject, "inputnode.result_files")
    for number in (1, 2):
        one = init_run_wf(["cue"], RunSettings(atlas=atlas), name=f"run_{number}")
        one.inputs.inputnode.bold_file = f"{func}-{number}_bold.nii.gz"
        one.inputs.inputnode.events_file = f"{func}-{number}_events.tsv"
        outer.connect(one, "outputnode.result_file", joined, f"in{number}")

    graph = outer.run(plugin="Linear")

    top = next(node for node in graph.nodes if node.name == "fit_node")
    result = read_result(Path(top.result.outputs.result_file))
    table = RegionTable.read(result.regions.table)
    assert np.isfinite(table.column("cue", "effect", tuple(table.names))).any()
    assert str(result.regions.table) in top.result.outputs.map_files


def joined_of(name):
    return Node(Merge(2), name=name)


def test_only_schedulers_have_jobs():
    with pytest.raises(UsageError, match="no scheduler 'Slurm'"):
        job_plugin("Slurm")
