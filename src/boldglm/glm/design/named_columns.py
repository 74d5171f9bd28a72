"""The names and values of a design, in whatever form it is given."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.design_matrix import Design


def named_columns(design: ArrayLike | Design) -> tuple[tuple[str, ...], FloatArray]:
    """Return the names and values of the regressors of a design.

    Parameters
    ----------
    design : Design, data frame, or array_like of shape (n_scans, n_regressors) or (n_scans,)
        Anything with ``columns``, such as a pandas DataFrame, counts as a data frame; its index
        is ignored.

    Returns
    -------
    names : tuple of str
        Names of the columns; ``column_1`` and so on for a bare array.
    columns : ndarray of shape (n_scans, n_regressors)
        Their values; a copy.

    Raises
    ------
    ValueError
        If the values are not real numbers, not finite or all 0, or two columns have one name.

    See Also
    --------
    build_design : Build a design from events.

    Examples
    --------
    >>> named_columns([[1.0, 0.0], [1.0, 2.0]])[0]
    ('column_1', 'column_2')
    """
    if isinstance(design, Design):
        names, values = design.names, design.matrix
    elif hasattr(design, "columns"):
        names, values = _names_and_values(design)
    else:
        values = _real_numbers(design, "the design")
        values = values[:, np.newaxis] if values.ndim == 1 else values
        names = default_names(values.shape[1]) if values.ndim == 2 else ()
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"the design has shape {values.shape}. It needs scans in rows and regressors in "
            "columns."
        )
    columns = np.array(values, dtype=np.float64)
    missing = np.flatnonzero(~np.isfinite(columns).all(axis=0)).tolist()
    if missing:
        raise ValueError(
            f"the design has values that are not finite, in {_quoted(names, missing)}. Fill them "
            "in or remove the columns."
        )
    if not columns.any():
        raise ValueError("the design is 0 in every scan and column.")
    return names, columns


def default_names(n_regressors: int) -> tuple[str, ...]:
    """Return the names of columns that have none.

    Examples
    --------
    >>> default_names(2)
    ('column_1', 'column_2')
    """
    return tuple(f"column_{k + 1}" for k in range(n_regressors))


def _names_and_values(frame: ArrayLike) -> tuple[tuple[str, ...], NDArray]:
    labels = list(frame.columns)  # type: ignore[union-attr]
    names = tuple(str(label) for label in labels)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"the design has more than one column named {', '.join(map(repr, repeated))}. "
            "Rename or remove them."
        )
    # column by column, since a frame that mixes types becomes an array of objects
    columns = [
        _real_numbers(frame[label], f"column {name!r} of the design")  # type: ignore[index,call-overload]
        for label, name in zip(labels, names, strict=True)
    ]
    return names, np.column_stack(columns) if columns else np.zeros((0, 0))


def _real_numbers(values: ArrayLike, label: str) -> NDArray:
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{label} has type {array.dtype}. It needs real numbers.")
    return array


def _quoted(names: tuple[str, ...], indices: list[int]) -> str:
    return ", ".join(repr(names[k]) for k in indices)
