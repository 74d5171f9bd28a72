"""The content of a report, as plain immutable data.

The workflow fills these records and `boldglm.reports.html` sets them; neither needs to know
the other. Nothing here imports matplotlib, so a record costs nothing to make in a worker.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from boldglm.notices import Notice

_ANCHOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Fact = tuple[str, str]  # (label, value), both as they are printed


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture on disk, to be copied into the report.

    Parameters
    ----------
    path : Path
        A ``.png`` or ``.svg`` file; it is read when the report is rendered.
    caption : str
        Printed below the picture.
    alt : str
        What the picture shows, for a reader who cannot see it.
    """

    path: Path
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; numbers arrive already rounded.

    Parameters
    ----------
    columns : tuple of str
        Headings, with units.
    rows : tuple of tuple of str
        One tuple of ``len(columns)`` cells for each row.
    caption : str
        Printed above the table.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are columns.

    Examples
    --------
    >>> Table(("x (mm)", "t"), (("4.0",),), "Peaks")
    Traceback (most recent call last):
        ...
    ValueError: row 1 of table 'Peaks' has 1 cells but there are 2 columns (x (mm), t); give
    one cell for each column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {number} of table {self.caption!r} has {len(row)} cells but there are "
                    f"{len(self.columns)} columns ({', '.join(self.columns)}); give one cell "
                    "for each column."
                )


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """One contrast of a section: what was tested and where it is large.

    Parameters
    ----------
    name : str
        The contrast as the model names it.
    test : str
        ``"t"`` or ``"F"``.
    weights_text : str
        The weights in words, such as ``"faces - houses"``.
    threshold_text : str
        The display threshold, such as ``"|z| ≥ 3.09, uncorrected"``.
    dof_text : str
        Degrees of freedom, such as ``"177"`` or ``"2, 177"``.
    maps : tuple of Figure
        The thresholded map: one picture, or one for each part of the brain that has its own.
    peaks : tuple of Table
        Largest peaks, of each part.
    volumes : tuple of Path
        The map of each volume that can be moved through, from `pack_volume`.
    note : str, optional
        Anything a reader must know before believing this map.
    """

    name: str
    test: str
    weights_text: str
    threshold_text: str
    dof_text: str
    maps: tuple[Figure, ...] = ()
    peaks: tuple[Table, ...] = ()
    note: str | None = None
    volumes: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of a section that explains one thing.

    Parameters
    ----------
    title : str
        Heading.
    paragraphs : tuple of str
        Printed below the heading; addresses of the form ``doi:10.…`` become links.
    figures, tables : tuple
        Printed after them, in this order.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One run, or one level at which runs or subjects are combined.

    Parameters
    ----------
    title : str
        Heading and entry of the navigation.
    anchor : str
        Address of the section within the file; see `make_anchor`.
    facts : tuple of (str, str)
        Labels and values, such as ``("Scans", "156")``.
    notices : tuple of Notice
        Exclusions, warnings and notes about this section.
    figures, tables, contrasts : tuple
        Printed in this order.
    is_open : bool
        Whether the section is unfolded when the report is opened. Levels that
        answer the question are open, single runs are not. A report with one
        section always shows it.
    topics : tuple of Topic
        Printed before the contrasts.
    tags : tuple of (str, str)
        What a reader may filter sections by, such as ``("Level", "run")``.

    Raises
    ------
    ValueError
        If the anchor is not a plain address.
    """

    title: str
    anchor: str
    facts: tuple[Fact, ...] = ()
    notices: tuple[Notice, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    contrasts: tuple[ContrastResult, ...] = ()
    is_open: bool = False
    topics: tuple[Topic, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _ANCHOR.fullmatch(self.anchor):
            raise ValueError(
                f"section {self.title!r} has the anchor {self.anchor!r}, expected letters, "
                f"digits, '-', '_' and '.'; use make_anchor({self.anchor!r})."
            )


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one HTML report says.

    Parameters
    ----------
    title, subtitle : str
        Such as ``"sub-01"`` and the name of the model.
    facts : tuple of (str, str)
        What holds for all sections, such as the noise model.
    notices : tuple of Notice
        Those about the analysis as a whole, shown at the top together with those of sections.
    sections : tuple of Section
        In reading order: combined levels first, then runs.
    methods : tuple of str
        Paragraphs for a methods section.
    references : tuple of str
        One string each; addresses of the form ``doi:10.…`` become links.
    command : str
        The exact command line.
    versions : tuple of (str, str)
        Software and its version.
    copies : tuple of (str, str)
        What buttons copy: the name of a form of the methods section, and its text.
    summary : tuple of str
        What a reader should know first, one paragraph each, shown under "What stands out".
    models : tuple of (str, str)
        Name and text of the BIDS Stats Models that were fitted.

    Raises
    ------
    ValueError
        If two sections have the same anchor.
    """

    title: str
    subtitle: str
    facts: tuple[Fact, ...] = ()
    notices: tuple[Notice, ...] = ()
    sections: tuple[Section, ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    command: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    summary: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        titles: dict[str, str] = {}
        for section in self.sections:
            if section.anchor in titles:
                raise ValueError(
                    f"sections {titles[section.anchor]!r} and {section.title!r} have the same "
                    f"anchor {section.anchor!r}; give every section its own."
                )
            titles[section.anchor] = section.title


def make_anchor(text: str) -> str:
    """Turn any text into an address that can follow ``#`` in a link.

    Parameters
    ----------
    text : str
        Such as the title of a section.

    Returns
    -------
    str
        Letters, digits, ``-``, ``_`` and ``.`` only; ``"section"`` if nothing is left.

    Examples
    --------
    >>> make_anchor("sub-01, task oneback (run 1)")
    'sub-01-task-oneback-run-1'
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-_.") or "section"
