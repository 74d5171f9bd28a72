"""Tables of clusters as files: a row for each peak, and a sidecar that describes the columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm.inference.cluster_table import ClusterPeak
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json
from boldglm.io.outputs.names import sidecar

# name: (what it is, unit, whether it is of the cluster, so that only its highest peak has it)
COLUMNS = {
    "cluster_id": (
        "Number of the cluster, largest first; a letter marks its further peaks", "", False
    ),
    "x": ("Coordinate of the peak in the space of the image", "mm", False),
    "y": ("Coordinate of the peak in the space of the image", "mm", False),
    "z": ("Coordinate of the peak in the space of the image", "mm", False),
    "peak_t": ("t at the peak", "", False),
    "size": ("Voxels or vertices of the cluster", "", True),
    "volume": ("Volume of the cluster; n/a on surfaces", "mm^3", True),
    "mass": ("Sum over the cluster of t above the threshold", "", True),
    "q_fdr": ("Benjamini and Hochberg's adjusted p value of the peak", "", False),
    "p_fwe": ("Family-wise error of the peak by permutation", "", False),
    "p_fwe_tfce": ("Family-wise error of the peak by threshold-free enhancement", "", False),
    "p_fwe_extent": ("Family-wise error of the cluster's extent by permutation", "", True),
    "p_fwe_mass": ("Family-wise error of the cluster's mass by permutation", "", True),
}  # fmt: skip
# columns with values of the map at the peak, by the label of the map
MAPS = {
    "q_fdr": "qFDR",
    "p_fwe": "pFWE",
    "p_fwe_tfce": "pFWEtfce",
    "p_fwe_extent": "pFWEextent",
    "p_fwe_mass": "pFWEmass",
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_cluster_table(
    path: Path,
    peaks: Sequence[ClusterPeak],
    maps: Mapping[str, np.ndarray],
    description: str,
) -> Path:
    """Write a table of clusters and its sidecar.

    Parameters
    ----------
    path : Path
        Ends in ``.tsv``; the sidecar lies beside it.
    peaks : sequence of ClusterPeak
        As `tabulate_clusters` gives them.
    maps : mapping of str to ndarray of shape (n_voxels,)
        Corrected p values by the label of their map, such as ``pFWE``; n/a where there is none.
    description : str
        What clusters these are, for the sidecar.

    Returns
    -------
    Path
        That of the table.
    """
    lines = ["\t".join(COLUMNS)]
    for one in peaks:
        letter = "" if one.peak == 1 else LETTERS[(one.peak - 2) % len(LETTERS)]
        cells: dict[str, Any] = {
            "cluster_id": f"{one.cluster}{letter}",
            "x": one.x,
            "y": one.y,
            "z": one.z,
            "peak_t": one.statistic,
            "size": one.n_voxels,
            "volume": one.volume,
            "mass": one.mass,
        }
        cells |= {name: maps[key][one.voxel] for name, key in MAPS.items() if key in maps}
        if one.peak > 1:
            cells = {name: cell for name, cell in cells.items() if not COLUMNS[name][2]}
        lines.append("\t".join(_cell(cells.get(name, np.nan)) for name in COLUMNS))
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    described: dict[str, Any] = {
        name: {"Description": text, **({"Units": unit} if unit else {})}
        for name, (text, unit, _) in COLUMNS.items()
    }
    write_json(sidecar(path), {"Description": description, **described})
    return path


def _cell(value: str | float) -> str:
    """Text as it is, numbers with six digits, n/a for what there is not."""
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.6g}" if np.isfinite(value) else "n/a"
