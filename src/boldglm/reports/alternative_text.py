"""What a picture of a map shows, in words for a reader who cannot see it."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from boldglm.glm.arrays.types import IndexArray, RealArray
from boldglm.reports.canvas import short_number
from boldglm.reports.mosaic import is_colored

_MIDLINE = 1.0  # mm from the midline within which a peak is on neither side


def describe_map(
    row: RealArray,
    places: Callable[[IndexArray], RealArray],
    *,
    threshold: float,
    statistic: str,
    two_sided: bool,
    element: Literal["voxels", "vertices"] = "voxels",
) -> str:
    """Say how much of a map is colored, and where the largest values are.

    Parameters
    ----------
    row : ndarray of shape (n_voxels,)
        Statistic of each voxel.
    places : callable
        Gives the coordinates of voxels in mm, (n, 3).
    threshold : float
        From which voxels are colored.
    statistic : str
        Its symbol.
    two_sided : bool
        Whether negative values are colored.
    element : {"voxels", "vertices"}
        What values belong to.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> places = lambda voxels: np.array([[-42.0, 10, 3.6]])
    >>> print(describe_map(
    ...     np.array([0.0, 4.5]), places, threshold=3.09, statistic="z", two_sided=True
    ... ))
    1 of 2 voxels has |z| ≥ 3.09: 1 positive, 0 negative. Largest: z = 4.5 at x = −42, y = 10,
    z = 4 mm, left.
    """
    values = np.nan_to_num(row) if two_sided else np.maximum(np.nan_to_num(row), 0)
    colored = np.flatnonzero(is_colored(values, threshold))
    symbol = f"|{statistic}|" if two_sided else statistic
    limit = f"{symbol} ≥ {short_number(threshold)}"
    if not colored.size:
        return f"No {'voxel' if element == 'voxels' else 'vertex'} has {limit}."
    n_positive = int((values[colored] > 0).sum())
    verb = f"{element} has" if colored.size == 1 else f"{element} have"
    signs = f": {n_positive:,} positive, {colored.size - n_positive:,} negative"
    parts = [f"{colored.size:,} of {row.size:,} {verb} {limit}{signs if two_sided else ''}."]
    for word, sign in (("Largest", 1), ("Smallest", -1)):
        voxel = colored[int(np.argmax(sign * values[colored]))]
        if sign * values[voxel] > 0:
            x, y, z = places(np.array([voxel]))[0]
            side = "midline" if abs(x) < _MIDLINE else "left" if x < 0 else "right"
            where = ", ".join(
                f"{axis} = {c:z.0f}" for axis, c in zip("xyz", (x, y, z), strict=True)
            )
            value = short_number(float(values[voxel]))
            parts.append(f"{word}: {statistic} = {value} at {where} mm, {side}.")
    return " ".join(parts).replace("-", "−")
