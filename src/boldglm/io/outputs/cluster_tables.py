"""Cluster tables: a TSV file with one row per peak, and a sidecar that describes its columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from boldglm.glm.inference.cluster_table import ClusterPeak
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json
from boldglm.io.outputs.names import sidecar

# name: (description, unit, whether only the highest peak has a value, which is of the cluster)
COLUMNS = {
    "cluster_id": (
        "Number of the cluster, largest first, and for further peaks a letter", "", False
    ),
    "sign": ("Sign of t in the cluster: positive or negative", "", False),
    "x": ("Coordinate of the peak in the space of the image", "mm", False),
    "y": ("Coordinate of the peak in the space of the image", "mm", False),
    "z": ("Coordinate of the peak in the space of the image", "mm", False),
    "peak_t": ("t statistic at the peak", "", False),
    "size": ("Number of voxels or vertices in the cluster", "", True),
    "volume": ("Volume of the cluster; n/a on surfaces", "mm^3", True),
    "mass": ("Sum of the absolute statistic minus the threshold over the cluster", "", True),
    "p_uncorrected": ("p value of the peak, not corrected for the number of voxels", "", False),
    "q_fdr": ("FDR-adjusted p value (Benjamini-Hochberg) of the peak", "", False),
    "p_fwe": ("FWE-corrected p value of the peak, by permutation", "", False),
    "p_fwe_tfce": ("FWE-corrected p value of the peak by TFCE", "", False),
    "p_fwe_extent": ("FWE-corrected p value of the extent of the cluster", "", True),
    "p_fwe_mass": ("FWE-corrected p value of the mass of the cluster", "", True),
}  # fmt: skip
OF_F = {"peak_t": ("peak_F", ("F statistic at the peak", "", False))}  # in place of columns of t
REGION = {"region": ("Region of the atlas at the peak; n/a outside all regions", "", False)}
ONLY_OF_T = ("sign",)
# columns with the value of a map at the peak: label of the map
MAPS = {
    "p_uncorrected": "p",
    "q_fdr": "qFDR",
    "p_fwe": "pFWE",
    "p_fwe_tfce": "pFWEtfce",
    "p_fwe_extent": "pFWEextent",
    "p_fwe_mass": "pFWEmass",
}
Column: TypeAlias = tuple[str, str, bool]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def columns_of(test: str, *, with_region: bool = False) -> dict[str, Column]:
    """Return the columns of a table of t or of F, as in `COLUMNS`, perhaps with the region."""
    columns = {**COLUMNS, **(REGION if with_region else {})}
    if test == "t":
        return columns
    columns = {name: column for name, column in columns.items() if name not in ONLY_OF_T}
    return dict(OF_F.get(name, (name, column)) for name, column in columns.items())


def write_cluster_table(
    path: Path,
    peaks: Sequence[ClusterPeak],
    maps: Mapping[str, np.ndarray],
    description: str,
    test: str = "t",
    regions: Sequence[str] | None = None,
) -> Path:
    """Write a cluster table and its sidecar.

    Parameters
    ----------
    path : Path
        The ``.tsv`` file.
    peaks : sequence of ClusterPeak
        Peaks from `tabulate_clusters`.
    maps : mapping of str to ndarray of shape (n_voxels,)
        Maps of p values by label, such as ``pFWE``. Columns without a map are n/a.
    description : str
        Description of the clusters for the sidecar.
    test : {"t", "F"}
        Statistic of the peaks.
    regions : sequence of str, optional
        Name of the region of each peak, with an atlas.

    Returns
    -------
    Path
        The ``.tsv`` file.
    """
    columns = columns_of(test, with_region=regions is not None)
    lines = ["\t".join(columns)]
    for number, peak in enumerate(peaks):
        letter = "" if peak.peak == 1 else LETTERS[(peak.peak - 2) % len(LETTERS)]
        cells: dict[str, Any] = {
            "cluster_id": f"{peak.cluster}{letter}",
            "sign": "negative" if peak.statistic < 0 else "positive",
            "x": peak.x,
            "y": peak.y,
            "z": peak.z,
            f"peak_{test}": peak.statistic,
            "size": peak.n_voxels,
            "volume": peak.volume,
            "mass": peak.mass,
        }
        cells |= {} if regions is None else {"region": regions[number]}
        cells |= {name: maps[key][peak.voxel] for name, key in MAPS.items() if key in maps}
        if peak.peak > 1:
            cells = {
                name: cells[name] for name in columns if name in cells and not columns[name][2]
            }
        lines.append("\t".join(_cell(cells.get(name, np.nan)) for name in columns))
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    described: dict[str, Any] = {
        name: {"Description": text, **({"Units": unit} if unit else {})}
        for name, (text, unit, _) in columns.items()
    }
    write_json(sidecar(path), {"Description": description, **described})
    return path


def _cell(value: str | float) -> str:
    """Return text unchanged, numbers with six significant digits, and n/a for missing values."""
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.6g}" if np.isfinite(value) else "n/a"
