"""What a map is drawn on: slices of a volume, both sides of a hemisphere, or a histogram."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.content import Figure, Table
from boldglm.reports.region_names import HEADING, RegionNames
from boldglm.reports.thumbnails import Thumbnail, thumbnail_of

if TYPE_CHECKING:  # that module imports the library for pictures
    from boldglm.reports.peaks import Peaks
    from boldglm.reports.surfaces import SurfaceViews

MOST_PEAKS = 10
N_BINS = 60
THUMBNAIL_HEIGHT = 88  # pixels, of which a page shows three as two of its own


@dataclass(frozen=True)
class Shading:
    """Which statistic is colored, and from which threshold."""

    threshold: float
    statistic: str = "z"
    two_sided: bool = True


@dataclass(frozen=True)
class VolumeView:
    """Voxels, on slices of the mean image.

    Parameters
    ----------
    name : str
        Which part of the values these are; empty if they are all.
    columns : slice or ndarray of int
        Of a row of values.
    mask : ndarray of bool, shape (n_i, n_j, n_k)
        Where they lie, in the order of ``mask[mask]``.
    mean : ndarray of shape (n_voxels,)
        Mean BOLD image at these voxels.
    affine : ndarray of shape (4, 4)
        Voxel indices to mm.
    n_slices : int
        At most this many.
    regions : RegionNames, optional
        Of an atlas, at these voxels.
    """

    name: str
    columns: slice | IndexArray
    mask: BoolArray
    mean: RealArray
    affine: RealArray
    n_slices: int
    regions: RegionNames | None = None

    def draw(self, row: RealArray, shading: Shading, path: Path, caption: str) -> Figure:
        """Draw a row of values, (n_voxels,); the ending of the path is ours."""
        from boldglm.reports.maps import plot_map

        path = plot_map(
            row[self.columns],
            self._backdrop,
            shading.threshold,
            path.with_name(f"{path.name}.png"),
            n_slices=self.n_slices,
            statistic=shading.statistic,
            two_sided=shading.two_sided,
        )
        part = f" ({self.name})" if self.name else ""
        seen = self._seen_in(row, shading)
        return Figure(path, f"{caption}{part}.", f"Slices: {caption}{part}. {seen}")

    def draw_glass_brain(
        self, row: RealArray, shading: Shading, path: Path, caption: str
    ) -> tuple[Figure, ...]:
        """Draw the largest values along lines of sight, unless the volume is a slice."""
        from boldglm.reports.glass import plot_glass_brain

        if 1 in self.mask.shape:
            return ()
        path = plot_glass_brain(
            row[self.columns],
            self._backdrop,
            shading.threshold,
            path.with_name(f"{path.name}-{self.name.title().replace(' ', '')}Glass.png"),
            two_sided=shading.two_sided,
        )
        part = f" ({self.name})" if self.name else ""
        words = f"Glass brain, from the side, the back and the top: {caption}{part}"
        return (
            Figure(
                path,
                f"{words}. Each pixel shows the largest value along the line of sight.",
                f"{words}. {self._seen_in(row, shading)}",
            ),
        )

    def thumbnail(self, row: RealArray, shading: Shading, maximum: float) -> Thumbnail | None:
        """Draw a small glass brain, or none of a slice; the brightest color is `maximum`."""
        from boldglm.reports.glass import glass_sides

        if 1 in self.mask.shape:
            return None
        sides = glass_sides(
            row[self.columns],
            self._backdrop,
            shading.threshold,
            height=THUMBNAIL_HEIGHT,
            two_sided=shading.two_sided,
            maximum=maximum,
        )
        return thumbnail_of(sides, self._seen_in(row, shading))

    def pack(self, row: RealArray, shading: Shading, path: Path) -> tuple[Path, ...]:
        """Pack a map for the viewer, if it is the only part of the values."""
        from boldglm.reports.volumes import pack_volume

        if self.name:
            return ()
        return (
            pack_volume(
                row[self.columns],
                self._backdrop,
                shading.threshold,
                path.with_name(f"{path.name}.json"),
                statistic=shading.statistic,
                two_sided=shading.two_sided,
            ),
        )

    def _seen_in(self, row: RealArray, shading: Shading) -> str:
        """Say what a picture of a map shows, for a reader who cannot see it."""
        from boldglm.reports.alternative_text import describe_map

        places = self._backdrop.places
        return describe_map(
            row[self.columns],
            places,
            threshold=shading.threshold,
            statistic=shading.statistic,
            two_sided=shading.two_sided,
        )

    def tabulate(
        self,
        row: RealArray,
        shading: Shading,
        threshold_text: str,
        p_values: Mapping[str, RealArray] | None = None,
    ) -> Table:
        """List clusters and their peaks, with values of other maps such as p."""
        from boldglm.reports.peaks import peaks_table

        peaks = self._peaks(row, shading)
        table = peaks_table(
            peaks,
            statistic=shading.statistic,
            threshold_text=threshold_text,
            p_values={name: each[self.columns] for name, each in (p_values or {}).items()},
            regions=self.regions,
        )
        part = f"{self.name.capitalize()}. " if self.name else ""
        return replace(table, caption=part + table.caption)

    def largest(self, row: RealArray, shading: Shading, n_most: int) -> list[tuple[str, int]]:
        """Return the peaks of the first clusters: their name, and their column in the row."""
        from boldglm.reports.peaks import by_cluster

        peaks = self._peaks(row, shading)
        columns = np.arange(row.size)[self.columns]
        found = []
        for name, index in by_cluster(peaks, n_most):
            if name.isdigit():
                x, y, z = (f"{c:z.0f}".replace("-", "−") for c in peaks.rows[index, :3])
                place = f"cluster {name} ({x}, {y}, {z} mm)"
                found.append((place, int(columns[peaks.voxels[index]])))
        return found

    def _peaks(self, row: RealArray, shading: Shading) -> "Peaks":
        from boldglm.reports.peaks import find_peaks

        return find_peaks(
            row[self.columns],
            self.mask,
            self.affine,
            shading.threshold,
            two_sided=shading.two_sided,
        )

    @cached_property
    def _backdrop(self) -> Backdrop:
        return Backdrop(self.mean, self.mask, self.affine)


@dataclass(frozen=True)
class SurfaceView:
    """Vertices of a hemisphere, on its mesh if there is one.

    Parameters
    ----------
    name : str
        Such as ``"left hemisphere"``; empty if it is not known.
    columns : slice or ndarray of int
        Of a row of values.
    mask : ndarray of bool, shape (n_vertices,)
        Where they lie, in the order of ``mask[mask]``.
    mesh_name : str or None
        What the mesh is; None if there is none, and a histogram is drawn.
    coordinates : ndarray of shape (n_vertices, 3) or None
        mm.
    triangles : ndarray of int, of shape (n_triangles, 3), or None
        Indices of vertices.
    regions : RegionNames, optional
        Of an atlas, at these vertices.
    """

    name: str
    columns: slice | IndexArray
    mask: BoolArray
    mesh_name: str | None = None
    coordinates: RealArray | None = None
    triangles: IndexArray | None = None
    regions: RegionNames | None = None

    def draw(self, row: RealArray, shading: Shading, path: Path, caption: str) -> Figure:
        """Draw a row of values, (n_vertices in the mask,); the ending of the path is ours."""
        part = f" ({self.name})" if self.name else ""
        if self._seen is None or self.coordinates is None:
            drawn = _histogram(row[self.columns], shading, path.with_name(f"{path.name}.svg"))
            return Figure(
                drawn,
                f"{caption}{part}: distribution over vertices. No mesh with {self.mask.size} "
                "vertices was found, so the surface is not drawn. Pass one with --mesh.",
                f"Histogram: {caption}{part}.",
            )
        from boldglm.reports.surfaces import plot_surface

        drawn = plot_surface(
            self._filled(row),
            self.mask,
            self._seen,
            shading.threshold,
            path.with_name(f"{path.name}.png"),
            statistic=shading.statistic,
            two_sided=shading.two_sided,
            footer=f"On {self.mesh_name}. Darker: not analyzed.",
        )
        words = f"Both sides of the surface: {caption}{part}. {self._seen_in(row, shading)}"
        return Figure(drawn, f"{caption}{part}.", words)

    def thumbnail(self, row: RealArray, shading: Shading, maximum: float) -> Thumbnail | None:
        """Draw both sides in few pixels, if there is a mesh; the brightest color is `maximum`."""
        from boldglm.reports.surfaces import small_surface

        if self._seen is None:
            return None
        sides = small_surface(
            self._filled(row),
            self.mask,
            self._seen,
            shading.threshold,
            height=THUMBNAIL_HEIGHT,
            two_sided=shading.two_sided,
            maximum=maximum,
        )
        part = f"{self.name.capitalize()}: " if self.name else ""
        return thumbnail_of([sides], part + self._seen_in(row, shading))

    def _seen_in(self, row: RealArray, shading: Shading) -> str:
        """Say what a picture of a map shows, for a reader who cannot see it."""
        from boldglm.reports.alternative_text import describe_map

        coordinates = self.coordinates
        assert coordinates is not None
        return describe_map(
            row[self.columns],
            lambda columns: coordinates[np.flatnonzero(self.mask)[columns]],
            threshold=shading.threshold,
            statistic=shading.statistic,
            two_sided=shading.two_sided,
            element="vertices",
        )

    def tabulate(
        self,
        row: RealArray,
        shading: Shading,
        threshold_text: str,
        p_values: Mapping[str, RealArray] | None = None,
    ) -> Table:
        """List the vertices with the largest values, local maxima where the mesh is known."""
        from boldglm.reports.peaks import p_text

        values = self._filled(row)
        chosen = self._maxima(values, shading)
        what = "Largest values" if self.triangles is None else "Local maxima"
        first = chosen[:MOST_PEAKS]
        vertices = tuple(str(k) for k in first) or ("none",)
        heights = tuple(f"{values[k]:.2f}".replace("-", "−") for k in first) or ("",)
        where = f", {self.name}" if self.name else ""
        count = f"{what} ({first.size} of {chosen.size:,})"
        rows = [(shading.statistic, *heights)]
        columns = np.searchsorted(np.flatnonzero(self.mask), first)
        if first.size:
            rows += [
                (name, *(p_text(float(p)) for p in each[self.columns][columns]))
                for name, each in (p_values or {}).items()
            ]
        if self.regions is not None and first.size:
            rows.append((HEADING, *self.regions.at(columns)))
        return Table(
            ("vertex", *vertices),
            tuple(rows),
            f"{count} at {threshold_text}{where}; vertices counted from 0.",
        )

    def largest(self, row: RealArray, shading: Shading, n_most: int) -> list[tuple[str, int]]:
        """Return the largest local maxima: their name, and their column in the row."""
        first = self._maxima(self._filled(row), shading)[:n_most]
        columns = np.arange(row.size)[self.columns]
        part = f", {self.name}" if self.name else ""
        return [
            (f"vertex {vertex}{part}", int(columns[column]))
            for vertex, column in zip(
                first.tolist(), np.searchsorted(np.flatnonzero(self.mask), first), strict=True
            )
        ]

    def _maxima(self, values: RealArray, shading: Shading) -> IndexArray:
        """Return vertices above the threshold, local maxima on a mesh, largest first."""
        sizes = np.abs(values) if shading.two_sided else values
        chosen = np.flatnonzero(self.mask & (sizes >= shading.threshold))
        if self.triangles is not None:
            around = np.concatenate([self.triangles, np.roll(self.triangles, 1, axis=1)])
            highest = sizes.copy()
            np.maximum.at(highest, around.ravel(), np.roll(sizes[around], 1, axis=1).ravel())
            chosen = chosen[sizes[chosen] >= highest[chosen]]
        return chosen[np.argsort(-sizes[chosen], kind="stable")]

    @cached_property
    def _seen(self) -> "SurfaceViews | None":
        if self.coordinates is None or self.triangles is None:
            return None
        from boldglm.reports.surfaces import see_surface

        is_left = {"left hemisphere": True, "right hemisphere": False}.get(self.name)
        return see_surface(self.coordinates, self.triangles, is_left=is_left)

    def _filled(self, row: RealArray) -> RealArray:
        values = np.zeros(self.mask.shape)
        values[self.mask] = row[self.columns]
        return values


View = VolumeView | SurfaceView


def draw_on_all(
    views: tuple[View, ...], row: RealArray, shading: Shading, path: Path, caption: str
) -> tuple[Figure, ...]:
    """Draw a map on all of its parts.

    Parameters
    ----------
    views : tuple of View
        Parts.
    row : ndarray of shape (n_voxels,)
        Values of all of them.
    shading : Shading
        Colors.
    path : Path
        Without ending; parts with a name append it.
    caption : str
        What the values are, without a full stop.

    Returns
    -------
    tuple of Figure
        One for each part.
    """
    figures = []
    for view in views:
        part = "".join(word.capitalize() for word in view.name.split())
        name = f"{path.name}-{part}" if part else path.name
        figures.append(view.draw(row, shading, path.with_name(name), caption))
    return tuple(figures)


def _histogram(values: RealArray, shading: Shading, path: Path) -> Path:
    from boldglm.reports.drawing import Axes
    from boldglm.reports.svg import BLUE, RED, Drawing

    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, bins=N_BINS)
    drawing = Drawing()
    axes = Axes(
        drawing, 0, 0, 280, 100, (float(edges[0]), float(edges[-1])), (0, 1.05 * counts.max())
    )
    places, tops = axes.across(edges), axes.up(counts)
    drawing.boxes(np.column_stack([places[:-1], tops, np.diff(places), axes.height - tops]), BLUE)
    axes.axis_below(shading.statistic)
    axes.axis_left("vertices")
    ends = (-shading.threshold, shading.threshold) if shading.two_sided else ()
    for end in ends or (shading.threshold,):
        if axes.x[0] <= end <= axes.x[1]:
            drawing.line(axes.across([end, end]), [0, axes.height], RED, 0.8)
    return drawing.save(path)
