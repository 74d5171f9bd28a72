"""The page of all participants: a row for each, with small pictures, and a row for each run.

Like a report it is one file that loads nothing else; it only links to the reports beside it.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from boldglm.glm.design.summaries import counted
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.entities import ENTITY_ORDER, applies_to, run_of
from boldglm.io.outputs.overviews import (
    ContrastOverview,
    Overview,
    ResultOverview,
    RunOverview,
)
from boldglm.notices import EXCLUSION, NOTE, WARNING, Notice, together, warning
from boldglm.reports.html import render_page
from boldglm.reports.mosaic import overlay_colors, palette
from boldglm.reports.png import png_bytes

MOST_PICTURES = 7_000_000  # bytes of all pictures; the rest of 200 participants takes 1 MB
NOT_OF_ROWS = ("sub", "task", "space", "hemi", "echo", "res", "den", "cohort")
MOST_NAMED = 2  # runs in front of a notice
CAPTION = "A click on a heading sorts by it."
NOUNS = {"ses": "Session", "task": "Task", "run": "Run", "acq": "Acquisition", "dir": "Direction"}
ONE_OF = {"voxels": "voxel", "vertices": "vertex"}
NOT_SUMMARIZED = "results that are not summarized here yet: repeat this level with --reports-only"


@dataclass(frozen=True)
class Participants:
    """What the page is made of.

    Parameters
    ----------
    title : str
        Name of the dataset.
    overviews : tuple of Overview
        Participants with results.
    unread : mapping of str to str
        Participants whose results are not summarized, with the reason.
    excluded : mapping of str to tuple of ExcludedRun
        Runs and participants that are not analyzed, by participant.
    notices : tuple of Notice
        Of the group, which may name participants.
    reports : frozenset of str
        Names of the reports that there are, such as ``"sub-01"`` and ``"group"``.
    threshold, brightest : float
        z at the ends of the colors of pictures.
    run_table : str
        Name of the table of runs, if there is one.
    """

    title: str
    overviews: tuple[Overview, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, tuple[ExcludedRun, ...]] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    reports: frozenset[str] = frozenset()
    threshold: float = 3.09
    brightest: float = 8.0
    run_table: str = ""


class Column(NamedTuple):
    """A column of a table; those of contrasts have a number."""

    title: str
    is_number: bool = False
    contrast: str = ""
    detail: str = ""


RUN_COLUMNS = (
    Column("Volumes", is_number=True),
    Column("Censored", is_number=True),
    Column("Mean FD", is_number=True, detail="mm"),
    Column("tSNR", is_number=True, detail="median voxel"),
    Column("Degrees of freedom", is_number=True, detail="smallest"),
)


class Cell(NamedTuple):
    """A cell: what is printed, and what it is sorted by."""

    text: str = ""
    value: str = ""
    link: str = ""
    notices: tuple[Notice, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()


class IndexTable(NamedTuple):
    """A table that can be sorted and searched."""

    title: str
    caption: str
    noun: str
    columns: list[Column]
    rows: list[list[Cell]]


Unit = tuple[tuple[str, str], ...]  # entities of a row, beginning with that of the participant
ContrastKey = tuple[str, str, Unit, str]  # model, node, further entities and name


def render_index(participants: Participants) -> str:
    """Set the page of all participants as HTML.

    Parameters
    ----------
    participants : Participants
        What is known of each.

    Returns
    -------
    str
        A complete document; the same for the same content.
    """
    common = _common(participants.overviews)
    contrasts = _contrast_columns(participants.overviews)
    pictured = _pictured(participants.overviews, contrasts)
    tables = [_participants_table(participants, common, contrasts, pictured)]
    runs = _runs_table(participants, common)
    tables += [runs] if runs.rows else []
    n_runs = sum(len(_by_run(one.runs)) for one in participants.overviews)
    n_participants = counted(len(participants.overviews), "participant")
    page = {
        "title": "All participants",
        "subtitle": f"{participants.title}: {n_participants}, {counted(n_runs, 'run')} analyzed",
        "links": [
            *([("Report of the group", "group.html")] * ("group" in participants.reports)),
            *([("Table of all runs", participants.run_table)] * bool(participants.run_table)),
        ],
        "notices": common,
        "contrasts": [(column.contrast, _menu_name(column)) for column in contrasts.values()],
        "tables": tables,
        "legend": _legend(participants) if pictured else "",
        "legend_text": _legend_text(participants),
        "footnotes": _footnotes(participants, contrasts, pictured),
    }
    return render_page(
        "index.html", styles=("report.css", "index.css"), scripts=("index.js",), page=page
    )


def _common(overviews: Sequence[Overview]) -> list[Notice]:
    """Return the notices that all participants share, if there are several."""
    if len(overviews) < 2:
        return []
    of_each = [_of_participant(one) for one in overviews]
    return [notice for notice in of_each[0] if all(notice in other for other in of_each)]


def _of_participant(overview: Overview) -> dict[Notice, None]:
    """Return the notices of a participant as a whole, and those that all runs of a model have."""
    by_model: dict[str, list[RunOverview]] = {}
    for run in overview.runs:
        by_model.setdefault(run.model, []).append(run)
    of_runs = [
        notice
        for runs in by_model.values()
        for notice in runs[0].notices
        if all(notice in run.notices for run in runs)
    ]
    return dict.fromkeys([*overview.notices, *of_runs])


def _participants_table(
    participants: Participants,
    common: Sequence[Notice],
    contrasts: Mapping[ContrastKey, Column],
    pictured: frozenset[ContrastKey],
) -> IndexTable:
    by_subject = {one.subject: one for one in participants.overviews}
    named = {subject for notice in participants.notices for subject in _named(notice)}
    subjects = {*by_subject, *participants.unread, *participants.excluded, *named}
    units = [
        (subject, unit)
        for subject in sorted(subjects, key=_natural)
        for unit in _units(by_subject.get(subject), subject)
    ]
    keys = [key for key in ENTITY_ORDER if any(key in dict(unit[1:]) for _, unit in units)]
    columns = [
        Column("Participant"),
        *(Column(NOUNS.get(key, key)) for key in keys),
        Column("Runs", is_number=True),
        *RUN_COLUMNS,
        Column("Excluded"),
        Column("Warnings"),
        *contrasts.values(),
    ]
    rows = []
    for subject, unit in units:
        overview = by_subject.get(subject, Overview(subject))
        runs = [run for run in overview.runs if applies_to(dict(unit), run.entities)]
        results = [one for one in overview.results if _unit(one) == unit]
        notices = _notices_of(overview, runs, participants, common)
        labels = dict(unit)
        rows.append(
            [
                _name_cell(subject, participants),
                *(Cell(labels.get(key, ""), labels.get(key, "")) for key in keys),
                Cell(str(len(_by_run(runs))), str(len(_by_run(runs)))),
                *_run_cells(runs, [each.dof for one in results for each in one.contrasts]),
                _notices_cell(notices, EXCLUSION),
                _notices_cell(notices, WARNING),
                *(_contrast_cell(results, key, pictured) for key in contrasts),
            ]
        )
    return IndexTable("Participants", CAPTION, "participants", *_without_empty(columns, rows))


def _runs_table(participants: Participants, common: Sequence[Notice]) -> IndexTable:
    fitted = [run for one in participants.overviews for run in _by_run(one.runs)]
    excluded = [run for runs in participants.excluded.values() for run in runs if not run.is_group]
    every = [run.entities for run in excluded] + [same[0].entities for same in fitted]
    keys = [key for key in ENTITY_ORDER if key in NOUNS and any(key in one for one in every)]
    columns = [
        Column("Participant"),
        *(Column(NOUNS[key]) for key in keys),
        *RUN_COLUMNS,
        Column("Excluded"),
        Column("Warnings"),
    ]
    rows: dict[tuple[tuple[tuple[int, str], ...], ...], list[Cell]] = {}

    def add(entities: Mapping[str, str], cells: list[Cell]) -> None:
        place = tuple(_natural(entities.get(key, "")) for key in ("sub", *keys))
        labels = [Cell(entities.get(key, ""), entities.get(key, "")) for key in keys]
        rows[place] = [_name_cell(entities["sub"], participants), *labels, *cells]

    for run in excluded:
        empty = [Cell()] * len(RUN_COLUMNS)
        add(run.entities, [*empty, _notices_cell([run.notice], EXCLUSION), Cell()])
    for same in fitted:
        notices = [one for run in same for one in run.notices if one not in common]
        cells = [
            *_run_cells(same, [run.dof for run in same if run.dof is not None]),
            _notices_cell(notices, EXCLUSION),
            _notices_cell(notices, WARNING),
        ]
        add(same[0].entities, cells)
    ordered = [rows[place] for place in sorted(rows)]
    return IndexTable("Runs", CAPTION, "runs", *_without_empty(columns, ordered))


def _units(overview: Overview | None, subject: str) -> list[Unit]:
    """Return the rows of a participant: one, or one for each session or run without more above."""
    units = dict.fromkeys(_unit(one) for one in overview.results) if overview else {}
    return sorted(units, key=lambda unit: [_natural(label) for _, label in unit]) or [
        (("sub", subject),)
    ]


def _unit(result: ResultOverview) -> Unit:
    kept = [pair for pair in result.entities.items() if pair[0] not in NOT_OF_ROWS[1:]]
    return tuple(sorted(kept, key=lambda pair: (pair[0] != "sub", pair)))


def _by_run(runs: Sequence[RunOverview]) -> list[list[RunOverview]]:
    """Gather fits of one run: by several models, in several spaces, of both hemispheres."""
    gathered: dict[frozenset[tuple[str, str]], list[RunOverview]] = {}
    for run in runs:
        gathered.setdefault(run_of(run.entities), []).append(run)
    return list(gathered.values())


def _contrast_columns(overviews: Sequence[Overview]) -> dict[ContrastKey, Column]:
    """Return a column for each contrast of each model, with what tells equal names apart."""
    keys = dict.fromkeys(
        _contrast_key(result, contrast)
        for one in overviews
        for result in one.results
        for contrast in result.contrasts
    )
    details = [[f"model {key[0]}", f"node {key[1]}", *(f"{k} {v}" for k, v in key[2])]
               for key in keys]  # fmt: skip
    shared = set.intersection(*map(set, details)) if details else set()
    n_models = len({key[0] for key in keys})
    columns = {}
    for number, (key, parts) in enumerate(zip(keys, details, strict=True), start=1):
        told = [part for part in parts if part not in shared]
        if n_models > 1 and len({other[1] for other in keys}) == n_models:
            told = [part for part in told if not part.startswith("node ")]  # the model tells it
        columns[key] = Column(key[3], contrast=f"c{number}", detail=", ".join(told))
    return columns


def _contrast_key(result: ResultOverview, contrast: ContrastOverview) -> ContrastKey:
    entities = tuple(
        sorted(
            pair
            for pair in result.entities.items()
            if pair[0] in NOT_OF_ROWS and pair[0] not in ("sub", "hemi")
        )
    )
    return result.model, result.node, entities, contrast.name


def _pictured(
    overviews: Sequence[Overview], contrasts: Iterable[ContrastKey]
) -> frozenset[ContrastKey]:
    """Return the first contrasts, as many as there is room for on the page."""
    sizes = dict.fromkeys(contrasts, 0)
    for one in overviews:
        for result in one.results:
            for contrast in result.contrasts:
                key = _contrast_key(result, contrast)
                sizes[key] += sum(len(png) + len(alt) for png, alt in contrast.pictures)
    total, shown = 0, []
    for key, size in sizes.items():
        total += size
        if size and total <= MOST_PICTURES:
            shown.append(key)
    return frozenset(shown)


def _contrast_cell(
    results: Sequence[ResultOverview], key: ContrastKey, pictured: frozenset[ContrastKey]
) -> Cell:
    found = [
        contrast
        for result in results
        for contrast in result.contrasts
        if _contrast_key(result, contrast) == key
    ]
    if not found:
        return Cell()
    counts = [one.n_significant for one in found if one.n_significant is not None]
    pictures = tuple(picture for one in found for picture in one.pictures)
    element = ONE_OF.get(found[0].element, "grayordinate") if counts == [1] else found[0].element
    text = f"{sum(counts):,} {element}" if counts else "no map"
    value = str(sum(counts)) if counts else ""
    return Cell(text, value, pictures=pictures if key in pictured else ())


def _name_cell(subject: str, participants: Participants) -> Cell:
    name = f"sub-{subject}"
    return Cell(name, name, f"{name}.html" if name in participants.reports else "")


def _run_cells(runs: Sequence[RunOverview], dofs: Iterable[float]) -> list[Cell]:
    """Return the cells of `RUN_COLUMNS`; of several runs, sums and means over volumes.

    Of a run with several fits, the one with most censored volumes counts.
    """
    distinct = [max(same, key=lambda run: run.n_censored) for same in _by_run(runs)]
    volumes = censored = Cell()
    known = [run.n_volumes for run in distinct if run.n_volumes is not None]
    if distinct and len(known) == len(distinct):
        total, n_censored = sum(known), sum(run.n_censored for run in distinct)
        share = n_censored / total if total else 0.0
        text = f"{n_censored:,} ({share:.1%})".replace("%", " %") if n_censored else "0"
        volumes, censored = Cell(f"{total:,}", str(total)), Cell(text, f"{share:.6f}")
    moved = [(run.mean_fd, run.n_volumes or 1) for run in distinct if run.mean_fd is not None]
    mean_fd = sum(fd * n for fd, n in moved) / sum(n for _, n in moved) if moved else None
    tsnr = min((run.tsnr for run in runs if run.tsnr is not None), default=None)
    cells = [_number_cell(mean_fd, ".3f"), _number_cell(tsnr, ".1f")]
    return [volumes, censored, *cells, _number_cell(min(dofs, default=None), ".4g")]


def _number_cell(value: float | None, form: str) -> Cell:
    return Cell() if value is None else Cell(format(value, form), f"{value:.6g}")


def _without_empty(
    columns: list[Column], rows: list[list[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    """Leave out columns of numbers that no row has."""
    kept = [
        k
        for k, column in enumerate(columns)
        if not column.is_number or any(row[k].text for row in rows)
    ]
    return [columns[k] for k in kept], [[row[k] for k in kept] for row in rows]


def _notices_of(
    overview: Overview,
    runs: Sequence[RunOverview],
    participants: Participants,
    common: Sequence[Notice],
) -> list[Notice]:
    """Return what is said of a participant, of its runs, and of it by the group, each once."""
    subject = overview.subject
    unread = participants.unread.get(subject)
    of_runs = together(
        (_run_name(run), notice)
        for run in runs
        for notice in dict.fromkeys(run.notices)
        if notice not in common
    )
    found = [
        *(run.notice for run in participants.excluded.get(subject, ())),
        *([warning(unread)] if unread else []),
        *overview.notices,
        *(notice.about(_names_text(names)) for notice, names in of_runs.items()),
        *(notice for notice in participants.notices if subject in _named(notice)),
    ]
    return [one for one in dict.fromkeys(found) if one.kind != NOTE and one not in common]


def _names_text(names: Sequence[str]) -> str:
    """Name one or two runs, and count further ones."""
    more = len(names) - 1
    return " and ".join(names) if more < MOST_NAMED else f"{names[0]} and {more} more"


def _run_name(run: RunOverview) -> str:
    return " ".join(
        f"{NOUNS[key].lower()} {label}" for key, label in run.entities.items() if key in NOUNS
    )


def _notices_cell(notices: Iterable[Notice], kind: str) -> Cell:
    """Return the notices of one kind; the cell is sorted by their number."""
    kept = tuple(dict.fromkeys(notice for notice in notices if notice.kind == kind))
    return Cell("", str(len(kept)), notices=kept)


def _named(notice: Notice) -> set[str]:
    return set(re.findall(r"\bsub-([a-zA-Z0-9]+)", notice.text))


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", text)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _legend(participants: Participants) -> str:
    """Return the colors as a small picture."""
    ends = participants.threshold, participants.brightest
    values = np.linspace(*ends, 64)
    both = np.concatenate([-values[::-1], values])
    colors = overlay_colors(both, threshold=ends[0], maximum=ends[1])
    return b64encode(png_bytes(np.tile(colors, (10, 1)), palette())).decode()


def _legend_text(participants: Participants) -> str:
    low, high = participants.threshold, participants.brightest
    return (
        f"z from −{high:g} (left) to {high:g} (right), the same colors in all pictures; |z| below "
        f"{low:g} is not shown. Below each picture: how many have q < .05 (false discovery rate "
        "within the participant)."
    )


def _menu_name(column: Column) -> str:
    return f"{column.title} ({column.detail})" if column.detail else column.title


def _footnotes(
    participants: Participants,
    contrasts: Mapping[ContrastKey, Column],
    pictured: frozenset[ContrastKey],
) -> list[str]:
    notes = []
    if pictured and len(pictured) < len(contrasts):
        notes.append(
            f"Pictures of {len(pictured)} of {counted(len(contrasts), 'contrast')} are on this "
            "page, so that it stays small. Reports of participants have all of them."
        )
    if any(f"sub-{one.subject}" not in participants.reports for one in participants.overviews):
        notes.append(
            "Participants without a link have no report. Write reports with --reports-only."
        )
    return notes
