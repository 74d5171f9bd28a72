"""Voxelwise general linear models of task fMRI, from a BIDS dataset to t maps.

`boldglm.glm` holds the numerics (arrays in, arrays out), `boldglm.interfaces` and
`boldglm.workflows` the nipype parts, `boldglm.cli` the BIDS App.
"""

from boldglm._version import __version__

__all__ = ["__version__"]
