"""Reading of the header and metadata of a run, and their check against each other."""

import logging

from boldglm.analysis.plan.timing import repetition_time, start_time
from boldglm.io.bids.query import RunFiles
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.images.formats import read_bold_header
from boldglm.io.images.geometry import BoldHeader

logger = logging.getLogger(__name__)


def inspect_run(files: RunFiles) -> tuple[RunInputs, BoldHeader]:
    """Read the header of a run and check it against the metadata.

    Parameters
    ----------
    files : RunFiles
        Files and metadata of the run, which has events.

    Returns
    -------
    inputs : RunInputs
        Files, timing and entities of the run.
    header : BoldHeader
        The header of the BOLD series.

    Raises
    ------
    BadDataError
        If RepetitionTime is missing or differs from the header.
    """
    assert files.events is not None  # the query excludes runs without events
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
