"""What a run says of two regressors that share variance, as its record keeps it for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from boldglm.glm.design.regressor_pairs import Estimate, RegressorPair

LEVELS_OF_GRAY = 9  # in densities, beside 0
MOST_BINS = 200


@dataclass(frozen=True)
class Density:
    """How often pairs of two estimates occur among voxels.

    Parameters
    ----------
    across, up : (str, str)
        The two estimates, in the order of a drawing.
    correlation : float
        Between them, over voxels; 0 if one of them does not vary.
    rows : tuple of str
        A digit for each bin, from no voxel (0) to the most (9), logarithmic; the top row first.
    """

    across: Estimate
    up: Estimate
    correlation: float
    rows: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredPair:
    """Two regressors, and what three models make of their estimates over voxels.

    Parameters
    ----------
    pair : RegressorPair
        The regressors.
    n_voxels : int
        Number of voxels that were compared.
    limit : float
        Densities reach from minus this to this, in the unit of the effects.
    spread : mapping of (str, str) to (float, float)
        Standard deviation over voxels and median standard error of each estimate.
    densities : tuple of Density
        Estimates against each other.
    reason : str
        Why the estimates were not compared; empty if they were.
    """

    pair: RegressorPair
    n_voxels: int = 0
    limit: float = 0.0
    spread: Mapping[Estimate, tuple[float, float]] = field(default_factory=dict)
    densities: tuple[Density, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "First": self.pair.first,
            "Second": self.pair.second,
            "FirstColumns": list(self.pair.first_columns),
            "SecondColumns": list(self.pair.second_columns),
            "Voxels": self.n_voxels,
            "Limit": self.limit,
            "Spread": {" ".join(key): list(values) for key, values in self.spread.items()},
            "Densities": [
                {
                    "Across": " ".join(one.across),
                    "Up": " ".join(one.up),
                    "Correlation": one.correlation,
                    "Rows": list(one.rows),
                }
                for one in self.densities
            ],
            "Reason": self.reason,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "MeasuredPair":
        """Create from the dictionary of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or cannot be drawn.
        """
        first, second = _texts([content["First"], content["Second"]])
        pair = RegressorPair(
            first, second, _texts(content["FirstColumns"]), _texts(content["SecondColumns"])
        )
        if first not in pair.first_columns or second not in pair.second_columns:
            raise ValueError(f"its Pairs have {first!r:.40} or {second!r:.40} without a column")
        spread = {
            _estimate(key): (_number(values[0]), _number(values[1]))
            for key, values in content["Spread"].items()
        }
        densities = tuple(
            Density(
                _estimate(one["Across"]),
                _estimate(one["Up"]),
                _number(one["Correlation"]),
                _rows(one["Rows"]),
            )
            for one in content["Densities"]
        )
        limit = _number(content["Limit"])
        if densities and limit <= 0:
            raise ValueError(f"a Limit above 0 but {limit:g}")
        return cls(
            pair,
            int(_number(content["Voxels"])),
            limit,
            spread,
            densities,
            str(content["Reason"]),
        )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"its Pairs have {values!r:.40}, not names")
    return tuple(values)


def _estimate(text: Any) -> Estimate:
    name, blank, model = str(text).partition(" ")
    if not blank:
        raise ValueError(f"its Pairs have an estimate {text!r:.40}")
    return name, model


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TypeError(f"its Pairs have {value!r:.40}, not a finite number")
    return float(value)


def _rows(values: Sequence[Any]) -> tuple[str, ...]:
    rows = _texts(values)
    is_square = 0 < len(rows) <= MOST_BINS and all(len(row) == len(rows) for row in rows)
    if not is_square or not all(row.isascii() and row.isdigit() for row in rows):
        raise ValueError("its Pairs have a density that is no square of digits")
    return rows
