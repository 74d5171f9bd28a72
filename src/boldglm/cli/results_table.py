"""What the group level found, as a small table at the end of a call."""

import csv
from collections.abc import Sequence

from boldglm.analysis.higher_levels.significance import Corrected, corrected_counts
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import ContrastMaps, Record

CORRECTIONS = {
    "qFDR": "q < .05",
    "pFWE": "pFWE < .05",
    "pFWEextent": "by extent",
    "pFWEmass": "by mass",
    "pFWEtfce": "by TFCE",
}


def result_lines(records: Sequence[Record]) -> list[str]:
    """Return a table of the contrasts of finished results.

    Parameters
    ----------
    records : sequence of Record
        Of the dataset level.

    Returns
    -------
    list of str
        A heading, and a line for each contrast: in how many voxels it is significant by each
        correction that was made, and its highest peak. Empty without contrasts.
    """
    found: list[tuple[str, dict[str, Corrected], str]] = []
    for record in records:
        geometry = read_geometry(record.result.mask)
        for contrast in record.result.contrasts:
            name = f"{record.node}: {contrast.name}" if len(records) > 1 else contrast.name
            found.append((name, corrected_counts(contrast, geometry), _highest_peak(contrast)))
    used = [label for label in CORRECTIONS if any(label in counts for _, counts, _ in found)]
    rows = [
        [name, *(f"{counts[one].n_significant:,}" if one in counts else "" for one in used), peak]
        for name, counts, peak in found
    ]
    if not rows:
        return []
    unit = geometry.element_name
    heading = ["contrast", *(CORRECTIONS[label] for label in used), "highest peak"]
    widths = [max(len(row[k]) for row in [heading, *rows]) for k in range(len(heading))]
    lines = [f"Significant {unit} of each contrast:"]
    for row in [heading, *rows]:
        first, *numbers, last = row
        middle = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join(["", f"{first:<{widths[0]}}", *middle, last]).rstrip())
    return lines


def _highest_peak(contrast: ContrastMaps) -> str:
    """Return the peak with the largest statistic of the cluster table, in words."""
    if contrast.table is None:
        return ""
    with contrast.table.open(encoding="utf-8", newline="") as file:
        peaks = list(csv.DictReader(file, delimiter="\t"))
    if not peaks:
        return "no cluster"
    column = f"peak_{contrast.test}"
    peak = max(peaks, key=lambda row: abs(float(row[column])))
    place = ", ".join(peak[axis] for axis in ("x", "y", "z"))
    region = f", {peak['region']}" if peak.get("region", "n/a") != "n/a" else ""
    return f"{contrast.test} {float(peak[column]):.2f} at {place}{region}"
