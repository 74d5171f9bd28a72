"""A hemisphere seen from both sides, with a statistic on it: pixels find their vertex, once.

Which vertex a pixel shows depends on the mesh alone. It is found by putting points on every
triangle, closely enough for the pixels, and keeping the nearest to the eye; each map is then
colored by looking up its values.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.canvas import (
    SOFT,
    Canvas,
    color_bar,
    color_end,
    say_nothing_is_above,
)
from boldglm.reports.mosaic import WHITE, Colors, is_colored, overlay_colors

_PANEL = 560  # pixels that one side takes at most in width
_GAP, _TOP = 36, 30  # between the sides; above them for their names
_POINTS_A_PIXEL = 1.5  # along each edge of a triangle
_EMPTY = -1
_DARKEST = 0.35  # of what is inside the mask, facing away from the eye
_OUTSIDE = 0.2  # how much darker what was not analyzed is


@dataclass(frozen=True)
class SurfaceViews:
    """Both sides of a hemisphere as pixels.

    Parameters
    ----------
    vertex : ndarray of int, of shape (height, width)
        Vertex that a pixel shows, -1 where there is none.
    light : ndarray of shape (height, width)
        How much a pixel faces the eye, 0 to 1.
    centers : tuple of int
        Column of the middle of each side.
    names : tuple of str
        What each side is called.
    """

    vertex: IndexArray
    light: RealArray
    centers: tuple[int, ...]
    names: tuple[str, ...]


def see_surface(
    coordinates: RealArray, triangles: IndexArray, *, is_left: bool | None
) -> SurfaceViews:
    """Look at a hemisphere from its lateral and its medial side.

    Parameters
    ----------
    coordinates : ndarray of shape (n_vertices, 3)
        mm, x to the right, y to the front, z up.
    triangles : ndarray of int, of shape (n_triangles, 3)
        Indices of vertices.
    is_left : bool or None
        Which hemisphere it is, if that is known: without it the sides are called left and right.

    Returns
    -------
    SurfaceViews
        The same scale on both sides.
    """
    extent = coordinates.max(axis=0) - coordinates.min(axis=0)
    scale = (_PANEL - 1) / max(float(extent[1:].max()), 1e-9)
    outward = _outward(coordinates, triangles)
    sides = []
    for from_left in (True, False) if is_left is not False else (False, True):
        # the eye is far out on the x axis; the front of the head is left, seen from the left
        across = -coordinates[:, 1] if from_left else coordinates[:, 1]
        toward = -coordinates[:, 0] if from_left else coordinates[:, 0]
        seen = np.column_stack([across, coordinates[:, 2], toward]) * scale
        facing = triangles
        if outward is not None:  # of a closed surface, the other half cannot be seen
            facing = triangles[outward[:, 0] < 0 if from_left else outward[:, 0] > 0]
        sides.append(_rasterize(seen, facing))
    names = ("from the left", "from the right") if is_left is None else ("lateral", "medial")
    width = sides[0][0].shape[1]
    gap = np.full((len(sides[0][0]), _GAP), _EMPTY)
    vertex = np.hstack([sides[0][0], gap, sides[1][0]])
    light = np.hstack([sides[0][1], gap * 0.0, sides[1][1]])
    return SurfaceViews(vertex, light, (width // 2, width + _GAP + width // 2), names)


def _outward(coordinates: RealArray, triangles: IndexArray) -> RealArray | None:
    """Normals that point outwards, (n_triangles, 3), of a closed surface; None of another."""
    sides = np.concatenate(
        [triangles, np.roll(triangles, 1, axis=1), np.roll(triangles, 2, axis=1)]
    )
    edges = np.sort(sides[:, :2], axis=1)
    n_edges = np.unique(edges[:, 0].astype(np.int64) * len(coordinates) + edges[:, 1]).size
    if 2 * n_edges != 3 * len(triangles):
        return None
    corners = coordinates[triangles] - coordinates.mean(axis=0)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = np.einsum("td,td->", normals, corners.mean(axis=1))  # six times what is enclosed
    return normals if volume > 0 else -normals


def _rasterize(seen: RealArray, triangles: IndexArray) -> tuple[IndexArray, RealArray]:
    """Find the vertex and the light of each pixel; `seen` is in pixels: right, up, to the eye."""
    seen = seen - seen.min(axis=0)
    width, height = (int(extent) + 1 for extent in seen[:, :2].max(axis=0))
    corners = seen[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    facing = np.abs(normals[:, 2]) / np.where(lengths > 0, lengths, 1)
    longest = np.ptp(corners[:, :, :2], axis=1).max(axis=1)
    steps = np.ceil(longest * _POINTS_A_PIXEL).astype(int) + 1
    nearest = np.full(height * width, -np.inf)
    vertex = np.full(height * width, _EMPTY)
    light = np.zeros(height * width)
    for step in np.unique(steps):
        own = np.flatnonzero(steps == step)
        shares = _barycentric(step)
        for start in range(0, own.size, max(1, 2**21 // len(shares))):
            some = own[start : start + max(1, 2**21 // len(shares))]
            points = np.einsum("sc,tcd->tsd", shares, corners[some]).reshape(-1, 3)
            column, row = points[:, 0].astype(int), height - 1 - points[:, 1].astype(int)
            pixel = row * width + column
            closest = triangles[some][:, shares.argmax(axis=1)].ravel()
            lit = np.repeat(facing[some], len(shares))
            order = np.argsort(points[:, 2], kind="stable")  # the nearest is written last
            order = order[points[order, 2] > nearest[pixel[order]]]
            nearest[pixel[order]] = points[order, 2]
            vertex[pixel[order]], light[pixel[order]] = closest[order], lit[order]
    return vertex.reshape(height, width), light.reshape(height, width)


def _barycentric(steps: int) -> RealArray:
    """Points spread over a triangle, as shares of its corners, (n_points, 3)."""
    first, second = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
    inside = first + second <= steps
    pairs = np.column_stack([first[inside], second[inside]]) / steps
    return np.column_stack([1 - pairs.sum(axis=1), pairs])


def plot_surface(
    stat: RealArray,
    mask: BoolArray,
    views: SurfaceViews,
    threshold: float,
    path: Path,
    *,
    statistic: str = "z",
    two_sided: bool = True,
    footer: str = "",
) -> Path:
    """Draw where a statistic is large, on a hemisphere seen from both sides.

    Parameters
    ----------
    stat : ndarray of shape (n_vertices,)
        Statistic; only vertices of the mask are colored, and NaN never is.
    mask : ndarray of bool, shape (n_vertices,)
        Vertices that were analyzed; the rest is darker.
    views : SurfaceViews
        As `see_surface` gives them.
    threshold : float
        Not negative, infinite if nothing survived; vertices with \\|statistic\\| of at
        least this are colored.
    path : Path
        The ``.png`` file to write.
    statistic : str
        Its symbol, for the color bar.
    two_sided : bool
        Whether negative values are colored, and the color bar has a negative half.
    footer : str
        What the mesh is, printed below.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If shapes do not agree.
    """
    if stat.shape != mask.shape or views.vertex.max() >= stat.size:
        raise ValueError(
            f"a map {stat.shape}, a mask {mask.shape} and a mesh of at least "
            f"{views.vertex.max() + 1} vertices do not belong together."
        )
    values = np.where(mask, np.nan_to_num(stat, nan=0.0, posinf=np.inf, neginf=-np.inf), 0.0)
    if not two_sided:
        values = np.maximum(values, 0)
    above = np.abs(values)[is_colored(values, threshold)]
    maximum = color_end(above, threshold)
    picture = _colored(values, mask, views, threshold, maximum)
    canvas = Canvas(np.vstack([np.full((_TOP, picture.shape[1]), WHITE, np.uint8), picture]))
    for center, name in zip(views.centers, views.names, strict=True):
        canvas.write(center, 2, name, align="center")
    canvas.write(4, canvas.height - 4, footer, shade=SOFT, vertical="bottom")
    if above.size:
        ends = (threshold, maximum, float(above.max()))
        color_bar(canvas, statistic, ends, gap=0, two_sided=two_sided)
    else:
        say_nothing_is_above(canvas, statistic, threshold, noun="vertex", two_sided=two_sided)
    canvas.save(path)
    return path


def small_surface(
    stat: RealArray,
    mask: BoolArray,
    views: SurfaceViews,
    threshold: float,
    *,
    height: int,
    maximum: float,
    two_sided: bool = True,
) -> Colors:
    """Return both sides of a hemisphere in few pixels, without words.

    Parameters
    ----------
    stat, mask, views, threshold, two_sided
        As of `plot_surface`.
    height : int
        About how many pixels high.
    maximum : float
        Value of the brightest color.
    """
    values = np.where(mask, np.nan_to_num(stat, posinf=np.inf, neginf=-np.inf), 0.0)
    if not two_sided:
        values = np.maximum(values, 0)
    step = max(1, round(len(views.vertex) / height))
    return _colored(values, mask, views, threshold, maximum)[::step, ::step]


def _colored(
    values: RealArray, mask: BoolArray, views: SurfaceViews, threshold: float, maximum: float
) -> Colors:
    picture = np.full(views.vertex.shape, WHITE, dtype=np.uint8)
    there = views.vertex != _EMPTY
    vertex = views.vertex[there]
    tone = _DARKEST + (0.88 - _DARKEST) * views.light[there] - _OUTSIDE * ~mask[vertex]
    colors = np.rint(np.clip(tone, 0.05, 0.9) * WHITE).astype(np.uint8)
    shown = is_colored(values[vertex], threshold)
    colors[shown] = overlay_colors(values[vertex][shown], threshold=threshold, maximum=maximum)
    picture[there] = colors
    return picture
