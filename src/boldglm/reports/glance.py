"""The short answers of a report: where each effect is largest, and whether any run stands out."""

from collections.abc import Mapping, Sequence

from boldglm.reports.content import ContrastResult, Section, Table
from boldglm.reports.region_names import HEADING

_PLACE = ("x (mm)", "y (mm)", "z (mm)")
_QUALITY = (
    "Framewise displacement",
    "Censored volumes",
    "Temporal SNR",
    "Residuals",
    "Residual degrees of freedom",
)


def tables_at_a_glance(sections: Sequence[Section]) -> tuple[Table, ...]:
    """Tabulate the largest peak of every contrast, and the quality of every run.

    Parameters
    ----------
    sections : sequence of Section
        Those of a report. Peaks are those of unfolded sections, the highest levels.

    Returns
    -------
    tuple of Table
        Tables with rows only. Maps on surfaces have no coordinates, so a report with any of them
        has no table of peaks.
    """
    return tuple(table for table in (_peaks(sections), _runs(sections)) if table and table.rows)


def _peaks(sections: Sequence[Section]) -> Table | None:
    found = [
        (section, contrast)
        for section in sections
        if section.is_open
        for contrast in section.contrasts
        if contrast.peaks
    ]
    tables = [table for _, contrast in found for table in contrast.peaks]
    if not all(set(_PLACE) <= set(table.columns) for table in tables):
        return None
    labels = _labels([section for section, _ in found])
    shown = [
        name
        for name in ("z", "q FDR", "p FWE", HEADING)
        if any(name in table.columns for table in tables)
    ]
    rows = []
    for section, contrast in found:
        peak = _largest(contrast)
        place = (
            ",\u00a0".join(peak[name] for name in _PLACE) if peak else "none above the threshold"
        )
        cells = (place, *(peak.get(name, "") for name in shown))
        rows.append((labels[section.title], contrast.name, *cells)[not labels[section.title] :])
    heading = ("Result",) if any(labels.values()) else ()
    columns = (*heading, "Contrast", "Largest peak: x, y, z (mm)", *shown)
    caption = "Where each effect is largest, and how sure: q FDR is the false discovery rate"
    if "p FWE" in shown:
        caption += ", p FWE the p value corrected for the family-wise error"
    return Table(columns, tuple(rows), f"{caption}.")


def _labels(sections: Sequence[Section]) -> dict[str, str]:
    """Return what tells sections apart, by their titles; empty for a single one."""
    by_title = {section.title: dict(section.tags) for section in sections}
    tags = list(by_title.values())
    kinds = dict.fromkeys(kind for each in tags for kind in each)
    telling = [kind for kind in kinds if len({each.get(kind) for each in tags}) > 1]
    labels = {
        title: ", ".join(f"{kind.lower()} {each[kind]}" for kind in telling if kind in each)
        for title, each in by_title.items()
    }
    if len(set(labels.values())) < len(labels):
        return {title: title for title in labels}
    return labels


def _largest(contrast: ContrastResult) -> Mapping[str, str]:
    """Return the first peak, by the headings of its table; empty without any."""
    peaks = [
        dict(zip(table.columns, table.rows[0], strict=True))
        for table in contrast.peaks
        if table.rows
    ]
    return max(peaks, key=lambda peak: _size(peak.get("z", "")), default={})


def _size(text: str) -> float:
    return abs(float(text.replace("−", "-"))) if text else 0.0


def _runs(sections: Sequence[Section]) -> Table:
    """Gather what tells a good run from a bad one."""
    facts = {
        section.title: dict(section.facts)
        for section in sections
        if any(label in ("Temporal SNR", "Framewise displacement") for label, _ in section.facts)
    }
    warnings = {
        section.title: sum(notice.kind == "warning" for notice in section.notices)
        for section in sections
    }
    shown = [label for label in _QUALITY if any(label in of_run for of_run in facts.values())]
    rows = [
        (title, *(of_run.get(label, "") for label in shown), str(warnings[title]))
        for title, of_run in facts.items()
    ]
    return Table(
        ("Run", *shown, "Warnings"), tuple(rows), "Whether any run was bad: motion and noise."
    )
