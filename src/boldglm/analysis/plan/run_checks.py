"""Reading of the header and metadata of a run, and their check against each other."""

import logging
from dataclasses import dataclass

from boldglm.analysis.plan.slice_times import SliceTimes, slice_times_of_run
from boldglm.analysis.plan.timing import RunMetadata, TimingOptions, run_timing
from boldglm.io.bids.query import RunFiles
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.images.formats import read_bold_header
from boldglm.io.images.geometry import BoldHeader
from boldglm.notices import Notice

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InspectedRun:
    """What header and sidecar say about a run.

    Parameters
    ----------
    inputs : RunInputs
        Files, timing and entities of the run.
    header : BoldHeader
        The header of the BOLD series.
    notices : tuple of Notice
        How the times of volumes were chosen.
    slice_times : SliceTimes or None
        When slices were acquired, if each is modeled at its own time.
    """

    inputs: RunInputs
    header: BoldHeader
    notices: tuple[Notice, ...]
    slice_times: SliceTimes | None = None


def inspect_run(files: RunFiles, timing_options: TimingOptions) -> InspectedRun:
    """Read the header of a run and check it against the metadata.

    Parameters
    ----------
    files : RunFiles
        Files and metadata of the run.
    timing_options : TimingOptions
        What the user says about the times of volumes.

    Returns
    -------
    InspectedRun

    Raises
    ------
    BadDataError
        If the times of volumes, or of slices that are to be modeled, are missing or
        contradictory.
    """
    header = read_bold_header(files.bold)
    timing, notices = run_timing(
        RunMetadata(files.bold.name, files.metadata, header.n_scans, header.repetition_time),
        timing_options,
    )
    inputs = RunInputs(
        bold=files.bold,
        events=files.events,
        entities=files.entities,
        repetition_time=timing.repetition_time,
        start_time=timing.start_time,
        volume_timing=timing.volume_timing,
        n_scans=header.n_scans,
        sources=files.sources,
        mask=files.mask,
        confounds=files.confounds,
        meshes=files.meshes,
        kind=files.kind,
        derivatives=files.derivatives,
    )
    logger.info(
        "%s: first volume at %g s (%s)",
        inputs.name,
        inputs.start_time,
        "StartTime" if "StartTime" in files.metadata else "no StartTime in its metadata",
    )
    slices = None
    if timing_options.models_slices:
        slices = slice_times_of_run(
            files.bold.name,
            files.metadata,
            header,
            timing.shortest_spacing,
            is_preprocessed=bool(files.derivatives),
        )
        notices = (slices.notice(timing),)
    return InspectedRun(inputs, header, notices, slices)
