"""When volumes are modeled: sidecars of every kind, options, and what contradicts itself."""

import numpy as np
import pytest

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.plan.timing import (
    RunMetadata,
    TimingOptions,
    run_timing,
    uneven_times_warning,
)
from boldglm.errors import BadDataError
from boldglm.notices import NOTE, WARNING

SLICES = [0.1, 0.4, 0.7, 1.0, 1.3]  # middle .7
SPARSE = [0.0, 4.0, 8.0, 20.0]


def timing_of(metadata, header=None, **options):
    run = RunMetadata("sub-01_bold.nii.gz", metadata, 4, header)
    return run_timing(run, TimingOptions(**options))


@pytest.mark.parametrize(
    ("metadata", "fraction", "first"),
    [
        ({}, None, 1.0),
        ({}, 0.0, 0.0),
        ({}, 1.0, 2.0),
        ({"SliceTiming": SLICES}, None, 0.7),
        ({"SliceTiming": SLICES}, 0.0, 0.1),
        ({"SliceTiming": SLICES}, 0.25, 0.4),
        ({"SliceTiming": SLICES[::-1]}, 1.0, 1.3),
        ({"SliceTiming": SLICES, "DelayTime": 0.5}, None, 0.7),
        ({"DelayTime": 0.5}, None, 0.75),
        ({"FrameAcquisitionDuration": 1.2}, None, 0.6),
        ({"AcquisitionDuration": 1.2}, 1.0, 1.2),
        ({"AcquisitionDuration": 300.0}, None, 1.0),  # of the whole series
        ({"StartTime": 0.95}, None, 0.95),
        ({"StartTime": 0.0, "SliceTiming": SLICES}, None, 0.0),
        ({"StartTime": 0.95}, 0.0, 0.95),
    ],
)
def test_a_volume_is_modeled_within_its_acquisition(metadata, fraction, first):
    found, _ = timing_of({"RepetitionTime": 2.0, **metadata}, slice_time_reference=fraction)
    assert found == RunTiming(4, 2.0, pytest.approx(first))
    np.testing.assert_allclose(found.frame_times, first + np.arange(4) * 2.0)


def test_the_choice_is_a_note_unless_the_sidecar_or_the_user_made_it():
    [notice] = timing_of({"RepetitionTime": 2.0, "SliceTiming": SLICES})[1]
    assert notice.kind == NOTE
    assert "0.7 s after its beginning (from SliceTiming)" in notice.text
    assert timing_of({"RepetitionTime": 2.0}, slice_time_reference=0.5)[1] == ()
    assert timing_of({"RepetitionTime": 2.0, "StartTime": 1.0})[1] == ()


def test_corrected_data_without_a_start_time_need_a_look():
    metadata = {"RepetitionTime": 2.0, "SliceTimingCorrected": True}
    timing, [notice] = timing_of(metadata)
    assert timing.start_time == 1.0
    assert notice.kind == WARNING
    assert "has no StartTime" in notice.text
    [notice] = timing_of({**metadata, "SliceTimingCorrected": False})[1]
    assert notice.kind == NOTE


def test_a_start_time_has_precedence_over_the_option_and_says_so():
    [notice] = timing_of({"RepetitionTime": 2.0, "StartTime": 0.95}, slice_time_reference=0.0)[1]
    assert "--slice-time-reference was not used" in notice.text


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ([0, 500, 1000], "goes up to 1000 s"),  # milliseconds
        ([0, None], "is not a list of times"),
        ([], "is not a list of times"),
        ("0.5", "is not a list of times"),
        ([0, float("nan")], "is not a list of times"),
    ],
)
def test_slice_times_that_cannot_be_are_not_used_and_warned_of(stated, reason):
    timing, (first, _) = timing_of({"RepetitionTime": 2.0, "SliceTiming": stated})
    assert timing.start_time == 1.0
    assert first.kind == WARNING
    assert reason in first.text


def test_the_times_of_sparse_volumes_are_those_of_the_list():
    metadata = {"VolumeTiming": SPARSE, "FrameAcquisitionDuration": 2.0}
    timing, _ = timing_of(metadata, header=4.0)
    np.testing.assert_array_equal(timing.frame_times, [1.0, 5.0, 9.0, 21.0])
    assert timing.repetition_time == 4.0
    assert timing.end == 24.0
    timing, _ = timing_of({"VolumeTiming": SPARSE, "SliceTiming": SLICES})
    np.testing.assert_allclose(timing.frame_times, [0.7, 4.7, 8.7, 20.7])
    timing, _ = timing_of({"VolumeTiming": SPARSE}, slice_time_reference=0.0)
    np.testing.assert_array_equal(timing.frame_times, SPARSE)
    timing, _ = timing_of({"VolumeTiming": SPARSE, "StartTime": 1.5})
    np.testing.assert_array_equal(timing.frame_times, np.array(SPARSE) + 1.5)


