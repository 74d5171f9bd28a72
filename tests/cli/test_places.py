"""Inputs are never written to, wherever the output folder is put."""

import pytest

from boldglm.cli.main import main
from fake_fmriprep import write_fmriprep


def plan(bids, out, *options):
    return main([str(bids), str(out), "participant", "--dry-run", *options])


@pytest.mark.parametrize("place", ["", "sub-01", "sub-01/func/out", "out", "sourcedata/out"])
def test_an_output_in_the_raw_dataset_is_refused(dataset, capsys, place):
    assert plan(dataset, dataset / place) == 2
    assert "never writes to its input" in capsys.readouterr().err
    assert not (dataset / "out").exists()


@pytest.mark.parametrize("options", [(), ("-d", "FMRIPREP")])
@pytest.mark.parametrize("place", ["fmriprep", "fmriprep/sub-01", "fmriprep/out", "."])
def test_an_output_in_or_around_derivatives_that_are_fitted_is_refused(
    dataset, capsys, place, options
):
    folder = write_fmriprep(dataset)
    given = [option.replace("FMRIPREP", str(folder)) for option in options]

    assert plan(dataset, folder.parent / place, *given) == 2
    said = capsys.readouterr().err
    assert "never writes to its input" in said
    assert "fmriprep" in said


def test_an_output_that_is_a_dataset_around_the_raw_one_is_refused(dataset, capsys):
    assert plan(dataset, dataset.parent) == 0
    description = dataset.parent / "dataset_description.json"
    for content in ('{"Name": "raw", "BIDSVersion": "1.8.0"}', "[]", "{"):
        description.write_text(content)
        assert plan(dataset, dataset.parent) == 2
        assert "holds BIDS_DIR (in bids)" in capsys.readouterr().err
    description.write_text('{"GeneratedBy": [{"Name": "boldglm"}]}')
    assert plan(dataset, dataset.parent) == 0


def test_a_link_to_an_input_is_that_input(dataset, tmp_path, capsys):
    (tmp_path / "link").symlink_to(dataset)

    assert plan(dataset, tmp_path / "link") == 2
    assert "same folder" in capsys.readouterr().err


def test_the_usual_places_are_fine(dataset, tmp_path, capsys):
    write_fmriprep(dataset)
    source = dataset

    assert plan(source, source / "derivatives/boldglm") == 0
    assert plan(source, source / "derivatives/first/second") == 0
    assert plan(source, source / "derivatives/fmriprep/derivatives/boldglm") == 0
    assert plan(source, tmp_path / "anywhere") == 0
    (tmp_path / "out/sourcedata").mkdir(parents=True)
    moved = source.rename(tmp_path / "out/sourcedata/raw")
    assert plan(moved, tmp_path / "out") == 0
    capsys.readouterr()
