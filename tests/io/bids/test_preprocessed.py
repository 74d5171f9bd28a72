"""What of fMRIPrep's folders is found, matched and chosen."""

import json
import logging

import pytest

from boldglm.errors import BoldglmError, MissingInputError, NothingSelectedError
from boldglm.io.bids.derivative_datasets import find_derivatives
from boldglm.io.bids.query import find_runs
from boldglm.io.bids.selection import Selection
from boldglm.notices import exclusion
from fake_fmriprep import AROMA_SPACE, MNI, OLD, Layout, write_aroma, write_fmriprep


def runs_of(dataset, *arguments, **options):
    return find_runs(dataset, Selection(), *arguments, **options)


def test_derivatives_in_the_dataset_are_found_with_mask_table_and_events(dataset):
    folder = write_fmriprep(dataset)

    found = runs_of(dataset)

    stem = "sub-01_task-cuetarget_run-1"
    first = found.runs[0]
    func = folder.resolve() / "sub-01" / "func"
    assert len(found.runs) == 4
    assert first.bold == func / f"{stem}_space-{MNI}_res-2_desc-preproc_bold.nii.gz"
    assert first.mask == func / f"{stem}_space-{MNI}_res-2_desc-brain_mask.nii.gz"
    assert first.confounds == (func / f"{stem}_desc-confounds_timeseries.tsv",)
    assert first.kind == "preproc"
    assert first.events == dataset.resolve() / "sub-01" / "func" / f"{stem}_events.tsv"
    assert first.metadata["StartTime"] == 0.95
    assert first.entities == {
        "sub": "01", "task": "cuetarget", "run": "1", "space": MNI, "res": "2",
    }  # fmt: skip
    assert first.sources[0].startswith("bids:fmriprep:sub-01/func/")
    assert first.sources[-1] == f"bids:raw:sub-01/func/{stem}_events.tsv"
    assert first.derivatives == f"fMRIPrep 25.1.0 ({folder.resolve()})"


def test_names_of_the_first_versions_are_known(dataset):
    write_fmriprep(dataset, layout=OLD)

    first = runs_of(dataset).runs[0]

    stem = "sub-01_task-cuetarget_run-1"
    assert first.bold.name == f"{stem}_bold_space-{MNI}_preproc.nii.gz"
    assert first.mask.name == f"{stem}_bold_space-{MNI}_brainmask.nii.gz"
    assert first.confounds[0].name == f"{stem}_bold_confounds.tsv"
    assert first.entities["space"] == MNI


def test_tables_called_regressors_are_known(dataset):
    write_fmriprep(dataset, layout=Layout(table="{stem}_desc-confounds_regressors.tsv"))

    assert runs_of(dataset).runs[0].confounds[0].name.endswith("desc-confounds_regressors.tsv")


def test_a_repetition_time_that_fmriprep_left_out_is_the_raw_one(dataset):
    folder = write_fmriprep(dataset)
    for path in folder.rglob("*_bold.json"):
        path.write_text("{}")

    assert runs_of(dataset).runs[0].metadata == {"RepetitionTime": 2.0}


def test_the_raw_series_are_taken_when_there_are_no_derivatives_or_none_are_wanted(dataset):
    raw = runs_of(dataset)
    write_fmriprep(dataset)

    assert raw.derivatives == ()
    assert runs_of(dataset, ["none"]).runs == raw.runs


def test_another_pipeline_in_derivatives_is_not_taken_for_preprocessed_data(dataset):
    folder = write_fmriprep(dataset, dataset / "derivatives" / "mriqc")
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "MRIQC"}))

    assert find_derivatives(dataset, None) == ()


def test_a_name_before_the_folder_is_used_in_addresses(dataset, tmp_path):
    folder = write_fmriprep(dataset, tmp_path / "elsewhere")

    first = runs_of(dataset, [f"prep={folder}"]).runs[0]

    assert first.sources[0].startswith("bids:prep:sub-01/")


def test_several_spaces_are_listed_and_one_can_be_chosen(dataset):
    spaces = ("", f"_space-{MNI}_res-2", f"_space-{MNI}_res-1", "_space-T1w")
    write_fmriprep(dataset, layout=Layout(spaces=spaces))

    with pytest.raises(NothingSelectedError) as refused:
        runs_of(dataset)
    for space in ("func", f"{MNI}:res-1", f"{MNI}:res-2", "T1w"):
        assert space in str(refused.value)
    with pytest.raises(NothingSelectedError, match="fits 2 spaces"):
        runs_of(dataset, space=MNI)
    with pytest.raises(NothingSelectedError, match="Did you mean 'T1w'"):
        runs_of(dataset, space="T1")
    assert runs_of(dataset, space=f"{MNI}:res-1").runs[0].entities["res"] == "1"
    assert "space" not in runs_of(dataset, space="func").runs[0].entities


