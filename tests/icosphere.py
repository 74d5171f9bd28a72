"""Spheres of triangles, as coarse or fine as a test needs."""

import numpy as np

GOLDEN = (1 + 5**0.5) / 2


def icosphere(n_divisions, radius=100.0):
    """Return vertices (10 * 4**n + 2, 3) in mm and triangles (20 * 4**n, 3)."""
    points = np.array(
        [
            (-1, GOLDEN, 0), (1, GOLDEN, 0), (-1, -GOLDEN, 0), (1, -GOLDEN, 0),
            (0, -1, GOLDEN), (0, 1, GOLDEN), (0, -1, -GOLDEN), (0, 1, -GOLDEN),
            (GOLDEN, 0, -1), (GOLDEN, 0, 1), (-GOLDEN, 0, -1), (-GOLDEN, 0, 1),
        ]
    )  # fmt: skip
    triangles = np.array(
        [
            (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4),
            (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8),
            (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
        ]
    )  # fmt: skip
    for _ in range(n_divisions):
        sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        edges, which = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
        first, second, third = which.ravel().reshape(3, -1) + len(points)
        points = np.concatenate([points, points[edges].mean(axis=1)])
        triangles = np.concatenate(
            [
                np.column_stack([triangles[:, 0], first, third]),
                np.column_stack([triangles[:, 1], second, first]),
                np.column_stack([triangles[:, 2], third, second]),
                np.column_stack([first, second, third]),
            ]
        )
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True), triangles


def edges_of(triangles):
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(sides, axis=1), axis=0)