def test_sparse_volumes_that_begin_late_are_warned_of():
    metadata = {"VolumeTiming": [3, 6, 9, 12], "FrameAcquisitionDuration": 1.0}
    timing, notices = timing_of(metadata)
    np.testing.assert_array_equal(timing.frame_times, [3.5, 6.5, 9.5, 12.5])
    assert any("begins at 3 s" in notice.text for notice in notices if notice.kind == WARNING)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"VolumeTiming": SPARSE}, "Add FrameAcquisitionDuration or SliceTiming"),
        # longer than from one volume to the next
        ({"VolumeTiming": SPARSE, "AcquisitionDuration": 60}, "Add FrameAcquisitionDuration"),
        ({"VolumeTiming": SPARSE, "RepetitionTime": 4}, "both VolumeTiming and RepetitionTime"),
        ({"VolumeTiming": SPARSE, "DelayTime": 1}, "both VolumeTiming and DelayTime"),
        ({"VolumeTiming": SPARSE[:3]}, "4 volumes, but VolumeTiming in its sidecar has 3"),
        ({"VolumeTiming": [0, 4, 4, 8]}, "does not increase at volume 3"),
        ({"VolumeTiming": [0, 4, None, 8]}, "must be a list of the onset"),
        ({"VolumeTiming": [-1, 4, 5, 8]}, "must be a list of the onset"),
        ({"VolumeTiming": "all"}, "must be a list of the onset"),
        ({"VolumeTiming": [0, 4000, 8000, 12000]}, "seems to be in milliseconds"),
        ({}, "--repetition-time header"),
    ],
)
def test_what_bids_does_not_allow_is_refused_by_name(metadata, message):
    with pytest.raises(BadDataError, match=r"^sub-01_bold.nii.gz") as refused:
        timing_of(metadata, header=4.0)
    assert message in str(refused.value)


@pytest.mark.parametrize(("choice", "seconds"), [("sidecar", 2.0), ("header", 1.8), (2.2, 2.2)])
def test_an_option_settles_the_repetition_time(choice, seconds):
    with pytest.raises(BadDataError, match="or pass --repetition-time sidecar, header"):
        timing_of({"RepetitionTime": 2.0}, header=1.8)
    timing, _ = timing_of({"RepetitionTime": 2.0}, header=1.8, repetition_time=choice)
    assert timing.repetition_time == seconds
    assert timing.start_time == seconds / 2


def test_the_header_is_used_only_where_it_has_a_time():
    assert timing_of({}, header=1.8, repetition_time="header")[0].repetition_time == 1.8
    with pytest.raises(BadDataError, match="no repetition time in its header"):
        timing_of({"RepetitionTime": 2.0}, repetition_time="header")


def test_a_repetition_time_in_place_of_listed_times_is_warned_of():
    timing, notices = timing_of({"VolumeTiming": SPARSE}, repetition_time=3.0)
    np.testing.assert_array_equal(timing.frame_times, [1.5, 4.5, 7.5, 10.5])
    assert any("in place of VolumeTiming" in notice.text for notice in notices)


@pytest.mark.parametrize("noise", ["auto", "ar1", "ar3", "arma11", "nilearn-ar1"])
def test_only_uneven_times_are_warned_of(noise):
    uneven = RunTiming(4, 4.0, 1.0, tuple(SPARSE))
    assert noise in str(uneven_times_warning(uneven, noise))
    assert uneven_times_warning(uneven, "ols") is None
    assert uneven_times_warning(RunTiming(4, 3.0, 0.0, (0.0, 3.0, 6.001, 9.0)), noise) is None
    assert uneven_times_warning(RunTiming(4, 3.0, 0.0), noise) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slice_times": "modle"}, "Did you mean 'model'"),
        ({"slice_time_reference": 2.0}, "from 0 to 1"),
        ({"slice_time_reference": float("nan")}, "from 0 to 1"),
    ],
)
def test_options_from_python_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        TimingOptions(**options)