def test_a_run_that_lacks_the_space_is_left_out_in_words(dataset):
    folder = write_fmriprep(dataset, layout=Layout(spaces=("_space-T1w", f"_space-{MNI}")))
    for path in folder.rglob(f"sub-02*run-2*{MNI}*"):
        path.unlink()

    found = runs_of(dataset, space=MNI)

    assert len(found.runs) == 3
    assert any("sub-02_task-cuetarget_run-2" in note.text for note in found.notices)


def test_a_participant_without_preprocessed_series_is_left_out_or_refused_by_name(dataset):
    folder = write_fmriprep(dataset)
    for path in (folder / "sub-02" / "func").glob("*_bold.nii.gz"):
        path.rename(path.with_name(path.name.replace("preproc_bold", "hmc_boldref")))

    found = runs_of(dataset)

    assert {run.entities["sub"] for run in found.runs} == {"01"}
    assert [run.entities for run in found.excluded] == [{"sub": "02"}]
    with pytest.raises(MissingInputError, match=r"sub-02.*--level minimal"):
        find_runs(dataset, Selection(subjects=("02",)))


def test_only_folders_of_the_participants_asked_for_are_looked_into(dataset):
    folder = write_fmriprep(dataset)
    table = next(folder.rglob("sub-02*run-1_desc-confounds_timeseries.tsv"))
    table.with_name(table.name.replace("timeseries", "regressors")).write_bytes(b"a second one")
    for path in folder.rglob("sub-02*.json"):
        path.write_text("{")

    found = find_runs(dataset, Selection(subjects=("01",)))

    assert {run.entities["sub"] for run in found.runs} == {"01"}
    excluded = {run.name: run.reason for run in runs_of(dataset).excluded}
    assert {name[:6] for name in excluded} == {"sub-02"}
    assert any("two confounds tables of one run" in reason for reason in excluded.values())


def test_single_echoes_are_left_out(dataset):
    folder = write_fmriprep(dataset)
    for path in (folder / "sub-01" / "func").glob("*_run-1_*_bold.nii.gz"):
        path.rename(path.with_name(path.name.replace("run-1_", "run-1_echo-1_")))

    found = runs_of(dataset)

    assert len(found.runs) == 3
    assert found.notices == (
        exclusion(
            "sub-01_task-cuetarget_run-1 has only single echoes (1), and boldglm does not combine "
            "echoes"
        ),
    )


def test_a_filter_file_applies_to_preprocessed_series(dataset):
    write_fmriprep(dataset)

    found = find_runs(dataset, Selection(filters=(("run", 2), ("session", None))))

    assert {run.entities["run"] for run in found.runs} == {"2"}


def test_the_same_run_in_two_derivatives_is_refused(dataset, tmp_path):
    one, two = (write_fmriprep(dataset, tmp_path / name) for name in ("one", "two"))

    with pytest.raises(NothingSelectedError, match="preprocessed twice"):
        runs_of(dataset, [str(one), str(two)])


def test_two_folders_of_fmriprep_in_the_dataset_must_be_chosen_from(dataset):
    write_fmriprep(dataset)
    write_fmriprep(dataset, dataset / "derivatives" / "fmriprep-old", OLD)

    with pytest.raises(BoldglmError, match=r"derivatives/fmriprep, .*fmriprep-old.*-d"):
        runs_of(dataset)


def test_derivatives_that_were_not_asked_for_are_announced(dataset, caplog):
    folder = write_fmriprep(dataset)

    with caplog.at_level(logging.INFO):
        runs_of(dataset)

    assert f"Using the preprocessed data in {folder} (-d none uses the raw data)" in caplog.text


