"""What the page of all participants says of one of them, from records and maps on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.interfaces.drawing import N_SLICES, shown_contrast, views_of
from boldglm.io.files.json_files import load_json
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import ResultPaths
from boldglm.io.outputs.overviews import (
    ContrastOverview,
    Overview,
    ResultOverview,
    RunOverview,
)
from boldglm.io.outputs.quality_table import COLUMNS, QUALITY_KEY
from boldglm.io.outputs.records import ContrastMaps, Record
from boldglm.io.outputs.report_pages import ReportPage
from boldglm.notices import NOTE, Notice
from boldglm.reports.sections import Q_NAME, Z_SHOWN, p_values_of
from boldglm.reports.views import Shading, View
from boldglm.vocabulary import LEVELS

Z_BRIGHTEST = 8.0  # of all pictures, so that they can be compared
SIGNIFICANT = 0.05


def participant_overview(root: Path, subject: str, records: Sequence[Record]) -> Overview:
    """Summarize the finished results of a participant.

    Parameters
    ----------
    root : Path
        Output folder.
    subject : str
        Label of the participant.
    records : sequence of Record
        All current results of the participant.

    Raises
    ------
    BadDataError, MissingInputError
        If a map of these results cannot be read.
    """
    ordered = sorted(records, key=lambda one: (one.model, one.node, sorted(one.entities.items())))
    runs = [record for record in ordered if record.level == "run"]
    return Overview(
        subject,
        tuple(_result(record) for record in _highest(ordered)),
        tuple(_run(root, record) for record in runs),
        tuple(_page_notices(root, subject)),
    )


def _highest(records: Sequence[Record]) -> list[Record]:
    """Return the results of the highest level of each model."""
    levels: dict[str, int] = {}
    for record in records:
        level = LEVELS.index(record.level)
        levels[record.model] = max(level, levels.get(record.model, level))
    return [one for one in records if LEVELS.index(one.level) == levels[one.model]]


def _result(record: Record) -> ResultOverview:
    result = record.result
    geometry = read_geometry(result.mask, result.meshes)
    views = views_of(geometry, result, N_SLICES)
    contrasts = tuple(
        _contrast(maps, geometry, views) for maps in result.contrasts if maps.test != "pass"
    )
    return ResultOverview(record.model, record.node, record.level, record.entities, contrasts)


def _contrast(maps: ContrastMaps, geometry: Geometry, views: tuple[View, ...]) -> ContrastOverview:
    shown = shown_contrast(maps, geometry)
    overview = (maps.name, maps.test, maps.dof)
    if shown.z is None:
        return ContrastOverview(*overview, None, geometry.element_name)
    n_significant = int(np.count_nonzero(p_values_of(shown)[Q_NAME] < SIGNIFICANT))
    shading = Shading(Z_SHOWN, two_sided=maps.test == "t")
    drawn = [view.thumbnail(shown.z, shading, Z_BRIGHTEST) for view in views]
    pictures = tuple((one.png, one.alt) for one in drawn if one is not None)
    return ContrastOverview(*overview, n_significant, geometry.element_name, pictures)


def _run(root: Path, record: Record) -> RunOverview:
    paths = ResultPaths.of(root, record.node, record.entities)
    design_file = paths.file("design.tsv")
    n_volumes = read_design(design_file).n_scans if design_file in record.files else None
    sidecar = load_json(paths.record())
    quality = sidecar.get(QUALITY_KEY, {})
    dofs = [maps.dof for maps in record.result.contrasts if maps.test != "pass"]
    return RunOverview(
        record.model,
        record.entities,
        n_volumes,
        len(sidecar.get("CensoredVolumes", ())),
        min(dofs, default=None),
        tuple(_without_notes(record.result.notices)),
        quality.get(COLUMNS["mean_fd"].key),
        quality.get(COLUMNS["median_tsnr"].key),
    )


def _page_notices(root: Path, subject: str) -> list[Notice]:
    """Return what the report as a whole excludes or warns of, if it is known."""
    try:
        page = ReportPage.read(root, f"sub-{subject}")
    except (BadDataError, MissingInputError):  # a shared folder may come without its logs
        return []
    return _without_notes(page.notices)


def _without_notes(notices: Iterable[Notice]) -> list[Notice]:
    return [notice for notice in notices if notice.kind != NOTE]
