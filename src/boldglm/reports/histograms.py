"""The distribution of z over voxels, against the one that is expected without any effect."""

from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.content import Figure
from boldglm.reports.drawing import Axes
from boldglm.reports.svg import BLUE, ORANGE, SOFT, Drawing

_N_BINS = 80
_LEAST_END, _LARGEST_END = 4.5, 12.0  # of the axis
_WIDTH, _HEIGHT = 250.0, 105.0  # points


def draw_null_histogram(z: RealArray, path: Path, name: str) -> Figure:
    """Draw a histogram of z with the standard normal distribution.

    Parameters
    ----------
    z : ndarray of shape (n_voxels,)
        Of a contrast; voxels with 0 were not tested.
    path : Path
        Without the ending.
    name : str
        Of the contrast.

    Returns
    -------
    Figure
        The picture, ``<path>-Histogram.svg``.
    """
    tested = z[np.isfinite(z) & (z != 0)]
    sizes = np.abs(tested)
    end = float(np.clip(sizes.max() if sizes.size else 0.0, _LEAST_END, _LARGEST_END))
    counts, edges = np.histogram(np.clip(tested, -end, end), bins=_N_BINS, range=(-end, end))
    places = np.linspace(-end, end, 121)
    width = 2 * end / _N_BINS
    expected = tested.size * width * np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    drawing = Drawing()
    top = 1.08 * max(float(counts.max()), float(expected.max()), 1.0)
    axes = Axes(drawing, 0, 0, _WIDTH, _HEIGHT, (-end, end), (0, top))
    left, heights = axes.across(edges), axes.up(counts)
    bars = np.column_stack([left[:-1], heights, np.diff(left), _HEIGHT - heights])
    drawing.boxes(bars[counts > 0], BLUE)
    drawing.line(axes.across(places), axes.up(expected), ORANGE, 1.2)
    axes.axis_below("z")
    axes.axis_left("voxels")
    drawing.text(_WIDTH, 4, "expected without effects", color=ORANGE, align="right")
    middle, spread = (np.median(tested), tested.std()) if tested.size else (np.nan, np.nan)
    words = f"median {middle:z.2f}, standard deviation {spread:.2f}".replace("-", "−")
    drawing.text(_WIDTH, 15, words.replace("standard deviation", "SD"), color=SOFT, align="right")
    beyond = (
        " The outermost bars hold all values beyond." if sizes.size and sizes.max() > end else ""
    )
    return Figure(
        drawing.save(path.with_name(f"{path.name}-Histogram.svg")),
        f"Distribution of z of {name}, and the standard normal distribution that is expected "
        f"without effects and with the right noise model.{beyond}",
        f"Histogram of z of {name} over {tested.size:,} values: {words}; 0 and 1 are expected "
        "without effects.",
    )
