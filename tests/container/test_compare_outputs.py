"""The comparison that `make image-test` trusts notices what it is there to notice."""

import nibabel as nib
import numpy as np
import pytest

from container.compare_outputs import differences, main

MAP = "node-run/sub-01_stat-t_statmap.nii.gz"
TABLE = "node-run/sub-01_design.tsv"


def write_output(folder, *, factor=1.0, shift=0.0, cell="0.5", dtype=np.float32):
    values = np.linspace(-3, 3, 60).reshape(3, 4, 5) * factor + shift
    image = nib.Nifti1Image(values.astype(dtype), np.diag([2.0, 2, 2, 1]))
    (folder / "node-run").mkdir(parents=True)
    (folder / "logs").mkdir()
    nib.save(image, folder / MAP)
    (folder / TABLE).write_text(f"faces\tname\n{cell}\tx\n")
    (folder / "logs" / "settings.json").write_text(str(folder))
    return folder


@pytest.fixture
def reference(tmp_path):
    return write_output(tmp_path / "reference")


def test_equal_output_passes_whatever_the_logs_say(tmp_path, reference, capsys):
    other = write_output(tmp_path / "other", factor=1 + 1e-8)

    assert main([str(reference), str(other)]) == 0
    assert "2 files, 1 maps" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"factor": 1 + 1e-5}, {"shift": 1e-5}, {"dtype": np.float64}])
def test_a_map_that_differs_is_named(tmp_path, reference, change):
    other = write_output(tmp_path / "other", **change)

    (line,) = differences(reference, other)
    assert line.startswith(f"different: {MAP}")


def test_a_map_on_another_grid_is_named(tmp_path, reference):
    other = write_output(tmp_path / "other")
    values = np.asarray(nib.load(other / MAP).dataobj)
    nib.save(nib.Nifti1Image(values, np.diag([3.0, 2, 2, 1])), other / MAP)

    (line,) = differences(reference, other)
    assert "affine" in line


def test_a_table_that_differs_is_named(tmp_path, reference):
    (line,) = differences(reference, write_output(tmp_path / "other", cell="0.6"))

    assert line.startswith(f"different: {TABLE}")


def test_missing_and_unexpected_files_fail(tmp_path, reference, capsys):
    other = write_output(tmp_path / "other")
    (other / MAP).rename(other / "sub-02.nii.gz")

    assert main([str(reference), str(other)]) == 1
    said = capsys.readouterr().err
    assert f"missing: {MAP}" in said
    assert "unexpected: sub-02.nii.gz" in said


def test_an_empty_reference_is_no_proof(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert "holds no maps" in differences(tmp_path / "a", tmp_path / "b")[0]