def test_tables_of_fmripost_aroma_join_those_of_fmriprep(dataset):
    prep = write_fmriprep(dataset)
    aroma = write_aroma(dataset)

    found = runs_of(dataset, [str(prep), f"aroma={aroma}"], space=MNI)

    first = found.runs[0]
    assert first.kind == "preproc"
    assert [path.name for path in first.confounds] == [
        "sub-01_task-cuetarget_run-1_desc-confounds_timeseries.tsv",
        "sub-01_task-cuetarget_run-1_desc-aroma_timeseries.tsv",
    ]
    stem = "sub-01/func/sub-01_task-cuetarget_run-1"
    assert f"bids:aroma:{stem}_desc-aroma_timeseries.tsv" in first.sources
    assert f"bids:fmriprep:{stem}_desc-confounds_timeseries.tsv" in first.sources


def test_denoised_series_are_taken_by_their_space_with_mask_and_times_of_fmriprep(dataset):
    spaces = (f"_space-{MNI}_res-2", f"_space-{AROMA_SPACE}_res-2")
    prep = write_fmriprep(dataset, layout=Layout(spaces=spaces))
    aroma = write_aroma(dataset)
    wanted = Selection(filters=(("desc", "nonaggrDenoised"),))

    first = find_runs(dataset, wanted, [str(prep), str(aroma)]).runs[0]

    stem = f"sub-01_task-cuetarget_run-1_space-{AROMA_SPACE}_res-2"
    assert first.bold.name == f"{stem}_desc-nonaggrDenoised_bold.nii.gz"
    assert first.mask == prep.resolve() / "sub-01" / "func" / f"{stem}_desc-brain_mask.nii.gz"
    assert first.metadata["StartTime"] == 0.95
    assert first.kind == "nonaggrDenoised"


def test_several_kinds_of_denoised_series_are_listed(dataset):
    aroma = write_aroma(dataset, kinds=("aggrDenoised", "nonaggrDenoised"))

    with pytest.raises(NothingSelectedError, match=r"aggrDenoised, nonaggrDenoised.*filter-file"):
        runs_of(dataset, [str(aroma)])


def test_the_only_kind_of_series_is_taken_and_that_is_said(dataset, caplog):
    aroma = write_aroma(dataset)

    with caplog.at_level(logging.INFO):
        found = runs_of(dataset, [str(aroma)])

    assert {run.kind for run in found.runs} == {"nonaggrDenoised"}
    assert "desc-nonaggrDenoised" in caplog.text


def test_series_denoised_by_the_first_versions_are_another_kind(dataset):
    folder = write_fmriprep(dataset, layout=OLD)
    for path in list(folder.rglob("*_preproc.nii.gz")):
        name = path.name.replace("_preproc", "_variant-smoothAROMAnonaggr_preproc")
        path.with_name(name).write_bytes(path.read_bytes())

    found = runs_of(dataset)

    assert len(found.runs) == 4
    assert all("variant" not in run.bold.name for run in found.runs)
    assert all(run.mask is not None for run in found.runs)


def test_two_tables_of_one_kind_are_refused(dataset):
    folder = write_fmriprep(dataset)
    table = next(folder.rglob("sub-02*run-1_desc-confounds_timeseries.tsv"))
    table.with_name(table.name.replace("timeseries", "regressors")).write_bytes(table.read_bytes())

    with pytest.raises(BoldglmError, match="two confounds tables of one run"):
        runs_of(dataset, on_bad_run="stop")
    assert len(runs_of(dataset).excluded) == 1


@pytest.mark.parametrize("level", ["minimal", "anatomy"])
def test_output_without_series_is_refused_in_words(level, dataset):
    folder = write_fmriprep(dataset)
    for path in list(folder.glob("sub-*/func/*")):
        path.unlink()
        if level == "minimal":
            stem = "_".join(path.name.split("_")[:3])
            path.with_name(f"{stem}_desc-coreg_boldref.nii.gz").touch()
            path.with_name(f"{stem}_from-boldref_to-T1w_mode-image_xfm.txt").touch()

    with pytest.raises(MissingInputError, match="no preprocessed series") as refused:
        runs_of(dataset)

    assert ("--level minimal" in str(refused.value)) == (level == "minimal")
    assert "-d none" in str(refused.value)


def test_the_combined_echoes_are_taken_and_single_ones_left_out_in_words(dataset):
    folder = write_fmriprep(dataset)
    for path in list(folder.rglob("*_desc-preproc_bold.nii.gz")):
        for echo in (1, 2):
            name = path.name.replace("_space", f"_echo-{echo}_space")
            path.with_name(name).write_bytes(path.read_bytes())

    found = runs_of(dataset)

    assert len(found.runs) == 4
    assert all("echo" not in run.entities for run in found.runs)
    assert sum("the single echoes (1, 2)" in note.text for note in found.notices) == 4
