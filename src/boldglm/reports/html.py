"""One self-contained HTML file from a `Report`.

Pictures, style and the few lines of script are inlined, and the page's content security
policy forbids loading anything else, so a report can be mailed, archived or printed as it
is. Every text is escaped by the template engine: names come from event files.
"""

import base64
import hashlib
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import read_json
from boldglm.notices import HEADINGS, Notice
from boldglm.reports.content import Figure, Report, Section, Table
from boldglm.reports.glance import tables_at_a_glance

_DOI = re.compile(
    r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)(10\.\d{4,9}/[^\s\"'<>]+)", re.IGNORECASE
)
_NUMBER = re.compile(
    r"[+\-−±<>≤≥×]?\s*(\d[\d,.\s]*(e[+\-−]?\d+)?|∞|inf|n/a|–)\s*%?", re.IGNORECASE
)
FEW_CONTRASTS = 3  # up to which nobody searches for one
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS_PER_CSS_PIXEL = 2  # maps are drawn twice as fine as shown, for print and dense screens


@dataclass(frozen=True, slots=True)
class InlinePicture:
    """A picture as the value of ``src``, and the size at which it is meant to be seen."""

    uri: str
    width: int  # CSS pixels
    height: int  # CSS pixels


def render_report(report: Report) -> str:
    """Set a report as one HTML page.

    Parameters
    ----------
    report : Report
        The pictures it names are read from disk now.

    Returns
    -------
    str
        A complete HTML document without any reference to another file.

    Raises
    ------
    FileNotFoundError
        If a picture is missing.
    ValueError
        If a picture is neither PNG nor SVG.

    Examples
    --------
    >>> page = render_report(Report(title="sub-01", subtitle="<b>faces</b>"))
    >>> "Nothing was excluded" in page, "&lt;b&gt;faces" in page, "<b>faces" in page
    (True, True, False)
    """
    volumes = [
        _volume(path)
        for section in report.sections
        for contrast in section.contrasts
        for path in contrast.volumes
    ]
    return render_page(
        "report.html",
        styles=("report.css",),
        scripts=("report.js", "viewer.js"),
        report=report,
        glance=tables_at_a_glance(report.sections),
        headings=tuple(HEADINGS.items()),
        notices_of=lambda kind: _notices_of(report, kind),
        bases={volume.key: volume.base for volume in volumes},
        any_folded=len(report.sections) > 1,
        is_searched=sum(len(section.contrasts) for section in report.sections) > FEW_CONTRASTS,
        filters=_filters(report.sections),
    )


def _filters(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Return what sections can be filtered by: the values of each kind that has several."""
    values: dict[str, dict[str, None]] = {}
    for section in sections:
        for kind, value in section.tags if section.contrasts else ():
            values.setdefault(kind, {})[value] = None
    return {kind: list(each) for kind, each in values.items() if len(each) > 1}


def _notices_of(report: Report, kind: str) -> list[tuple[list[Section], Notice]]:
    """Return the notices of one kind, each once with its sections.

    Those of the analysis as a whole have none.
    """
    sections: dict[Notice, list[Section]] = {notice: [] for notice in report.notices}
    for section in report.sections:
        for notice in dict.fromkeys(section.notices):
            sections.setdefault(notice, []).append(section)
    return [(of, notice) for notice, of in sections.items() if notice.kind == kind]


def count_notices(notices: Sequence[Notice]) -> str:
    """Count notices by kind.

    Examples
    --------
    >>> count_notices([Notice("warning", "a"), Notice("exclusion", "b"), Notice("warning", "c")])
    '1 exclusion, 2 warnings'
    """
    counts = Counter(notice.kind for notice in notices)
    return ", ".join(
        f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}"
        for kind in HEADINGS
        if counts[kind]
    )


def write_report(report: Report, path: Path) -> Path:
    """Write a report in one step: a reader sees the old page or the new one, never half of it.

    Parameters
    ----------
    report : Report
        What to write.
    path : Path
        The ``.html`` file; its folder is made if needed.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    FileNotFoundError, ValueError
        As `render_report`; an earlier report is then left as it was.
    """
    page = render_report(report)
    write_bytes(path, page.encode())
    return path


def inline_picture(figure: Figure) -> InlinePicture:
    """Read a picture into a ``data:`` address.

    An SVG is embedded as an image as well, rather than as markup: the ids of several
    drawings cannot collide and nothing in a drawing can run.

    Parameters
    ----------
    figure : Figure
        Its file must be PNG or SVG.

    Returns
    -------
    InlinePicture
        The address and the size in CSS pixels.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is neither PNG nor SVG.
    """
    path = Path(figure.path)
    if not path.is_file():
        raise FileNotFoundError(
            f"The report needs the picture {path} ({figure.caption!r}), which does not exist; "
            "draw it before the report is rendered."
        )
    content = path.read_bytes()
    kind, measure = _picture_kind(path, content)
    width, height = measure(content)
    return InlinePicture(
        f"data:{kind};base64,{base64.b64encode(content).decode()}", round(width), round(height)
    )


def numeric_columns(table: Table) -> tuple[bool, ...]:
    """Tell which columns hold numbers only, and so are set flush right.

    Parameters
    ----------
    table : Table
        Any table; a column without any text is text, and empty cells may be
        among numbers.

    Returns
    -------
    tuple of bool
        One for each column.

    Examples
    --------
    >>> numeric_columns(Table(("region", "t"), (("left", "4.20"), ("right", "−3.10")), ""))
    (False, True)
    """
    cells = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    return tuple(
        any(column) and all(not cell or _NUMBER.fullmatch(cell.strip()) for cell in column)
        for column in cells
    )


def link_dois(text: str) -> Markup:
    """Escape a reference and make its DOI a link.

    Parameters
    ----------
    text : str
        A reference, with its DOI as ``doi:10.…``.

    Returns
    -------
    Markup
        Safe to print in a page.

    Examples
    --------
    >>> print(link_dois("Friston KJ (1994). doi:10.1002/hbm.460020402."))
    Friston KJ (1994). <a href="https://doi.org/10.1002/hbm.460020402">doi:10.1002/hbm.460020402</a>.
    """
    parts: list[str | Markup] = []
    position = 0
    for match in _DOI.finditer(text):
        doi = match.group(1).rstrip(".,;)")
        link = Markup('<a href="https://doi.org/{0}">doi:{0}</a>').format(doi)
        parts += [escape(text[position : match.start()]), link]
        position = match.start(1) + len(doi)
    return Markup("").join([*parts, escape(text[position:])])


@dataclass(frozen=True, slots=True)
class InlineVolume:
    """A map for the viewer; maps with the same key have the same mean image."""

    key: str
    base: str
    values: str
    head: str  # all else, as JSON


def _volume(path: Path) -> InlineVolume:
    """Read what `boldglm.reports.volumes.pack_volume` wrote."""
    content = read_json(path)
    key, base, values = (content.pop(name) for name in ("BaseKey", "Base", "Values"))
    return InlineVolume(key, base, values, json.dumps(content, separators=(",", ":")))


def _picture_kind(
    path: Path, content: bytes
) -> tuple[str, Callable[[bytes], tuple[float, float]]]:
    """Media type and the function that measures it, from the content rather than the name."""
    if content.startswith(_PNG_SIGNATURE):
        return "image/png", _png_size
    if b"<svg" in content[:4096]:
        return "image/svg+xml", _svg_size
    raise ValueError(
        f"The picture {path} is neither PNG nor SVG (it starts with {content[:8]!r}); "
        "save figures of a report in one of the two."
    )


def _png_size(content: bytes) -> tuple[float, float]:
    width, height = struct.unpack(">II", content[16:24])
    return width / _PNG_PIXELS_PER_CSS_PIXEL, height / _PNG_PIXELS_PER_CSS_PIXEL


def _svg_size(content: bytes) -> tuple[float, float]:
    head = content[:4096].decode("utf-8", errors="replace")
    box = re.search(r'viewBox="\s*\S+\s+\S+\s+([\d.]+)\s+([\d.]+)\s*"', head)
    if box is None:
        raise ValueError("An SVG picture has no viewBox, which its size is read from; add one.")
    # matplotlib's units are points (1/72 inch), those of a page 1/96 inch
    return float(box[1]) * 96 / 72, float(box[2]) * 96 / 72


def render_page(
    template: str, *, styles: Sequence[str], scripts: Sequence[str], **content: object
) -> str:
    """Set a page of this package, with its styles and scripts inside.

    Parameters
    ----------
    template : str
        File name of the template.
    styles, scripts : sequence of str
        File names of what it is set with, in this order.
    **content
        What the template shows.
    """
    script = "".join(map(_package_text, scripts))
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup("".join(map(_package_text, styles))),
            script=Markup(script),
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            **content,
        )
    )


@cache
def _package_text(name: str) -> str:
    """Return the text of a file of this package, such as its style sheet."""
    return (resources.files("boldglm.reports") / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("boldglm.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = inline_picture
    environment.filters["volume"] = _volume
    environment.filters["numeric_columns"] = numeric_columns
    environment.filters["link_dois"] = link_dois
    environment.filters["counts"] = count_notices
    return environment
