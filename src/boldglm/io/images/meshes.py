"""Meshes of the cortex: GIFTI surfaces, and those of FreeSurfer's own format."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.entities import entities_of
from boldglm.io.images.geometry import MOST_VOXELS
from boldglm.io.images.gifti import POINTS, TRIANGLES, decoded, stream_arrays

# An inflated surface shows best, but its distances are not those of the cortex.
DISTORTED = ("inflated", "veryinflated", "vinflated", "sphere", "flat")
MEASURED = ("midthickness", "graymid", "white", "pial", "smoothwm")
SHOWN = (*DISTORTED[:3], "midthickness", "graymid", "pial", "white", "smoothwm")
STRUCTURES = {"L": "CortexLeft", "R": "CortexRight", "lh": "CortexLeft", "rh": "CortexRight"}
_FREESURFER = re.compile(r"[lr]h\.\w+")


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
        return _read_freesurfer(path)
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


def _read_freesurfer(path: Path) -> Mesh:
    """Read a surface in FreeSurfer's format, whose name gives hemisphere and kind."""
    side, _, kind = path.name.partition(".")
    try:
        points, triangles = nib.freesurfer.read_geometry(path)
    except (ValueError, IndexError, MemoryError, OSError) as error:
        raise BadDataError(
            f"{path.name} is not a readable FreeSurfer surface ({error}). Copy it again."
        ) from error
    return _checked(path, kind, STRUCTURES[side], points, triangles)


def _checked(
    path: Path, kind: str, structure: str, points: np.ndarray, triangles: np.ndarray
) -> Mesh:
    good = points.ndim == triangles.ndim == 2 and points.shape[1] == triangles.shape[1] == 3
    problem = ""
    if not good or not np.isfinite(points).all() or not 0 < len(points) <= MOST_VOXELS:
        problem = "its points or triangles are not triples of finite numbers"
    elif not triangles.size or triangles.min() < 0 or triangles.max() >= len(points):
        problem = f"its triangles refer to vertices other than its {len(points)}"
    if problem:
        raise BadDataError(f"{path.name} is not a readable surface: {problem}. Copy it again.")
    return Mesh(
        path, kind, structure, points.astype(np.float64), triangles.astype(np.intp, copy=False)
    )
