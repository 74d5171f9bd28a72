"""Meshes of the cortex in GIFTI and in FreeSurfer's format."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.entities import entities_of
from boldglm.io.images.geometry import MOST_VOXELS
from boldglm.io.images.gifti import POINTS, TRIANGLES, decoded, not_readable, stream_arrays

# Inflated surfaces are best for pictures, but distances on them are not those of the cortex.
DISTORTED = ("inflated", "veryinflated", "vinflated", "sphere", "flat")
MEASURED = ("midthickness", "graymid", "white", "pial", "smoothwm")
SHOWN = (*DISTORTED[:3], "midthickness", "graymid", "pial", "white", "smoothwm")
STRUCTURES = {"L": "CortexLeft", "R": "CortexRight", "lh": "CortexLeft", "rh": "CortexRight"}
_FREESURFER = re.compile(r"[lr]h\.\w+")
FREESURFER_TRIANGLES = b"\xff\xff\xfe"  # the first bytes of such a file


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices and triangles of a hemisphere."""

    path: Path
    kind: str  # such as "midthickness"
    structure: str  # "CortexLeft", "CortexRight", or empty if unknown
    coordinates: np.ndarray  # (n_vertices, 3), mm
    triangles: np.ndarray  # (n_triangles, 3), indices of vertices


def read_mesh(path: Path) -> Mesh:
    """Read a surface.

    Parameters
    ----------
    path : Path
        A ``.surf.gii`` file, or a FreeSurfer surface such as ``lh.inflated``.

    Returns
    -------
    Mesh

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it is damaged, or has no mesh.
    """
    if not path.is_file():
        raise MissingInputError(f"There is no surface {path}. Check the path.")
    if _FREESURFER.fullmatch(path.name):
        return _read_freesurfer(path)
    arrays: dict[str, np.ndarray] = {}
    structure = ""
    for array in stream_arrays(path):
        if array.intent in arrays:
            raise not_readable(path, ValueError(f"it has two arrays of {array.intent}"))
        arrays[array.intent] = decoded(path, array)
        structure = array.file_metadata.get("AnatomicalStructurePrimary", "")
    structure = structure or _structure_in_name(path)
    kind = _kind_in_name(path)
    if POINTS not in arrays or TRIANGLES not in arrays:
        raise BadDataError(
            f"{path.name} is not a surface: it has {', '.join(arrays) or 'no arrays'}. Give a "
            "file with points and triangles, such as hemi-L_midthickness.surf.gii."
        )
    return _checked(path, kind, structure, arrays[POINTS], arrays[TRIANGLES])


def find_meshes(root: Path, bold_file: Path, entities: Mapping[str, str]) -> tuple[Path, ...]:
    """Find surfaces that may fit a BOLD series on the cortex.

    Surfaces of the participant are in the ``anat`` folders of the derivatives. Those of a
    template of FreeSurfer are in ``sourcedata/freesurfer``, where fMRIPrep stores them.

    Parameters
    ----------
    root : Path
        Derivative dataset.
    bold_file : Path
        BOLD series; the result is empty for a volume.
    entities : mapping of str to str
        Entities of the series.

    Returns
    -------
    tuple of Path
        Surfaces of both hemispheres and of several kinds.
    """
    if not bold_file.name.endswith((".func.gii", ".dtseries.nii")):
        return ()
    space, subject = entities.get("space", ""), root / f"sub-{entities['sub']}"
    native = sorted([*subject.glob("anat/*.surf.gii"), *subject.glob("ses-*/anat/*.surf.gii")])
    of_participant = [
        path
        for path in native
        if entities_of(path.name).get("space", space) == space and mesh_kind(path) in SHOWN
    ]
    if not space.startswith("fsaverage"):
        return tuple(of_participant)
    folder = root / "sourcedata" / "freesurfer" / space / "surf"
    template = [path for path in folder.glob("[lr]h.*") if mesh_kind(path) in SHOWN]
    return (*of_participant, *sorted(template))


