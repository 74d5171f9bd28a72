"""One hemisphere of the cortex: series as func.gii, maps as shape.gii."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from boldglm.io.images.nifti import check_start

SIDES = {"CortexLeft": "left hemisphere", "CortexRight": "right hemisphere"}
INTENTS = {
    "t test": "NIFTI_INTENT_TTEST",
    "f test": "NIFTI_INTENT_FTEST",
    "z score": "NIFTI_INTENT_ZSCORE",
    "p value": "NIFTI_INTENT_PVAL",
    "estimate": "NIFTI_INTENT_ESTIMATE",
}
LEAST_ARRAY = 100  # bytes that the tags of an array alone take
END = b"</GIFTI>"


@dataclass(frozen=True, eq=False)
class Hemisphere(Geometry):
    """Vertices of a hemisphere, and the surfaces that are known for them."""

    structure: str  # "CortexLeft", "CortexRight", or empty if the file does not say
    meshes: tuple[Path, ...] = ()

    element_name: ClassVar[str] = "vertices"
    map_ending: ClassVar[str] = ".shape.gii"
    series_ending: ClassVar[str] = ".func.gii"

    @property
    def n_vertices(self) -> int:
        """Of the whole hemisphere."""
        return self.shape[0]

    def difference(self, other: Self) -> str:
        """Compare numbers of vertices, and sides."""
        if self.n_vertices != other.n_vertices:
            return f"{self.n_vertices} vertices against {other.n_vertices}"
        if self.structure and other.structure and self.structure != other.structure:
            return f"{self.structure} against {other.structure}"
        return ""

    def with_meshes(self, paths: Sequence[Path]) -> Self:
        """Keep the surfaces of this side."""
        own = [path for path in paths if mesh_structure(path) in ("", self.structure)]
        return replace(self, meshes=tuple(own if self.structure else paths))

    def read_map(self, path: Path) -> np.ndarray:
        """Read the one array of a file."""
        found, values = read_surface_map(path)
        found.check_same(path.name, self, "the images that it is compared with")
        return values

    def check_smoothing(self, fwhm: float) -> None:
        """Look for the mesh."""
        self.smoother(fwhm)

    def domains(self) -> tuple[DomainPart, ...]:
        """Return the one surface that there is."""
        return (surface_domain(self.structure, slice(None), self.mask, self.meshes),)

    def parts(self) -> tuple[SurfacePart, ...]:
        """Return the one surface that there is."""
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
    """Return a hemisphere with the distances of the mesh that fits it, if there is one."""
    name = SIDES.get(structure, "surface")
    mesh = choose_mesh(meshes, MEASURED, structure, mask.size)
    if mesh is None:
        return DomainPart(name, columns, None, no_mesh_to_smooth(structure, mask.size, meshes))
    domain = SurfaceDomain(mesh.coordinates, mesh.triangles, mask)
    return DomainPart(name, columns, domain, mesh.path.name)


def no_mesh_to_smooth(structure: str, n_vertices: int, given: Sequence[Path]) -> str:
    """Say which surface smoothing lacks."""
    have = ", ".join(path.name for path in given) or "none"
    return (
        f"--smoothing along the {SIDES.get(structure, 'surface')} needs its mesh with "
        f"{n_vertices} vertices (midthickness, white or pial; distances on an inflated one are "
        f"wrong). Found: {have}. Give --mesh FILE.surf.gii, or leave out --smoothing."
    )


@dataclass(frozen=True, eq=False)
class GiftiHeader(BoldHeader):
    """The header of a func.gii file."""

    geometry: Hemisphere

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:  # noqa: ARG002 - one stream
        """Decode the arrays one by one."""
        number = 0
        for number, array in enumerate(stream_arrays(self.path), start=1):
            if array.shape != self.shape or array.dtype.newbyteorder("=") != self.dtype:
                raise BadDataError(
                    f"{self.path.name}: array {number} has {array.shape[0]} values of type "
                    f"{array.dtype.name}, the first {self.shape[0]} of type {self.dtype.name}. "
                    "Every volume of a series has the same vertices."
                )
            if number <= self.n_scans:
                yield decoded(self.path, array).astype(self.dtype, copy=False)
        if number != self.n_scans:
            raise BadDataError(
                f"{self.path.name} holds {number} volumes, but announces {self.n_scans} "
                "(NumberOfDataArrays). Copy or convert it again."
            )


def read_gifti_header(path: Path) -> GiftiHeader:
    """Read what the first array of a func.gii says, and check that the file is whole.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not GIFTI, no series, or cut off.
    """
    array = _first_array(path)
    if array.intent == POINTS or len(array.shape) != 1:
        shape = " x ".join(map(str, array.shape))
        raise BadDataError(
            f"{path.name}: its first array is {array.intent or 'of no intent'} of {shape} values; "
            "a func.gii has one array for each volume, with one value for each vertex. Is it a "
            "surface, or a whole series in one array?"
        )
    n_scans, size = array.n_announced, path.stat().st_size
    if n_scans < 2 or n_scans * LEAST_ARRAY > size:
        raise BadDataError(
            f"{path.name} announces {n_scans} volumes (NumberOfDataArrays) in {size} bytes; a "
            "BOLD run has more than one, and they take more. Is it a map, or damaged?"
        )
    with path.open("rb") as file:
        file.seek(max(0, size - 1000))
        if END not in file.read():
            raise BadDataError(
                f"{path.name} is cut off: it does not end with {END.decode()}. Copy or convert it "
                "again."
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
    """Read a map of one value per vertex: where it lies, and its values as float64.

    Raises
    ------
    MissingInputError, BadDataError
        If it is not there, cannot be read, or has several arrays.
    """
    array = _first_array(path, with_data=True)
    if array.n_announced != 1 or len(array.shape) != 1:
        raise BadDataError(
            f"{path.name} has {array.n_announced} arrays, the first of shape {array.shape}; a "
            "mask or map has one, with one value for each vertex."
        )
    return _hemisphere(path, array), decoded(path, array).astype(np.float64)


def _first_array(path: Path, *, with_data: bool = False) -> GiftiArray:
    check_start(path)
    array = next(stream_arrays(path, with_data=with_data), None)
    if array is None:
        raise BadDataError(f"{path.name} holds no array. Convert or copy it again.")
    return array


def _hemisphere(path: Path, array: GiftiArray) -> Hemisphere:
    """The name of the file decides on the side: it is what a person sees, and BIDS requires."""
    stated = array.file_metadata.get("AnatomicalStructurePrimary", "")
    structure = mesh_structure(path) or (stated if stated in STRUCTURES.values() else "")
    return Hemisphere(full_mask((array.shape[0],)), structure)


def _time_step(metadata: Any) -> float | None:
    """Seconds between volumes; FreeSurfer writes milliseconds."""
    try:
        step = float(metadata["TimeStep"])
    except (KeyError, ValueError):
        return None
    if not (step > 0 and np.isfinite(step)):
        return None
    return step / 1000 if step > 100 else step
