"""Checks of one run before anything is planned: its header against its metadata."""

import logging

from boldglm.analysis.plan.timing import repetition_time, start_time
from boldglm.io.bids.query import RunFiles
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.images.formats import read_bold_header
from boldglm.io.images.geometry import BoldHeader

logger = logging.getLogger(__name__)


def inspect_run(files: RunFiles) -> tuple[RunInputs, BoldHeader]:
    """Check the header of a run against its metadata.

    Raises
    ------
    BadDataError
        If RepetitionTime is missing, or the sidecar and the header disagree.
    """
    assert files.events is not None  # runs without events were left out by the query
    header = read_bold_header(files.bold)
    inputs = RunInputs(
        bold=files.bold,
        events=files.events,
        entities=files.entities,
        repetition_time=repetition_time(files, header),
        start_time=start_time(files),
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
    return inputs, header
