"""A hemisphere of the cortex in GIFTI: BOLD series (func.gii) and maps (shape.gii)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import BoolArray
from boldglm.glm.spatial.domains import SurfaceDomain
from boldglm.io.images.domains import DomainPart
from boldglm.io.images.geometry import BoldHeader, Geometry, Intent, SurfacePart, full_mask
from boldglm.io.images.gifti import (
    POINTS,
    SERIES,
    GiftiArray,
    decoded,
    stream_arrays,
    write_arrays,
)
from boldglm.io.images.meshes import MEASURED, SHOWN, STRUCTURES, choose_mesh, mesh_structure
from boldglm.io.images.nifti import LONGEST_STEP, check_start

SIDES = {"CortexLeft": "left hemisphere", "CortexRight": "right hemisphere"}
INTENTS = {
    "t test": "NIFTI_INTENT_TTEST",
    "f test": "NIFTI_INTENT_FTEST",
    "z score": "NIFTI_INTENT_ZSCORE",
    "p value": "NIFTI_INTENT_PVAL",
    "estimate": "NIFTI_INTENT_ESTIMATE",
}
LEAST_ARRAY = 100  # bytes of the tags of an array without data
END = b"</GIFTI>"


@dataclass(frozen=True, eq=False)
class Hemisphere(Geometry):
    """Vertices of a hemisphere, and the surfaces that fit them."""

    structure: str  # "CortexLeft", "CortexRight", or empty if unknown
    meshes: tuple[Path, ...] = ()

    element_name: ClassVar[str] = "vertices"
    map_ending: ClassVar[str] = ".shape.gii"
    series_ending: ClassVar[str] = ".func.gii"

    @property
    def n_vertices(self) -> int:
        """Number of vertices of the hemisphere, in and outside the mask."""
        return self.shape[0]

    def difference(self, other: Self) -> str:
        """Compare numbers of vertices, and hemispheres."""
        if self.n_vertices != other.n_vertices:
            return f"{self.n_vertices} vertices against {other.n_vertices}"
        if self.structure and other.structure and self.structure != other.structure:
            return f"{self.structure} against {other.structure}"
        return ""

    def with_meshes(self, paths: Sequence[Path]) -> Self:
        """Add the surfaces of this hemisphere."""
        same_side = [path for path in paths if mesh_structure(path) in ("", self.structure)]
        return replace(self, meshes=tuple(same_side if self.structure else paths))

    def read_map(self, path: Path) -> np.ndarray:
        """Read a file with a single array."""
        hemisphere, values = read_surface_map(path)
        hemisphere.check_same(path.name, self, "the other images")
        return values

    def check_smoothing(self, fwhm: float) -> None:
        """Check that a mesh for smoothing exists."""
        self.smoother(fwhm)

    def domains(self) -> tuple[DomainPart, ...]:
        """Return the hemisphere as a single part."""
        return (surface_domain(self.structure, slice(None), self.mask, self.meshes),)

    def parts(self) -> tuple[SurfacePart, ...]:
        """Return the hemisphere as a single part."""
        mesh = choose_mesh(self.meshes, SHOWN, self.structure, self.n_vertices)
        return (
            SurfacePart(
                SIDES.get(self.structure, ""),
                slice(None),
                self.mask,
                None if mesh is None else mesh.path.name,
                None if mesh is None else mesh.coordinates,
                None if mesh is None else mesh.triangles,
            ),
        )

    def _write_map(self, path: Path, values: np.ndarray, intent: Intent) -> None:
        name, parameters = intent
        details = {f"intent_p{k}": f"{value:g}" for k, value in enumerate(parameters, start=1)}
        code = INTENTS.get(name, "NIFTI_INTENT_NONE")
        write_arrays(path, [values], 1, code, self._metadata(), details)

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        metadata, intent = self._metadata(), "NIFTI_INTENT_NONE"
        if repetition_time is not None:
            intent = SERIES
            metadata["TimeStep"] = f"{1000 * repetition_time:.6f}"  # milliseconds
        filled = (self.unmask(row, np.float32) for row in rows)
        write_arrays(path, filled, len(rows), intent, metadata)

    def _metadata(self) -> dict[str, str]:
        return {"AnatomicalStructurePrimary": self.structure} if self.structure else {}


def surface_domain(
    structure: str,
    columns: slice | np.ndarray,
    mask: BoolArray,
    meshes: Sequence[Path],
) -> DomainPart:
    """Return a hemisphere with the distances on the first mesh that fits it, if any."""
    name = SIDES.get(structure, "surface")
    mesh = choose_mesh(meshes, MEASURED, structure, mask.size)
    if mesh is None:
        return DomainPart(name, columns, None, _missing_mesh(structure, mask.size, meshes))
    domain = SurfaceDomain(mesh.coordinates, mesh.triangles, mask)
    return DomainPart(name, columns, domain, mesh.path.name)


def _missing_mesh(structure: str, n_vertices: int, meshes: Sequence[Path]) -> str:
    """Return the error for a hemisphere without a mesh."""
    available = ", ".join(path.name for path in meshes) or "none"
    return (
        f"--smoothing along the {SIDES.get(structure, 'surface')} needs its mesh with "
        f"{n_vertices} vertices (midthickness, white or pial; distances on an inflated mesh are "
        f"wrong). Found: {available}. Give --mesh FILE.surf.gii, or leave out --smoothing."
    )


@dataclass(frozen=True, eq=False)
class GiftiHeader(BoldHeader):
    """The header of a func.gii file."""

    geometry: Hemisphere

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:  # noqa: ARG002 - not in parallel
        """Decode array by array."""
        number = 0
        for number, array in enumerate(stream_arrays(self.path), start=1):
            if array.shape != self.shape or array.dtype.newbyteorder("=") != self.dtype:
                raise BadDataError(
                    f"{self.path.name}: array {number} has {array.shape[0]} values of type "
                    f"{array.dtype.name}, but the first has {self.shape[0]} of type "
                    f"{self.dtype.name}. All volumes must have the same vertices. Convert or copy "
                    "the file again."
                )
            if number <= self.n_scans:
                yield decoded(self.path, array).astype(self.dtype, copy=False)
        if number != self.n_scans:
            raise BadDataError(
                f"{self.path.name} has {number} volumes, but its NumberOfDataArrays is "
                f"{self.n_scans}. Copy or convert it again."
            )


def read_gifti_header(path: Path) -> GiftiHeader:
    """Read the header of a func.gii file from its first array, and check that it is complete.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not GIFTI, not a series, or truncated.
    """
    array = _first_array(path)
    if array.intent == POINTS or len(array.shape) != 1:
        shape = " x ".join(map(str, array.shape))
        raise BadDataError(
            f"{path.name}: its first array has {shape} values and the intent "
            f"{array.intent or 'none'}, but a func.gii file has one array for each volume, with "
            "one value for each vertex. Check whether it is a surface, or a series in a single "
            "array."
        )
    n_scans, size = array.n_arrays, path.stat().st_size
    if n_scans < 2 or n_scans * LEAST_ARRAY > size:
        raise BadDataError(
            f"{path.name} has {size} bytes, and its NumberOfDataArrays is {n_scans}, but a BOLD "
            "run has more than one volume, with data for each. Check whether it is a map, or "
            "damaged."
        )
    with path.open("rb") as file:
        file.seek(max(0, size - 1000))
        if END not in file.read():
            raise BadDataError(
                f"{path.name} is truncated: it does not end with {END.decode()}. Copy or convert "
                "it again."
            )
    return GiftiHeader(
        path=path,
        geometry=_hemisphere(path, array),
        n_scans=n_scans,
        repetition_time=_time_step(array.file_metadata),
        dtype=array.dtype.newbyteorder("="),
        slope=1.0,
        intercept=0.0,
    )


def read_surface_map(path: Path) -> tuple[Hemisphere, np.ndarray]:
    """Read a map with one value per vertex: its hemisphere, and its values as float64.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read, or has several arrays.
    """
    check_start(path)
    arrays = list(islice(stream_arrays(path), 2))
    array = _first(path, arrays)
    n_arrays = max(array.n_arrays, len(arrays))
    if n_arrays != 1 or array.n_arrays != 1 or len(array.shape) != 1:
        raise BadDataError(
            f"{path.name} has {n_arrays} arrays (its NumberOfDataArrays is {array.n_arrays}), the "
            f"first of shape {array.shape}, but a mask or map has one array with one value for "
            "each vertex. Give such a file."
        )
    return _hemisphere(path, array), decoded(path, array).astype(np.float64)


def _first_array(path: Path) -> GiftiArray:
    check_start(path)
    return _first(path, list(islice(stream_arrays(path, with_data=False), 1)))


def _first(path: Path, arrays: Sequence[GiftiArray]) -> GiftiArray:
    if not arrays:
        raise BadDataError(f"{path.name} has no array. Convert or copy it again.")
    return arrays[0]


def _hemisphere(path: Path, array: GiftiArray) -> Hemisphere:
    """Return the hemisphere of a file; its name, which BIDS requires, prevails over metadata."""
    metadata = array.file_metadata.get("AnatomicalStructurePrimary", "")
    structure = mesh_structure(path) or (metadata if metadata in STRUCTURES.values() else "")
    return Hemisphere(full_mask((array.shape[0],)), structure)


def _time_step(metadata: Any) -> float | None:
    """Return the seconds between volumes, which some software (FreeSurfer) gives in ms."""
    try:
        step = float(metadata["TimeStep"])
    except (KeyError, ValueError):
        return None
    if not (step > 0 and np.isfinite(step)):
        return None
    return step / 1000 if step > LONGEST_STEP else step
