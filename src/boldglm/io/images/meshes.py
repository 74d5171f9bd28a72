"""Meshes of the cortex: GIFTI surfaces, and those of FreeSurfer's own format."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.entities import entities_of
from boldglm.io.images.geometry import MOST_VOXELS
from boldglm.io.images.gifti import POINTS, TRIANGLES, decoded, not_readable, stream_arrays

# An inflated surface shows best, but its distances are not those of the cortex.
DISTORTED = ("inflated", "veryinflated", "vinflated", "sphere", "flat")
MEASURED = ("midthickness", "graymid", "white", "pial", "smoothwm")
SHOWN = (*DISTORTED[:3], "midthickness", "graymid", "pial", "white", "smoothwm")
STRUCTURES = {"L": "CortexLeft", "R": "CortexRight", "lh": "CortexLeft", "rh": "CortexRight"}
_FREESURFER = re.compile(r"[lr]h\.\w+")
_FREESURFER_MAGIC = b"\xff\xff\xfe"


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices and triangles of one hemisphere."""

    path: Path
    kind: str  # such as "midthickness"
    structure: str  # "CortexLeft", "CortexRight", or empty if the file does not say
    coordinates: np.ndarray  # (n_vertices, 3), mm
    triangles: np.ndarray  # (n_triangles, 3), indices of vertices


def read_mesh(path: Path) -> Mesh:
    """Read a surface.

    Parameters
    ----------
    path : Path
        A ``.surf.gii`` file, or one of FreeSurfer such as ``lh.inflated``.

    Returns
    -------
    Mesh

    Raises
    ------
    MissingInputError
        If there is no such file.
    BadDataError
        If it is damaged, or holds no mesh.
    """
    if not path.is_file():
        raise MissingInputError(f"There is no surface {path}.")
    if _FREESURFER.fullmatch(path.name):
        side, _, kind = path.name.partition(".")
        coordinates, triangles = _read_freesurfer(path)
        return Mesh(path, kind, STRUCTURES[side], coordinates, triangles)
    found: dict[str, np.ndarray] = {}
    structure = ""
    for array in stream_arrays(path):
        found[array.intent] = decoded(path, array)
        structure = array.file_metadata.get("AnatomicalStructurePrimary", "")
    structure = structure or _structure_in_name(path)
    kind = _kind_in_name(path)
    if POINTS not in found or TRIANGLES not in found:
        raise BadDataError(
            f"{path.name} holds no surface (it has: {', '.join(found) or 'nothing'}). Give a file "
            "with points and triangles, such as hemi-L_midthickness.surf.gii."
        )
    return _checked(path, kind, structure, found[POINTS], found[TRIANGLES])


def find_meshes(root: Path, series: Path, entities: Mapping[str, str]) -> tuple[Path, ...]:
    """Find surfaces that a series on the cortex may lie on; those of a volume are not looked for.

    They are the participant's in the ``anat`` folders of the derivatives, and of a template of
    FreeSurfer in its ``sourcedata/freesurfer``, where fMRIPrep leaves it.

    Parameters
    ----------
    root : Path
        Derivative dataset.
    series : Path
        File of the series.
    entities : mapping of str to str
        Of the series.

    Returns
    -------
    tuple of Path
        Perhaps of either hemisphere, and of several kinds.
    """
    if not series.name.endswith((".func.gii", ".dtseries.nii")):
        return ()
    space, subject = entities.get("space", ""), root / f"sub-{entities['sub']}"
    native = sorted([*subject.glob("anat/*.surf.gii"), *subject.glob("ses-*/anat/*.surf.gii")])
    own = [
        path
        for path in native
        if entities_of(path.name).get("space", space) == space and mesh_kind(path) in SHOWN
    ]
    if not space.startswith("fsaverage"):
        return tuple(own)
    folder = root / "sourcedata" / "freesurfer" / space / "surf"
    template = [path for path in folder.glob("[lr]h.*") if mesh_kind(path) in SHOWN]
    return (*own, *sorted(template))