def choose_mesh(
    paths: Iterable[Path], kinds: tuple[str, ...], structure: str, n_vertices: int
) -> Mesh | None:
    """Read the mesh that fits a hemisphere and is of the most preferred kind.

    Parameters
    ----------
    paths : iterable of Path
        Surfaces of both hemispheres with any number of vertices.
    kinds : tuple of str
        Kinds in order of preference, `SHOWN` or `MEASURED`. Surfaces of other kinds come last,
        except for `DISTORTED` ones, which are not used.
    structure : str
        Hemisphere, such as ``"CortexLeft"``; with an empty string, any mesh fits.
    n_vertices : int
        Number of vertices of the hemisphere.

    Returns
    -------
    Mesh or None
        None if no mesh fits.
    """
    ranks = {kind: rank for rank, kind in enumerate(kinds)}
    candidates = [
        path for path in paths if mesh_kind(path) in kinds or mesh_kind(path) not in DISTORTED
    ]
    for path in sorted(candidates, key=lambda path: ranks.get(mesh_kind(path), len(ranks))):
        side = mesh_structure(path)
        if structure and side and side != structure:
            continue
        mesh = read_mesh(path)
        fits = not structure or mesh.structure in ("", structure)
        if fits and len(mesh.coordinates) == n_vertices:
            return mesh
    return None


def mesh_kind(path: Path) -> str:
    """Return the kind of a surface, such as midthickness, from its file name.

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
    """Return the hemisphere of a surface from its file name; empty if unknown.

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
    """Read a surface in FreeSurfer's format, whose name gives hemisphere and kind.

    It has three bytes, one or two lines of text, the numbers of vertices and triangles, then
    three float32 for each vertex and three int32 for each triangle, all in big-endian order.
    What may follow says where the volume lies.
    """
    side, _, kind = path.name.partition(".")
    content = path.read_bytes()
    start = content.find(b"\n", 3) + 1
    start += content[start : start + 1] == b"\n"
    if content[:3] != FREESURFER_TRIANGLES or start < 3 or len(content) < start + 8:
        raise BadDataError(
            f"{path.name} is not a readable FreeSurfer surface: it does not begin like a file of "
            "triangles. Copy it again."
        )
    n_points, n_triangles = (int(n) for n in np.frombuffer(content, ">i4", 2, start))
    needed = start + 8 + 12 * (n_points + n_triangles)
    if min(n_points, n_triangles) < 1 or len(content) < needed:
        raise BadDataError(
            f"{path.name} is truncated: its header gives {n_points} vertices and {n_triangles} "
            f"triangles ({needed:,} bytes), but it has {len(content):,} bytes. Copy it again."
        )
    points = np.frombuffer(content, ">f4", 3 * n_points, start + 8)
    triangles = np.frombuffer(content, ">i4", 3 * n_triangles, start + 8 + 12 * n_points)
    return _checked(path, kind, STRUCTURES[side], points.reshape(-1, 3), triangles.reshape(-1, 3))


def _checked(
    path: Path, kind: str, structure: str, points: np.ndarray, triangles: np.ndarray
) -> Mesh:
    good = points.ndim == triangles.ndim == 2 and points.shape[1] == triangles.shape[1] == 3
    problem = ""
    if not good or not np.isfinite(points).all() or not 0 < len(points) <= MOST_VOXELS:
        problem = "its points or triangles are not triples of finite numbers"
    elif triangles.dtype.kind not in "iu":
        problem = "its triangles are not whole numbers"
    elif not triangles.size or triangles.min() < 0 or triangles.max() >= len(points):
        problem = f"its triangles refer to vertices other than its {len(points)}"
    if problem:
        raise BadDataError(f"{path.name} is not a readable surface: {problem}. Copy it again.")
    return Mesh(
        path, kind, structure, points.astype(np.float64), triangles.astype(np.intp, copy=False)
    )
