"""Voxelwise general linear models of task fMRI, from a BIDS dataset to t maps.

`boldglm.FirstLevel` and `boldglm.SecondLevel` take and return images; `boldglm.glm` is the same
on arrays; `boldglm.interfaces` and `boldglm.workflows` are the nipype parts, `boldglm.cli` the
BIDS App.
"""

from typing import TYPE_CHECKING, Any

from boldglm._version import __version__

if TYPE_CHECKING:
    from boldglm.estimators import ContrastImages, FirstLevel, SecondLevel
    from boldglm.io.outputs.sidecars import map_metadata

__all__ = ["ContrastImages", "FirstLevel", "SecondLevel", "__version__", "map_metadata"]


def __getattr__(name: str) -> Any:
    """Import the estimators when they are asked for, so that `boldglm --help` answers at once."""
    if name == "map_metadata":
        from boldglm.io.outputs.sidecars import map_metadata

        return map_metadata
    if name in __all__:
        from boldglm import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'boldglm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
