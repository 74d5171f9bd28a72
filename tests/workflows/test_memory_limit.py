"""`--mem-gb`: how many runs are fitted at a time, and what is refused."""

import filecmp
import re

import pytest
from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from boldglm.cli.main import main
from boldglm.errors import UsageError
from boldglm.interfaces import fit
from boldglm.interfaces.fit import FitGLM
from boldglm.io.images.bold_series import MEMORY_LIMIT, load_run
from boldglm.workflows import memory_limit
from boldglm.workflows.memory_limit import INTERPRETER_GB, processes_within, resident_gb


@pytest.fixture(autouse=True)
def size_of_this_process(monkeypatch):
    monkeypatch.setattr(memory_limit, "resident_gb", lambda: INTERPRETER_GB + 0.1)


def workflow_of(*needs):
    whole = Workflow(name="whole")
    for number, need in enumerate(needs):
        run = Workflow(name=f"sub_0{number}_task_go_wf")
        fit_wf = Workflow(name="fit_wf")
        fit_wf.add_nodes([Node(FitGLM(), name="fit_glm", mem_gb=need)])
        run.add_nodes([fit_wf])
        whole.add_nodes([run])
    return whole


@pytest.mark.parametrize(
    ("limit", "nprocs", "expected"),
    [(10, 4, 4), (2.4, 4, 2), (1.3, 4, 1), (10, 1, 1), (1.1, 4, 1)],
)
def test_runs_are_fitted_in_parallel_as_far_as_memory_allows(limit, nprocs, expected):
    # 0.3 GB for this process, 1 GB for each further one; 1.1 GB if the fit is in this process
    assert processes_within(workflow_of(0.5, 1.0), limit, nprocs) == expected


def test_a_run_that_would_not_fit_is_read_through_a_file():
    whole = workflow_of(0.5, 1.0)

    assert processes_within(whole, 1.0, 4) == 1

    small, large = (whole.get_node(f"sub_0{k}_task_go_wf.fit_wf.fit_glm") for k in (0, 1))
    assert (small.inputs.memory_limit, large.inputs.memory_limit) == (MEMORY_LIMIT, 0)


def test_what_cannot_fit_is_refused_with_its_need():
    with pytest.raises(UsageError, match=re.escape("the fit of sub-01_task-go may need 0.97 GB")):
        processes_within(workflow_of(0.5, 1.0), 0.9, 4)
    assert processes_within(workflow_of(0.5, 1.0), 0.98, 4) == 1


def test_any_other_step_is_named_too():
    whole = Workflow(name="whole")
    whole.add_nodes([Node(IdentityInterface(fields=["a"]), name="report", mem_gb=3.0)])

    with pytest.raises(UsageError, match=re.escape("the step report may need 3.10 GB")):
        processes_within(whole, 2.0, 1)


def test_a_limit_changes_no_map_and_one_too_low_is_refused(dataset, tmp_path, monkeypatch, capsys):
    chosen = ("--participant-label", "01", "--run-label", "1")
    limits = []
    monkeypatch.setattr(
        fit,
        "load_run",
        lambda *args: (limits.append(args[-1].memory_limit), load_run(*args))[1],
    )
    call = [str(dataset), str(tmp_path / "plain"), "participant", *chosen]
    assert main(call) == 0
    call[1] = str(tmp_path / "tight")
    assert main([*call, "--mem-gb", "0.45"]) == 0
    assert limits == [MEMORY_LIMIT, 0]
    name = "node-run/sub-01/func/sub-01_task-cuetarget_run-1_contrast-cue_stat-t_statmap.nii.gz"
    assert filecmp.cmp(tmp_path / "plain" / name, tmp_path / "tight" / name, shallow=False)

    call[1] = str(tmp_path / "none")
    assert main([*call, "--mem-gb", "0.1"]) == 2
    assert "sub-01_task-cuetarget_run-1 may need 0.3" in capsys.readouterr().err
    assert main([*call, "--mem-gb", "much"]) == 2
    assert "'much' is not a number of GB above 0" in capsys.readouterr().err


def test_the_size_of_a_process_is_measured(monkeypatch):
    assert 0.05 < resident_gb() < 5
