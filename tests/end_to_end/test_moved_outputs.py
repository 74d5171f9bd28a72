"""An output folder can be moved, and levels above need only maps and their sidecars."""

import shutil

import pytest

from boldglm.cli.main import main
from boldglm.io.outputs.records import record_files

OLS = ("--noise-model", "ols")


@pytest.fixture
def moved(dataset, tmp_path):
    """Return a dataset and the output of its participant level, moved to another folder."""
    assert main([str(dataset), str(tmp_path / "out"), "participant", *OLS]) == 0
    target = tmp_path / "elsewhere" / "results"
    target.parent.mkdir()
    shutil.move(tmp_path / "out", target)
    return dataset, target


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.glob("node-*/**/*")
        if path.is_file()
    }


def test_a_moved_output_folder_is_not_fitted_again(moved, capsys):
    dataset, out = moved
    before = {path: path.stat().st_mtime_ns for path in out.glob("node-*/**/*.nii.gz")}

    assert main([str(dataset), str(out), "participant", *OLS]) == 0

    assert "4 of 4 runs were already finished" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_the_group_needs_neither_logs_nor_cached_fits(moved, tmp_path):
    dataset, out = moved
    whole = tmp_path / "whole"
    shutil.copytree(out, whole)
    for folder in ("logs", ".boldglm-work"):
        shutil.rmtree(out / folder)

    assert main([str(dataset), str(out), "group"]) == 0
    assert main([str(dataset), str(whole), "group"]) == 0

    assert contents(out) == contents(whole)


def test_without_its_logs_a_run_is_finished_and_its_report_the_same(moved, capsys):
    dataset, out = moved
    before = (out / "sub-01.html").read_text()
    shutil.rmtree(out / "logs")

    assert main([str(dataset), str(out), "participant", *OLS]) == 0

    assert "4 of 4 runs were already finished" in capsys.readouterr().out
    earlier, now = str(out.parent.parent / "out"), str(out)
    assert (out / "sub-01.html").read_text() == before.replace(earlier, now)


def test_no_record_names_a_folder_of_this_machine(moved):
    _, out = moved
    for path in record_files(out):
        assert str(out.parent.parent) not in path.read_text()