def choose_mesh(
    paths: Iterable[Path], kinds: tuple[str, ...], structure: str, n_vertices: int
) -> Mesh | None:
    """Read the first mesh of the kinds, in their order, that fits a hemisphere.

    Parameters
    ----------
    paths : iterable of Path
        What there is, of either hemisphere and any number of vertices.
    kinds : tuple of str
        `SHOWN` or `MEASURED`. Surfaces of other kinds come last, unless they are `DISTORTED`.
    structure : str
        Such as ``"CortexLeft"``; empty fits all.
    n_vertices : int
        Which the mesh must have.

    Returns
    -------
    Mesh or None
        None if none fits.
    """
    ranks = {kind: rank for rank, kind in enumerate(kinds)}
    wanted = [
        path for path in paths if mesh_kind(path) in kinds or mesh_kind(path) not in DISTORTED
    ]
    for path in sorted(wanted, key=lambda one: ranks.get(mesh_kind(one), len(ranks))):
        side = mesh_structure(path)
        if structure and side and side != structure:
            continue
        mesh = read_mesh(path)
        fits = not structure or mesh.structure in ("", structure)
        if fits and len(mesh.coordinates) == n_vertices:
            return mesh
    return None


def mesh_kind(path: Path) -> str:
    """Tell from its name what a surface is of.

    Examples
    --------
    >>> mesh_kind(Path("sub-01_hemi-L_space-fsLR_den-32k_midthickness.surf.gii"))
    'midthickness'
    >>> mesh_kind(Path("lh.inflated")), mesh_kind(Path("S1200.L.midthickness_MSMAll.surf.gii"))
    ('inflated', 'midthickness')
    """
    if _FREESURFER.fullmatch(path.name):
        return path.suffix[1:]
    return _kind_in_name(path)


def mesh_structure(path: Path) -> str:
    """Tell from its name which hemisphere a surface is of; empty if it does not say.

    Examples
    --------
    >>> mesh_structure(Path("sub-01_hemi-L_midthickness.surf.gii"))
    'CortexLeft'
    >>> mesh_structure(Path("rh.white")), mesh_structure(Path("fs_LR.R.inflated.surf.gii"))
    ('CortexRight', 'CortexRight')
    """
    if _FREESURFER.fullmatch(path.name):
        return STRUCTURES[path.name[:2]]
    return _structure_in_name(path)


def _kind_in_name(path: Path) -> str:
    words = re.split(r"[._]", path.name.removesuffix(".surf.gii"))
    known = [word for word in reversed(words) if word in (*SHOWN, *DISTORTED)]
    return known[0] if known else words[-1]


def _structure_in_name(path: Path) -> str:
    hemi = entities_of(path.name).get("hemi", "")
    words = [hemi, *re.split(r"[._]", path.name)]
    return next((STRUCTURES[word] for word in words if word in STRUCTURES), "")


def _read_freesurfer(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a triangle file: two lines of text, two counts, points, triangles; big-endian."""
    content = path.read_bytes()
    lines_end = content.find(b"\n\n")
    if not content.startswith(_FREESURFER_MAGIC) or lines_end < 0:
        raise not_readable(path, ValueError("nor is it a surface of FreeSurfer"))
    start = lines_end + 2
    counts = np.frombuffer(content, ">i4", 2, start) if len(content) >= start + 8 else [-1, -1]
    n_points, n_triangles = (int(count) for count in counts)
    if min(n_points, n_triangles) < 1 or start + 8 + 12 * (n_points + n_triangles) > len(content):
        raise not_readable(path, ValueError(f"it announces {n_points} vertices, and is too short"))
    points = np.frombuffer(content, ">f4", 3 * n_points, start + 8).reshape(-1, 3)
    triangles = np.frombuffer(content, ">i4", 3 * n_triangles, start + 8 + 12 * n_points)
    mesh = _checked(path, "", "", points, triangles.reshape(-1, 3))
    return mesh.coordinates, mesh.triangles


def _checked(
    path: Path, kind: str, structure: str, points: np.ndarray, triangles: np.ndarray
) -> Mesh:
    good = points.ndim == triangles.ndim == 2 and points.shape[1] == triangles.shape[1] == 3
    if not good or not np.isfinite(points).all() or len(points) > MOST_VOXELS:
        raise not_readable(path, ValueError("its points or triangles are not triples of numbers"))
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise not_readable(path, ValueError("a triangle names a vertex that it does not have"))
    return Mesh(
        path, kind, structure, points.astype(np.float64), triangles.astype(np.intp, copy=False)
    )
